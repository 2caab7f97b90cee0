"""The watch without I/O: what to ask for, which events to hand on, when to connect again.

`EventStream` and `AsyncEventStream` do what `WatchProtocol` decides:

    connect with request() ──▶ receive(response) for each ──▶ ended(error) ──▶ Reconnect(delay)
                                                                         └───▶ Stop(error)
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import grpc

from rushes.errors import (
    CredentialsExpired,
    DeadlineExceeded,
    RushesError,
    TooManyWatches,
    error_class,
    reason_name,
)
from rushes.retry import Backoff
from rushes.v1.error_reason_pb2 import ErrorReason
from rushes.v1.job_pb2 import Job
from rushes.v1.media_service_pb2 import WatchEvent, WatchJobsRequest, WatchJobsResponse

DEFAULT_CHECKPOINT_SECONDS = 15.0
# The server coerces the checkpoint interval into these bounds, in seconds.
CHECKPOINT_BOUNDS = (1.0, 60.0)
SILENT_CHECKPOINTS = 3

_RESUMABLE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
    }
)

# Codes of the reasons in `WatchEvent.end`, for a stream whose status was lost on the way.
_END_CODES: dict[int, grpc.StatusCode] = {
    ErrorReason.CREDENTIALS_EXPIRED: grpc.StatusCode.UNAUTHENTICATED,
    ErrorReason.SERVER_DRAINING: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.DEPENDENCY_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.WATCHER_TOO_SLOW: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorReason.TOO_MANY_WATCHES: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorReason.RESOURCE_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
}


@dataclass(frozen=True)
class Reconnect:
    """Connect again after `delay` seconds, because of `error`."""

    delay: float
    error: RushesError


@dataclass(frozen=True)
class Stop:
    """The watch is over: as asked (no error) or because of `error`."""

    error: RushesError | None = None


@dataclass
class WatchLimits:
    """How long a watch tolerates failure, in seconds; None is for ever.

    connect: until the first response. outage: without any, later on. total: of all of it.
    """

    connect: float | None = 15.0
    outage: float | None = None
    total: float | None = None


@dataclass
class WatchProtocol:
    """All that one watch remembers between responses and between connections.

    A revision is one user's: an administrator's watch sees several, each rising by itself.
    """

    wanted: WatchJobsRequest
    started: float
    limits: WatchLimits = field(default_factory=WatchLimits)
    fresh_token: bool = False
    backoff: Backoff = field(default_factory=Backoff)
    resume_token: str = field(init=False)
    _revisions: dict[str, int] = field(default_factory=dict, init=False)
    _end: WatchEvent.End | None = field(default=None, init=False)
    _heard: float | None = field(default=None, init=False)
    _renewed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.resume_token = self.wanted.resume_token

    @property
    def silence(self) -> float:
        """Seconds without a response after which the stream is dead."""
        asked = self.wanted.checkpoint_interval.ToNanoseconds() / 1e9
        low, high = CHECKPOINT_BOUNDS
        return SILENT_CHECKPOINTS * min(max(asked or DEFAULT_CHECKPOINT_SECONDS, low), high)

    def read_timeout(self, now: float) -> float:
        """Seconds that the next read may take."""
        if self.limits.total is None:
            return self.silence
        return max(0.0, min(self.silence, self.started + self.limits.total - now))

    def request(self) -> WatchJobsRequest:
        """What to send on the next connection."""
        request = WatchJobsRequest()
        request.CopyFrom(self.wanted)
        request.resume_token = self.resume_token
        self._end = None
        return request

    def receive(self, response: WatchJobsResponse, now: float) -> list[WatchEvent]:
        """The events of a response that are new. Later connections resume from its token."""
        self._heard = now
        self._renewed = False
        self.backoff.reset()
        news = [event for event in response.events if self._is_news(event)]
        if response.resume_token:
            self.resume_token = response.resume_token
        return news

    def ended(self, error: RushesError | None, now: float) -> Reconnect | Stop:
        """What to do after a connection ended; without an error the server closed it with OK."""
        if self.limits.total is not None and now >= self.started + self.limits.total:
            return Stop(DeadlineExceeded("The watch took longer than it was allowed to."))
        cause = self._cause(error)
        if cause is None:
            return Stop()
        if isinstance(cause, CredentialsExpired) and self.fresh_token and not self._renewed:
            self._renewed = True
            return Reconnect(0.0, cause)
        if cause.code not in _RESUMABLE or isinstance(cause, TooManyWatches):
            return Stop(cause)
        delay = self.backoff.next(cause.retry_delay)
        return Stop(cause) if self._too_long(now + delay) else Reconnect(delay, cause)

    def _is_news(self, event: WatchEvent) -> bool:
        kind = event.WhichOneof("event")
        if kind == "end":
            self._end = event.end
            return False
        if kind == "reset":
            self._revisions.clear()
            return True
        if kind == "job":
            # A watch that includes more has events without a job, which name no user: it is of one.
            user_id = "" if self.wanted.include else event.job.job.user_id
            return self._is_new_revision(event.revision, user_id, event.job.job.revision)
        if event.revision:
            return self._is_new_revision(event.revision, "", 0)
        beside = event.notifications or event.views or event.HasField("announcement")
        return kind is not None or bool(beside)

    def _is_new_revision(self, revision: int, user_id: str, of_job: int) -> bool:
        """True for a job of a snapshot (revision 0), and for a revision above the last one."""
        seen = self._revisions.get(user_id, 0)
        if revision and revision <= seen:
            return False
        self._revisions[user_id] = max(seen, revision or of_job)
        return True

    def _cause(self, error: RushesError | None) -> RushesError | None:
        """Why the stream ended: its status, else its last event; None when it was done."""
        said = self._end.reason if self._end is not None else None
        if error is not None and (error.reason or not said):
            return error
        if said:
            code = _END_CODES.get(said, grpc.StatusCode.UNKNOWN)
            reason = reason_name(said)
            return error_class(code, reason)(
                "The server ended the watch.", code=code, reason=reason
            )
        if self.wanted.until_done:
            return None
        return error_class(grpc.StatusCode.UNAVAILABLE, "")(
            "The watch was cut off.", code=grpc.StatusCode.UNAVAILABLE
        )

    def _too_long(self, then: float) -> bool:
        allowed = self.limits.connect if self._heard is None else self.limits.outage
        since = self.started if self._heard is None else self._heard
        return allowed is not None and then > since + allowed


def is_done(job: Job) -> bool:
    """Whether a job has ended. For a state that this client does not know, end_time decides."""
    return job.state in (Job.SUCCEEDED, Job.FAILED, Job.CANCELLED) or job.HasField("end_time")


EventHandler = Callable[[WatchEvent], None]
