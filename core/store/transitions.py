"""The state changes of runs, cancels and deadlines; `submits` has those of paid submits."""

from typing import Any, NamedTuple

from core.errors import JobStateInvalid, NotFound, Reason
from core.events import Event
from core.jobs import CostState, EventType, Job, JobFailure, Stage, State
from core.kinds import Result
from core.process import failpoints
from core.store.change import Locked, Run, apply, as_owner, end, lock, read_job
from core.store.engine.database import Database, Session, Undo
from core.store.engine.sql import Statement
from core.store.rows import failure_to_json
from core.times import iso
from core.views import USUALLY_MOST

# When the last submit of the job was sent. Index: the primary key.
_SUBMIT_TIME = Statement("SELECT max(create_time) FROM intent WHERE job_id = :job_id")


class Cancelled(NamedTuple):
    """The job after a cancel was asked for, and the event of that; None when nothing changed."""

    job: Job
    event: Event | None


def start(db: Database, run: Run, user_concurrency: int) -> Event | None:
    """Starts a queued job, or fails it when a deadline of it is over.

    None when the user runs as many jobs as it may; the caller then hands the job back.
    """

    def work(session: Session, locked: Locked) -> Event:
        return start_locked(session, locked, user_concurrency)

    event = as_owner(db, run, work)
    failpoints.hit("start.after_commit")
    return event


def start_locked(session: Session, locked: Locked, user_concurrency: int, **changes: Any) -> Event:
    """`start` as a part of a transaction; undoes the transaction when the user has no room.

    `changes` are other columns of the job that the start writes.
    """
    if locked.missed is not None:
        return fail_missed(session, locked, locked.missed)
    # The user is locked, so no two of its jobs start at once.
    if locked.load.running >= user_concurrency:
        raise Undo(None)
    return apply(
        session,
        locked,
        EventType.STARTED,
        user_concurrency=user_concurrency,
        start_time=locked.now_ms,
        stage=Stage.SUBMITTING,
        **changes,
    )


def add_output(db: Database, run: Run, result: Result) -> Event:
    """Keeps one of several results; the job goes on."""

    def work(session: Session, locked: Locked) -> Event:
        return apply(session, locked, EventType.UPDATED, result, stage=Stage.GENERATING)

    return as_owner(db, run, work)


def succeed(db: Database, run: Run, result: Result, max_views: int = USUALLY_MOST) -> Event:
    """Keeps the last result: the job ends SUCCEEDED and is paid for.

    `max_views` is as in `views.applied_by`.
    """

    def work(session: Session, locked: Locked) -> Event:
        return end(
            session,
            locked,
            EventType.SUCCEEDED,
            CostState.CHARGED,
            result=result,
            max_views=max_views,
            percent=100,
            percent_estimated=False,
            progress_message="",
        )

    event = as_owner(db, run, work)
    failpoints.hit("settle.after_commit")
    return event


def fail(
    db: Database,
    run: Run,
    failure: JobFailure,
    cost: CostState | None = None,
    charged_micros: int | None = None,
) -> Event:
    """Ends the job FAILED; `cost` is as in `change.end`."""

    def work(session: Session, locked: Locked) -> Event:
        return fail_locked(session, locked, failure, cost, charged_micros)

    return as_owner(db, run, work)


def fail_locked(
    session: Session,
    locked: Locked,
    failure: JobFailure,
    cost: CostState | None = None,
    charged_micros: int | None = None,
    **changes: Any,
) -> Event:
    """`fail` as a part of a transaction."""
    changes["failure"] = failure_to_json(failure)
    return end(session, locked, EventType.FAILED, cost, charged_micros, **changes)


def end_cancelled(db: Database, run: Run, cost: CostState | None = None) -> Event:
    """Ends a job for which a cancel was asked CANCELLED; `cost` is as in `change.end`."""
    return as_owner(db, run, lambda s, locked: end(s, locked, EventType.CANCELLED, cost))


def cancel(
    db: Database, user_id: str, job_id: str, reason: str, only_if_free: bool = False
) -> Cancelled:
    """Cancels a job that nobody runs, or asks its run to end.

    The event is None when the job has ended, or a cancel was asked for before.

    Raises:
        NotFound: when the user has no such job.
        JobStateInvalid: with `only_if_free`, when it is not certain that cancelling costs nothing.
    """

    def work(session: Session) -> Cancelled:
        locked = lock(session, user_id, job_id)
        if locked is None:
            raise NotFound("job")
        if locked.state.terminal or locked.cancel_request_time is not None:
            raise Undo(Cancelled(read_job(session, job_id), None))
        if only_if_free and locked.at_risk:
            raise JobStateInvalid("Cancelling may cost something now.", state=locked.state)
        now = locked.now_ms
        asked: dict[str, Any] = {"cancel_request_time": now, "cancel_reason": reason}
        if locked.state is State.RUNNING:
            # It is due at once, so that a job between two steps notices too.
            event = apply(session, locked, EventType.UPDATED, **asked, next_run_time=now)
        else:
            # A queued or reconciling job has no run that could be stopped.
            event = end(session, locked, EventType.CANCELLED, **asked)
        return Cancelled(event.job, event)

    result = db.write(work)
    failpoints.hit("cancel.after_commit")
    return result


def fail_overdue(db: Database, user_id: str, job_id: str) -> Event | None:
    """Fails the job if a deadline of it is over; None when none is, or the job has ended."""

    def work(session: Session) -> Event:
        locked = lock(session, user_id, job_id)
        if locked is None or locked.state.terminal or locked.missed is None:
            raise Undo(None)
        reason = locked.missed
        if locked.state is State.RECONCILING:
            # This is why it did not end in time.
            reason = Reason.SUBMIT_OUTCOME_UNKNOWN
        return fail_missed(session, locked, reason)

    return db.write(work)


def fail_missed(session: Session, locked: Locked, reason: Reason) -> Event:
    """Fails a job whose deadline is over, as a part of a transaction."""
    what = "start" if reason is Reason.START_DEADLINE_EXCEEDED else "end"
    message = f"The job did not {what} before its deadline."
    metadata = {}
    if reason is Reason.SUBMIT_OUTCOME_UNKNOWN:
        row = session.row(_SUBMIT_TIME, job_id=locked.run.job_id)
        metadata["submit_time"] = iso(int(row[0])) if row and row[0] else ""
    failure = JobFailure(reason=reason, message=message, metadata=metadata)
    return fail_locked(session, locked, failure)
