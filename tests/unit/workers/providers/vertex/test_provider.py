import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import Reason
from core.jobs import CostState
from tests.contract.provider_runs import Run
from tests.fakes import media, vertex
from tests.fakes.vertex import VertexFake
from tests.unit.workers.providers.vertex.conftest import (
    KEY,
    MICROS,
    OpenProvider,
    done,
    poll,
    read_input,
    submit,
    video_job,
)
from workers.providers import (
    Done,
    OutcomeUnknown,
    Provider,
    ProviderFailed,
    RunStopped,
    TryLater,
)
from workers.providers.http.connections import tls_context

BUCKET = "gs://fake-bucket/results"


def fetch(
    provider: Provider, job: Any, operation: str, path: Path, index: int = 0, run: Any = None
) -> bytes:
    provider.fetch(job, operation, index, path, read_input, run or Run())
    return path.read_bytes()


def refused(kind: type[Any], call: Callable[[], object]) -> Any:
    with pytest.raises(kind) as error:
        call()
    return error.value


def test_nothing_of_google_is_imported_before_it_is_needed() -> None:
    check = (
        "import sys, workers.providers.vertex;"
        "print(sorted({'google.genai', 'google.auth', 'requests'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


def test_the_request_is_sent_as_it_was_planned(
    fake: VertexFake, open_provider: OpenProvider
) -> None:
    job = video_job(
        first_frame="one",
        last_frame="two",
        negative_prompt="blur",
        seed=7,
        output_count=2,
        audio=False,
    )
    submit(open_provider(vertex_output_uri=BUCKET), job)
    [sent] = fake.sent
    [instance] = sent["instances"]
    assert instance["prompt"] == "a boat"
    assert {instance[name]["mimeType"] for name in ("image", "lastFrame")} == {"image/png"}
    assert sent["parameters"] == {
        "sampleCount": 2,
        "durationSeconds": 8,
        "aspectRatio": "16:9",
        "resolution": "1080p",
        "negativePrompt": "blur",
        "seed": 7,
        "generateAudio": False,
        "storageUri": f"{BUCKET}/{KEY}/",
    }
    assert sent["labels"] == {"rushes_job": "0199-job-1"}
    assert [line["key"] for line in fake.ledger.paid] == [KEY]


def test_4k_is_written_as_google_writes_it(fake: VertexFake, open_provider: OpenProvider) -> None:
    submit(open_provider(), video_job(resolution="4K"))
    assert fake.sent[0]["parameters"]["resolution"] == "4k"


def test_a_video_is_extended_and_references_are_assets(
    fake: VertexFake, open_provider: OpenProvider
) -> None:
    provider = open_provider()
    submit(provider, video_job(source_video="film"))
    submit(provider, video_job(references=("one", "two")))
    extension, references = (sent["instances"][0] for sent in fake.sent)
    assert extension["video"]["mimeType"] == "video/mp4"
    assert fake.sent[0]["parameters"]["durationSeconds"] == 7
    kinds = [reference["referenceType"] for reference in references["referenceImages"]]
    assert kinds == ["ASSET", "ASSET"]


def test_without_a_token_nothing_is_submitted(
    fake: VertexFake, open_provider: OpenProvider
) -> None:
    fake.token_status = 503
    later = refused(TryLater, lambda: submit(open_provider(), video_job()))
    assert not later.sent
    assert fake.requests == ["POST /token"]


def test_credentials_that_are_not_there_name_their_setting(
    fake: VertexFake, open_provider: OpenProvider, tmp_path: Path
) -> None:
    provider = open_provider(vertex_credentials_file=tmp_path / "none")
    failed = refused(ProviderFailed, lambda: submit(provider, video_job()))
    assert failed.failure.metadata == {"setting": "RUSHES_VERTEX_CREDENTIALS_FILE"}
    assert fake.requests == []


def test_without_a_client_nothing_is_submitted(
    fake: VertexFake, open_provider: OpenProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = open_provider()
    plan = provider.plan(video_job(), read_input)
    tls_context.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    later = refused(TryLater, lambda: provider.submit(video_job(), KEY, plan))
    assert not later.sent
    assert not any("predict" in request for request in fake.requests)


def test_an_answer_without_an_operation_is_unknown(
    open_provider: OpenProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.providers.vertex.client.Submits.ready", lambda *_: str)
    with pytest.raises(OutcomeUnknown):
        submit(open_provider(), video_job())


def test_an_operation_of_a_shape_that_nobody_knows_is_paid_and_kept(
    open_provider: OpenProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "projects/p/newOperations/4a45"
    monkeypatch.setattr("workers.providers.vertex.client.Submits.ready", lambda *_: lambda: name)
    assert submit(open_provider(), video_job()) == name


def test_a_poll_leaves_an_inline_result_where_it_is(
    fake: VertexFake, open_provider: OpenProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = []

    def endless(size: int) -> Iterator[bytes]:
        for chunk in range(size // media.CHUNK):
            chunks.append(chunk)
            yield bytes(media.CHUNK)

    monkeypatch.setattr(media, "big_video", endless)
    provider, job = open_provider(), video_job("fake:big")
    operation = done(provider, job)
    assert isinstance(poll(provider, job, operation), Done)
    assert len(chunks) < fake.big_bytes // media.CHUNK // 2


@pytest.mark.parametrize("output", ["", BUCKET])
def test_each_output_is_fetched_byte_for_byte(
    open_provider: OpenProvider, output: str, tmp_path: Path
) -> None:
    provider, job = open_provider(vertex_output_uri=output), video_job(output_count=3)
    operation = done(provider, job)
    film = media.video(1, *vertex.SIZES["16:9"])
    for index in range(3):
        assert fetch(provider, job, operation, tmp_path / "film", index) == film


@pytest.mark.parametrize("output", ["", BUCKET])
def test_of_a_job_that_was_filtered_in_part_what_was_made_is_kept_and_paid(
    open_provider: OpenProvider, output: str, tmp_path: Path
) -> None:
    provider = open_provider(vertex_output_uri=output)
    job = video_job("fake:fewer", output_count=4)
    operation = done(provider, job)
    for index in range(3):
        assert fetch(provider, job, operation, tmp_path / "film", index)
    path = tmp_path / "film"
    failed = refused(ProviderFailed, lambda: fetch(provider, job, operation, path, 3))
    assert failed.failure.reason is Reason.CONTENT_FILTERED
    assert failed.failure.metadata["phase"] == "output"
    assert (failed.cost, failed.charged_micros) == (CostState.CHARGED, MICROS * 3 // 4)


def test_a_poll_knows_what_a_job_costs_that_was_filtered_in_part(
    open_provider: OpenProvider,
) -> None:
    provider = open_provider(vertex_output_uri=BUCKET)
    job = video_job("fake:fewer", output_count=2)
    assert poll(provider, job, done(provider, job)) == Done(MICROS // 2)


@pytest.mark.parametrize("output", ["", BUCKET])
def test_a_result_that_is_too_large_is_no_result(
    open_provider: OpenProvider, output: str, tmp_path: Path
) -> None:
    provider, job = open_provider(vertex_output_uri=output), video_job("fake:big")
    operation = done(provider, job)
    path = tmp_path / "film"
    failed = refused(ProviderFailed, lambda: fetch(provider, job, operation, path))
    assert failed.failure.reason is Reason.RESULT_INVALID
    assert path.stat().st_size <= 1024**2


@pytest.mark.parametrize("output", ["", BUCKET])
def test_a_fetch_stops_when_it_is_asked_to(
    open_provider: OpenProvider, output: str, tmp_path: Path
) -> None:
    provider, job = open_provider(vertex_output_uri=output), video_job()
    operation = done(provider, job)
    with pytest.raises(RunStopped):
        fetch(provider, job, operation, tmp_path / "film", run=Run(stops=True))


def test_a_result_in_another_bucket_is_left_there_until_the_setting_names_it(
    fake: VertexFake, open_provider: OpenProvider, tmp_path: Path
) -> None:
    provider, job = open_provider(vertex_output_uri=BUCKET), video_job()
    operation = done(provider, job)
    other = open_provider(vertex_output_uri="gs://other-bucket")
    later = refused(TryLater, lambda: fetch(other, job, operation, tmp_path / "film"))
    assert later.failure.metadata == {"setting": "RUSHES_VERTEX_OUTPUT_URI"}
    assert not any("/storage/" in request for request in fake.requests)
    assert fetch(provider, job, operation, tmp_path / "film")


@pytest.mark.parametrize(
    ("prompt", "cost"),
    [
        ("a boat", CostState.CHARGED),
        ("fake:never-ends", CostState.CHARGED),
        ("fake:filtered-output", CostState.RELEASED),
        ("fake:fails", CostState.UNCERTAIN),
        ("fake:vanish", CostState.UNCERTAIN),
    ],
)
def test_what_can_not_be_cancelled_costs_what_becomes_of_it(
    open_provider: OpenProvider, prompt: str, cost: CostState
) -> None:
    provider, job = open_provider(), video_job(prompt)
    assert provider.cancel(job, submit(provider, job)) is cost


@pytest.mark.parametrize("operation", ["", "results/job.1", "projects/p/x"])
def test_an_operation_of_somebody_else_is_lost(
    fake: VertexFake, open_provider: OpenProvider, operation: str
) -> None:
    failed = refused(ProviderFailed, lambda: poll(open_provider(), video_job(), operation))
    assert failed.failure.reason is Reason.PROVIDER_OPERATION_LOST
    assert not any("models" in request for request in fake.requests)


def test_a_token_that_is_refused_keeps_the_paid_job_and_is_made_anew(
    fake: VertexFake, open_provider: OpenProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.providers.vertex.tokens._LONG_HOLD_SECONDS", 0)
    provider, job = open_provider(), video_job()
    operation = submit(provider, job)
    fake.forget_tokens()
    later = refused(TryLater, lambda: poll(provider, job, operation))
    assert later.failure.reason is Reason.PROVIDER_AUTH_FAILED
    assert isinstance(poll(provider, job, operation), Done)
    assert submit(provider, job) != operation


def test_a_submit_can_not_be_looked_up(open_provider: OpenProvider) -> None:
    provider = open_provider()
    assert not provider.can_look_up
    with pytest.raises(TryLater):
        provider.look_up(KEY)
