"""Every error that domain code raises.

RushesError
├── SettingsInvalid            (start-up only: the process refuses to run)
├── DataNewer                  (start-up only: the data belongs to a newer version)
├── LeaseLost                  (workers only: another run owns the job now)
├── BlobMissing                (inside only: a key of the blob store holds nothing)
├── ImageRefused · VideoRefused  (inside only: the caller knows which field or output it was)
└── RequestError               (reaches the caller, with `reason`)
    ├── CredentialsMissing · CredentialsInvalid · CredentialsExpired · ScopeMissing
    ├── NotFound
    ├── FieldInvalid · CapabilityUnsupported · InputInvalid · PageTokenInvalid · ResumeTokenInvalid
    ├── RequestIdConflict · JobStateInvalid · ModelRetired · MethodUnimplemented
    ├── ProviderNotConfigured · FeatureDisabled
    ├── CostAboveLimit · BudgetExceeded · PriceUnknown
    ├── QueueFull · TooManyWatches · RateLimited · StorageFull · ResourceLimitReached
    ├── UploadIncomplete · UploadMismatch
    └── ServerDraining · DependencyUnavailable (QueryTooSlow) · WatcherTooSlow

The gRPC code of each reason is in `server/interceptors/boundary.py`. A class's docstring is its
default message, so it is a sentence for the caller: what is wrong, and what would be right.
Job failures are values (`core.jobs.JobFailure`), not exceptions of a call.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Reason(StrEnum):
    """Names of rushes.v1.ErrorReason; a test compares the two."""

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
    RESOURCE_LIMIT_REACHED = "RESOURCE_LIMIT_REACHED"
    FEATURE_DISABLED = "FEATURE_DISABLED"
    UPLOAD_INCOMPLETE = "UPLOAD_INCOMPLETE"
    UPLOAD_MISMATCH = "UPLOAD_MISMATCH"
    REPORT_SEQUENCE_OLD = "REPORT_SEQUENCE_OLD"
    QUERY_TOO_SLOW = "QUERY_TOO_SLOW"
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
    REPORT_FAILED = "REPORT_FAILED"
    SOURCE_UNAVAILABLE = "SOURCE_UNAVAILABLE"


class RushesError(Exception):
    """Something went wrong in Rushes."""

    def __init__(self, message: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        super().__init__(self.message)


def exit_code(error: RushesError) -> int:
    """The exit code of a process that can't start: 2 when another start would fail too, else 75."""
    return 2 if isinstance(error, SettingsInvalid | DataNewer) else 75


class SettingsInvalid(RushesError):
    """The settings do not make sense."""


class DataNewer(RushesError):
    """The database was written by a newer version of Rushes."""


class LeaseLost(RushesError):
    """Another run owns the job now."""


class BlobMissing(RushesError):
    """The blob store has no bytes under this key."""


class ImageRefused(RushesError):
    """The bytes are not an image that can be used."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class VideoRefused(RushesError):
    """The file is not a video that can be used."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One wrong field of a request: its path ("spec.prompt"), and what would be right."""

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
    """The token is not valid: it is damaged, or it is not signed with this server's key."""

    reason = Reason.CREDENTIALS_INVALID


class CredentialsExpired(RequestError):
    """The token has expired; get a new one."""

    reason = Reason.CREDENTIALS_EXPIRED


class ScopeMissing(RequestError):
    """The token or API key does not allow this; it lacks a scope."""

    reason = Reason.SCOPE_MISSING


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
        cause = f"{model} supports {supported}" if supported else f"{model} does not support this"
        super().__init__(
            f"{field}: {cause}",
            violations=(FieldViolation(field, cause),),
            model=model,
            field=field,
            supported=supported,
        )


class InputInvalid(RequestError):
    """An input can't be used."""

    reason = Reason.INPUT_MEDIA_INVALID

    def __init__(self, field: str, cause: str) -> None:
        violation = FieldViolation(field, cause)
        super().__init__(f"{field}: {cause}", violations=(violation,), field=field, cause=cause)


class PageTokenInvalid(RequestError):
    """The page token is damaged, expired, or from another list; list from the first page."""

    reason = Reason.PAGE_TOKEN_INVALID

    def __init__(self) -> None:
        cause = "is damaged, expired, or from another list"
        super().__init__(violations=(FieldViolation("page_token", cause),))


class ResumeTokenInvalid(RequestError):
    """The resume token is damaged or another user's; watch without a token."""

    reason = Reason.RESUME_TOKEN_INVALID

    def __init__(self) -> None:
        cause = "is damaged or another user's"
        super().__init__(violations=(FieldViolation("resume_token", cause),))


class RequestIdConflict(RequestError):
    """This request_id was used for a different request; use a new one."""

    reason = Reason.REQUEST_ID_CONFLICT


class JobStateInvalid(RequestError):
    """The job's state does not allow this."""

    reason = Reason.JOB_STATE_INVALID


class ModelRetired(RequestError):
    """This model is no longer offered."""

    reason = Reason.MODEL_RETIRED


class ProviderNotConfigured(RequestError):
    """The model's provider is not configured here."""

    reason = Reason.PROVIDER_NOT_CONFIGURED

    def __init__(self, provider: str, setting: str) -> None:
        super().__init__(
            f"The provider {provider} needs {setting}.", provider=provider, setting=setting
        )


class FeatureDisabled(RequestError):
    """The operator of this server has switched this off."""

    reason = Reason.FEATURE_DISABLED

    def __init__(self, feature: str, setting: str) -> None:
        super().__init__(
            f"The operator of this server has switched {feature} off.",
            feature=feature,
            setting=setting,
        )


class MethodUnimplemented(RequestError):
    """This version of the server does not have the method yet."""

    reason = Reason.METHOD_UNIMPLEMENTED


class CostAboveLimit(RequestError):
    """The job would cost more than max_cost."""

    reason = Reason.COST_ABOVE_LIMIT

    def __init__(self, estimated: str, max_cost: str) -> None:
        super().__init__(
            f"This job would cost {estimated}, more than max_cost ({max_cost}).",
            estimated=estimated,
            max_cost=max_cost,
        )


class BudgetExceeded(RequestError):
    """This job would exceed your budget."""

    reason = Reason.BUDGET_EXCEEDED


class PriceUnknown(RequestError):
    """This model has no price here, so it can't be run; take another, or add its price."""

    reason = Reason.PRICE_UNKNOWN


class QueueFull(RequestError):
    """Too many of your jobs are queued; wait until some have run."""

    reason = Reason.QUEUE_FULL


class TooManyWatches(RequestError):
    """You have too many open watches; close one. One watch can follow all of your jobs."""

    reason = Reason.TOO_MANY_WATCHES


class RateLimited(RequestError):
    """Too many requests; slow down."""

    reason = Reason.RATE_LIMITED
    retry_seconds = 1.0


class StorageFull(RequestError):
    """The storage is full."""

    reason = Reason.STORAGE_FULL


class ResourceLimitReached(RequestError):
    """You have as many of these as you may; delete or end one of them first."""

    reason = Reason.RESOURCE_LIMIT_REACHED

    def __init__(self, resource: str, limit: int, message: str = "") -> None:
        text = f"You have {limit} {resource}, as many as you may; delete or end one of them first."
        super().__init__(message or text, resource=resource, limit=limit)


class UploadIncomplete(RequestError):
    """These are not the bytes that come next; go on where the upload stands."""

    reason = Reason.UPLOAD_INCOMPLETE

    def __init__(self, received_bytes: int, message: str = "") -> None:
        super().__init__(message, received_bytes=received_bytes)
        self.received_bytes = received_bytes


class UploadMismatch(RequestError):
    """The bytes are not those that CreateUpload named."""

    reason = Reason.UPLOAD_MISMATCH

    def __init__(self, field: str, cause: str) -> None:
        violation = FieldViolation(field, cause)
        super().__init__(f"{field}: {cause}", violations=(violation,), field=field)


class ServerDraining(RequestError):
    """The server is shutting down; resume with the last token."""

    reason = Reason.SERVER_DRAINING
    retry_seconds = 0.1


class DependencyUnavailable(RequestError):
    """Something that the server needs can't be reached; try again."""

    reason = Reason.DEPENDENCY_UNAVAILABLE
    retry_seconds: ClassVar[float | None] = 1.0

    def __init__(self, dependency: str) -> None:
        super().__init__(f"The {dependency} can't be reached; try again.", dependency=dependency)


class QueryTooSlow(DependencyUnavailable):
    """The database took too long; ask for less: a shorter time span, fewer words, smaller pages."""

    reason = Reason.QUERY_TOO_SLOW
    retry_seconds = None

    def __init__(self) -> None:
        RequestError.__init__(self)


class WatcherTooSlow(RequestError):
    """The watcher read too slowly; resume with the last token, nothing is lost."""

    reason = Reason.WATCHER_TOO_SLOW
