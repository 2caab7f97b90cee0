"""What users send passes through Valkey: it has a limit there, and is not written to disk."""

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from core.events import Event
from core.jobs import EventType
from core.process.settings import read_settings
from core.telling.stream import MAX_BYTES, MAX_ENTRIES, RedisStream, connect, stream_key
from tests.e2e.running import Running
from tests.making import job_value
from tests.services import Valkey, wait_for

MIB = 1024 * 1024
LARGE = 40_000


@pytest.fixture
def client(valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url) as made:
        yield made


def published(valkey: Valkey, sizes: list[int]) -> None:
    """Events of jobs whose prompts have these sizes."""
    settings = read_settings(redis_url=valkey.url)
    with connect(settings) as client:
        stream = RedisStream(client, settings)
        for number, size in enumerate(sizes):
            spec = replace(job_value("alice").spec, prompt="x" * size)
            job = replace(job_value("alice", revision=number), spec=spec)
            stream.publish(Event(number, EventType.UPDATED, 1234, job))


def test_large_events_do_not_fill_the_memory(valkey: Valkey, client: redis.Redis) -> None:
    published(valkey, [LARGE] * 3000)

    assert client.memory_usage(stream_key(0), samples=0) < 2 * MAX_BYTES
    assert client.xlen(stream_key(0)) > MAX_BYTES // LARGE // 2


def test_small_events_after_large_ones_do_not_either(valkey: Valkey, client: redis.Redis) -> None:
    published(valkey, [LARGE] * 1000 + [300] * 3000 + [LARGE // 4] * 2000)

    assert client.memory_usage(stream_key(0), samples=0) < 2 * MAX_BYTES


def test_small_events_are_limited_by_their_number_alone(
    valkey: Valkey, client: redis.Redis
) -> None:
    published(valkey, [300] * 2000)

    assert client.xlen(stream_key(0)) == 2000 < MAX_ENTRIES


def test_no_prompt_is_on_the_disk_of_valkey(run: Running) -> None:
    canary = f"canary {uuid.uuid4().hex}"
    rest = run.rest("alice")
    body = {"spec": {"prompt": canary, "model": "simulator-image"}}
    made = rest("POST /v1/images:generate", body).json["job"]["jobId"]
    wait_for(lambda: _state(run, made) == "SUCCEEDED", "the job to end")

    kept = [path for path in (run.data / "valkey").rglob("*") if path.is_file()]
    assert not [path for path in kept if canary.encode() in path.read_bytes()]


def _state(run: Running, job_id: str) -> str:
    return str(run.rest("alice")(f"GET /v1/jobs/{job_id}").json["job"]["state"])


def test_valkey_has_a_limit_and_evicts_nothing(run: Running) -> None:
    with redis.Redis(unix_socket_path=str(run.data / "run" / "valkey.sock")) as client:
        config = client.config_get("maxmemory", "maxmemory-policy")

    assert int(config["maxmemory"]) == 512 * MIB
    assert config["maxmemory-policy"] == "noeviction"
