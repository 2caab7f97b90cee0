"""What tests of a job's run ask and do."""

import dataclasses
import json
from typing import Any

from core.blobs import Blobs
from core.jobs import Job, JobFailure, State
from core.store import Database, events, jobs
from core.store.engine.sql import Statement
from tests.decoding import event_from_json
from tests.making import IMAGE, PRICE, accepted

RUN_OUT = Statement("UPDATE job SET lease_expire_time = 0 WHERE job_id = :job_id")
DUE = Statement("UPDATE job SET next_run_time = 0 WHERE job_id = :job_id")
_CIRCUITS_DUE = Statement("UPDATE circuit SET open_until = 1")
NEXT_RUN = Statement("SELECT next_run_time - {now} FROM job WHERE job_id = :job_id")


def circuits_are_due(db: Database) -> None:
    """As if no provider had to be left alone any longer."""
    db.write(lambda session: session.run(_CIRCUITS_DUE))


def image(db: Database, output_count: int = 1, **changes: Any) -> str:
    spec = dataclasses.replace(IMAGE, output_count=output_count, **changes.pop("spec", {}))
    return accepted(db, spec=spec, provider="scripted", **changes).job.job_id


def paid_image(db: Database, output_count: int = 1, **changes: Any) -> str:
    spec = dataclasses.replace(IMAGE, output_count=output_count, **changes.pop("spec", {}))
    values = {"provider": "paid", "cost": PRICE} | changes
    return accepted(db, spec=spec, **values).job.job_id


def job_of(db: Database, job_id: str) -> Job:
    return jobs.get(db, "alice", job_id)


def types(db: Database, job_id: str) -> list[str]:
    stored = events.job_events(db, "alice", job_id, 0, 100)
    return [event_from_json(e.revision, json.loads(e.payload)).type for e in stored]


def execute(db: Database, statement: Statement, job_id: str) -> None:
    db.write(lambda session: session.run(statement, job_id=job_id))


def failure_of(db: Database, job_id: str) -> JobFailure:
    job = job_of(db, job_id)
    assert job.state is State.FAILED
    assert job.failure is not None
    return job.failure


def keys(blobs: Blobs) -> list[str]:
    folders = ("media/", "thumbnails/", "tmp/")
    return [key for f in folders for key in blobs.list_keys(f, 10_000_000_000_000)]


def failing(failure: BaseException) -> Any:
    def fail(*_: object, **__: object) -> Any:
        raise failure

    return fail
