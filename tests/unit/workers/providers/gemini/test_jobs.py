"""Whole jobs, from the queue to the library, at a server that answers as Google's does."""

from collections.abc import Callable

import pytest

from core.errors import Reason
from core.jobs import CostState, Job, State
from core.store import Database
from tests.fakes.gemini import GeminiFake
from tests.making import PRICE, accepted, money
from tests.services import wait_for
from tests.unit.workers.running import DUE, execute, failure_of, job_of
from workers.polls.poller import Poller
from workers.providers import Providers
from workers.providers.gemini import GeminiProvider
from workers.runs.pipeline import Pipeline

Make = Callable[..., Job]


@pytest.fixture
def providers(make_provider: Callable[..., GeminiProvider]) -> Providers:
    return {"gemini": make_provider()}


def queued(db: Database, job: Job) -> str:
    values = {"spec": job.spec, "final_prompt": job.final_prompt, "cost": PRICE}
    return accepted(db, provider="gemini", **values).job.job_id


def test_a_video_is_made_polled_and_stored(
    fake: GeminiFake, pipeline: Pipeline, poller: Poller, db: Database, video_job: Make
) -> None:
    job_id = queued(db, video_job())
    assert pipeline.run_next("video")
    poller.start()
    execute(db, DUE, job_id)
    wait_for(lambda: pipeline.run_next("video"), "the video to be fetched")
    job = job_of(db, job_id)
    assert job.state is State.SUCCEEDED
    [film] = job.outputs
    assert (film.mime_type, film.model) == ("video/mp4", "gemini-omni-1.2-flash")
    assert job.cost.state is CostState.CHARGED
    assert [line["key"] for line in fake.ledger.paid] == [f"{job_id}.1"]


def test_an_image_is_stored_by_the_run_that_submits_it(
    fake: GeminiFake, pipeline: Pipeline, db: Database, image_job: Make
) -> None:
    job_id = queued(db, image_job(size="1K"))
    assert pipeline.run_next("image")
    job = job_of(db, job_id)
    assert job.state is State.SUCCEEDED
    assert len(job.outputs) == 1
    assert job.cost.state is CostState.CHARGED
    # By its tokens, and not by the estimate.
    assert job.cost.actual_micros not in (None, PRICE.estimated_micros)
    assert len(fake.ledger.paid) == 1


@pytest.mark.parametrize("word", ["filtered-prompt", "filtered-output"])
def test_a_filtered_image_costs_nothing(
    pipeline: Pipeline, db: Database, image_job: Make, word: str
) -> None:
    job_id = queued(db, image_job(f"fake:{word}"))
    assert pipeline.run_next("image")
    assert failure_of(db, job_id).reason is Reason.CONTENT_FILTERED
    assert job_of(db, job_id).cost.state is CostState.RELEASED
    assert money(db) == (0, 0)


@pytest.mark.parametrize("word", ["cut-after", "503-after"])
def test_an_answer_that_was_lost_is_never_asked_for_by_a_second_call(
    fake: GeminiFake, pipeline: Pipeline, db: Database, video_job: Make, word: str
) -> None:
    job_id = queued(db, video_job(f"fake:{word}"))
    assert pipeline.run_next("video")
    assert job_of(db, job_id).state is State.RECONCILING
    execute(db, DUE, job_id)
    pipeline.run_next("video")
    assert job_of(db, job_id).state is State.RECONCILING
    assert (len(fake.ledger.paid), sum(fake.posts.values())) == (1, 1)


@pytest.mark.parametrize("word", ["cut-after", "503-after"])
def test_an_image_whose_answer_was_lost_ends_its_job_at_once(
    fake: GeminiFake, pipeline: Pipeline, db: Database, image_job: Make, word: str
) -> None:
    job_id = queued(db, image_job(f"fake:{word}"))
    assert pipeline.run_next("image")
    assert failure_of(db, job_id).reason is Reason.SUBMIT_OUTCOME_UNKNOWN
    assert job_of(db, job_id).cost.state is CostState.UNCERTAIN
    assert (len(fake.ledger.paid), sum(fake.posts.values())) == (1, 1)


def test_an_image_that_was_kept_is_found_after_its_worker_died(
    fake: GeminiFake,
    pipeline: Pipeline,
    db: Database,
    image_job: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit = GeminiProvider.submit

    def dies(*arguments: object) -> None:
        submit(*arguments)  # type: ignore[arg-type]
        raise ConnectionError("the worker is gone")

    monkeypatch.setattr(GeminiProvider, "submit", dies)
    job_id = queued(db, image_job(size="1K"))
    assert pipeline.run_next("image")
    assert job_of(db, job_id).state is State.RECONCILING
    execute(db, DUE, job_id)
    assert pipeline.run_next("image")
    assert job_of(db, job_id).state is State.RUNNING
    assert job_of(db, job_id).provider_operation == f"results/{job_id}.1"
    assert len(fake.ledger.paid) == 1
