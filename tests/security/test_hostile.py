"""Others that Rushes listens to and that turned against it: Valkey, providers, the disk."""

import json
import pickle
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from starlette.responses import RedirectResponse, Response

from core.ids import new_id
from core.store import transitions
from core.telling.messages import queue_key, wake_key
from core.telling.stream import stream_key
from standalone.preflight import prepare_folder
from tests.e2e.running import Running
from tests.house import House
from tests.making import new_media, started
from tests.rpc.requests import video
from tests.rpc.test_watch import Watch
from tests.services import DEADLINE_SECONDS, wait_for
from tests.unit.workers.providers.http.test_transport import Place, save
from workers.providers import ProviderFailed, RunStopped, TryLater
from workers.providers.google import read_status
from workers.providers.http.answers import AnswerReader, AnswerUnreadable

DEEP = b"[" * 50_000
JOB = new_id()


def entry(**changed: Any) -> dict[str, Any]:
    """An entry of the event stream, as a server writes it."""
    usual = {"kind": "job", "user": "alice", "revision": 2, "job": JOB, "attempt": 0}
    return {**usual, "payload": b"{}", **changed}


def told(job: Any, **more: Any) -> bytes:
    return json.dumps({"type": "QUEUED", "event_time": 1, "job": job, **more}).encode()


# What somebody who can write to Valkey puts into the event stream.
ENTRIES: dict[str, dict[Any, Any]] = {
    "nothing of ours": {"x": "y"},
    "no payload": {"kind": "job", "user": "alice"},
    "no UTF-8": entry(user=b"\xff\xfe"),
    "a kind that is none": entry(kind="evil"),
    "no kind": entry(kind=""),
    "a revision in words": entry(revision="one"),
    "a revision below nothing": entry(revision=-1),
    "a revision of many digits": entry(revision="9" * 5000),
    "a revision beyond 64 bits": entry(revision=2**70),
    "a revision far ahead": entry(revision=10**9),
    "an attempt in words": entry(attempt="x"),
    "no JSON": entry(payload=b"{"),
    "JSON without end": entry(payload=DEEP),
    "a list": entry(payload=b"[]"),
    "a text": entry(payload=b'"x"'),
    "null": entry(payload=b"null"),
    "no job in it": entry(payload=b"{}"),
    "a job that is a list": entry(payload=told([])),
    "a job that is a number": entry(payload=told(7)),
    "a job of nothing": entry(payload=told({})),
    "a state that is none": entry(payload=told({"job_id": JOB, "state": "OWNED"})),
    "a state that is a list": entry(payload=told({"job_id": JOB, "state": []})),
    "labels that are a list": entry(
        payload=told({"job_id": JOB, "state": "QUEUED", "labels": [], "cost": []})
    ),
    "numbers beyond all": entry(
        payload=told({"job_id": JOB, "state": "QUEUED", "attempt": 2**90, "create_time": "x"})
    ),
    "a spec that is a text": entry(payload=told({"job_id": JOB, "state": "QUEUED", "spec": "x"})),
    "a pickle": entry(payload=pickle.dumps(Path("/etc/passwd"))),
    "much": entry(payload=b"x" * 4_000_000),
    "progress that is none": entry(kind="progress", revision=0, payload=b"[]"),
    "progress beyond all": entry(kind="progress", revision=0, payload=b'{"percent": 1e999}'),
    "progress in words": entry(kind="progress", revision=0, payload=b'{"percent": "x"}'),
    "progress of nobody's": entry(kind="progress", revision=0, job="x", payload=b'{"percent": 5}'),
}


@pytest.fixture
def client(house: House) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(house.settings.redis_url) as made:
        yield made


def poison(house: House, client: redis.Redis, fields: dict[Any, Any]) -> None:
    for shard in range(house.settings.stream_shards):
        client.xadd(stream_key(shard), fields)


def jobs_of(watch: Watch) -> set[str]:
    return {event.job.job.job_id for event in watch.events if event.revision}


@pytest.mark.parametrize("kind", ENTRIES)
def test_an_entry_that_nobody_of_ours_wrote_costs_no_watch_an_event(
    house: House, client: redis.Redis, kind: str
) -> None:
    alice = house.caller("alice")
    watch = Watch(house)
    watch.until("synced")
    first = alice.call("GenerateVideo", video()).job.job_id
    wait_for(lambda: first in jobs_of(watch), "the first job")
    fields = {name: first if value == JOB else value for name, value in ENTRIES[kind].items()}

    poison(house, client, fields)

    second = alice.call("GenerateVideo", video()).job.job_id
    wait_for(lambda: second in jobs_of(watch), "the second job")
    run = started(house.db).run
    transitions.succeed(house.db, run, new_media(job_id=run.job_id))
    third = alice.call("GenerateVideo", video()).job.job_id
    wait_for(lambda: third in jobs_of(watch), "the third job")
    assert watch.error is None
    assert {event.job.job.user_id for event in watch.events if event.revision} == {"alice"}
    watch.close()


# What such a one puts into the queue: the id of a message, and the message.
MESSAGES: dict[str, Any] = {
    "no JSON": b"{",
    "depth": DEEP,
    "a list": b"[]",
    "a pickle": pickle.dumps(Path("/etc/passwd")),
    "an actor that is none": {"actor_name": "os.system", "args": ["id"]},
    "another queue": {"queue_name": "evil", "args": ["evil"]},
    "arguments that are none": {"args": [["x"] * 1000]},
    "too many arguments": {"args": list(range(100))},
    "options": {"options": {"pipe_target": {"actor_name": "run_next"}, "redis_message_id": "x"}},
    "much": {"args": ["x" * 1_000_000]},
}


def message(queue: str, said: Any, key: str) -> bytes:
    if isinstance(said, bytes):
        return said
    usual = {
        **{"queue_name": queue, "actor_name": "run_next", "args": [queue], "kwargs": {}},
        **{"options": {"redis_message_id": key}, "message_id": key, "message_timestamp": 1},
    }
    return json.dumps({**usual, **said}).encode()


@pytest.mark.timeout(240)
def test_messages_that_nobody_of_ours_wrote_stop_no_worker(run: Running) -> None:
    rest = run.rest("alice")
    body = {"spec": {"prompt": "a boat", "model": "simulator-image"}}
    with redis.Redis(unix_socket_path=str(run.data / "run" / "valkey.sock")) as client:
        names = {key.decode() for key in client.scan_iter("{rushes}:*")}
        queues = {name.split(":")[1].split(".")[0] for name in names} - {
            "__acks__",
            "__heartbeats__",
        }
        before = {run.child("worker-1"), run.child("worker-2")}
        for queue in queues or {"default"}:
            for said in MESSAGES.values():
                key = new_id()
                client.hset(f"{queue_key(queue)}.msgs", key, message(queue, said, key))
                client.rpush(queue_key(queue), key)
                client.rpush(queue_key(queue), f"no such message {key}")
                client.rpush(wake_key(queue), 1)

    made = rest("POST /v1/images:generate", body).json["job"]["jobId"]

    def state() -> str:
        # The call waits by itself: asking again and again would exceed the user's rate.
        return str(rest(f"GET /v1/jobs/{made}?wait=10s").json["job"]["state"])

    wait_for(lambda: state() == "SUCCEEDED", "the job to end", 120)
    assert {run.child("worker-1"), run.child("worker-2")} == before


@pytest.fixture
def canary() -> Iterator["Canary"]:
    made = Canary()
    yield made
    made.close()


class Canary:
    """A listener in our own network that nobody may reach."""

    def __init__(self) -> None:
        self.visits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            visitor, _ = self._socket.accept()
            with visitor:
                if visitor.recv(4) == b"stop":
                    return
                self.visits += 1

    def close(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"stop")
        self._thread.join(DEADLINE_SECONDS)
        self._socket.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Place(tmp_path) as made:
        yield made


# Ways to write an address of this machine.
INSIDE = [
    *("localhost", "LOCALHOST", "localhost.", "127.1", "127.0.1", "2130706433", "0x7f000001"),
    *("0177.0.0.1", "0x7f.1", "127.0.0.2", "0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]"),
    *("[0:0:0:0:0:0:0:1]", "[::ffff:7f00:1]", "x@127.1", "8.8.8.8@127.1", "%31%32%37.1"),
    *("１２７.1", "127。1", "ⓛocalhost"),
]


@pytest.mark.parametrize("host", INSIDE)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_provider_leads_no_download_into_our_network(
    place: Place, canary: Canary, tmp_path: Path, host: str, status: int
) -> None:
    place.answer = lambda request: Response(
        status_code=status,
        headers={"location": f"http://{host}:{canary.port}/secrets".encode().decode("latin-1")},
    )
    with pytest.raises((ValueError, TryLater)):
        save(place.url, tmp_path / "file")
    assert canary.visits == 0
    assert not (tmp_path / "file").exists()


SCHEMES = [
    *("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "data:text/plain,secret"),
    *("unix:/run/valkey.sock", "javascript:1", "http://", "http:///x", "http://[", "http://:80/"),
    *("//", "http://a b/", "http://127.1:99999/", "about:blank", "https+unix://x/", "HTTP:x"),
]


@pytest.mark.parametrize("target", SCHEMES)
def test_a_provider_leads_a_download_to_no_other_scheme(
    place: Place, tmp_path: Path, target: str
) -> None:
    place.answer = lambda request: RedirectResponse(target)
    with pytest.raises((ValueError, TryLater)):
        save(place.url, tmp_path / "file")
    assert not (tmp_path / "file").exists()


# What a provider may send in place of a result, and how the download ends.
ANSWERS: dict[str, Response] = {
    "too much": Response(b"x" * (2 * 1024 * 1024)),
    "a size that lies": Response(b"x", headers={"content-length": "5000000"}),
    "packed": Response(b"x", headers={"content-encoding": "gzip"}),
    "nothing": Response(b"", 204),
    "a part": Response(b"x", 206, headers={"content-range": "bytes 0-0/5"}),
    "a page": Response(b"<html>", 403),
    "an error of its own": Response(DEEP, 500),
    "a status that is none": Response(b"x", 299),
    "much of an error": Response(b"x" * 5_000_000, 400),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_that_is_no_result_ends_in_words(place: Place, tmp_path: Path, kind: str) -> None:
    place.answer = lambda request: ANSWERS[kind]
    try:
        kept = save(place.url, tmp_path / "file")
    except (ValueError, TryLater, ProviderFailed, RunStopped):
        return
    assert kept in (b"", b"x")


# JSON of a provider that means harm.
HARMFUL = {
    "depth": b"[" * 100_000,
    "depth of objects": b'{"a":' * 100_000,
    "whole depth": b"[" * 5_000 + b"]" * 5_000,
    "a number of many digits": b'{"done": ' + b"9" * 5_000 + b"}",
    "no object": b"[1]",
    "a number": b"7",
    "a text": b'"x"',
    "not a number": b"NaN",
    "surrogates": b'"\\ud800"',
    "no UTF-8": b'{"a": "\xff"}',
    "a byte order mark": b"\xef\xbb\xbf{}x",
    "NUL": b"\0",
    "HTML": b"<!doctype html><p>503",
    "XML": b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "half of it": b'{"done": tr',
}


def read(data: bytes) -> None:
    reader = AnswerReader("bytesBase64Encoded")
    for at in range(0, len(data), 10_000):
        reader.feed(data[at : at + 10_000])
    reader.close()


@pytest.mark.parametrize("kind", HARMFUL)
def test_json_that_means_harm_is_unreadable(kind: str) -> None:
    with pytest.raises(AnswerUnreadable):
        read(HARMFUL[kind])


@pytest.mark.parametrize("kind", HARMFUL)
def test_an_error_that_means_harm_says_nothing(kind: str) -> None:
    assert not read_status(HARMFUL[kind]).get("error")


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o750, 0o711, 0o1777, 0o2775])
@pytest.mark.parametrize("name", [".", "run", "logs", "valkey"])
def test_a_folder_that_others_may_enter_is_closed_at_the_start(
    tmp_path: Path, name: str, mode: int
) -> None:
    data = tmp_path / "data"
    prepare_folder(data)
    (data / name).chmod(mode)

    prepare_folder(data)

    assert stat.S_IMODE((data / name).stat().st_mode) & 0o077 == 0
