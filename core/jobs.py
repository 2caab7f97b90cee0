"""The job and its state machine: pure values and one table of legal moves, no I/O.

`docs/states.md` draws the table. The store applies it in SQL.
"""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import Any

from core.errors import Reason
from core.kinds import KINDS, Record
from core.media import Media
from core.specs import Spec, spec_to_json


class State(StrEnum):
    """The state of a job."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    RECONCILING = "RECONCILING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def terminal(self) -> bool:
        """Whether the job has ended; a terminal state never changes."""
        return self in TERMINAL


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
UNFINISHED = frozenset(State) - TERMINAL


class EventType(StrEnum):
    """What happened to a job; each durable event has one."""

    QUEUED = "QUEUED"
    STARTED = "STARTED"
    UPDATED = "UPDATED"
    RECONCILING = "RECONCILING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


# The legal moves: (state before, event) -> state after. No move leaves a terminal state.
MOVES: dict[tuple[State | None, EventType], State] = {
    (None, EventType.QUEUED): State.QUEUED,
    (State.QUEUED, EventType.STARTED): State.RUNNING,
    (State.QUEUED, EventType.FAILED): State.FAILED,
    (State.QUEUED, EventType.CANCELLED): State.CANCELLED,
    (State.RUNNING, EventType.UPDATED): State.RUNNING,
    (State.RUNNING, EventType.RECONCILING): State.RECONCILING,
    (State.RUNNING, EventType.SUCCEEDED): State.SUCCEEDED,
    (State.RUNNING, EventType.FAILED): State.FAILED,
    (State.RUNNING, EventType.CANCELLED): State.CANCELLED,
    (State.RECONCILING, EventType.UPDATED): State.RECONCILING,
    (State.RECONCILING, EventType.STARTED): State.RUNNING,
    (State.RECONCILING, EventType.SUCCEEDED): State.SUCCEEDED,
    (State.RECONCILING, EventType.FAILED): State.FAILED,
    (State.RECONCILING, EventType.CANCELLED): State.CANCELLED,
    # The state stays; an uncertain cost was settled afterwards.
    (State.FAILED, EventType.UPDATED): State.FAILED,
    (State.CANCELLED, EventType.UPDATED): State.CANCELLED,
}


class IllegalMove(ValueError):
    """The state machine has no such move."""


def move(state: State | None, event: EventType) -> State:
    """The state after `event`.

    Raises:
        IllegalMove: when the table has no such move.
    """
    try:
        return MOVES[state, event]
    except KeyError:
        raise IllegalMove(f"{event} in state {state}") from None


class Step(StrEnum):
    """What a worker has to do next with a running job; each is short and can be repeated."""

    SUBMIT = "SUBMIT"
    POLL = "POLL"
    FETCH = "FETCH"


class Outcome(StrEnum):
    """The outcome of a submit that may cost money.

    OPEN means that nobody knows it yet, or that the worker which sent the submit is gone.
    """

    OPEN = "OPEN"
    # Nothing reached the provider, so it may be sent again.
    NOT_SENT = "NOT_SENT"
    # The provider refused it and charged nothing.
    REJECTED = "REJECTED"
    ACCEPTED = "ACCEPTED"
    # The provider may have accepted it: it is never sent again by itself.
    UNKNOWN = "UNKNOWN"


class Stage(StrEnum):
    """How far a job is, for people; names of rushes.v1.Progress.Stage."""

    WAITING = "WAITING"
    SUBMITTING = "SUBMITTING"
    GENERATING = "GENERATING"
    DOWNLOADING = "DOWNLOADING"
    POST_PROCESSING = "POST_PROCESSING"
    FINISHED = "FINISHED"
    RECONCILING = "RECONCILING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is. `percent` is 0 to 100 and never falls inside one attempt."""

    stage: Stage = Stage.WAITING
    percent: int = 0
    estimated: bool = False
    message: str = ""
    remaining_ms: int | None = None


class CostState(StrEnum):
    """Where a job's money stands; names of rushes.v1.Cost.State."""

    ESTIMATED = "ESTIMATED"
    RESERVED = "RESERVED"
    CHARGED = "CHARGED"
    RELEASED = "RELEASED"
    UNCERTAIN = "UNCERTAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Money of one job, in integer micro-units of the installation's currency."""

    state: CostState
    estimated_micros: int
    actual_micros: int | None = None
    price_revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailure:
    """Why a job failed. The message is for people and never holds the prompt."""

    reason: Reason
    message: str
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One unit of work as the database has it. Times are integer milliseconds of the database."""

    job_id: str
    user_id: str
    spec: Spec
    state: State
    progress: Progress
    cost: Cost
    provider: str
    # Where it waits for a worker. Events do not carry it, because watchers need no queue.
    queue: str = ""
    failure: JobFailure | None = None
    outputs: tuple[Media, ...] = ()
    # What a job of a kind without media items made; set when it SUCCEEDED.
    result: Record | None = None
    labels: dict[str, str] = field(default_factory=dict)
    provider_operation: str = ""
    attempt: int = 0
    revision: int = 0
    cancel_request_time: int | None = None
    cancel_reason: str = ""
    cancel_saves_cost: bool = True
    retry_of: str = ""
    request_id: str = ""
    # View of the user that the first output is applied to on success.
    apply_to_view: str = ""
    # The same for all jobs of one batch; empty: of none.
    batch_id: str = ""
    final_prompt: str = ""
    create_time: int
    start_time: int | None = None
    # When the submit was sent that the provider accepted. Events do not carry it.
    submit_time: int | None = None
    end_time: int | None = None
    start_deadline: int | None = None
    finish_deadline: int | None = None

    def __post_init__(self) -> None:
        if not self.queue:
            object.__setattr__(self, "queue", KINDS[self.kind].queue)

    @property
    def kind(self) -> str:
        """The name of the kind of job, as in `core.kinds.KINDS`."""
        return self.spec.kind

    @property
    def run_since(self) -> int | None:
        """When the current work began: the provider's operation, or else the first run here."""
        return self.start_time if self.submit_time is None else self.submit_time

    def to_json(self) -> dict[str, Any]:
        """The job as JSON values, as an event keeps it."""
        values = self.to_json_alone()
        values["outputs"] = [media.to_json() for media in self.outputs]
        if self.result is not None:
            values["result"] = self.result.to_json()
        return values

    def to_json_alone(self) -> dict[str, Any]:
        """The same without what the job made."""
        pairs = zip(_PLAIN, _PLAIN_VALUES(self), strict=True)
        values = {name: value for name, value in pairs if value or value not in (None, "", {})}
        values["kind"] = self.kind
        values["spec"] = spec_to_json(self.spec)
        values["state"] = self.state
        values["progress"] = _compact(self.progress)
        values["cost"] = _compact(self.cost)
        if self.failure is not None:
            values["failure"] = _compact(self.failure)
        return values


# The fields that an event has as they are.
_PLAIN = (
    "job_id",
    "user_id",
    "provider",
    "labels",
    "provider_operation",
    "attempt",
    "revision",
    "cancel_request_time",
    "cancel_reason",
    "cancel_saves_cost",
    "retry_of",
    "request_id",
    "apply_to_view",
    "batch_id",
    "final_prompt",
    "create_time",
    "start_time",
    "submit_time",
    "end_time",
    "start_deadline",
    "finish_deadline",
)
_PLAIN_VALUES = attrgetter(*_PLAIN)


def _compact(value: Any) -> dict[str, Any]:
    cls = value.__class__
    pairs = zip(_names(cls), _values(cls)(value), strict=True)
    return {name: item for name, item in pairs if item or item not in (None, "")}


@functools.cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


@functools.cache
def _values(cls: Any) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*_names(cls))


def progress_to_json(progress: Progress) -> dict[str, Any]:
    """The progress as JSON values, as the stream carries it."""
    return _compact(progress)
