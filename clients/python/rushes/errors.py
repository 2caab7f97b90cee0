"""Every error that the client raises.

RushesError
├── NotSignedIn                    no token, or a bad one
│   └── CredentialsExpired
├── NotAllowed                     the token lacks a scope
├── NotFound                       it does not exist, or it belongs to another user
├── InvalidRequest                 `violations` names the fields
│   ├── InvalidArgument            found by the client, before it calls; also a ValueError
│   └── UnsupportedByModel
├── Conflict                       the request_id was used for another request
├── PreconditionFailed             the state of a thing does not allow it
│   ├── ModelRetired
│   └── CostAboveLimit
├── LimitReached                   queue, rate, watches, storage
│   ├── BudgetExceeded
│   └── TooManyWatches
├── Unavailable                    the server can't be reached or is draining
├── DeadlineExceeded               it took longer than the caller allowed; also a TimeoutError
├── Cancelled                      the caller gave up the call
├── NotSupported                   the server does not know this call
├── InternalError                  `metadata["error_id"]` is in the server's log
├── DownloadDamaged                the bytes are not those that the server promised
└── JobEnded                       by `wait`; `job` is the whole job
    ├── JobFailed
    └── JobCancelled

Which class an answer becomes: by its reason (`rushes.v1.ErrorReason`) where the table `_BY_REASON`
names one, else by its gRPC code (`_BY_CODE`).
"""

import warnings
from collections.abc import Iterable

import grpc

from rushes.v1.error_reason_pb2 import ErrorReason
from rushes.v1.job_pb2 import Job


class RushesError(Exception):
    """Something went wrong.

    reason: name of the rushes.v1.ErrorReason; empty when the answer did not come from Rushes.
    metadata: the keys that the reason names.
    violations: (field, description) of every wrong field.
    code: the gRPC code; None for what the client found by itself.
    retry_delay: seconds that the server asks to wait before another try.
    request_id: finds the call in the server's log; empty when no server answered.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        metadata: dict[str, str] | None = None,
        violations: tuple[tuple[str, str], ...] = (),
        code: grpc.StatusCode | None = None,
        retry_delay: float = 0.0,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata = metadata or {}
        self.violations = violations
        self.code = code
        self.retry_delay = retry_delay
        self.request_id = request_id


class RushesWarning(UserWarning):
    """The server did what was asked, and warns: for example that the model is retired soon."""


class NotSignedIn(RushesError):
    """No token was sent, or a bad one."""


class CredentialsExpired(NotSignedIn):
    """The token has expired."""


class NotAllowed(RushesError):
    """The token does not allow this."""


class NotFound(RushesError):
    """It does not exist, or it belongs to another user: the two look the same."""


class InvalidRequest(RushesError):
    """The request is wrong; `violations` names the fields."""


class InvalidArgument(InvalidRequest, ValueError):
    """An argument that no request can hold; the client refuses it before it calls the server."""

    def __init__(self, field: str, description: str) -> None:
        super().__init__(f"{field}: {description}", violations=((field, description),))


class UnsupportedByModel(InvalidRequest):
    """The model does not offer what was asked for."""


class Conflict(RushesError):
    """The request_id was used for a different request."""


class PreconditionFailed(RushesError):
    """The state of a job, a model or the installation does not allow this now."""


class ModelRetired(PreconditionFailed):
    """The model is gone; `metadata["replacement"]` may name another."""


class CostAboveLimit(PreconditionFailed):
    """The estimate is above the request's max_cost."""


class LimitReached(RushesError):
    """A limit of the user or of the installation is reached."""


class BudgetExceeded(LimitReached):
    """The budget does not cover the estimate."""


class TooManyWatches(LimitReached):
    """Too many watches are open."""


class Unavailable(RushesError):
    """The server, or something that it needs, can't be reached now."""


class DeadlineExceeded(RushesError, TimeoutError):
    """It took longer than the caller allowed."""


class Cancelled(RushesError):
    """The caller gave up the call."""


class NotSupported(RushesError):
    """The server does not know this call."""


class InternalError(RushesError):
    """The server failed; `metadata["error_id"]` is to be found in its log."""


class DownloadDamaged(RushesError):
    """The downloaded bytes are not those that the server promised; nothing was written."""


class JobEnded(RushesError):
    """A job that was waited for did not succeed; `job` holds all of it, also partial outputs."""

    def __init__(self, message: str, job: Job, reason: str = "") -> None:
        super().__init__(message, reason=reason, metadata=dict(job.error.metadata))
        self.job = job


class JobFailed(JobEnded):
    """The job failed; `reason` and `metadata` say why, `job.cost` whether it cost money."""


class JobCancelled(JobEnded):
    """The job was cancelled."""


_BY_REASON: dict[str, type[RushesError]] = {
    "CREDENTIALS_EXPIRED": CredentialsExpired,
    "MODEL_CAPABILITY_UNSUPPORTED": UnsupportedByModel,
    "MODEL_RETIRED": ModelRetired,
    "COST_ABOVE_LIMIT": CostAboveLimit,
    "BUDGET_EXCEEDED": BudgetExceeded,
    "TOO_MANY_WATCHES": TooManyWatches,
}

_BY_CODE: dict[grpc.StatusCode, type[RushesError]] = {
    grpc.StatusCode.UNAUTHENTICATED: NotSignedIn,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowed,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionFailed,
    grpc.StatusCode.RESOURCE_EXHAUSTED: LimitReached,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.UNIMPLEMENTED: NotSupported,
}


def error_class(code: grpc.StatusCode, reason: str) -> type[RushesError]:
    """The class for an answer with this code and reason (empty when it has none)."""
    return _BY_REASON.get(reason) or _BY_CODE.get(code, InternalError)


def job_ended(job: Job) -> JobEnded | None:
    """The error that says how `job` ended; None when it succeeded or has not ended."""
    if job.state == Job.CANCELLED:
        return JobCancelled(f"Job {job.job_id} was cancelled.", job)
    if job.state != Job.FAILED:
        return None
    reason = reason_name(job.error.reason)
    message = job.error.message or reason or "no reason given"
    return JobFailed(f"Job {job.job_id} failed: {message}", job, reason)


def outcome(job: Job) -> Job:
    """The job when it succeeded.

    Raises:
        JobFailed, JobCancelled: when it ended so.
    """
    if error := job_ended(job):
        raise error
    return job


def not_ended(job_id: str, seconds: float | None) -> DeadlineExceeded:
    """The error of a wait that took too long; the job goes on."""
    text = f"Job {job_id} has not ended within {seconds:g} s; it goes on." if seconds else ""
    return DeadlineExceeded(text or f"Job {job_id} has not ended; it goes on.")


def warn(texts: Iterable[str]) -> None:
    """Hands the server's warnings to the caller of the client's method."""
    for text in texts:
        warnings.warn(text, RushesWarning, stacklevel=3)


def reason_name(number: int) -> str:
    """The name of a reason; empty for 0, its number for one that is newer than this client."""
    if not number:
        return ""
    known = ErrorReason.DESCRIPTOR.values_by_number.get(number)
    return known.name if known else str(number)
