"""Many connections for polls: as many small pools as are needed, and each kept open."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import pytest

from tests.services import wait_for_async
from workers.providers.http.connections import EACH, ManyConnections, tls_context

pytestmark = pytest.mark.asyncio


@dataclass
class Server:
    """Answers whoever asks, when `open` is set; keeps count of connections."""

    url: str = ""
    connections: int = 0
    asked: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    served: list["asyncio.Task[None] | None"] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.served.append(asyncio.current_task())
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                await self.open.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            # The other side has closed it.
            pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    running = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}/"
    yield server
    # The client was closed before.
    server.open.set()
    running.close()
    await asyncio.gather(*(task for task in server.served if task))


async def test_the_tls_of_all_clients_is_read_once_and_not_changed_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context = tls_context()
    changes: list[list[str]] = []
    monkeypatch.setattr(
        ssl.SSLContext, "set_alpn_protocols", lambda _, names: changes.append(names)
    )
    context.set_alpn_protocols(["http/1.1"])
    assert tls_context() is context
    assert changes == []


async def test_questions_at_once_go_over_as_many_pools_as_they_need() -> None:
    async with (
        serving() as server,
        httpx2.AsyncClient(transport=ManyConnections(3 * EACH)) as client,
    ):
        asking = [asyncio.create_task(client.get(server.url)) for _ in range(3 * EACH)]
        await wait_for_async(lambda: server.asked == 3 * EACH, "all questions")
        assert server.connections == 3 * EACH
        server.open.set()
        assert {(await one).text for one in asking} == {"ok"}


async def test_questions_one_after_the_other_go_over_one_connection() -> None:
    async with serving() as server, httpx2.AsyncClient(transport=ManyConnections(100)) as client:
        server.open.set()
        for _ in range(3 * EACH):
            await client.get(server.url)
        assert server.connections == 1


async def test_one_more_than_there_is_room_for_waits() -> None:
    async with serving() as server, httpx2.AsyncClient(transport=ManyConnections(EACH)) as client:
        asking = [asyncio.create_task(client.get(server.url)) for _ in range(EACH + 1)]
        await wait_for_async(lambda: server.asked == EACH, "all questions but one")
        server.open.set()
        assert {(await one).text for one in asking} == {"ok"}
        assert server.connections == EACH


async def test_what_failed_or_was_given_up_leaves_its_room_to_others() -> None:
    transport = ManyConnections(EACH)
    async with serving() as server, httpx2.AsyncClient(transport=transport) as client:
        for _ in range(EACH + 1):
            with pytest.raises(httpx2.ConnectError):
                await client.get("http://127.0.0.1:1/")
        for _ in range(EACH + 1):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.get(server.url)
        assert transport._busy == [0]
        server.open.set()
        assert (await client.get(server.url)).text == "ok"
