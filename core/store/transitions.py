"""Every state change of a job: one transaction with the revision, the job and the event.

The order is the lock order: the revision first (the user's mutex), then the job by compare-and-set
on state and fence, then the event. Claims, renewals and hand-backs are no changes: `claims`.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from core.errors import LeaseLost, NotFound, Reason
from core.events import Event, event_to_json
from core.jobs import CostState, EventType, Job, JobFailure, Stage, State, move
from core.media import Media
from core.store.database import Database, Session, Undo
from core.store.rows import JOB_COLUMNS, failure_to_json, insert_media, jobs_from_rows
from core.store.sql import Statement

E = TypeVar("E", bound=Event | None)

_BUMP = Statement(
    "INSERT INTO user_stream (user_id, revision, last_turn) VALUES (:user_id, 1, 0)"
    " ON CONFLICT (user_id) DO UPDATE SET revision = user_stream.revision + 1"
    " RETURNING revision, last_turn"
)
_LOCK_JOB = Statement(
    "SELECT state, fence, cancel_request_time, finish_deadline, cost_estimated FROM job"
    " WHERE job_id = :job_id AND user_id = :user_id {for_update}"
)
_GET_JOB = Statement(f"SELECT {JOB_COLUMNS} FROM job WHERE job_id = :job_id")
_INSERT_EVENT = Statement(
    "INSERT INTO job_event (user_id, revision, job_id, event_time, payload)"
    " VALUES (:user_id, :revision, :job_id, :event_time, :payload)"
)
_RUNNING = Statement("SELECT count(*) FROM job WHERE user_id = :user_id AND state = 'RUNNING'")


@dataclass(frozen=True, slots=True)
class Run:
    """A worker's claim of a job: what its writes must name."""

    user_id: str
    job_id: str
    fence: int


def bump(session: Session, user_id: str) -> tuple[int, int]:
    """The user's next revision and last turn; locks the user until the transaction ends."""
    row = session.row(_BUMP, user_id=user_id)
    assert row is not None
    return int(row[0]), int(row[1])


def append_event(session: Session, type: EventType, revision: int, job_id: str) -> Event:
    """Writes the event with the whole job after the change."""
    [job] = jobs_from_rows(session, session.rows(_GET_JOB, job_id=job_id))
    event = Event(revision, type, session.now_ms(), job)
    session.run(
        _INSERT_EVENT,
        user_id=job.user_id,
        revision=revision,
        job_id=job_id,
        event_time=event.event_time,
        payload=json.dumps(event_to_json(event), separators=(",", ":")),
    )
    return event


@dataclass(frozen=True, slots=True)
class _Locked:
    """A job whose user and row are locked by this transaction."""

    run: Run
    revision: int
    state: State
    cancel_request_time: int | None
    finish_deadline: int | None
    cost_estimated: int


def _lock(session: Session, user_id: str, job_id: str) -> _Locked | None:
    revision, _ = bump(session, user_id)
    row = session.row(_LOCK_JOB, job_id=job_id, user_id=user_id)
    if row is None:
        return None
    state, fence, *rest = row
    return _Locked(Run(user_id, job_id, int(fence)), revision, State(state), *rest)


@functools.cache
def _update(names: tuple[str, ...], ends: bool) -> Statement:
    changes = [
        "revision = :revision",
        "state = :state",
        *(f"{name} = :{name}" for name in names),
    ]
    if ends:
        changes += [
            "end_time = {now}",
            "lease_expire_time = NULL",
            "next_run_time = NULL",
        ]
        changes += ["worker_id = NULL"]
    return Statement(
        f"UPDATE job SET {', '.join(changes)}"
        " WHERE job_id = :job_id AND state = :state_before AND fence = :fence"
    )


def _apply(session: Session, locked: _Locked, type: EventType, **changes: Any) -> Event:
    """One move of the state machine with its event."""
    after = move(locked.state, type)
    count = session.run(
        _update(tuple(changes), after.terminal),
        **changes,
        revision=locked.revision,
        state=after,
        state_before=locked.state,
        job_id=locked.run.job_id,
        fence=locked.run.fence,
    )
    if count != 1:
        raise LeaseLost
    return append_event(session, type, locked.revision, locked.run.job_id)


def _as_owner(db: Database, run: Run, work: Callable[[Session, _Locked], E]) -> E:
    """Runs `work` if the run still owns the job.

    Raises:
        LeaseLost: when another run does, or the job has ended.
    """

    def transaction(session: Session) -> E:
        locked = _lock(session, run.user_id, run.job_id)
        if locked is None or locked.run.fence != run.fence or locked.state.terminal:
            raise LeaseLost
        return work(session, locked)

    return db.write(transaction)


def start(db: Database, run: Run, user_concurrency: int) -> Event | None:
    """QUEUED to RUNNING; None when the user runs as many jobs as it may: hand it back then."""

    def work(session: Session, locked: _Locked) -> Event | None:
        # Counted under the user's lock, so no two starts of one user count at once.
        row = session.row(_RUNNING, user_id=run.user_id)
        if row is not None and row[0] >= user_concurrency:
            raise Undo(None)
        changes = {"start_time": session.now_ms(), "stage": Stage.SUBMITTING}
        return _apply(session, locked, EventType.STARTED, **changes)

    return _as_owner(db, run, work)


def add_output(db: Database, run: Run, media: Media) -> Event:
    """One of several outputs is in the library; the job goes on."""

    def work(session: Session, locked: _Locked) -> Event:
        insert_media(session, media)
        return _apply(session, locked, EventType.UPDATED, stage=Stage.GENERATING)

    return _as_owner(db, run, work)


def succeed(db: Database, run: Run, media: Media) -> Event:
    """The last output is in the library: the job ends SUCCEEDED."""

    def work(session: Session, locked: _Locked) -> Event:
        insert_media(session, media)
        return _apply(
            session,
            *(locked, EventType.SUCCEEDED),
            stage=Stage.FINISHED,
            percent=100,
            progress_message="",
            cost_state=CostState.CHARGED,
            cost_actual=locked.cost_estimated,
        )

    return _as_owner(db, run, work)


def fail(db: Database, run: Run, failure: JobFailure) -> Event:
    """The job ends FAILED."""
    return _as_owner(db, run, lambda session, locked: _fail(session, locked, failure))


def end_cancelled(db: Database, run: Run) -> Event:
    """The run saw that a cancel was asked for: the job ends CANCELLED."""
    return _as_owner(db, run, _cancelled)


def cancel(db: Database, user_id: str, job_id: str, reason: str) -> tuple[Job, Event | None]:
    """Cancels a job that waits, asks the run of one that runs to end; None when nothing changed.

    Raises:
        NotFound: when the user has no such job.
    """

    def work(session: Session) -> tuple[Job, Event | None]:
        locked = _lock(session, user_id, job_id)
        if locked is None:
            raise NotFound("job")
        if locked.state.terminal or locked.cancel_request_time is not None:
            [job] = jobs_from_rows(session, session.rows(_GET_JOB, job_id=job_id))
            raise Undo((job, None))
        asked = {"cancel_request_time": session.now_ms(), "cancel_reason": reason}
        if locked.state is State.QUEUED:
            event = _cancelled(session, locked, **asked)
        else:
            # Due at once, so that a job between two steps notices too.
            asked["next_run_time"] = asked["cancel_request_time"]
            event = _apply(session, locked, EventType.UPDATED, **asked)
        return event.job, event

    return db.write(work)


def fail_overdue(db: Database, user_id: str, job_id: str) -> Event | None:
    """The job ends FAILED if its finish deadline is over; None when it is not, or has ended."""

    def work(session: Session) -> Event:
        locked = _lock(session, user_id, job_id)
        if locked is None or locked.state.terminal or locked.finish_deadline is None:
            raise Undo(None)
        if locked.finish_deadline > session.now_ms():
            raise Undo(None)
        message = "The job did not end before its deadline."
        failure = JobFailure(reason=Reason.FINISH_DEADLINE_EXCEEDED, message=message)
        return _fail(session, locked, failure)

    return db.write(work)


def _fail(session: Session, locked: _Locked, failure: JobFailure) -> Event:
    changes = {"failure": failure_to_json(failure), "cost_state": CostState.RELEASED}
    return _apply(session, locked, EventType.FAILED, stage=Stage.FINISHED, **changes)


def _cancelled(session: Session, locked: _Locked, **changes: Any) -> Event:
    changes |= {"stage": Stage.FINISHED, "cost_state": CostState.RELEASED}
    return _apply(session, locked, EventType.CANCELLED, **changes)
