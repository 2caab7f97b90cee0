"""Real servers and runs that are attacked, and strangers whose watches must live on."""

import logging
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog

from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from standalone.envoy import find_envoy
from tests.e2e.processes import Process
from tests.e2e.running import Running
from tests.house import House, LoopThread, close_house, open_house
from tests.ports import free_port
from tests.rpc.conftest import house as house
from tests.rpc.conftest import house_loop as house_loop
from tests.services import DEADLINE_SECONDS, Valkey, missing

STRANGERS = 5
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="session")
def run() -> Iterator[Running]:
    """A run as `make up` makes it; it must end well when the attacks are over."""
    if find_envoy() is None:
        missing("Envoy")
    with tempfile.TemporaryDirectory(prefix="sec-", dir="/tmp") as folder:
        running = Running(Path(folder), free_port(), RUSHES_METRICS_PORT=str(free_port()))
        with closing(running):
            running.start()
            yield running
            assert running.interrupt() == 0, running.printed


@pytest.fixture(scope="module")
def served(house_loop: LoopThread, valkey_server: Valkey) -> Iterator[House]:
    """One server for all cases of a family, which leave it as it was or do not care."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if not valkey_server.answers():
        valkey_server.start()
    with tempfile.TemporaryDirectory(prefix="sec-", dir="/tmp") as folder:
        made = open_house(
            house_loop,
            Path(folder) / "data",
            valkey_server.url,
            user_requests_per_second=100_000,
            max_queued_jobs=100_000,
            webhooks="loopback",
            max_webhooks=1000,
        )
        yield made
        close_house(house_loop, made)
    structlog.reset_defaults()


@pytest.fixture
def own_run() -> Iterator[Running]:
    """A run of the test's own, not started yet."""
    if find_envoy() is None:
        missing("Envoy")
    with (
        tempfile.TemporaryDirectory(prefix="sec-", dir="/tmp") as folder,
        closing(Running(Path(folder), free_port())) as running,
    ):
        yield running


@pytest.fixture
def start(house_loop: LoopThread, valkey: Valkey, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Starts a server with these settings."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with ExitStack() as after:

        def opened(**options: Any) -> House:
            house = open_house(house_loop, tmp_path / "data", valkey.url, **options)
            after.callback(close_house, house_loop, house)
            return house

        yield opened
    structlog.reset_defaults()


class Strangers:
    """Users who watch their jobs while somebody attacks, each on a connection of its own."""

    def __init__(self, run: Running) -> None:
        self._run = run
        self._after = ExitStack()
        self._watches: list[tuple[str, rpc.MediaServiceStub, Any]] = []

    def __enter__(self) -> "Strangers":
        for _ in range(STRANGERS):
            user = f"stranger-{uuid.uuid4().hex[:12]}"
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = grpc.insecure_channel(f"localhost:{self._run.port}", options=options)
            self._after.enter_context(channel)
            stub = rpc.MediaServiceStub(channel)
            watch = stub.WatchJobs(pb.WatchJobsRequest(), metadata=self._metadata(user))
            next(watch)
            self._watches.append((user, stub, watch))
        return self

    def __exit__(self, *_: object) -> None:
        for _user, _stub, watch in self._watches:
            watch.cancel()
        self._after.close()

    def live_on(self) -> bool:
        """Whether each watch still tells its user of a new job."""
        return all(self._hears(*watch) for watch in self._watches)

    def _hears(self, user: str, stub: rpc.MediaServiceStub, watch: Any) -> bool:
        spec = job_pb2.ImageSpec(prompt="a boat", model="simulator-image", size="256x256")
        request = pb.GenerateImageRequest(spec=spec)
        made = stub.GenerateImage(
            request, metadata=self._metadata(user), timeout=DEADLINE_SECONDS
        ).job.job_id
        return any(made in str(answer) for answer in watch)

    def _metadata(self, user: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._run.token(user)}"),)


@pytest.fixture
def strangers(run: Running) -> Iterator[Strangers]:
    with Strangers(run) as watching:
        yield watching


def memory(run: Running, name: str) -> int:
    """Bytes that a process of the run holds."""
    process = run.child(name)
    assert process is not None, name
    return memory_of(process)


def memory_of(process: Process) -> int:
    """Bytes that the process holds."""
    fields = Path(f"/proc/{process.pid}/statm").read_text().split()
    return int(fields[1]) * PAGE_BYTES
