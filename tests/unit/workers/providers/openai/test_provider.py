"""The adapter against its server, beyond what the contract says of all of them."""

import asyncio
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import SecretStr

from core.blobs import Blobs, open_blobs
from core.catalog.models import read_catalog
from core.errors import DependencyUnavailable, Reason
from core.jobs import CostState, Job
from core.process.settings import read_settings
from tests.contract.provider_runs import Run
from tests.fakes import media
from tests.fakes.openai import KEY, OpenAIFake
from tests.unit.workers.providers.openai.jobs import job_of
from workers.providers import Done, OutcomeUnknown, ProviderFailed, Submitted, TryLater
from workers.providers.openai.provider import OpenAIProvider


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[OpenAIFake]:
    with OpenAIFake(tmp_path, operation_seconds=0) as fake:
        yield fake


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(read_settings(data_dir=tmp_path), b"k" * 32)


@pytest.fixture
def provider(fake: OpenAIFake, blobs: Blobs, tmp_path: Path) -> OpenAIProvider:
    return open_provider(fake.url, blobs, tmp_path)


def open_provider(url: str, blobs: Blobs, folder: Path, **values: Any) -> OpenAIProvider:
    settings = read_settings(data_dir=folder, openai_base_url=f"{url}/v1", **values)
    return OpenAIProvider(settings, SecretStr(KEY), read_catalog(None), blobs)


def read_input(media_id: str) -> bytes:
    return media.image("image/jpeg" if media_id == "photo" else "image/png")


def submit(provider: OpenAIProvider, job: Job) -> Submitted:
    return provider.submit(job, f"{job.job_id}.1", provider.plan(job, read_input))


def fetch(provider: OpenAIProvider, job: Job, operation: str, path: Path, index: int = 0) -> bytes:
    provider.fetch(job, operation, index, path, read_input, Run())
    return path.read_bytes()


@pytest.mark.parametrize(
    ("mime_type", "name"), [("image/png", "PNG"), ("image/jpeg", "JPEG"), ("image/webp", "WEBP")]
)
def test_every_type_and_size_comes_as_it_was_asked_for(
    provider: OpenAIProvider, tmp_path: Path, mime_type: str, name: str
) -> None:
    job = job_of(output_mime_type=mime_type, size="1536x1024")
    data = fetch(provider, job, submit(provider, job).operation, tmp_path / "output")
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size) == (name, (1536, 1024))
    assert data == media.image(mime_type, 1536, 1024)


def test_many_images_are_one_call(
    provider: OpenAIProvider, fake: OpenAIFake, tmp_path: Path
) -> None:
    job = job_of(output_count=4, quality="HIGH")
    operation = submit(provider, job).operation
    for index in range(4):
        assert fetch(provider, job, operation, tmp_path / "output", index)
    [line] = fake.ledger.paid
    assert (line["outputs"], line["key"]) == (4, f"{job.job_id}.1")
    assert fake.sent[0]["quality"] == "high"
    assert fake.requests == ["POST /v1/images/generations"]


def test_an_edit_sends_its_images_and_its_mask(
    provider: OpenAIProvider, fake: OpenAIFake, tmp_path: Path
) -> None:
    job = job_of(references=("photo", "drawing"), mask="mask", output_count=2)
    submitted = submit(provider, job)
    assert fetch(provider, job, submitted.operation, tmp_path / "output", 1)

    assert fake.requests == ["POST /v1/images/edits"]
    [sent] = fake.sent
    assert sent["image"] == [media.image("image/jpeg"), media.image("image/png")]
    assert sent["mask"].startswith(b"\x89PNG")
    assert (sent["n"], sent["size"], sent["model"]) == ("2", "1024x1024", "gpt-image-2.5-flare")
    assert fake.ledger.paid[0]["key"] == f"{job.job_id}.1"


def test_what_it_cost_is_counted_by_its_tokens(provider: OpenAIProvider, fake: OpenAIFake) -> None:
    job = job_of(prompt="three small words", references=("photo",), output_count=2)
    submitted = submit(provider, job)

    model = read_catalog(None).get(job.spec.model)
    ability = model.ability("image") if model else None
    assert ability is not None
    tokens = {"text_input": 3, "image_input": 100, "text_output": 0, "image_output": 2000}
    assert submitted.charged_micros == ability.charge_micros(tokens)
    assert submitted.charged_micros
    assert asyncio.run(poll(provider, job, submitted)) == Done(submitted.charged_micros)


async def poll(provider: OpenAIProvider, job: Job, submitted: Submitted) -> Any:
    return await provider.poll(job, submitted.operation)


def test_without_a_price_of_tokens_the_estimate_holds(provider: OpenAIProvider) -> None:
    assert submit(provider, job_of(model="gpt-image-2.6-flare")).charged_micros is None


def test_a_model_that_this_worker_does_not_list_is_sent_by_its_name(
    provider: OpenAIProvider, fake: OpenAIFake
) -> None:
    submit(provider, job_of(model="chatgpt-image-latest"))
    assert fake.sent[0]["model"] == "chatgpt-image-latest"


def test_images_that_did_not_come_fail_at_their_turn_and_are_paid(
    provider: OpenAIProvider, tmp_path: Path
) -> None:
    job = job_of(prompt="fake:fewer", output_count=2)
    operation = submit(provider, job).operation
    assert fetch(provider, job, operation, tmp_path / "output", 0)
    with pytest.raises(ProviderFailed) as error:
        fetch(provider, job, operation, tmp_path / "output", 1)
    assert error.value.failure.reason is Reason.RESULT_INVALID
    assert error.value.cost is CostState.CHARGED


def test_an_answer_above_the_limit_is_paid_and_no_result(blobs: Blobs, tmp_path: Path) -> None:
    with OpenAIFake(tmp_path, big_bytes=8 * 1024 * 1024) as fake:
        provider = open_provider(fake.url, blobs, tmp_path, max_inline_result_megabytes=1)
        job = job_of(prompt="fake:big")
        operation = submit(provider, job).operation
        with pytest.raises(ProviderFailed) as error:
            fetch(provider, job, operation, tmp_path / "output")
    assert error.value.failure.reason is Reason.RESULT_INVALID
    assert "1 MiB" in error.value.failure.message
    assert error.value.cost is CostState.CHARGED


def test_results_that_can_not_be_kept_leave_the_outcome_open(
    provider: OpenAIProvider, blobs: Blobs, fake: OpenAIFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(key: str, data: bytes) -> None:
        raise DependencyUnavailable("blob store")

    monkeypatch.setattr(provider._kept, "_seconds", 0)
    monkeypatch.setattr(blobs, "put_bytes", away)
    # Any error but those that say "refused" makes the job RECONCILING: never a second call.
    with pytest.raises(DependencyUnavailable):
        submit(provider, job_of())
    assert len(fake.ledger.paid) == 1


def test_what_was_kept_is_found_by_its_key_and_what_was_not_stays_open(
    provider: OpenAIProvider,
) -> None:
    job = job_of()
    operation = submit(provider, job).operation
    assert provider.look_up(f"{job.job_id}.1") == operation
    with pytest.raises(TryLater):
        provider.look_up(f"{job.job_id}.2")


@pytest.mark.parametrize("prompt", ["fake:fails", "fake:cut-after", "fake:503-after"])
def test_a_failure_at_their_side_leaves_the_outcome_open(
    provider: OpenAIProvider, fake: OpenAIFake, prompt: str
) -> None:
    with pytest.raises(OutcomeUnknown):
        submit(provider, job_of(prompt=prompt))
    assert fake.posts == {"/v1/images/generations": 1}


def test_the_same_word_acts_once_when_it_says_so(
    provider: OpenAIProvider, fake: OpenAIFake
) -> None:
    job = job_of(prompt="fake:429-once")
    with pytest.raises(TryLater):
        submit(provider, job)
    assert submit(provider, job).done
    fake.fault("429")
    with pytest.raises(TryLater):
        submit(provider, job_of())


@pytest.mark.parametrize(
    "spec",
    [{"size": "1000x1000"}, {"size": "4096x1024"}, {"size": "3200x640"}, {"output_count": 11}],
)
def test_what_they_can_not_make_is_refused_free_of_charge(
    provider: OpenAIProvider, fake: OpenAIFake, spec: dict[str, Any]
) -> None:
    with pytest.raises(ProviderFailed) as error:
        submit(provider, job_of(**spec))
    assert error.value.failure.reason is Reason.PROVIDER_REJECTED
    assert fake.ledger.paid == []


def test_a_retired_model_is_refused(provider: OpenAIProvider) -> None:
    with pytest.raises(ProviderFailed) as error:
        submit(provider, job_of(model="dall-e-3"))
    assert error.value.failure.metadata == {"code": "model_not_found"}


def test_the_sdk_never_sends_twice_whatever_the_environment_says(
    fake: OpenAIFake, blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/elsewhere")
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    provider = open_provider(fake.url, blobs, tmp_path)
    assert provider._client().max_retries == 0
    with pytest.raises(OutcomeUnknown):
        submit(provider, job_of(prompt="fake:503-after"))
    assert len(fake.requests) == 1


def test_without_an_address_it_is_openai_s_own(blobs: Blobs, tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path)
    provider = OpenAIProvider(settings, SecretStr(KEY), read_catalog(None), blobs)
    assert str(provider._client().base_url) == "https://api.openai.com/v1/"


def test_the_sdk_is_not_imported_before_it_is_used() -> None:
    code = "import sys, workers.providers.openai.provider; assert 'openai' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
