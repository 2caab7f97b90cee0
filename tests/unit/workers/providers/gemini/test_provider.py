"""The provider against a server that answers as Google's does."""

import base64
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import get_args

import pytest
from google.genai.interactions import ModelParam
from starlette.responses import JSONResponse, Response, StreamingResponse

from core.catalog.models import read_catalog
from core.errors import Reason
from core.jobs import CostState, Job, Stage
from tests.contract.provider_runs import poll, read_input, submit
from tests.fakes import gemini, media
from tests.fakes.gemini import GeminiFake
from workers.providers import Done, Pending, ProviderFailed, RunStopped, TryLater
from workers.providers.gemini import GeminiProvider, operations
from workers.runs.results.media import probe_result

Make = Callable[..., Job]
Open = Callable[..., GeminiProvider]
MOST_CHUNKS = 200


class Run:
    """A run that stops when it is told to."""

    def __init__(self, *, stops: bool = False) -> None:
        self.stops = stops
        self.shares: list[float] = []

    def stopping(self) -> bool:
        return self.stops

    def report(self, stage: Stage, share: float, message: str) -> None:
        assert stage is Stage.DOWNLOADING
        self.shares.append(share)


def fetch(provider: GeminiProvider, job: Job, operation: str, path: Path) -> Run:
    run = Run()
    provider.fetch(job, operation, 0, path, read_input, run)
    return run


def test_a_video_is_downloaded_by_its_file_with_the_key_in_a_header(
    fake: GeminiFake, make_provider: Open, video_job: Make, tmp_path: Path
) -> None:
    provider, job = make_provider(), video_job(seed=5)
    operation = submit(provider, job).operation
    assert isinstance(poll(provider, job, operation), Done)
    run = Run()
    output = provider.fetch(job, operation, 0, tmp_path / "film", read_input, run)
    assert output.seed == 5
    assert run.shares == [0.0, 1.0]
    assert probe_result(tmp_path / "film").mime_type == "video/mp4"
    # Neither the address that the answer names nor a key in an address is used.
    assert fake.requests[-2:] == [f"GET /v1/files/{name}" for name in file_names(fake)]
    assert gemini.KEY not in " ".join(fake.requests)


def file_names(fake: GeminiFake) -> list[str]:
    name = fake.requests[-2].removeprefix("GET /v1/files/")
    return [name, f"{name}:download"]


def test_a_video_inside_the_answer_is_taken_too(
    fake: GeminiFake, make_provider: Open, video_job: Make, tmp_path: Path
) -> None:
    fake.inline = True
    provider, job = make_provider(), video_job()
    operation = submit(provider, job).operation
    assert isinstance(poll(provider, job, operation), Done)
    fetch(provider, job, operation, tmp_path / "film")
    assert (tmp_path / "film").read_bytes() == media.video(8)


def test_a_video_inside_the_answer_has_a_limit(
    fake: GeminiFake,
    make_provider: Open,
    video_job: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake.inline = True
    monkeypatch.setattr(gemini, "_film", lambda _: b"x" * 3_000_000)
    provider, job = make_provider(max_inline_result_megabytes=1), video_job()
    operation = submit(provider, job).operation
    with pytest.raises(ProviderFailed) as error:
        fetch(provider, job, operation, tmp_path / "film")
    assert error.value.failure.reason is Reason.RESULT_INVALID


def test_a_file_that_is_worked_on_is_fetched_later(
    fake: GeminiFake, make_provider: Open, video_job: Make, tmp_path: Path
) -> None:
    fake.file_seconds = 60
    provider, job = make_provider(), video_job()
    operation = submit(provider, job).operation
    with pytest.raises(TryLater) as error:
        fetch(provider, job, operation, tmp_path / "film")
    assert error.value.delay_ms == 5000
    fake.file_seconds = 0
    fetch(provider, job, operation, tmp_path / "film")
    assert probe_result(tmp_path / "film").width > 0


def test_a_download_stops_when_its_run_does(
    make_provider: Open, video_job: Make, tmp_path: Path
) -> None:
    provider, job = make_provider(), video_job()
    operation = submit(provider, job).operation
    with pytest.raises(RunStopped):
        provider.fetch(job, operation, 0, tmp_path / "film", read_input, Run(stops=True))


def test_a_video_that_runs_is_cancelled_and_one_that_is_done_is_paid(
    fake: GeminiFake, make_provider: Open, video_job: Make
) -> None:
    provider, job = make_provider(), video_job()
    assert provider.cancel(job, submit(provider, job).operation) is CostState.CHARGED
    fake.operation_seconds = 60
    operation = submit(provider, job).operation
    assert provider.cancel(job, operation) is CostState.RELEASED
    assert [line["operation"] for line in fake.ledger.lines if line["event"] == "cancelled"] == [
        operation
    ]
    with pytest.raises(ProviderFailed) as error:
        poll(provider, job, operation)
    assert error.value.failure.reason is Reason.PROVIDER_OPERATION_LOST
    assert error.value.cost is CostState.RELEASED
    assert provider.cancel(job, "v1_unknown") is CostState.UNCERTAIN


def test_an_image_costs_what_its_tokens_do_whoever_asks(
    make_provider: Open, image_job: Make
) -> None:
    provider, job = make_provider(), image_job()
    submitted = submit(provider, job)
    # 9 tokens at 0.50, 50 of thoughts at 3 and 1,120 of an image at 60 per million.
    assert submitted.charged_micros == -(
        -(9 * 500_000 + 50 * 3_000_000 + 1120 * 60_000_000) // 10**6
    )
    assert poll(make_provider(), job, submitted.operation) == Done(submitted.charged_micros)


def test_an_image_that_a_filter_held_back_is_charged_nothing(
    make_provider: Open, image_job: Make, tmp_path: Path
) -> None:
    provider, job = make_provider(), image_job("fake:filtered-output")
    submitted = submit(provider, job)
    assert submitted.charged_micros is None
    with pytest.raises(ProviderFailed) as error:
        fetch(provider, job, submitted.operation, tmp_path / "image")
    assert error.value.cost is CostState.RELEASED


def test_an_image_is_edited_with_its_inputs(
    fake: GeminiFake, make_provider: Open, image_job: Make
) -> None:
    submit(make_provider(), image_job(references=("a",)))
    [body] = fake.sent
    picture, text = body["contents"][0]["parts"]
    assert base64.urlsafe_b64decode(picture["inlineData"]["data"]) == media.image()
    assert text == {"text": "a lighthouse at night"}
    form = {"aspectRatio": "16:9", "imageSize": "2K"}
    assert body["generationConfig"] == {
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": form,
    }


def test_an_image_that_is_too_large_is_paid_and_no_second_call_is_made(
    fake: GeminiFake, make_provider: Open, image_job: Make, tmp_path: Path
) -> None:
    fake.big_bytes = 4_000_000
    provider, job = make_provider(max_inline_result_megabytes=1), image_job("fake:big")
    submitted = submit(provider, job)
    with pytest.raises(ProviderFailed) as error:
        fetch(provider, job, submitted.operation, tmp_path / "image")
    assert error.value.failure.reason is Reason.RESULT_INVALID
    assert error.value.cost is CostState.CHARGED
    assert sum(fake.posts.values()) == 1


def test_a_key_that_google_does_not_know_names_its_setting(
    fake: GeminiFake, make_provider: Open, video_job: Make, image_job: Make
) -> None:
    provider = make_provider("wrong")
    for job in (video_job(), image_job()):
        with pytest.raises(ProviderFailed) as error:
            submit(provider, job)
        assert error.value.failure.reason is Reason.PROVIDER_AUTH_FAILED
        assert error.value.failure.metadata == {"setting": "RUSHES_GEMINI_API_KEY"}
    with pytest.raises(TryLater) as later:
        # Of what is paid for, a key that is mended still gets the result.
        poll(provider, video_job(), "v1_x")
    assert later.value.failure.reason is Reason.PROVIDER_AUTH_FAILED


def test_what_the_environment_says_to_the_sdk_changes_nothing(
    fake: GeminiFake, make_provider: Open, image_job: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "GOOGLE_API_KEY": "other",
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_GENAI_USE_ENTERPRISE": "true",
        "GOOGLE_GENAI_API_VERSION": "beta",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    submit(make_provider(), image_job())
    assert fake.requests == ["POST /v1/models/gemini-3.1-flash-image:generateContent"]


def test_only_images_can_be_looked_up(
    make_provider: Open, video_job: Make, image_job: Make
) -> None:
    provider, video, image = make_provider(), video_job(), image_job()
    assert submit(provider, image).operation == make_provider().look_up(f"{image.job_id}.1")
    submit(provider, video)
    with pytest.raises(TryLater):
        provider.look_up(f"{video.job_id}.1")


def test_a_question_that_google_wants_later_is_asked_later(
    fake: GeminiFake, make_provider: Open, video_job: Make
) -> None:
    fake.answers.append(JSONResponse({"status": "queued"}, headers={"retry-after": "90"}))
    assert poll(make_provider(), video_job(), "v1_x") == Pending(delay_ms=90_000)


@pytest.mark.parametrize("body", [b"[]", b"", b'{"status": "comp', b'{"id": "' + b"x" * 2**20])
def test_an_answer_that_is_no_interaction_is_asked_for_again(
    fake: GeminiFake, make_provider: Open, video_job: Make, tmp_path: Path, body: bytes
) -> None:
    provider, job = make_provider(), video_job()
    fake.answers += [Response(body), Response(body)]
    with pytest.raises(TryLater):
        poll(provider, job, "v1_x")
    with pytest.raises(TryLater):
        fetch(provider, job, "v1_x", tmp_path / "film")


def test_a_long_refusal_is_read_as_far_as_it_says_something(
    fake: GeminiFake, make_provider: Open, video_job: Make
) -> None:
    sent: list[bytes] = []
    fake.answers.append(StreamingResponse(endless(sent), 503))
    with pytest.raises(TryLater):
        poll(make_provider(), video_job(), "v1_x")
    assert len(sent) < MOST_CHUNKS


@pytest.mark.parametrize("status", ["completed", "in_progress"])
def test_a_poll_leaves_a_long_answer_where_it_is(
    fake: GeminiFake,
    make_provider: Open,
    video_job: Make,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
) -> None:
    monkeypatch.setattr(operations, "MOST_POLLED_BYTES", 8 * media.CHUNK)
    monkeypatch.setattr(operations, "_MOST_INPUT_BYTES", 16 * media.CHUNK)
    head = json.dumps({"status": status, "steps": [{"data": ""}]}).encode().removesuffix(b'"}]}')
    sent: list[bytes] = []
    fake.answers.append(StreamingResponse(endless(sent, head)))
    assert poll(make_provider(), video_job(), "v1_x") == Done()
    assert len(sent) < MOST_CHUNKS


def endless(sent: list[bytes], head: bytes = b"") -> Iterator[bytes]:
    yield head
    while len(sent) < MOST_CHUNKS:
        sent.append(b"A")
        yield b"A" * media.CHUNK


def test_a_fetch_of_what_is_not_done_any_more_is_made_again(
    fake: GeminiFake, make_provider: Open, video_job: Make, tmp_path: Path
) -> None:
    fake.answers.append(JSONResponse({"status": "in_progress"}))
    with pytest.raises(TryLater):
        fetch(make_provider(), video_job(), "v1_x", tmp_path / "film")


def test_a_video_inside_the_answer_is_told_from_the_inputs_in_it(
    fake: GeminiFake, make_provider: Open, video_job: Make, tmp_path: Path
) -> None:
    film = base64.urlsafe_b64encode(media.video(3)).decode()
    said = {"type": "video", "data": base64.b64encode(b"an input").decode()}
    steps = [
        {"type": "user_input", "content": [said, {"type": "image", "data": ""}]},
        {"type": "model_output", "content": [{"type": "video", "data": film}]},
    ]
    fake.answers.append(JSONResponse({"steps": steps, "status": "completed"}))
    fetch(make_provider(), video_job(), "v1_x", tmp_path / "film")
    assert (tmp_path / "film").read_bytes() == media.video(3)
    assert list(tmp_path.glob("film*")) == [tmp_path / "film"]


def test_a_large_video_inside_the_answer_is_never_in_memory(
    fake: GeminiFake, make_provider: Open, video_job: Make, tmp_path: Path
) -> None:
    steps = [{"type": "model_output", "content": [{"type": "video", "data": "*"}]}]
    answer = json.dumps({"status": "completed", "steps": steps}).encode()
    head, tail = answer.split(b"*")
    film = (b"A" * media.CHUNK for _ in range(24))
    provider, job = make_provider(), video_job()
    fake.answers.append(StreamingResponse(chain([head], film, [tail])))
    tracemalloc.start()
    try:
        fetch(provider, job, "v1_x", tmp_path / "film")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "film").stat().st_size == 18 * media.CHUNK
    assert most < 12 * media.CHUNK


@pytest.mark.parametrize("data", ["AAA", "!AAA", "AA==AAAA"])
def test_a_video_inside_the_answer_that_is_damaged_was_charged(
    fake: GeminiFake, make_provider: Open, video_job: Make, tmp_path: Path, data: str
) -> None:
    steps = [{"type": "model_output", "content": [{"type": "video", "data": data}]}]
    fake.answers.append(JSONResponse({"status": "completed", "steps": steps}))
    with pytest.raises(ProviderFailed) as error:
        fetch(make_provider(), video_job(), "v1_x", tmp_path / "film")
    assert error.value.failure.reason is Reason.RESULT_INVALID
    assert error.value.cost is CostState.CHARGED


def test_every_model_of_the_catalog_that_lives_is_one_that_the_sdk_lists() -> None:
    known = {name for literal in get_args(ModelParam) for name in get_args(literal)}
    ours = {
        model.provider_model
        for model in read_catalog(None).models.values()
        if model.provider == "gemini" and model.shutdown_time is None
    }
    assert ours <= known
    assert known >= gemini.VIDEO_MODELS | gemini.IMAGE_MODELS


def test_a_worker_that_calls_nobody_loads_no_sdk() -> None:
    code = "import sys, workers.providers.gemini as g; print('google.genai' in sys.modules, g)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.startswith("False")
