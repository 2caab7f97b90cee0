"""One real run of everything, shared by the tests; each test is a user of its own."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rushes import Client, Media
from standalone.envoy import find_envoy
from tests.e2e.rest import Rest
from tests.e2e.running import Running
from tests.ports import free_port
from tests.services import missing


@pytest.fixture(scope="session")
def run() -> Iterator[Running]:
    """A run with two server processes; it must end well when the tests are over."""
    with tempfile.TemporaryDirectory(prefix="e2e-", dir="/tmp") as folder:
        running = _running(Path(folder), RUSHES_SERVER_PROCESSES="2")
        with closing(running):
            running.start()
            yield running
            started = running.processes
            assert running.interrupt() == 0, running.printed
            assert not [process for process in started if process.lives]


@pytest.fixture
def own_run() -> Iterator[Running]:
    """A run of the test's own, not started yet."""
    with (
        tempfile.TemporaryDirectory(prefix="e2e-", dir="/tmp") as folder,
        closing(_running(Path(folder))) as running,
    ):
        yield running


@pytest.fixture
def user() -> str:
    """A user that nobody was before."""
    return f"user-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def client(run: Running, user: str) -> Iterator[Client]:
    with run.client(user) as made:
        yield made


@pytest.fixture
def rest(run: Running, user: str) -> Rest:
    return run.rest(user)


@pytest.fixture
def image(client: Client) -> Media:
    """A picture of the user."""
    [media] = client.wait(client.generate_image("a paper boat", size="256x256").job_id).outputs
    return media


@pytest.fixture
def video(client: Client) -> Media:
    """A second of film of the user."""
    job = client.generate_video("sea", duration=1, resolution="360p")
    [media] = client.wait(job.job_id).outputs
    return media


def wait_until_rendering(client: Client, job_id: str) -> None:
    """Waits until a frame of the job is done."""
    with client.watch(job_ids=[job_id], timeout=60) as events:
        assert any(event.progress.progress.percent for event in events)


def _running(folder: Path, **more: str) -> Running:
    if find_envoy() is None:
        missing("Envoy")
    return Running(folder, free_port(), **more)
