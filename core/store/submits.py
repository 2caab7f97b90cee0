"""Paid submits: writes the intent before a submit and its outcome after it.

Invariant: a job has at most one intent that is OPEN, UNKNOWN or ACCEPTED, and while it has one
(`at_risk`) no other is written. So no worker sends a job twice. When nobody knows the outcome of a
submit, the job is RECONCILING until somebody learns it or its time is over.
"""

from dataclasses import dataclass
from typing import Any

from core.errors import JobStateInvalid, LeaseLost, NotFound, Reason
from core.events import Event
from core.jobs import CostState, EventType, JobFailure, Outcome, Stage, State, Step
from core.process import failpoints
from core.store import budgets, circuits, intents, usage_days
from core.store.change import Locked, Run, apply, as_owner, end, lock, read_job
from core.store.engine.database import Database, Session, Undo
from core.store.engine.sql import Statement
from core.store.intents import Intent, intent_from_row
from core.store.transitions import fail_locked, fail_missed, start_locked
from core.times import iso

# Index of both: the primary key.
_CREATE_TIME = Statement("SELECT create_time FROM job WHERE job_id = :job_id")
_USER = Statement("SELECT user_id FROM job WHERE job_id = :job_id")
# The next intents after a position whose job has an uncertain cost, for administrators.
# Indexes: `job_uncertain`, then the primary key of `intent`.
_UNCERTAIN = Statement("""
    WITH uncertain AS MATERIALIZED (SELECT job_id, state FROM job WHERE cost_state = 'UNCERTAIN'),
    found AS MATERIALIZED (
        SELECT {intent_columns}, uncertain.state
        FROM uncertain CROSS JOIN intent
        WHERE intent.job_id = uncertain.job_id
            AND intent.outcome IN ('OPEN', 'UNKNOWN', 'ACCEPTED')
    )
    SELECT * FROM found WHERE (create_time, job_id) > (:after_time, :after_id)
    ORDER BY create_time, job_id LIMIT :most
""")
_NO_LIMIT = 2**31


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An intent whose cost is uncertain, and the state of its job."""

    intent: Intent
    state: State


@dataclass(frozen=True, slots=True)
class Begun:
    """What `begin` did; `number` is None when the job ended instead (a deadline was over)."""

    event: Event
    number: int | None


def begin(db: Database, run: Run, worker_id: str, user_concurrency: int) -> Begun | None:
    """Writes the intent, and starts the job if it waits; None when it may not run now.

    After that this run may call the provider once.

    Raises:
        LeaseLost: when another run owns the job, or a submit of it is at risk already.
    """

    def work(session: Session, locked: Locked) -> Begun:
        if locked.at_risk:
            raise LeaseLost
        if locked.cancel_request_time is not None:
            raise Undo(None)
        if locked.missed is not None:
            # The rescuer may not have found the job yet, and nobody waits for what would be paid.
            return Begun(fail_missed(session, locked, locked.missed), None)
        if not circuits.may_send(session, locked.columns["provider"], run.job_id):
            raise Undo(None)
        changes: dict[str, Any] = {"at_risk": True, "step": Step.SUBMIT}
        number = intents.insert(session, run.job_id, worker_id)
        if locked.state is State.QUEUED:
            event = start_locked(session, locked, user_concurrency, **changes)
        else:
            event = apply(session, locked, EventType.UPDATED, stage=Stage.SUBMITTING, **changes)
        failpoints.hit("intent.before_commit")
        return Begun(event, number)

    begun = as_owner(db, run, work)
    failpoints.hit("intent.after_commit")
    return begun


def accepted(
    db: Database,
    job_id: str,
    number: int,
    operation: str,
    *,
    done: bool = False,
    delay_ms: int = 0,
    charged_micros: int | None = None,
) -> Event | None:
    """Records the provider's operation, whoever learned of it and however late; may be repeated.

    The next step of the job is POLL and its lease ends. With `done` the next step is FETCH, and
    `charged_micros` is what the provider says that it charged. The result is None when the
    operation was recorded before, and when the job does not wait for it any more; in the second
    case only the budgets change.
    """

    def work(session: Session) -> Event:
        locked = lock(session, _user(session, job_id), job_id)
        intent = intents.find(session, job_id, number)
        if locked is None or intent is None or not _can_go_on(locked, intent):
            raise Undo(None)
        intents.settle(session, job_id, number, Outcome.ACCEPTED, operation)
        circuits.answered(session, intent.provider)
        changes = {} if charged_micros is None else {"cost_actual": charged_micros}
        changes["submit_time"] = intent.create_time
        event = _go_on(session, locked, done, delay_ms, operation=operation, **changes)
        failpoints.hit("adopt.before_commit")
        return event

    event = db.write(work)
    if event is None:
        db.write(lambda session: _keep_orphan(session, job_id, number, operation))
    failpoints.hit("operation.after_commit")
    return event


def refused(
    db: Database, run: Run, number: int, outcome: Outcome, failure: JobFailure | None = None
) -> Event:
    """Closes the intent of a submit that was not accepted.

    The job may be sent again; with `failure` it ends free of charge.

    Raises:
        LeaseLost: when another run owns the job.
    """

    def work(session: Session, locked: Locked) -> Event:
        intents.settle(session, run.job_id, number, outcome)
        if outcome is Outcome.REJECTED:
            # A refusal is an answer.
            circuits.answered(session, read_job(session, run.job_id).provider)
        if failure is not None:
            return fail_locked(session, locked, failure, CostState.RELEASED, at_risk=False)
        return _not_sent(session, locked)

    return as_owner(db, run, work)


def retract(db: Database, run: Run) -> Event | None:
    """Closes the intent of a `begin` that got no answer, if it was written after all.

    Nothing was sent in that case, because the caller waits for the answer of `begin`.

    Raises:
        LeaseLost: when another run owns the job; that run can't know what was sent.
    """

    def work(session: Session, locked: Locked) -> Event:
        intent = intents.lock_unsettled(session, run.job_id)
        if intent is None or locked.state is not State.RUNNING:
            raise Undo(None)
        intents.settle(session, run.job_id, intent.number, Outcome.NOT_SENT)
        return _not_sent(session, locked)

    return as_owner(db, run, work)


def was_free(db: Database, job_id: str, number: int, outcome: Outcome) -> Event | None:
    """Settles an intent whose run knows that nothing was accepted, but owns the job no more.

    The job is sent again, or its uncertain cost is released. None when the intent was settled.
    """

    def work(session: Session) -> Event:
        locked = lock(session, _user(session, job_id), job_id)
        intent = intents.find(session, job_id, number)
        if locked is None or intent is None or intent.outcome not in intents.NOT_SETTLED:
            raise Undo(None)
        if locked.state is State.RECONCILING:
            return _send_again(session, locked, outcome)
        intents.settle(session, job_id, number, outcome)
        if not locked.state.terminal:
            return _not_sent(session, locked)
        if locked.cost.state is CostState.UNCERTAIN:
            return _correct(session, locked, charged=False)
        raise Undo(None)

    return db.write(work)


def unknown(db: Database, run: Run) -> Event | None:
    """Moves the job to RECONCILING: a submit may have been accepted, and somebody may still say so.

    None when its outcome is known by now.

    Raises:
        LeaseLost: when another run owns the job.
    """

    def work(session: Session, locked: Locked) -> Event:
        intent = intents.lock_unsettled(session, run.job_id)
        if intent is None or locked.state is not State.RUNNING:
            raise Undo(None)
        intents.settle(session, run.job_id, intent.number, Outcome.UNKNOWN)
        return apply(
            session,
            locked,
            EventType.RECONCILING,
            stage=Stage.RECONCILING,
            cost_state=CostState.UNCERTAIN,
            lease_expire_time=None,
            next_run_time=locked.now_ms,
        )

    event = as_owner(db, run, work)
    failpoints.hit("reconcile.after_commit")
    return event


def lose(db: Database, job_id: str, number: int) -> Event | None:
    """The run that sent the intent knows that nobody can ever learn its outcome: the job ends
    FAILED, or CANCELLED if that was asked for, and its cost is UNCERTAIN.

    The run need not own the job any more. None when the outcome is known by now, or the job ended.
    """

    def work(session: Session) -> Event:
        locked = lock(session, _user(session, job_id), job_id)
        intent = intents.find(session, job_id, number)
        if locked is None or intent is None or not _can_go_on(locked, intent):
            raise Undo(None)
        intents.settle(session, job_id, number, Outcome.UNKNOWN)
        if locked.cancel_request_time is not None:
            return end(session, locked, EventType.CANCELLED, CostState.UNCERTAIN)
        return fail_locked(session, locked, _outcome_unknown(intent), CostState.UNCERTAIN)

    event = db.write(work)
    failpoints.hit("reconcile.after_commit")
    return event


def send_again(db: Database, run: Run) -> Event | None:
    """Moves the job back to RUNNING, because the provider says that the submit never arrived."""
    return as_owner(db, run, _send_again)


def give_up(db: Database, run: Run) -> Event:
    """Ends a job whose submit nobody can learn the outcome of; its cost stays UNCERTAIN."""
    return as_owner(db, run, lambda s, locked: _give_up(s, locked, CostState.UNCERTAIN))


def resolve(db: Database, job_id: str, *, charged: bool, micros: int | None = None) -> Event | None:
    """Takes an administrator's word on whether the provider charged; None when that was certain.

    `micros` is what it charged; None is the estimate.

    A RECONCILING job that was not charged is sent again. One that was charged ends FAILED, because
    its result is not known. Of an ended job only the cost changes.

    Raises:
        NotFound: when there is no such job.
        JobStateInvalid: when the job runs.
    """

    def work(session: Session) -> Event | None:
        locked = lock(session, _user(session, job_id), job_id)
        assert locked is not None
        if locked.cost.state is not CostState.UNCERTAIN:
            raise Undo(None)
        if locked.state is State.RECONCILING:
            if not charged:
                return _send_again(session, locked)
            return _give_up(session, locked, CostState.CHARGED, micros)
        if not locked.state.terminal:
            raise JobStateInvalid(state=locked.state)
        return _correct(session, locked, charged, micros)

    return db.write(work)


def owner(db: Database, job_id: str) -> str:
    """The user whose job it is.

    Raises:
        NotFound: when there is no such job.
    """
    return db.read(lambda session: _user(session, job_id))


def of_job(db: Database, job_id: str) -> list[Intent]:
    """The job's intents, in the order in which they were written."""
    return intents.of_job(db, job_id)


def unsettled(
    db: Database, *, after: tuple[int, str] = (-1, ""), limit: int = _NO_LIMIT
) -> list[Unsettled]:
    """Intents whose cost is uncertain, oldest first, after the position (create_time, job_id).

    A job has at most one.
    """
    rows = db.rows(_UNCERTAIN, after_time=after[0], after_id=after[1], most=limit)
    return [Unsettled(intent_from_row(row[:-1]), State(row[-1])) for row in rows]


def _can_go_on(locked: Locked, intent: Intent) -> bool:
    return locked.at_risk and not locked.state.terminal and intent.outcome in intents.NOT_SETTLED


def _not_sent(session: Session, locked: Locked) -> Event:
    return apply(session, locked, EventType.UPDATED, at_risk=False, stage=Stage.WAITING)


def _go_on(session: Session, locked: Locked, done: bool, delay_ms: int, **changes: Any) -> Event:
    adopts = locked.state is State.RECONCILING
    changes |= {"stage": Stage.GENERATING, "cost_state": CostState.RESERVED}
    changes["step"] = Step.FETCH if done else Step.POLL
    if adopts or not done:
        changes |= {"lease_expire_time": None, "next_run_time": locked.now_ms + delay_ms}
    return apply(session, locked, EventType.STARTED if adopts else EventType.UPDATED, **changes)


def _keep_orphan(session: Session, job_id: str, number: int, operation: str) -> None:
    """Keeps the operation of a submit that its job does not wait for; no event, no revision."""
    # The user is not locked here, so the intent is: an administrator may settle it meanwhile.
    intent = intents.lock_one(session, job_id, number)
    if intent is None or intent.outcome is Outcome.ACCEPTED:
        return
    intents.settle(session, job_id, number, Outcome.ACCEPTED, operation)
    if intent.outcome not in intents.NOT_SETTLED:
        # The books say that it was free, so its cost comes on top.
        row = session.row(_CREATE_TIME, job_id=job_id)
        accept_ms = int(row[0]) if row else intent.create_time
        usage_days.settled(session, intent.user_id, accept_ms, intent.model, charged=intent.micros)
        budgets.settle(session, intent.user_id, accept_ms, 0, intent.micros)


def _send_again(session: Session, locked: Locked, outcome: Outcome = Outcome.NOT_SENT) -> Event:
    intent = intents.lock_unsettled(session, locked.run.job_id)
    if intent is None or locked.state is not State.RECONCILING:
        raise Undo(None)
    intents.settle(session, locked.run.job_id, intent.number, outcome)
    return apply(
        session,
        locked,
        EventType.STARTED,
        stage=Stage.SUBMITTING,
        step=Step.SUBMIT,
        at_risk=False,
        cost_state=CostState.RESERVED,
        lease_expire_time=None,
        next_run_time=locked.now_ms,
    )


def _give_up(
    session: Session, locked: Locked, cost: CostState, charged_micros: int | None = None
) -> Event:
    intent = intents.lock_unsettled(session, locked.run.job_id)
    if intent is None or locked.state is not State.RECONCILING:
        raise LeaseLost
    if cost is CostState.CHARGED:
        intents.settle(session, locked.run.job_id, intent.number, Outcome.ACCEPTED)
    return fail_locked(session, locked, _outcome_unknown(intent), cost, charged_micros)


def _outcome_unknown(intent: Intent) -> JobFailure:
    return JobFailure(
        reason=Reason.SUBMIT_OUTCOME_UNKNOWN,
        message="The request was sent, and nobody can find out whether the provider accepted it.",
        metadata={"submit_time": iso(intent.create_time)},
    )


def _correct(session: Session, locked: Locked, charged: bool, micros: int | None = None) -> Event:
    cost = CostState.CHARGED if charged else CostState.RELEASED
    estimated = locked.cost.estimated_micros
    spent = estimated if micros is None else micros
    actual = spent if charged else None
    event = apply(session, locked, EventType.UPDATED, cost_state=cost, cost_actual=actual)
    intent = intents.lock_unsettled(session, locked.run.job_id)
    if intent is not None:
        outcome = Outcome.ACCEPTED if charged else Outcome.REJECTED
        intents.settle(session, locked.run.job_id, intent.number, outcome)
    user_id, accept_ms, model = locked.run.user_id, locked.create_time, locked.columns["model"]
    usage_days.settled(
        session, user_id, accept_ms, model, charged=actual or 0, uncertain=-estimated
    )
    budgets.settle(session, user_id, accept_ms, 0, (actual or 0) - estimated)
    return event


def _user(session: Session, job_id: str) -> str:
    row = session.row(_USER, job_id=job_id)
    if row is None:
        raise NotFound("job")
    return str(row[0])
