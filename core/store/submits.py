"""Paid submits: the intent before, the outcome after, and what is done when nobody knows it.

Invariant: a job has at most one intent that is OPEN, UNKNOWN or ACCEPTED, and while it has one
(`at_risk`) no other is written. So it is never sent twice, whoever runs it.
"""

from dataclasses import dataclass
from typing import Any

from core import failpoints
from core.errors import JobStateInvalid, LeaseLost, NotFound, Reason
from core.events import Event
from core.jobs import CostState, EventType, JobFailure, Outcome, Stage, State, Step
from core.store import budgets, circuits
from core.store.change import Locked, Run, apply, as_owner, lock, read_job
from core.store.database import Database, Row, Session, Undo
from core.store.sql import Statement
from core.store.transitions import fail_locked, fail_missed, start_locked
from core.times import iso

_NAMES = (
    "job_id, number, user_id, worker_id, provider, model, micros, outcome, operation,"
    " create_time, outcome_time"
)
_INSERT = Statement(
    "INSERT INTO intent (job_id, number, user_id, worker_id, provider, model, micros, outcome,"
    " operation, create_time, outcome_time) SELECT job_id,"
    " 1 + coalesce((SELECT max(number) FROM intent i WHERE i.job_id = job.job_id), 0),"
    " user_id, :worker_id, provider, model, cost_estimated, 'OPEN', '', {now}, NULL"
    " FROM job WHERE job_id = :job_id RETURNING number"
)
_SETTLE = Statement(
    "UPDATE intent SET outcome = :outcome, operation = :operation, outcome_time = {now}"
    " WHERE job_id = :job_id AND number = :number"
)
_CREATE_TIME = Statement("SELECT create_time FROM job WHERE job_id = :job_id")
_OF_JOB = Statement(f"SELECT {_NAMES} FROM intent WHERE job_id = :job_id ORDER BY number")
_LOCK_INTENTS = Statement(f"{_OF_JOB.text} {{for_update}}")
_LOCK_INTENT = Statement(
    f"SELECT {_NAMES} FROM intent WHERE job_id = :job_id AND number = :number {{for_update}}"
)
_USER = Statement("SELECT user_id FROM job WHERE job_id = :job_id")
_UNCERTAIN = Statement(
    f"SELECT {', '.join('i.' + name for name in _NAMES.split(', '))}, job.state FROM intent i"
    " JOIN job ON job.job_id = i.job_id WHERE job.cost_state = 'UNCERTAIN'"
    " AND i.outcome IN ('OPEN', 'UNKNOWN', 'ACCEPTED') ORDER BY i.create_time"
)
_NOT_SETTLED = (Outcome.OPEN, Outcome.UNKNOWN)
# The worker of intents from before a restore (`store.restore`).
RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Intent:
    """A submit that may cost money. Times in milliseconds of the database."""

    job_id: str
    number: int
    user_id: str
    worker_id: str
    provider: str
    model: str
    micros: int
    outcome: Outcome
    operation: str
    create_time: int
    outcome_time: int | None

    @property
    def key(self) -> str:
        """The name of the submission."""
        return submission_key(self.job_id, self.number)

    @property
    def restored(self) -> bool:
        """Whether it may have been settled in a time that a restore has lost."""
        return self.worker_id == RESTORED


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


def submission_key(job_id: str, number: int) -> str:
    """The name under which a provider may know a submission."""
    return f"{job_id}.{number}"


def begin(db: Database, run: Run, worker_id: str, user_concurrency: int) -> Begun | None:
    """Writes the intent, and starts the job if it waits; None when it may not run now.

    After it the provider may be called once, by this run.

    Raises:
        LeaseLost: when another run owns the job, or a submit of it is at risk already.
    """

    def work(session: Session, locked: Locked) -> Begun:
        if locked.at_risk:
            raise LeaseLost
        if locked.cancel_request_time is not None:
            raise Undo(None)
        if locked.missed is not None:
            # The rescuer may not have come to it yet; nobody waits for what would be paid.
            return Begun(fail_missed(session, locked, locked.missed), None)
        changes: dict[str, Any] = {"at_risk": True, "step": Step.SUBMIT}
        row = session.row(_INSERT, job_id=run.job_id, worker_id=worker_id)
        assert row is not None
        if locked.state is State.QUEUED:
            event = start_locked(session, locked, user_concurrency, **changes)
        else:
            event = apply(session, locked, EventType.UPDATED, stage=Stage.SUBMITTING, **changes)
        failpoints.hit("intent.before_commit")
        return Begun(event, int(row[0]))

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

    The job goes on to POLL (its lease ends) or, `done`, to FETCH, with the provider's figure of
    what it charged. None when it was recorded before, or when the job does not wait for it any
    more: then only the books change.
    """

    def work(session: Session) -> Event:
        locked = lock(session, _user(session, job_id), job_id)
        intent = _intent(session, job_id, number)
        if locked is None or intent is None or not _can_go_on(locked, intent):
            raise Undo(None)
        _settle(session, job_id, number, Outcome.ACCEPTED, operation)
        circuits.answered(session, intent.provider)
        charged = {} if charged_micros is None else {"cost_actual": charged_micros}
        event = _go_on(session, locked, operation, done, delay_ms, **charged)
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
    """Nothing was accepted: the intent is closed, and the job may be sent again, or with `failure`
    ends free of charge.

    Raises:
        LeaseLost: when another run owns the job.
    """

    def work(session: Session, locked: Locked) -> Event:
        _settle(session, run.job_id, number, outcome)
        if outcome is Outcome.REJECTED:
            # That was an answer.
            circuits.answered(session, read_job(session, run.job_id).provider)
        if failure is not None:
            return fail_locked(session, locked, failure, CostState.RELEASED, at_risk=False)
        return _not_sent(session, locked)

    return as_owner(db, run, work)


def retract(db: Database, run: Run) -> Event | None:
    """`begin` got no answer, so nothing was sent: closes the intent if it was written after all.

    Raises:
        LeaseLost: when another run owns the job; it can't know what was sent.
    """

    def work(session: Session, locked: Locked) -> Event:
        intent = _unsettled(session, run.job_id)
        if intent is None or locked.state is not State.RUNNING:
            raise Undo(None)
        _settle(session, run.job_id, intent.number, Outcome.NOT_SENT)
        return _not_sent(session, locked)

    return as_owner(db, run, work)


def was_free(db: Database, job_id: str, number: int, outcome: Outcome) -> Event | None:
    """The run that could have sent the intent knows that nothing was accepted, though it owns the
    job no more: it is sent again, or its uncertain cost released. None when that was settled."""

    def work(session: Session) -> Event:
        locked = lock(session, _user(session, job_id), job_id)
        intent = _intent(session, job_id, number)
        if locked is None or intent is None or intent.outcome not in _NOT_SETTLED:
            raise Undo(None)
        if locked.state is State.RECONCILING:
            return _send_again(session, locked, outcome)
        _settle(session, job_id, number, outcome)
        if not locked.state.terminal:
            return _not_sent(session, locked)
        if locked.cost.state is CostState.UNCERTAIN:
            return _correct(session, locked, charged=False)
        raise Undo(None)

    return db.write(work)


def unknown(db: Database, run: Run) -> Event | None:
    """RUNNING to RECONCILING: a submit was sent, or may have been; None when it was settled.

    Raises:
        LeaseLost: when another run owns the job.
    """

    def work(session: Session, locked: Locked) -> Event:
        intent = _unsettled(session, run.job_id)
        if intent is None or locked.state is not State.RUNNING:
            raise Undo(None)
        _settle(session, run.job_id, intent.number, Outcome.UNKNOWN)
        return apply(
            session,
            *(locked, EventType.RECONCILING),
            cost_state=CostState.UNCERTAIN,
            lease_expire_time=None,
            next_run_time=locked.now_ms,
        )

    event = as_owner(db, run, work)
    failpoints.hit("reconcile.after_commit")
    return event


def send_again(db: Database, run: Run) -> Event | None:
    """RECONCILING to RUNNING: the provider says that the submit never arrived."""
    return as_owner(db, run, _send_again)


def give_up(db: Database, run: Run) -> Event:
    """RECONCILING to FAILED: nobody knows what came of the submit; its cost stays UNCERTAIN."""
    return as_owner(db, run, lambda s, locked: _give_up(s, locked, CostState.UNCERTAIN))


def resolve(db: Database, job_id: str, *, charged: bool) -> Event | None:
    """An administrator says whether the provider charged; None when there was nothing to say.

    A RECONCILING job that was not charged is sent again; one that was ends FAILED, as its result is
    not known. Of an ended job only the cost changes.

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
            return _give_up(session, locked, CostState.CHARGED)
        if not locked.state.terminal:
            raise JobStateInvalid(state=locked.state)
        return _correct(session, locked, charged)

    return db.write(work)


def of_job(db: Database, job_id: str) -> list[Intent]:
    """The job's intents, in the order in which they were written."""
    return [_from_row(row) for row in db.rows(_OF_JOB, job_id=job_id)]


def unsettled(db: Database) -> list[Unsettled]:
    """Every intent whose cost is uncertain, oldest first."""
    return [Unsettled(_from_row(row[:-1]), State(row[-1])) for row in db.rows(_UNCERTAIN)]


def _can_go_on(locked: Locked, intent: Intent) -> bool:
    return locked.at_risk and not locked.state.terminal and intent.outcome in _NOT_SETTLED


def _not_sent(session: Session, locked: Locked) -> Event:
    return apply(session, locked, EventType.UPDATED, at_risk=False, stage=Stage.WAITING)


def _go_on(
    session: Session, locked: Locked, operation: str, done: bool, delay_ms: int, **charged: int
) -> Event:
    adopts = locked.state is State.RECONCILING
    changes: dict[str, Any] = {
        **charged,
        "operation": operation,
        "stage": Stage.GENERATING,
        "cost_state": CostState.RESERVED,
    }
    changes["step"] = Step.FETCH if done else Step.POLL
    if adopts or not done:
        changes |= {"lease_expire_time": None, "next_run_time": locked.now_ms + delay_ms}
    return apply(session, locked, EventType.STARTED if adopts else EventType.UPDATED, **changes)


def _keep_orphan(session: Session, job_id: str, number: int, operation: str) -> None:
    """Keeps the operation of a submit that its job does not wait for; no event, no revision."""
    # Without the user's lock, so this row's: what an administrator says meanwhile counts.
    row = session.row(_LOCK_INTENT, job_id=job_id, number=number)
    intent = _from_row(row) if row else None
    if intent is None or intent.outcome is Outcome.ACCEPTED:
        return
    _settle(session, job_id, number, Outcome.ACCEPTED, operation)
    if intent.outcome not in _NOT_SETTLED:
        # It was believed to be free: what it cost comes on top.
        row = session.row(_CREATE_TIME, job_id=job_id)
        accept_ms = int(row[0]) if row else intent.create_time
        budgets.settle(session, intent.user_id, accept_ms, 0, intent.micros)


def _send_again(session: Session, locked: Locked, outcome: Outcome = Outcome.NOT_SENT) -> Event:
    intent = _unsettled(session, locked.run.job_id)
    if intent is None or locked.state is not State.RECONCILING:
        raise Undo(None)
    _settle(session, locked.run.job_id, intent.number, outcome)
    return apply(
        session,
        *(locked, EventType.STARTED),
        step=Step.SUBMIT,
        at_risk=False,
        cost_state=CostState.RESERVED,
        lease_expire_time=None,
        next_run_time=locked.now_ms,
    )


def _give_up(session: Session, locked: Locked, cost: CostState) -> Event:
    intent = _unsettled(session, locked.run.job_id)
    if intent is None or locked.state is not State.RECONCILING:
        raise LeaseLost
    failure = JobFailure(
        reason=Reason.SUBMIT_OUTCOME_UNKNOWN,
        message="The provider was asked, and whether it accepted could not be found out.",
        metadata={"submit_time": iso(intent.create_time)},
    )
    if cost is CostState.CHARGED:
        _settle(session, locked.run.job_id, intent.number, Outcome.ACCEPTED)
    return fail_locked(session, locked, failure, cost)


def _correct(session: Session, locked: Locked, charged: bool) -> Event:
    cost = CostState.CHARGED if charged else CostState.RELEASED
    estimated = locked.cost.estimated_micros
    actual = estimated if charged else None
    event = apply(session, locked, EventType.UPDATED, cost_state=cost, cost_actual=actual)
    intent = _unsettled(session, locked.run.job_id)
    if intent is not None:
        outcome = Outcome.ACCEPTED if charged else Outcome.REJECTED
        _settle(session, locked.run.job_id, intent.number, outcome)
    budgets.settle(session, locked.run.user_id, locked.create_time, 0, 0 if charged else -estimated)
    return event


def _user(session: Session, job_id: str) -> str:
    row = session.row(_USER, job_id=job_id)
    if row is None:
        raise NotFound("job")
    return str(row[0])


def _intent(session: Session, job_id: str, number: int) -> Intent | None:
    found = [_from_row(row) for row in session.rows(_OF_JOB, job_id=job_id)]
    return next((intent for intent in found if intent.number == number), None)


def _unsettled(session: Session, job_id: str) -> Intent | None:
    # Locked, as an orphan's operation is kept without the user's lock (`_keep_orphan`).
    found = [_from_row(row) for row in session.rows(_LOCK_INTENTS, job_id=job_id)]
    return next((intent for intent in found if intent.outcome in _NOT_SETTLED), None)


def _settle(
    session: Session, job_id: str, number: int, outcome: Outcome, operation: str = ""
) -> None:
    values = {"outcome": outcome, "operation": operation}
    session.run(_SETTLE, job_id=job_id, number=number, **values)


def _from_row(row: Row) -> Intent:
    values = list(row)
    values[7] = Outcome(values[7])
    return Intent(*values)
