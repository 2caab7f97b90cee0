"""How a job changes: one transaction with the revision, the job, the event and the money.

The order of the statements is the lock order. The revision comes first, because its row is the
user's mutex. Then comes the job, by compare-and-set on state and fence, then the event, and the
budgets last. The modules `accept`, `transitions` and `submits` say which changes there are.

What a move does to the notifications and views of the user stands in the job's event. What it sends
to webhooks goes into the outbox. Other durable
changes of a user use the same revision: they call `bump`, write their own tables, and `append` one
change.
"""

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from core.errors import LeaseLost, Reason
from core.events import Beside, Event, UserChange, user_change
from core.jobs import Cost, CostState, EventType, Job, Stage, State, Step, move
from core.kinds import Result
from core.media import Media
from core.process import failpoints
from core.store import budgets, flows, outbox, usage_days
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.store.flows import Load
from core.store.notifications import Inbox, Told, follow, inbox_of
from core.store.results import keep
from core.store.rows import JOB_NAMES, job_from_columns, jobs_from_rows, outputs_of
from core.store.views import applied_by
from core.views import USUALLY_MOST

T = TypeVar("T")

# Counts the user's revision up, or begins it at 1. Index: the primary key.
_BUMP = Statement("""
    INSERT INTO user_stream (user_id, revision, last_turn) VALUES (:user_id, 1, 0)
    ON CONFLICT (user_id) DO UPDATE SET revision = user_stream.revision + 1
""")
# Locks the user, and makes its row if there is none, at the revision as it is.
# Index: the primary key.
_HOLD = Statement("""
    INSERT INTO user_stream (user_id, revision, last_turn) VALUES (:user_id, 0, 0)
    ON CONFLICT (user_id) DO UPDATE SET revision = user_stream.revision
""")
# Locks the user's job. Gives the time, the user's revision, load and inbox, the notification that
# the job has and whether it is unread, whether the job has outputs, and its columns.
# Indexes: primary keys, `notification_job`, `media_output`.
_LOCK_JOB = Statement("""
    SELECT {now}, u.revision, u.running, u.busy, {inbox},
        n.notification_id, n.read_time IS NULL,
        EXISTS (SELECT 1 FROM media m WHERE m.job_id = :job_id AND m.job_id <> ''),
        {job_columns}
    FROM job
    JOIN user_stream u ON u.user_id = job.user_id
    LEFT JOIN notification n ON n.job_id = job.job_id AND n.job_id <> ''
    WHERE job.job_id = :job_id AND job.user_id = :user_id
    {for_update_of_job}
""")
# Index: the primary key.
_LOCK_USER = Statement("""
    SELECT {now}, u.revision, {inbox} FROM user_stream u WHERE u.user_id = :user_id
""")
# Index: the primary key.
_GET_JOB = Statement("SELECT {job_columns} FROM job WHERE job_id = :job_id")
_INSERT_CHANGE = Statement("""
    INSERT INTO job_event (user_id, revision, kind, job_id, event_time, payload)
    VALUES (:user_id, :revision, :kind, :job_id, :event_time, :payload)
""")
_INSERT_CHANGES = Statement("""
    INSERT INTO job_event (user_id, revision, kind, job_id, event_time, payload)
    SELECT user_id, revision, kind, job_id, event_time, payload FROM ({given_changes}) given
""")
# Closes the open intents of a job that ends: nobody is left who could say more of them.
# Index: the primary key.
_LEAVE_INTENTS = Statement("""
    UPDATE intent SET outcome = 'UNKNOWN', outcome_time = {now}
    WHERE job_id = :job_id AND outcome = 'OPEN'
""")


@dataclass(frozen=True, slots=True)
class Run:
    """A worker's claim of a job. Its writes must name the fence."""

    user_id: str
    job_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class Locked:
    """A job whose user and row this transaction has locked.

    `revision` is the one that this transaction writes, `columns` is the job's row, `load` and
    `inbox` are those of the user, and `told` is the notification that the job has. All of it stays
    true until the transaction ends, unless the transaction itself changes it.
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
    load: Load
    inbox: Inbox
    told: Told | None
    has_outputs: bool
    columns: dict[str, Any]

    @property
    def missed(self) -> Reason | None:
        """Why the job fails because a deadline of it is over; None when no deadline is."""
        if self.finish_deadline is not None and self.finish_deadline <= self.now_ms:
            return Reason.FINISH_DEADLINE_EXCEEDED
        start = self.start_deadline if self.state is State.QUEUED else None
        if start is not None and start <= self.now_ms:
            return Reason.START_DEADLINE_EXCEEDED
        return None


@dataclass(frozen=True, slots=True)
class LockedUser:
    """A user whom this transaction has locked, at the revision that it writes."""

    user_id: str
    revision: int
    now_ms: int
    inbox: Inbox


def bump(session: Session, user_id: str) -> None:
    """Counts the user's revision up and locks the user until the transaction ends.

    So times rise with revisions. A later statement of the transaction sees everything of the user
    that was committed before the lock.
    """
    session.later(_BUMP, user_id=user_id)


def hold(session: Session, user_id: str) -> None:
    """Locks the user until the transaction ends, for writes that may turn out to be no change.

    Such a transaction calls `lock_user` later if they are one.
    """
    session.later(_HOLD, user_id=user_id)


def lock(session: Session, user_id: str, job_id: str) -> Locked | None:
    """The user's job for a change at the user's next revision; None when there is none."""
    bump(session, user_id)
    row = session.row(_LOCK_JOB, job_id=job_id, user_id=user_id)
    if row is None:
        return None
    now_ms, revision, running, busy = row[:4]
    notification_id, is_unread, has_outputs = row[9:12]
    told = Told(notification_id, bool(is_unread)) if notification_id else None
    return locked_job(
        now_ms,
        revision,
        Load(running, bool(busy)),
        inbox_of(*row[4:9]),
        dict(zip(JOB_NAMES, row[12:], strict=True)),
        told=told,
        has_outputs=bool(has_outputs),
    )


def locked_job(
    now_ms: int,
    revision: int,
    load: Load,
    inbox: Inbox,
    columns: dict[str, Any],
    *,
    told: Told | None = None,
    has_outputs: bool = False,
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
        load=load,
        inbox=inbox,
        told=told,
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
    session: Session,
    locked: Locked,
    type: EventType,
    result: Result | None = None,
    user_concurrency: int | None = None,
    max_views: int = USUALLY_MOST,
    **changes: Any,
) -> Event:
    """One move of the state machine with its event, and with a new `result` if there is one.

    The row is locked and its columns are known, so the job after the move follows from the job
    before it, and nobody waits for the database's answer. `user_concurrency` is as in
    `flows.moved`, `max_views` as in `views.applied_by`.
    """
    after = move(locked.state, type)
    changes |= {"revision": locked.revision, "state": after}
    if after.terminal and not locked.state.terminal:
        changes |= {"end_time": locked.now_ms, "lease_expire_time": None, "next_run_time": None}
        changes["worker_id"] = None
    outputs: Sequence[Media] = outputs_of(session, locked.run.job_id) if locked.has_outputs else []
    if result is not None:
        kept = keep(session, locked.columns, outputs, result, locked.now_ms)
        outputs = kept.outputs
        changes |= kept.columns
    run = locked.run
    known = {"job_id": run.job_id, "state_before": locked.state, "fence_before": run.fence}
    session.later(_update(tuple(changes)), **changes, **known)
    flows.moved(session, locked.columns, locked.state, after, locked.load, user_concurrency)
    job = job_from_columns(locked.columns | changes, outputs)
    beside = Beside(
        notifications=follow(
            session, locked.inbox, locked.told, type, locked.state, job, locked.now_ms
        ),
        views=applied_by(session, job, locked.columns["wish"], locked.now_ms, max_views),
    )
    event = Event(locked.revision, type, locked.now_ms, job, beside)
    sent = outbox.write(session, outbox.of_event(event, locked.inbox.hooks))
    return append_event(session, replace(event, deliveries=sent) if sent else event)


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

    Without `cost` nothing was charged, unless a submit is at risk. Then the cost is uncertain, or
    charged once the operation is done and only has to be fetched.
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
    charged, uncertain = (0, spent) if cost is CostState.UNCERTAIN else (spent, 0)
    usage_days.ended(session, locked.columns, event.job.state, charged, uncertain)
    budgets.settle(session, locked.run.user_id, locked.create_time, estimated, spent)
    failpoints.hit("settle.before_commit")
    return event


def _usual_cost(locked: Locked) -> CostState:
    if not locked.at_risk:
        return CostState.RELEASED
    return CostState.CHARGED if locked.step is Step.FETCH else CostState.UNCERTAIN


def append_event(session: Session, event: Event) -> Event:
    """Writes the event of a job into its user's log."""
    append(session, event.change)
    return event


def lock_user(session: Session, user_id: str) -> LockedUser:
    """Locks the user for a change at its next revision, which is no event of a job."""
    bump(session, user_id)
    row = session.row(_LOCK_USER, user_id=user_id)
    assert row is not None
    return LockedUser(user_id, int(row[1]), int(row[0]), inbox_of(*row[2:7]))


def append_beside(session: Session, locked: LockedUser, beside: Beside) -> UserChange:
    """Writes the one change of a transaction that has locked a user."""
    change = user_change(locked.user_id, locked.revision, locked.now_ms, beside)
    append(session, change)
    about = locked.user_id, locked.revision, locked.now_ms, beside
    sent = outbox.write(session, outbox.of_beside(*about, locked.inbox.hooks))
    return replace(change, deliveries=sent) if sent else change


def append(session: Session, change: UserChange) -> None:
    """Writes a change into its user's log, at the revision that this transaction counted up to.

    Every transaction that calls `bump` appends exactly one change at the new revision: watchers
    take a revision that they can't read for a change that is still on its way.
    """
    session.later(_INSERT_CHANGE, **_columns(change))


def append_all(session: Session, changes: Sequence[UserChange]) -> None:
    """Writes changes into the logs of their users, as `append` does, by one statement."""
    session.later(_INSERT_CHANGES, changes=json.dumps([_columns(change) for change in changes]))


def _columns(change: UserChange) -> dict[str, Any]:
    return {
        "user_id": change.user_id,
        "revision": change.revision,
        "kind": change.kind,
        "job_id": change.job_id,
        "event_time": change.time,
        "payload": change.payload,
    }


def read_job(session: Session, job_id: str) -> Job:
    """The job as this transaction sees it."""
    [job] = jobs_from_rows(session, session.rows(_GET_JOB, job_id=job_id))
    return job


@functools.cache
def _update(names: tuple[str, ...]) -> Statement:
    """The compare-and-set of a job's row. Index: the primary key.

    It is joined here, because each move writes other columns, and a write of all columns would
    touch every index of the table.
    """
    changes = ", ".join(f"{name} = :{name}" for name in names)
    return Statement(f"""
        UPDATE job SET {changes}
        WHERE job_id = :job_id AND state = :state_before AND fence = :fence_before
    """)
