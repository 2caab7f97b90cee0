"""Every error that domain code raises.

RushesError
├── SettingsInvalid            (start-up only: the process refuses to run)
├── DataNewer                  (start-up only: the data belongs to a newer version)
├── LeaseLost                  (workers only: another run owns the job now)
├── BlobMissing                (inside only: a key of the blob store holds nothing)
├── ImageRefused · VideoRefused  (inside only: who asked knows which field or output it was)
└── RequestError               (reaches the caller, with `reason`)
    ├── CredentialsMissing · CredentialsInvalid · CredentialsExpired
    ├── NotFound
    ├── FieldInvalid · CapabilityUnsupported · InputInvalid · PageTokenInvalid · ResumeTokenInvalid
    ├── RequestIdConflict · JobStateInvalid · ModelRetired · MethodUnimplemented
    ├── ProviderNotConfigured
    ├── CostAboveLimit · BudgetExceeded · PriceUnknown
    ├── QueueFull · TooManyWatches · RateLimited · StorageFull
    └── ServerDraining · DependencyUnavailable · WatcherTooSlow

The gRPC code of each reason is in `server/interceptors/boundary.py`. A class's docstring is its
default message. Job failures are values (`core.jobs.JobFailure`), not exceptions of a call.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Reason(StrEnum):
    """Names of rushes.v1.ErrorReason; a test holds the two together."""

    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    CREDENTIALS_EXPIRED = "CREDENTIALS_EXPIRED"
    SCOPE_MISSING = "SCOPE_MISSING"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    FIELD_INVALID = "FIELD_INVALID"
    MODEL_CAPABILITY_UNSUPPORTED = "MODEL_CAPABILITY_UNSUPPORTED"
    INPUT_MEDIA_INVALID = "INPUT_MEDIA_INVALID"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    RESUME_TOKEN_INVALID = "RESUME_TOKEN_INVALID"
    REQUEST_ID_CONFLICT = "REQUEST_ID_CONFLICT"
    JOB_STATE_INVALID = "JOB_STATE_INVALID"
    MODEL_RETIRED = "MODEL_RETIRED"
    PROVIDER_NOT_CONFIGURED = "PROVIDER_NOT_CONFIGURED"
    COST_ABOVE_LIMIT = "COST_ABOVE_LIMIT"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    RATE_LIMITED = "RATE_LIMITED"
    QUEUE_FULL = "QUEUE_FULL"
    TOO_MANY_WATCHES = "TOO_MANY_WATCHES"
    SERVER_DRAINING = "SERVER_DRAINING"
    DEPENDENCY_UNAVAILABLE = "DEPENDENCY_UNAVAILABLE"
    WATCHER_TOO_SLOW = "WATCHER_TOO_SLOW"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    PRICE_UNKNOWN = "PRICE_UNKNOWN"
    STORAGE_FULL = "STORAGE_FULL"
    METHOD_UNIMPLEMENTED = "METHOD_UNIMPLEMENTED"
    CONTENT_FILTERED = "CONTENT_FILTERED"
    PROVIDER_REJECTED = "PROVIDER_REJECTED"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    PROVIDER_QUOTA_EXHAUSTED = "PROVIDER_QUOTA_EXHAUSTED"
    PROVIDER_AUTH_FAILED = "PROVIDER_AUTH_FAILED"
    PROVIDER_TIMEOUT = "PROVIDER_TIMEOUT"
    PROVIDER_OPERATION_LOST = "PROVIDER_OPERATION_LOST"
    SUBMIT_OUTCOME_UNKNOWN = "SUBMIT_OUTCOME_UNKNOWN"
    RESULT_INVALID = "RESULT_INVALID"
    STORAGE_WRITE_FAILED = "STORAGE_WRITE_FAILED"
    START_DEADLINE_EXCEEDED = "START_DEADLINE_EXCEEDED"
    FINISH_DEADLINE_EXCEEDED = "FINISH_DEADLINE_EXCEEDED"
    WORKER_LOST = "WORKER_LOST"


class RushesError(Exception):
    """Something went wrong in Rushes."""

    def __init__(self, message: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        super().__init__(self.message)


def exit_code(error: RushesError) -> int:
    """Of a process that can't start: 2 when starting again would not help, 75 when it may."""
    return 2 if isinstance(error, SettingsInvalid | DataNewer) else 75


class SettingsInvalid(RushesError):
    """The settings do not make sense."""


class DataNewer(RushesError):
    """The database was written by a newer version of Rushes."""


class LeaseLost(RushesError):
    """Another run owns the job now."""


class BlobMissing(RushesError):
    """There are no bytes under this key."""


class ImageRefused(RushesError):
    """The bytes are no image that can be used."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class VideoRefused(RushesError):
    """The file is no video that can be used."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that is wrong, by its path ("spec.prompt"), and why."""

    field: str
    description: str


class RequestError(RushesError):
    """The request can't be served."""

    reason: ClassVar[Reason] = Reason.INTERNAL_ERROR
    retry_seconds: ClassVar[float | None] = None

    def __init__(
        self,
        message: str = "",
        *,
        violations: tuple[FieldViolation, ...] = (),
        **metadata: str | int,
    ) -> None:
        super().__init__(message)
        self.violations = violations
        self.metadata = {key: str(value) for key, value in metadata.items()}


class CredentialsMissing(RequestError):
    """Sign in: send `authorization: Bearer <token>`."""

    reason = Reason.CREDENTIALS_MISSING


class CredentialsInvalid(RequestError):
    """The token is not valid."""

    reason = Reason.CREDENTIALS_INVALID


class CredentialsExpired(RequestError):
    """The token has expired."""

    reason = Reason.CREDENTIALS_EXPIRED


class NotFound(RequestError):
    """There is no such resource."""

    reason = Reason.RESOURCE_NOT_FOUND

    def __init__(self, resource: str, field: str = "") -> None:
        violation = FieldViolation(field, f"there is no such {resource}")
        super().__init__(
            f"There is no such {resource}.",
            violations=(violation,) if field else (),
            resource=resource,
        )


class FieldInvalid(RequestError):
    """A field of the request is wrong."""

    reason = Reason.FIELD_INVALID

    def __init__(self, *violations: FieldViolation, message: str = "") -> None:
        text = "; ".join(f"{v.field}: {v.description}" for v in violations)
        super().__init__(message or text, violations=violations)


def field_invalid(field: str, description: str) -> FieldInvalid:
    """The error for one wrong field."""
    return FieldInvalid(FieldViolation(field, description))


class CapabilityUnsupported(RequestError):
    """The model does not support this."""

    reason = Reason.MODEL_CAPABILITY_UNSUPPORTED

    def __init__(self, model: str, field: str, supported: str) -> None:
        text = f"{field}: {model} supports {supported or 'no such field'}"
        violation = FieldViolation(field, f"{model} supports {supported or 'no such field'}")
        super().__init__(
            text, violations=(violation,), model=model, field=field, supported=supported
        )


class InputInvalid(RequestError):
    """An input is not an image that can be used."""

    reason = Reason.INPUT_MEDIA_INVALID

    def __init__(self, field: str, cause: str) -> None:
        violation = FieldViolation(field, cause)
        super().__init__(f"{field}: {cause}", violations=(violation,), field=field, cause=cause)


class PageTokenInvalid(RequestError):
    """The page token is damaged, expired, or of another list."""

    reason = Reason.PAGE_TOKEN_INVALID

    def __init__(self) -> None:
        cause = "is damaged, expired, or of another list"
        super().__init__(violations=(FieldViolation("page_token", cause),))


class ResumeTokenInvalid(RequestError):
    """The resume token is damaged or another user's."""

    reason = Reason.RESUME_TOKEN_INVALID

    def __init__(self) -> None:
        cause = "is damaged or another user's"
        super().__init__(violations=(FieldViolation("resume_token", cause),))


class RequestIdConflict(RequestError):
    """The request_id was used for a different request."""

    reason = Reason.REQUEST_ID_CONFLICT


class JobStateInvalid(RequestError):
    """The job's state does not allow this."""

    reason = Reason.JOB_STATE_INVALID


class ModelRetired(RequestError):
    """The model is retired."""

    reason = Reason.MODEL_RETIRED


class ProviderNotConfigured(RequestError):
    """The model's provider is not configured here."""

    reason = Reason.PROVIDER_NOT_CONFIGURED


class MethodUnimplemented(RequestError):
    """This version of the server does not have the method yet."""

    reason = Reason.METHOD_UNIMPLEMENTED


class CostAboveLimit(RequestError):
    """The job would cost more than max_cost."""

    reason = Reason.COST_ABOVE_LIMIT


class BudgetExceeded(RequestError):
    """The budget does not have room for this job."""

    reason = Reason.BUDGET_EXCEEDED


class PriceUnknown(RequestError):
    """The model has no price here, so it can't be run."""

    reason = Reason.PRICE_UNKNOWN


class QueueFull(RequestError):
    """Too many of your jobs wait in the queue."""

    reason = Reason.QUEUE_FULL


class TooManyWatches(RequestError):
    """Too many watches are open."""

    reason = Reason.TOO_MANY_WATCHES


class RateLimited(RequestError):
    """Too many requests."""

    reason = Reason.RATE_LIMITED
    retry_seconds = 1.0


class StorageFull(RequestError):
    """The storage is full."""

    reason = Reason.STORAGE_FULL


class ServerDraining(RequestError):
    """The server is shutting down; resume with the last token."""

    reason = Reason.SERVER_DRAINING
    retry_seconds = 0.1


class DependencyUnavailable(RequestError):
    """Something that the server needs can't be reached."""

    reason = Reason.DEPENDENCY_UNAVAILABLE
    retry_seconds = 1.0

    def __init__(self, dependency: str) -> None:
        super().__init__(f"The {dependency} can't be reached now.", dependency=dependency)


class WatcherTooSlow(RequestError):
    """The watcher read too slowly; resume with the last token, nothing is lost."""

    reason = Reason.WATCHER_TOO_SLOW
