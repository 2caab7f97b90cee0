"""Jobs that run on OpenAI's server through the real pipeline: paid once, whatever breaks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.blobs import Blobs
from core.errors import Reason
from core.jobs import CostState, Job, State
from core.process import failpoints
from core.specs import ImageSpec
from core.store import Database
from tests.fakes import media
from tests.fakes.openai import OpenAIFake
from tests.making import MICROS, PRICE, accepted, money
from tests.services import wait_for
from tests.unit.workers.providers.openai.test_provider import open_provider
from tests.unit.workers.running import DUE, circuits_are_due, execute, job_of
from workers.polls.poller import Poller
from workers.providers import Providers
from workers.runs.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_scratch_is_left", "no_failpoint_is_left")

TOKENS_OF_TWO_WORDS = 10
MICROS_OF_AN_IMAGE = 30_000 + TOKENS_OF_TWO_WORDS


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[OpenAIFake]:
    with OpenAIFake(tmp_path, operation_seconds=0) as fake:
        yield fake


@pytest.fixture
def providers(fake: OpenAIFake, blobs: Blobs, tmp_path: Path) -> Providers:
    return {"openai": open_provider(fake.url, blobs, tmp_path)}


def queued(db: Database, prompt: str, **changes: Any) -> str:
    values: dict[str, Any] = {"model": "gpt-image-2.5-flare", "aspect_ratio": "1:1"}
    spec = ImageSpec(prompt=prompt, size="256x256", **values, **changes)
    return accepted(db, spec=spec, provider="openai", cost=PRICE).job.job_id


def run(pipeline: Pipeline, db: Database, job_id: str, times: int = 4) -> Job:
    """The job after as many runs as would have been, had all pauses been over."""
    for _ in range(times):
        execute(db, DUE, job_id)
        circuits_are_due(db)
        pipeline.run_next("image")
    return job_of(db, job_id)


def test_a_job_is_one_call_whose_tokens_are_its_cost(
    pipeline: Pipeline, db: Database, blobs: Blobs, fake: OpenAIFake
) -> None:
    job_id = queued(db, "a boat", output_count=2)
    job = run(pipeline, db, job_id, times=1)

    assert job.state is State.SUCCEEDED
    assert job.provider_operation == f"results/{job_id}.1"
    for output in job.outputs:
        assert (output.mime_type, output.width, output.height) == ("image/png", 256, 256)
        assert blobs.read(output.blob_key) == media.image("image/png", 256, 256)
    charged = 2 * 30_000 + TOKENS_OF_TWO_WORDS
    assert (job.cost.state, job.cost.actual_micros) == (CostState.CHARGED, charged)
    assert money(db) == (0, charged)
    assert len(fake.ledger.paid) == len(fake.requests) == 1


def test_a_worker_that_dies_with_the_answer_kept_loses_nothing(
    pipeline: Pipeline, db: Database, poller: Poller, fake: OpenAIFake
) -> None:
    # Given an answer that only the blob store and a dead run know
    failpoints.arm("submit.after_answer=exception")
    job_id = queued(db, "a boat")
    pipeline.run_next("image")
    failpoints.arm("")
    assert job_of(db, job_id).state is State.RECONCILING

    # When it is looked up, and taken to be an operation
    poller.start()

    def ended() -> bool:
        return run(pipeline, db, job_id, times=1).state is State.SUCCEEDED

    wait_for(ended, "the job's end")
    job = job_of(db, job_id)
    assert (job.cost.state, job.cost.actual_micros) == (CostState.CHARGED, MICROS_OF_AN_IMAGE)
    assert len(fake.requests) == 1


@pytest.mark.parametrize("word", ["cut-before", "500-before", "503-after", "cut-after", "fails"])
def test_a_call_whose_answer_was_lost_is_never_made_again(
    pipeline: Pipeline, db: Database, fake: OpenAIFake, word: str
) -> None:
    job_id = queued(db, f"a boat fake:{word}")
    job = run(pipeline, db, job_id)
    # Nobody can find its images any more, so the job does not wait.
    assert (job.state, job.cost.state) == (State.FAILED, CostState.UNCERTAIN)
    assert len(fake.requests) == 1
    assert money(db) == (0, MICROS)


@pytest.mark.parametrize("word", ["429-once", "429-retry-after-once"])
def test_a_busy_provider_is_sent_the_same_job_again(
    pipeline: Pipeline, db: Database, fake: OpenAIFake, word: str
) -> None:
    job_id = queued(db, f"a boat fake:{word}")
    job = run(pipeline, db, job_id)
    assert job.state is State.SUCCEEDED
    assert [line["key"] for line in fake.ledger.paid] == [f"{job_id}.2"]
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("filtered-prompt", Reason.CONTENT_FILTERED),
        ("filtered-output", Reason.CONTENT_FILTERED),
        ("quota", Reason.PROVIDER_QUOTA_EXHAUSTED),
        ("401", Reason.PROVIDER_AUTH_FAILED),
    ],
)
def test_a_refusal_is_free(
    pipeline: Pipeline, db: Database, fake: OpenAIFake, word: str, reason: Reason
) -> None:
    job = run(pipeline, db, queued(db, f"a boat fake:{word}"))
    assert job.failure is not None
    assert (job.failure.reason, job.cost.state) == (reason, CostState.RELEASED)
    assert (len(fake.requests), money(db)) == (1, (0, 0))


@pytest.mark.parametrize("word", ["wrong-type", "truncated", "big"])
def test_a_result_that_can_not_be_used_was_paid_all_the_same(
    pipeline: Pipeline, db: Database, fake: OpenAIFake, word: str
) -> None:
    fake.big_bytes = 256 * 1024 * 1024
    job = run(pipeline, db, queued(db, f"boat fake:{word}"))
    assert job.failure is not None
    assert (job.failure.reason, job.cost.state) == (Reason.RESULT_INVALID, CostState.CHARGED)
    assert job.cost.actual_micros == (MICROS if word == "big" else MICROS_OF_AN_IMAGE)
    assert len(fake.requests) == 1
