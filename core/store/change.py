"""How a job changes: one transaction with the revision, the job, the event and the money.

The order is the lock order: the revision first (the user's mutex), then the job by compare-and-set
on state and fence, then the event, then the budgets. Which changes there are: `accept`,
`transitions` and `submits`.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from core.errors import LeaseLost, Reason
from core.events import Event
from core.jobs import Cost, CostState, EventType, Job, Stage, State, Step, move
from core.kinds import Result
from core.media import Media
from core.process import failpoints
from core.store import budgets
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.store.results import keep
from core.store.rows import JOB_COLUMNS, JOB_NAMES, job_from_columns, jobs_from_rows, outputs_of

T = TypeVar("T")

_BUMP = Statement(
    "INSERT INTO user_stream (user_id, revision, last_turn) VALUES (:user_id, 1, 0)"
    " ON CONFLICT (user_id) DO UPDATE SET revision = user_stream.revision + 1"
)
_LOCK_JOB = Statement(
    "SELECT {now}, (SELECT s.revision FROM user_stream s WHERE s.user_id = :user_id),"
    " (SELECT count(*) FROM job r WHERE r.user_id = :user_id AND r.state = 'RUNNING'),"
    " EXISTS (SELECT 1 FROM media m WHERE m.job_id = :job_id AND m.job_id <> ''),"
    f" {JOB_COLUMNS} FROM job WHERE job_id = :job_id AND user_id = :user_id {{for_update}}"
)
_GET_JOB = Statement(f"SELECT {JOB_COLUMNS} FROM job WHERE job_id = :job_id")
_INSERT_EVENT = Statement(
    "INSERT INTO job_event (user_id, revision, job_id, event_time, payload)"
    " VALUES (:user_id, :revision, :job_id, :event_time, :payload)"
)
# Nobody is left who could say more of it.
_LEAVE_INTENTS = Statement(
    "UPDATE intent SET outcome = 'UNKNOWN', outcome_time = {now}"
    " WHERE job_id = :job_id AND outcome = 'OPEN'"
)


@dataclass(frozen=True, slots=True)
class Run:
    """A worker's claim of a job: what its writes must name."""

    user_id: str
    job_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class Locked:
    """A job whose user and row are locked by this transaction; `columns` is the row, `running` how
    many jobs of the user run.

    What it says stays true until the transaction ends, but for what the transaction changes.
    """

    run: Run
    revision: int
    now_ms: int
    state: State
    step: Step
    at_risk: bool
    cancel_request_time: int | None
    start_deadline: int | None
    finish_deadline: int | None
    create_time: int
    cost: Cost
    running: int
    has_outputs: bool
    columns: dict[str, Any]

    @property
    def missed(self) -> Reason | None:
        """What the job fails with because a deadline of it is over; None when none is."""
        if self.finish_deadline is not None and self.finish_deadline <= self.now_ms:
            return Reason.FINISH_DEADLINE_EXCEEDED
        start = self.start_deadline if self.state is State.QUEUED else None
        if start is not None and start <= self.now_ms:
            return Reason.START_DEADLINE_EXCEEDED
        return None


def bump(session: Session, user_id: str) -> None:
    """Counts the user's revision up; locks the user until the transaction ends, so that times rise
    with revisions. What reads them in a later statement sees what was committed until then."""
    session.later(_BUMP, user_id=user_id)


def lock(session: Session, user_id: str, job_id: str) -> Locked | None:
    """The user's job for a change at the user's next revision; None when there is none."""
    bump(session, user_id)
    row = session.row(_LOCK_JOB, job_id=job_id, user_id=user_id)
    if row is None:
        return None
    now_ms, revision, running, has_outputs, *values = row
    columns = dict(zip(JOB_NAMES, values, strict=True))
    return locked_job(now_ms, revision, running, bool(has_outputs), columns)


def locked_job(
    now_ms: int, revision: int, running: int, has_outputs: bool, columns: dict[str, Any]
) -> Locked:
    """A job that this transaction has locked after its user, by the columns of its row."""
    return Locked(
        run=Run(columns["user_id"], columns["job_id"], columns["fence"]),
        revision=revision,
        now_ms=now_ms,
        state=State(columns["state"]),
        step=Step(columns["step"]),
        at_risk=bool(columns["at_risk"]),
        cancel_request_time=columns["cancel_request_time"],
        start_deadline=columns["start_deadline"],
        finish_deadline=columns["finish_deadline"],
        create_time=columns["create_time"],
        cost=Cost(
            state=CostState(columns["cost_state"]),
            estimated_micros=columns["cost_estimated"],
            actual_micros=columns["cost_actual"],
        ),
        running=running,
        has_outputs=has_outputs,
        columns=columns,
    )


def as_owner(db: Database, run: Run, work: Callable[[Session, Locked], T]) -> T:
    """Runs `work` if the run still owns the job.

    Raises:
        LeaseLost: when another run does, or the job has ended.
    """

    def transaction(session: Session) -> T:
        locked = lock(session, run.user_id, run.job_id)
        if locked is None or locked.run.fence != run.fence or locked.state.terminal:
            raise LeaseLost
        return work(session, locked)

    return db.write(transaction)


def apply(
    session: Session, locked: Locked, type: EventType, result: Result | None = None, **changes: Any
) -> Event:
    """One move of the state machine with its event, and with a new `result` if there is one.

    The row is locked and its columns are known, so nobody waits for the answer: what the job is now
    follows from what it was.
    """
    after = move(locked.state, type)
    changes |= {"revision": locked.revision, "state": after}
    if after.terminal and not locked.state.terminal:
        changes |= {"end_time": locked.now_ms, "lease_expire_time": None, "next_run_time": None}
        changes["worker_id"] = None
    outputs: Sequence[Media] = outputs_of(session, locked.run.job_id) if locked.has_outputs else []
    if result is not None:
        kept = keep(session, locked.columns["kind"], outputs, result, locked.now_ms)
        outputs = kept.outputs
        changes |= kept.columns
    run = locked.run
    known = {"job_id": run.job_id, "state_before": locked.state, "fence_before": run.fence}
    session.later(_update(tuple(changes)), **changes, **known)
    job = job_from_columns(locked.columns | changes, outputs)
    return append_event(session, Event(locked.revision, type, locked.now_ms, job))


def end(
    session: Session,
    locked: Locked,
    type: EventType,
    cost: CostState | None = None,
    charged_micros: int | None = None,
    result: Result | None = None,
    **changes: Any,
) -> Event:
    """The last move of a job, with its money settled.

    Without `cost` nothing was charged, unless a submit is at risk: then nobody knows, until its
    operation is done and only to be fetched.
    """
    if cost is None:
        cost = _usual_cost(locked)
    estimated = locked.cost.estimated_micros
    charged_micros = locked.cost.actual_micros if charged_micros is None else charged_micros
    actual = estimated if charged_micros is None else charged_micros
    spent = {CostState.CHARGED: actual, CostState.UNCERTAIN: estimated}.get(cost, 0)
    changes |= {"stage": Stage.FINISHED, "cost_state": cost}
    changes["cost_actual"] = actual if cost is CostState.CHARGED else None
    if locked.at_risk:
        session.later(_LEAVE_INTENTS, job_id=locked.run.job_id)
    event = apply(session, locked, type, result, **changes)
    budgets.settle(session, locked.run.user_id, locked.create_time, estimated, spent)
    failpoints.hit("settle.before_commit")
    return event


def _usual_cost(locked: Locked) -> CostState:
    if not locked.at_risk:
        return CostState.RELEASED
    return CostState.CHARGED if locked.step is Step.FETCH else CostState.UNCERTAIN


def append_event(session: Session, event: Event) -> Event:
    """Writes the event."""
    session.later(
        _INSERT_EVENT,
        user_id=event.job.user_id,
        revision=event.revision,
        job_id=event.job.job_id,
        event_time=event.event_time,
        payload=event.payload,
    )
    return event


def read_job(session: Session, job_id: str) -> Job:
    """The job as this transaction sees it."""
    [job] = jobs_from_rows(session, session.rows(_GET_JOB, job_id=job_id))
    return job


@functools.cache
def _update(names: tuple[str, ...]) -> Statement:
    changes = ", ".join(f"{name} = :{name}" for name in names)
    return Statement(
        f"UPDATE job SET {changes}"
        " WHERE job_id = :job_id AND state = :state_before AND fence = :fence_before"
    )
