"""Veo's jobs in a worker: what users find, and where their money is."""

from dataclasses import replace

import pytest

from core.errors import Reason
from core.jobs import CostState, State, Step
from core.store import Database
from core.store.engine.sql import Statement
from tests.fakes.vertex import VertexFake
from tests.making import MICROS, PRICE, accepted, money
from tests.services import wait_for
from tests.unit.workers.providers.vertex.conftest import SPEC, OpenProvider
from tests.unit.workers.running import DUE, execute, job_of
from workers.polls.poller import Poller
from workers.providers import Providers
from workers.runs.pipeline import Pipeline

STEP = Statement("SELECT step FROM job WHERE job_id = :job_id")


@pytest.fixture
def providers(open_provider: OpenProvider) -> Providers:
    return {"vertex": open_provider()}


def run(db: Database, pipeline: Pipeline, poller: Poller, prompt: str, outputs: int) -> str:
    """A job of Veo that has ended."""
    spec = replace(SPEC, output_count=outputs)
    changes = {"provider": "vertex", "cost": PRICE, "final_prompt": prompt}
    job_id = accepted(db, spec=spec, **changes).job.job_id
    assert pipeline.run_next("video")
    execute(db, DUE, job_id)
    poller.start()

    def asked() -> bool:
        [step] = db.row(STEP, job_id=job_id) or [None]
        return step == Step.FETCH or job_of(db, job_id).state.terminal

    wait_for(asked, "the poll")
    if not job_of(db, job_id).state.terminal:
        assert pipeline.run_next("video")
    return job_id


def test_a_job_ends_with_all_of_its_videos(
    db: Database, pipeline: Pipeline, poller: Poller, fake: VertexFake
) -> None:
    job = job_of(db, run(db, pipeline, poller, "a boat", 2))
    assert job.state is State.SUCCEEDED
    assert len(job.outputs) == 2
    assert job.cost.actual_micros == MICROS
    assert len(fake.ledger.paid) == 1


def test_a_job_that_is_filtered_in_part_fails_with_what_was_made_and_pays_for_that(
    db: Database, pipeline: Pipeline, poller: Poller
) -> None:
    job = job_of(db, run(db, pipeline, poller, "a boat fake:fewer", 2))
    assert job.state is State.FAILED
    assert job.failure is not None
    assert job.failure.reason is Reason.CONTENT_FILTERED
    assert len(job.outputs) == 1
    assert (job.cost.state, job.cost.actual_micros) == (CostState.CHARGED, MICROS // 2)
    assert money(db) == (0, MICROS // 2)


def test_a_job_that_is_filtered_costs_nothing(
    db: Database, pipeline: Pipeline, poller: Poller
) -> None:
    job = job_of(db, run(db, pipeline, poller, "a boat fake:filtered-output", 2))
    assert job.state is State.FAILED
    assert job.cost.state is CostState.RELEASED
    assert money(db) == (0, 0)
