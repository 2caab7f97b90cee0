"""Operations that are polled, and what comes of it."""

from typing import Any

from core.store import Database, claims
from tests.services import wait_for
from tests.unit.workers.running import NEXT_RUN, paid_image
from tests.unit.workers.scripted import ScriptedPaid
from workers.runs.pipeline import Pipeline


def operation(db: Database, pipeline: Pipeline, **changes: Any) -> str:
    """A job whose operation is to be polled."""
    job_id = paid_image(db, **changes)
    assert pipeline.run_next("image")
    return job_id


def polled(payee: ScriptedPaid, times: int) -> None:
    wait_for(lambda: len(payee.polled) >= times, f"{times} polls")


def fetchable(db: Database) -> None:
    wait_for(lambda: claims.claimable(db, "image", 4, 10) == 1, "a job to fetch")


def handed_back(db: Database, job_id: str, least_ms: int) -> int:
    def left() -> int:
        row = db.row(NEXT_RUN, job_id=job_id)
        return int(row[0]) if row is not None and row[0] > least_ms else 0

    return wait_for(left, "the next poll to be written down")
