"""The command line with each paid provider against its fake; and that no key is left anywhere."""

import hashlib
import json
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image
from starlette.responses import Response

from rushes.v1 import job_pb2
from standalone.envoy import find_envoy
from tests.e2e.command_line import CommandLine
from tests.e2e.processes import PROC, linux_only
from tests.e2e.running import Running, environment
from tests.fakes import gemini, openai
from tests.fakes.gemini import GeminiFake
from tests.fakes.installed import IMAGE_MODELS, VIDEO_MODELS, Addresses, variables
from tests.fakes.openai import OpenAIFake
from tests.fakes.serve import Fake
from tests.fakes.vertex import VertexFake
from tests.ports import free_port
from tests.services import missing
from tests.signing import is_valid, signed

Job = job_pb2.Job
JOB_FAILED = 1
Fakes = dict[str, Fake]

# Impatient, and as talkative as it can be made.
CHOSEN = {
    **{"RUSHES_SUBMIT_TIMEOUT_SECONDS": "3", "RUSHES_SYNCHRONOUS_TIMEOUT_SECONDS": "3"},
    **{"RUSHES_RECONCILE_SECONDS": "1", "RUSHES_RETRY_SECONDS": "0.2"},
    "RUSHES_CIRCUIT_FAILURES": "1000",
    **{"RUSHES_USER_CONCURRENCY": "100", "RUSHES_WORKER_THREADS": "8"},
    **{"RUSHES_LOG_LEVEL": "DEBUG", "OPENAI_LOG": "debug", "GOOGLE_GENAI_DEBUG": "1"},
}
LATE_SECONDS = 4.0
# Everything that the fakes can do wrong, but for what takes minutes.
ANSWERS = (
    "",
    "500-before",
    "cut-before",
    "429-once",
    "quota",
    "401",
    "filtered-prompt",
    "filtered-input",
    "503-after",
    "cut-after",
    "late",
    "truncated-once",
    "wrong-type",
)
OPERATIONS = ("filtered-output", "vanish", "fails", "download-503-once", "poll-503-once")
SUCCEED = {"", "429-once", "truncated-once", "download-503-once", "poll-503-once"}


class SigningFake(GeminiFake):
    """Signs its videos, and keeps what it sent."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.delivered: list[bytes] = []

    async def deliver(self, prompt: str, operation: str, data: bytes, media_type: str) -> Response:
        self.delivered.append(signed(data, media_type))
        return await super().deliver(prompt, operation, self.delivered[-1], media_type)


@pytest.fixture(scope="module")
def fakes() -> Iterator[Fakes]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fakes-", dir="/tmp")))
        yield {
            kind.name: stack.enter_context(kind(folder, late_seconds=LATE_SECONDS))
            for kind in (SigningFake, VertexFake, OpenAIFake)
        }


@pytest.fixture(scope="module")
def paid_run(fakes: Fakes) -> Iterator[Running]:
    if find_envoy() is None:
        missing("Envoy")
    vertex = fakes["vertex"]
    assert isinstance(vertex, VertexFake)
    urls = {name: fake.url for name, fake in fakes.items()}
    with tempfile.TemporaryDirectory(prefix="e2e-", dir="/tmp") as name:
        folder = Path(name)
        told = variables(folder, Addresses(**urls, credentials=vertex.credentials_file))
        told |= {"RUSHES_METRICS_PORT": str(free_port()), **CHOSEN}
        with closing(Running(folder, free_port(), **told)) as running:
            running.start()
            yield running


@pytest.fixture
def rushes(paid_run: Running, user: str, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, environment(paid_run.data, RUSHES_USER=user))


@pytest.mark.parametrize("model", ["gemini-omni-1.2-flash", "veo-3.1-generate-001"])
def test_a_video_of_each_adapter_is_made_paid_once_and_plays(
    rushes: CommandLine, fakes: Fakes, model: str
) -> None:
    paid = {name: len(fake.ledger.paid) for name, fake in fakes.items()}

    done = rushes(
        "generate",
        "video",
        "calm waves",
        "--model",
        model,
        "--duration",
        "4",
        "--resolution",
        "720p",
        "--out",
        "waves.mp4",
    )

    assert (done.code, done.out) == (0, "waves.mp4\n"), done.err
    with av.open(rushes.folder / "waves.mp4") as film:
        assert sum(1 for _ in film.decode(video=0)) > 0
    provider = "vertex" if model.startswith("veo") else "gemini"
    after = {name: len(fake.ledger.paid) for name, fake in fakes.items()}
    assert after == {**paid, provider: paid[provider] + 1}
    [line] = rushes("jobs").lines
    assert "charged" in rushes("show", line[0]).out


@pytest.mark.parametrize("model", ["gemini-3.1-flash-image", "gpt-image-2.5-flare"])
def test_an_image_of_each_adapter_is_made_paid_once_and_opens(
    rushes: CommandLine, fakes: Fakes, model: str
) -> None:
    paid = sum(len(fake.ledger.paid) for fake in fakes.values())

    # Without an ending, which would ask for a type that not every model offers.
    done = rushes("generate", "image", "a paper boat", "--model", model, "--out", "boat")

    assert (done.code, done.out) == (0, "boat\n"), done.err
    with Image.open(rushes.folder / "boat") as picture:
        picture.load()
    assert sum(len(fake.ledger.paid) for fake in fakes.values()) == paid + 1
    [line] = rushes("jobs").lines
    assert "charged" in rushes("show", line[0]).out


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("video", "gemini-omni-1.2-flash"),
        ("video", "veo-3.1-generate-001"),
        ("image", "gpt-image-2.5-flare"),
    ],
)
def test_what_a_filter_refuses_fails_with_words_and_costs_nothing(
    rushes: CommandLine, kind: str, model: str
) -> None:
    done = rushes("generate", kind, "fake:filtered-prompt boat", "--model", model)

    assert (done.code, done.out) == (JOB_FAILED, "")
    assert "filter" in done.err
    assert done.err.rstrip().endswith("nothing charged")


def test_what_a_user_downloads_is_what_the_provider_sent_to_the_last_byte(
    paid_run: Running, fakes: Fakes, user: str, tmp_path: Path
) -> None:
    gemini_fake = fakes["gemini"]
    assert isinstance(gemini_fake, SigningFake)
    with paid_run.client(user) as client:
        job = client.generate_video("sea", model="gemini-omni-1.2-flash", duration=4)
        [media] = client.wait(job.job_id).outputs
        client.download(media, tmp_path / "sea.mp4")

    data = (tmp_path / "sea.mp4").read_bytes()
    assert data == gemini_fake.delivered[-1]
    assert hashlib.sha256(data).hexdigest() == media.sha256
    assert media.has_content_credentials
    assert is_valid(data, "video/mp4")


@linux_only
def test_only_who_calls_or_counts_providers_is_given_a_key(paid_run: Running) -> None:
    given = {
        process.role or process.program
        for process in paid_run.processes
        if gemini.KEY.encode() in (PROC / str(process.pid) / "environ").read_bytes()
    }
    assert given == {"server-1", "worker-1", "worker-2"}


@linux_only
@pytest.mark.timeout(180)
def test_no_key_is_left_anywhere_whatever_went_wrong(
    paid_run: Running, fakes: Fakes, user: str
) -> None:
    # Given a job of each adapter for each thing that can go wrong
    told: list[bytes] = []
    with paid_run.client(user) as client:
        jobs = {
            (model, word): client.generate_video(f"fake:{word} sea", model=model, duration=4)
            for model in VIDEO_MODELS
            for word in (*ANSWERS, *OPERATIONS)
        } | {
            (model, word): client.generate_image(f"fake:{word} boat", model=model)
            for model in IMAGE_MODELS
            for word in ANSWERS
        }
        ended = {what: client.get_job(job.job_id, wait=60) for what, job in jobs.items()}
        for job in ended.values():
            told += [job.SerializeToString()]
            told += [event.SerializeToString() for event in client.job_events(job.job_id)]
    assert {job.state for job in ended.values()} == {Job.SUCCEEDED, Job.FAILED}
    good = {word for (_, word), job in ended.items() if job.state == Job.SUCCEEDED}
    assert good == SUCCEED

    # When everything that was said and written is searched
    rest = paid_run.rest(user)
    told += [rest(f"GET /v1/jobs/{job.job_id}").body for job in ended.values()]
    state = json.loads((paid_run.data / "run" / "standalone.json").read_text())
    with urllib.request.urlopen(state["metrics"]) as page:
        told.append(page.read())
    shown = [(PROC / str(process.pid) / "cmdline").read_bytes() for process in paid_run.processes]
    assert paid_run.interrupt() == 0
    files = {path: path.read_bytes() for path in paid_run.data.rglob("*") if path.is_file()}
    files[Path("printed")] = paid_run.printed.encode()

    # Then no key is found (where other things are), and no place at a provider was told to the user
    assert len(shown) > 4
    assert any(user.encode() in data for data in files.values())
    for secret in _secrets(fakes):
        assert not [path.name for path, data in files.items() if secret in data]
        assert not any(secret in data for data in (*told, *shown))
    places = [b"gs://", b"googleapis.com/", *(fake.url.encode() for fake in fakes.values())]
    for place in places:
        assert not any(place in data for data in told), place


def _secrets(fakes: Fakes) -> list[bytes]:
    vertex = fakes["vertex"]
    assert isinstance(vertex, VertexFake)
    return [gemini.KEY.encode(), openai.KEY.encode(), vertex.secret.encode(), b"ya29."]
