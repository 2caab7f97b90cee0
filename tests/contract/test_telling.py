"""Telling on real servers: what one change costs in round trips, also where keys lie apart."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from core.events import Event, ProgressTick
from core.jobs import EventType, Progress
from core.process.settings import Settings, read_settings
from core.telling.changes import Teller
from core.telling.messages import MAX_WAKES, queue_key, wake_key
from core.telling.stream import RedisStream, connect, stream_key
from core.telling.wakeups import JobQueue
from tests.counting import growth
from tests.making import job_value
from tests.ports import free_port
from tests.services import valkey_binary, wait_for

QUEUED = Event(1, EventType.QUEUED, 1234, job_value())
STARTED = Event(2, EventType.STARTED, 1234, job_value())
TICK = ProgressTick(user_id="alice", job_id="job", attempt=1, progress=Progress(percent=5))
# The nodes' shares of the slots: `{rushes}` lies in the first, `{0}` in the second.
SHARES = ((0, 11_999), (12_000, 16_383))


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Valkey cluster of two nodes."""
    with tempfile.TemporaryDirectory(prefix="cluster-", dir="/tmp") as name:
        nodes = [(free_port(), free_port()) for _ in SHARES]
        running = [_start_node(Path(name) / str(port), port, bus) for port, bus in nodes]
        try:
            _join(nodes)
            yield f"redis://127.0.0.1:{nodes[0][0]}"
        finally:
            for process in running:
                process.kill()
                process.wait()


def _start_node(folder: Path, port: int, bus: int) -> "subprocess.Popen[bytes]":
    folder.mkdir()
    command = [valkey_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--cluster-enabled", "yes", "--cluster-port", str(bus), "--dir", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _join(nodes: list[tuple[int, int]]) -> None:
    for epoch, ((port, _), share) in enumerate(zip(nodes, SHARES, strict=True), 1):
        with redis.Redis(port=port) as client:
            wait_for(lambda client=client: _answers(client), "a node")
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", epoch)
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", *share)
    with redis.Redis(port=nodes[0][0]) as client:
        client.execute_command("CLUSTER", "MEET", "127.0.0.1", *nodes[1])
    for port, _ in nodes:
        with redis.Redis(port=port) as client:
            wait_for(lambda client=client: _is_whole(client), "the cluster")


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _is_whole(client: redis.Redis) -> bool:
    told: Any = client.execute_command("CLUSTER INFO")
    return told["cluster_state"] == "ok" and told["cluster_known_nodes"] == str(len(SHARES))


@pytest.fixture(params=["one server", "a cluster"])
def told(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings with each kind of Redis, empty."""
    if request.param == "one server":
        return settings
    url = request.getfixturevalue("cluster")
    return read_settings(redis_url=url, redis_cluster=True)


@pytest.fixture
def client(told: Settings) -> Iterator[redis.Redis]:
    with connect(told) as made:
        made.flushall(target_nodes="primaries") if told.redis_cluster else made.flushall()
        yield made


@pytest.fixture
def teller(client: redis.Redis, told: Settings) -> Teller:
    return Teller(RedisStream(client, told), JobQueue(client))


@pytest.fixture
def sent(client: redis.Redis, teller: Teller, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The round trips from now on, each with its connection; what is known by then costs none."""
    teller.tell(QUEUED)
    trips: list[Any] = []
    send = redis.connection.AbstractConnection.send_packed_command

    def keep(connection: Any, *arguments: Any, **options: Any) -> Any:
        trips.append(connection)
        return send(connection, *arguments, **options)

    monkeypatch.setattr(redis.connection.AbstractConnection, "send_packed_command", keep)
    return trips


def test_an_event_and_its_wake_up_are_told(client: redis.Redis, teller: Teller) -> None:
    failed = growth("rushes_tell_failures_total", what="event")

    teller.tell(QUEUED)
    teller.tell(STARTED)

    revisions = [fields[b"revision"] for _, fields in client.xrange(stream_key(0))]
    assert revisions == [b"1", b"2"]
    assert client.llen(queue_key("video")) == client.llen(wake_key("video")) == 1
    assert client.hlen(f"{queue_key('video')}.msgs") == 1
    assert failed() == 0


def test_events_are_told_also_when_no_more_wake_ups_help(
    client: redis.Redis, teller: Teller
) -> None:
    for _ in range(MAX_WAKES + 3):
        teller.tell(QUEUED)

    assert client.xlen(stream_key(0)) == MAX_WAKES + 3
    assert client.llen(queue_key("video")) == client.llen(wake_key("video")) == MAX_WAKES
    assert client.hlen(f"{queue_key('video')}.msgs") == MAX_WAKES


def test_a_job_that_waits_is_told_in_one_round_trip(
    teller: Teller, told: Settings, sent: list[Any]
) -> None:
    teller.tell(QUEUED)

    # One for each node, and they do not wait for each other.
    assert len(sent) == (2 if told.redis_cluster else 1)
    assert len(set(map(id, sent))) == len(sent)


@pytest.mark.parametrize(
    "tell",
    [
        lambda teller: teller.tell(STARTED),
        lambda teller: teller.tell_progress(TICK),
        lambda teller: teller.wake("video"),
    ],
    ids=["a change", "progress", "a wake-up"],
)
def test_everything_else_is_told_in_one_round_trip(
    teller: Teller, sent: list[Any], tell: Any
) -> None:
    tell(teller)

    assert len(sent) == 1
