"""The users of a bench: each has one job that runs, which a watcher is told of."""

from dataclasses import replace
from typing import Any

from core.events import Event
from core.ids import new_id
from core.jobs import Cost, CostState, EventType, Job
from core.specs import VideoSpec
from core.store import Database, accept, starts
from core.store.accept import NewJob
from core.store.change import append_event, bump
from core.store.engine.database import Session
from core.store.engine.sql import Statement
from core.store.rows import JOB_NAMES, job_from_columns, job_from_row

LABELS = {"project": "bench", "scene": "12"}
SPEC = VideoSpec(
    prompt="A lighthouse in a storm at night, seen from a boat that rides up and down the waves, "
    "in the style of an old film",
    model="builtin-video",
    duration_ms=8000,
    aspect_ratio="16:9",
    resolution="720p",
)
FINISH_WITHIN_MS = 24 * 3600 * 1000
_ROW = Statement("SELECT {job_columns} FROM job WHERE job_id = :job_id")
_INSERT = Statement("INSERT INTO job ({job_names}) VALUES ({job_values})")
_RUNNING = Statement("SELECT {job_columns} FROM job WHERE state = 'RUNNING' ORDER BY user_id")


def name_of(number: int) -> str:
    """The user's name; names sort as numbers do."""
    return f"user-{number:06d}"


def insert_users(db: Database, count: int) -> None:
    """Users with one running job and one event each: the first made as all are, then its copies."""
    new = NewJob(
        user_id=name_of(0),
        spec=SPEC,
        provider="builtin",
        cost=Cost(state=CostState.ESTIMATED, estimated_micros=0),
        finish_within_ms=FINISH_WITHIN_MS,
        max_queued=1,
        labels=LABELS,
    )
    accepted = accept.accept(db, new).job
    claim = starts.claim_and_start(db, accepted.queue, "bench", FINISH_WITHIN_MS, 1, ["builtin"])
    assert claim is not None
    assert claim.event is not None
    row = db.row(_ROW, job_id=accepted.job_id)
    assert row is not None
    columns = dict(zip(JOB_NAMES, row, strict=True))
    names = [name_of(number) for number in range(1, count)]
    for begin in range(0, len(names), 1000):
        part = names[begin : begin + 1000]
        db.write(lambda session, part=part: _insert_copies(session, columns, part))  # type: ignore[misc]


def _insert_copies(session: Session, columns: dict[str, Any], names: list[str]) -> None:
    for name in names:
        bump(session, name)
        copy = columns | {"job_id": new_id(), "user_id": name, "revision": 1}
        session.later(_INSERT, **copy)
        job = job_from_columns(copy)
        append_event(session, Event(1, EventType.STARTED, job.start_time or 0, job))


def running_jobs(db: Database) -> list[Job]:
    """The users' jobs, in the order of their names."""
    return [job_from_row(row) for row in db.rows(_RUNNING)]


def moved(job: Job, revision: int, message: str) -> Job:
    """The job at a later revision, with a message for people."""
    return replace(job, revision=revision, progress=replace(job.progress, message=message))
