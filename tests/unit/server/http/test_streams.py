"""Streams of a real HTTP process, above a server process that says what the test wants."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from rushes.v1 import error_reason_pb2
from rushes.v1 import media_service_pb2 as pb
from server.http import sse, streams
from tests.edge.wire import http
from tests.http_process import HttpProcess, http_process
from tests.services import Valkey, wait_for_async
from tests.unit.server.http.scripted import (
    DRAINING,
    END,
    SECONDS,
    Failure,
    Scripted,
    reading,
    scripted,
)
from tests.unit.server.http.test_sse import change, progress, response, synced

pytestmark = pytest.mark.asyncio
MIB = 1024 * 1024


@dataclass
class Site:
    """An HTTP process, and where the server processes behind it listen."""

    running: HttpProcess
    sockets: tuple[Path, ...]

    @property
    def port(self) -> int:
        return self.running.port


@contextmanager
def site(servers: int = 1, **settings: str) -> Iterator[Site]:
    with TemporaryDirectory(prefix="sse-", dir="/tmp") as name:
        sockets = tuple(Path(name) / f"server-{number}" for number in range(servers))
        addresses = ",".join(f"unix:{socket}" for socket in sockets)
        with http_process(Path(name), addresses, **settings) as running:
            yield Site(running, sockets)


@pytest.fixture(scope="module")
def shared(valkey_server: Valkey) -> Iterator[Site]:
    """One process for all tests that need no settings of their own."""
    with site(RUSHES_REDIS_URL=valkey_server.url, RUSHES_LOG_LEVEL="DEBUG") as found:
        yield found


@asynccontextmanager
async def serving(found: Site) -> AsyncIterator[tuple[Site, Scripted]]:
    async with scripted(found.sockets[0]) as (servicer, _):
        yield found, servicer


@asynccontextmanager
async def open_site(**settings: str) -> AsyncIterator[tuple[Site, Scripted]]:
    with site(**settings) as found:
        async with serving(found) as both:
            yield both


def ended(reason: str) -> pb.WatchJobsResponse:
    said = pb.WatchEvent.End(reason=error_reason_pb2.ErrorReason.Value(reason))
    return response("T9", pb.WatchEvent(end=said))


async def opened(found: Site, servicer: Scripted, stack: AsyncExitStack, query: str = "") -> Any:
    """A stream whose first response is there: (reader, call)."""
    number = len(servicer.calls)
    entering = asyncio.create_task(stack.enter_async_context(reading(found.port, query)))
    call = await servicer.call(number)
    call.say(response("T1", synced()))
    reader = await entering
    message = await reader.next()
    assert (message.name, message.last_id) == ("synced", "T1")
    return reader, call


async def test_each_response_comes_when_it_is_sent(shared: Site) -> None:
    async with serving(shared) as (found, servicer), AsyncExitStack() as stack:
        reader, call = await opened(found, servicer, stack, "?labels=a%3Db&recent=5s")
        call.say(response("T2", change(1)))
        first = await reader.next()
        call.say(response("T3"))
        second = await reader.next()

    assert (first.name, first.last_id, second.name, second.last_id) == (
        "job",
        "T2",
        "checkpoint",
        "T3",
    )
    assert reader.parser.retry in range(1000, 3001)
    assert list(call.request.labels) == ["a=b"]
    assert call.metadata["authorization"] == "Bearer alice"
    headers = reader.answer.headers
    assert headers["content-type"] == "text/event-stream"
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"


async def test_the_last_event_id_wins_over_the_query(shared: Site) -> None:
    async with serving(shared) as (found, servicer):
        headers = {"last-event-id": "NEW.7"}
        opening = reading(found.port, "?resume_token=OLD", headers)
        entering = asyncio.create_task(opening.__aenter__())
        call = await servicer.call(0)
        call.say(response("T8", change(7), change(8), synced()))
        reader = await entering
        message = await reader.next()
        await opening.__aexit__(None, None, None)

    assert call.request.resume_token == "NEW"
    assert [event["revision"] for event in message.events] == ["8"]


async def test_a_stream_outlives_its_server(shared: Site) -> None:
    found = shared
    async with AsyncExitStack() as stack:
        # Given a stream that has seen a change
        async with scripted(found.sockets[0]) as (servicer, server):
            reader, call = await opened(found, servicer, stack)
            call.say(response("T2", change(1)))
            await reader.next()

            # When its server is gone, and another one comes after a while
            await server.stop(0)
        async with scripted(found.sockets[0]) as (servicer, _):
            call = await servicer.call(0)
            call.say(response("T3", change(2), synced()))

            # Then the stream goes on from where it was, and its reader has noticed nothing
            messages = [await reader.next(), await reader.next()]

    assert call.request.resume_token == "T2"
    assert [message.name for message in messages] == ["job", "synced"]
    assert messages[0].events[0]["revision"] == "2"


async def test_a_stream_goes_on_at_another_server_when_its_own_drains() -> None:
    with site(servers=2) as found:
        async with AsyncExitStack() as stack:
            one, _ = await stack.enter_async_context(scripted(found.sockets[0]))
            two, _ = await stack.enter_async_context(scripted(found.sockets[1]))
            reader, call = await opened(found, one, stack)

            call.say(ended("SERVER_DRAINING"), DRAINING)
            later = await two.call(0)
            later.say(response("T3", change(2)))
            message = await reader.next()

    assert later.request.resume_token == "T9"
    assert message.name == "job"


@pytest.mark.parametrize(
    "failure",
    [
        Failure(14, "DEPENDENCY_UNAVAILABLE"),
        Failure(13, "INTERNAL_ERROR"),
        Failure(8, "WATCHER_TOO_SLOW"),
        Failure(8, "RATE_LIMITED"),
    ],
)
async def test_what_passes_is_no_readers_business(shared: Site, failure: Failure) -> None:
    async with serving(shared) as (found, servicer), AsyncExitStack() as stack:
        reader, call = await opened(found, servicer, stack)
        call.say(failure)
        later = await servicer.call(1)
        later.say(response("T2", change(1)))

        assert (await reader.next()).last_id == "T2"
    assert later.request.resume_token == "T1"


@pytest.mark.parametrize(
    "failure",
    [
        Failure(16, "CREDENTIALS_EXPIRED"),
        Failure(8, "TOO_MANY_WATCHES"),
        Failure(5, "RESOURCE_NOT_FOUND"),
        Failure(7, "SCOPE_MISSING"),
    ],
)
@pytest.mark.parametrize("said", [True, False], ids=["by the server", "by its status alone"])
async def test_what_does_not_pass_is_the_last_event(
    shared: Site, failure: Failure, said: bool
) -> None:
    async with serving(shared) as (found, servicer), AsyncExitStack() as stack:
        reader, call = await opened(found, servicer, stack)
        call.say(*([ended(failure.reason)] if said else []), failure)

        message = await reader.next()
        assert await reader.next() is None

    assert (message.name, message.last_id) == ("end", "T9" if said else "T1")
    assert message.events == [{"end": {"reason": failure.reason}}]
    assert len(servicer.calls) == 1


async def test_a_watch_that_is_done_ends_without_a_reason(shared: Site) -> None:
    async with serving(shared) as (found, servicer), AsyncExitStack() as stack:
        reader, call = await opened(found, servicer, stack, "?until_done=true")
        call.say(response("T2", pb.WatchEvent(end=pb.WatchEvent.End())), END)

        message = await reader.next()
        assert await reader.next() is None

    assert message.events == [{"end": {}}]


@pytest.mark.parametrize(
    ("query", "failure", "status", "code"),
    [
        ("", Failure(16, "CREDENTIALS_INVALID"), 401, 16),
        ("", Failure(3, "RESUME_TOKEN_INVALID"), 400, 3),
        ("", Failure(5, "RESOURCE_NOT_FOUND"), 404, 5),
        ("", Failure(8, "TOO_MANY_WATCHES"), 429, 8),
        ("", Failure(13, "INTERNAL_ERROR"), 500, 13),
        ("?untilDoen=true", None, 400, 3),
        ("?resume_token=T0.x", None, 400, 3),
    ],
)
async def test_a_refusal_before_the_first_event_is_json(
    shared: Site, query: str, failure: Failure | None, status: int, code: int
) -> None:
    async with serving(shared) as (found, servicer):
        asking = asyncio.create_task(ask(found, f"GET /v1/jobs:watch{query}"))
        if failure:
            (await servicer.call(0)).say(failure)
        answered, body = await asking

    assert (answered, body["code"]) == (status, code)
    info = body["details"][0]
    assert info["@type"].endswith("google.rpc.ErrorInfo")
    assert info["domain"] == "rushes"
    if failure:
        assert info["reason"] == failure.reason
    else:
        [bad] = body["details"][1:]
        assert bad["fieldViolations"][0]["field"] in ("untilDoen", "resume_token")
        assert not servicer.calls


async def test_without_a_server_it_is_said_and_no_socket_is_named(shared: Site) -> None:
    status, body = await ask(shared, "GET /v1/jobs:watch")

    assert status == 503
    assert body["details"][0]["reason"] == "DEPENDENCY_UNAVAILABLE"
    assert "unix" not in json.dumps(body)


async def test_a_reader_that_leaves_ends_the_call_at_once(shared: Site) -> None:
    async with serving(shared) as (found, servicer):
        async with AsyncExitStack() as stack:
            _, call = await opened(found, servicer, stack)
            assert not call.over.is_set()

        async with asyncio.timeout(SECONDS):
            await call.over.wait()


async def test_only_so_many_are_open_at_once() -> None:
    async with open_site(RUSHES_MAX_STREAMS="2") as (found, servicer), AsyncExitStack() as stack:
        await opened(found, servicer, stack)
        async with AsyncExitStack() as second:
            _, call = await opened(found, servicer, second)
            status, body = await ask(found, "GET /v1/jobs:watch")
            assert (status, body["details"][0]["reason"]) == (429, "RATE_LIMITED")
        async with asyncio.timeout(SECONDS):
            await call.over.wait()

        # A place is free again when its reader has left, and when its watch was refused
        for failure in (Failure(3, "FIELD_INVALID"),) * 3:
            asking = asyncio.create_task(ask(found, "GET /v1/jobs:watch"))
            (await servicer.call(len(servicer.calls))).say(failure)
            assert (await asking)[0] == 400
        await opened(found, servicer, stack)


async def test_a_shutdown_ends_streams_with_a_token() -> None:
    async with open_site() as (found, servicer), AsyncExitStack() as stack:
        reader, _ = await opened(found, servicer, stack)

        found.running.process.send_signal(signal.SIGTERM)

        message = await reader.next()
        assert (message.name, message.last_id) == ("end", "T1")
        assert message.events == [{"end": {"reason": "SERVER_DRAINING"}}]
        assert await reader.next() is None
        assert await asyncio.to_thread(found.running.process.wait, SECONDS) == 0
        assert "Traceback" not in found.running.log.read_text()


async def test_readers_that_take_nothing_hold_little_and_hinder_nobody() -> None:
    async with open_site() as (found, servicer), AsyncExitStack() as stack:
        before = memory(found.running.process.pid)
        servicer.flood = pb.WatchJobsResponse(resume_token="x" * 16 * 1024)
        line, headers = "GET /v1/jobs:watch", {"authorization": "Bearer alice"}
        for _ in range(100):
            await stack.enter_async_context(http(found.port, line, headers, limit=1024))
        await nothing_more_is_sent(servicer)
        assert memory(found.running.process.pid) - before < 100 * MIB

        servicer.flood = None
        reader, call = await opened(found, servicer, stack)
        call.say(response("T2", progress()))
        assert (await reader.next()).name == "progress"


async def test_a_reader_that_takes_nothing_for_too_long_is_cut_off() -> None:
    settings = {"RUSHES_READER_STUCK_SECONDS": "0.5"}
    async with open_site(**settings) as (found, servicer), AsyncExitStack() as stack:
        servicer.flood = pb.WatchJobsResponse(resume_token="x" * 16 * 1024)
        line, headers = "GET /v1/jobs:watch", {"authorization": "Bearer alice"}
        await stack.enter_async_context(http(found.port, line, headers, limit=1024))
        call = await servicer.call(0)

        async with asyncio.timeout(SECONDS):
            await call.over.wait()


async def test_a_ticket_opens_one_stream(shared: Site) -> None:
    async with serving(shared) as (found, servicer):
        status, given = await ask(found, "POST /v1/streams:ticket")
        assert (status, servicer.lists) == (200, 1)
        line = f"GET /v1/jobs:watch?ticket={given['ticket']}"
        asking = asyncio.create_task(first_bytes(found, line))
        call = await servicer.call(0)
        call.say(response("T1", synced()))
        assert b"retry:" in await asking

        again, body = await ask(found, line, {})

    assert call.metadata["authorization"] == "Bearer alice"
    assert (again, body["details"][0]["reason"]) == (401, "CREDENTIALS_INVALID")
    assert len(servicer.calls) == 1


async def test_what_is_wrong_with_the_query_does_not_use_the_ticket_up(shared: Site) -> None:
    async with serving(shared) as (found, servicer):
        _, given = await ask(found, "POST /v1/streams:ticket")
        line = f"GET /v1/jobs:watch?ticket={given['ticket']}"

        assert (await ask(found, f"{line}&untilDoen=1", {}))[0] == 400
        assert (await ask(found, f"{line}&ticket=another", {}))[0] == 400
        assert (await ask(found, line))[0] == 400  # and a header

        asking = asyncio.create_task(first_bytes(found, line))
        (await servicer.call(0)).say(response("T1", synced()))
        assert await asking


async def test_the_ticket_is_in_no_log(shared: Site) -> None:
    async with serving(shared) as (found, servicer):
        before = found.running.log.read_text().count("/v1/jobs:watch")
        _, given = await ask(found, "POST /v1/streams:ticket")
        for _ in range(2):
            asking = asyncio.create_task(
                ask(found, f"GET /v1/jobs:watch?ticket={given['ticket']}", {})
            )
            if not servicer.calls:
                (await servicer.call(0)).say(Failure(3, "FIELD_INVALID"))
            assert (await asking)[0] in (400, 401)
        await wait_for_async(
            lambda: found.running.log.read_text().count("/v1/jobs:watch") == before + 2
        )
        text = found.running.log.read_text()

    assert given["ticket"] not in text
    assert "Bearer" not in text


async def test_nobody_gets_a_ticket(shared: Site) -> None:
    async with serving(shared) as (found, _):
        status, body = await ask(found, "POST /v1/streams:ticket", {})

    assert (status, body["details"][0]["reason"]) == (401, "CREDENTIALS_MISSING")


async def test_a_ticket_takes_no_fields(shared: Site) -> None:
    async with serving(shared) as (found, servicer):
        for line, body, field in (
            ("POST /v1/streams:ticket", b'{"jobIds": ["x"]}', "jobIds"),
            ("POST /v1/streams:ticket?until_done=true", b"", "until_done"),
            ("POST /v1/streams:ticket", b"nothing", "body"),
        ):
            async with http(found.port, line, {"authorization": "Bearer alice"}, body) as answer:
                assert answer.status == 400
                info = (await answer.json())["details"][0]
                assert (info["reason"], info["metadata"]["field"]) == ("FIELD_INVALID", field)
        assert servicer.lists == 0

        async with http(
            found.port, "POST /v1/streams:ticket", {"authorization": "Bearer alice"}, b"{}"
        ) as answer:
            assert answer.status == 200


async def test_no_header_breaks_a_call(shared: Site) -> None:
    async with serving(shared) as (found, servicer):
        for line in ("GET /v1/jobs:watch", "POST /v1/streams:ticket"):
            status, body = await ask(found, line, {"authorization": "Bearer \xe9"})
            assert (status, body["details"][0]["reason"]) == (401, "CREDENTIALS_INVALID")
        assert not servicer.calls


async def test_a_comment_breaks_a_silence_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a watch that says nothing after its first response
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.01)
    news = asyncio.Event()

    async def responses() -> AsyncGenerator[pb.WatchJobsResponse, None]:
        yield response("T1", synced())
        await news.wait()
        yield response("T2", change(1))

    stream = streams._Stream(responses(), sse.Place(""))
    await stream.opened()
    pieces = stream.messages()
    assert [(await anext(pieces))[:6] for _ in range(4)] == [
        b"retry:",
        b"event:",
        b": keep",
        b": keep",
    ]

    # When something happens, then it comes
    news.set()
    while (piece := await anext(pieces)) == sse.KEEP_ALIVE:
        pass
    assert b"id: T2\n" in piece
    await stream.close()


async def test_other_methods_are_refused(shared: Site) -> None:
    async with serving(shared) as (found, _):
        for line in ("POST /v1/jobs:watch", "GET /v1/streams:ticket", "HEAD /v1/jobs:watch"):
            async with http(found.port, line) as answer:
                assert answer.status == 405


async def ask(
    found: Site, line: str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer that is no stream; as Alice unless told."""
    sent = {"authorization": "Bearer alice"} if headers is None else headers
    async with http(found.port, line, sent) as answer:
        return answer.status, await answer.json()


async def first_bytes(found: Site, line: str) -> bytes:
    async with http(found.port, line) as answer:
        assert answer.status == 200
        return await answer.chunk()


def memory(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096


async def nothing_more_is_sent(servicer: Scripted) -> None:
    """Waits until all of the flood's calls are held up."""
    before = -1
    async with asyncio.timeout(SECONDS):
        while (now := sum(call.sent for call in servicer.calls)) != before:
            before = now
            await asyncio.sleep(0.5)
