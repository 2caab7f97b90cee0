"""What every fake is: an HTTP server in a thread or a program, with a ledger and faults."""

import argparse
import asyncio
import signal
import socket
import threading
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive, Scope, Send

from tests.fakes import faults, media
from tests.fakes.ledger import Ledger

JOIN_SECONDS = 20.0
BIG_BYTES = 1024**3
_DROPS = 20


@dataclass(frozen=True)
class Call:
    """One paid call, as the fakes see them all alike."""

    prompt: str
    model: str
    outputs: int
    # The Idempotency-Key: `<job id>.<number of the submit>` when our workers send it.
    key: str = ""

    @property
    def job(self) -> str:
        """Whose call it is, for faults that act once."""
        return self.key.rpartition(".")[0] or self.key or self.prompt


class Cut(Response):
    """The connection is cut: without an answer, or after `data`, half of what was announced."""

    def __init__(self, data: bytes = b"", media_type: str = "application/octet-stream") -> None:
        super().__init__(data, media_type=media_type)
        if data:
            self.headers["content-length"] = str(2 * len(data))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.body:
            head: Message = {"type": "http.response.start", "status": 200}
            await send({**head, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self.body, "more_body": True})
            # What was sent leaves before the connection is cut.
            await asyncio.sleep(0.05)
        scope["cut"]()
        while (await receive())["type"] != "http.disconnect":
            pass


class Fake:
    """A server of one provider; `url` is its address. Subclasses give routes and error shapes."""

    name: ClassVar[str]

    def __init__(
        self,
        folder: Path | None = None,
        *,
        ledger: Path | None = None,
        port: int = 0,
        operation_seconds: float = 0.2,
        late_seconds: float = 2.0,
        big_bytes: int = BIG_BYTES,
    ) -> None:
        path = ledger or (folder or Path.cwd()) / f"{self.name}-ledger.jsonl"
        self.ledger = Ledger(path)
        self.faults = faults.Faults()
        # How many POSTs came to a path, and all requests as "METHOD path", oldest first.
        self.posts: Counter[str] = Counter()
        self.requests: list[str] = []
        self.operation_seconds = operation_seconds
        self.late_seconds = late_seconds
        self.big_bytes = big_bytes
        self._socket = socket.create_server(("127.0.0.1", port), reuse_port=False)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._ended: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._main, name=f"fake {self.name}", daemon=True)
        self._started = threading.Event()

    def routes(self) -> list[BaseRoute]:
        """What it answers to."""
        raise NotImplementedError

    def error(self, status: int, code: str = "", headers: dict[str, str] | None = None) -> Response:
        """An error of that status as the provider writes it; `code` is the fault's word, or what
        the subclass calls it with."""
        raise NotImplementedError

    def filtered(self, phase: str) -> Response:
        """The answer to a call whose "prompt" or "input" is refused by a filter."""
        raise NotImplementedError

    def fault(self, word: str, times: int = 1) -> None:
        """Makes the next calls go wrong; see `faults`."""
        self.faults.order(word, times)

    async def submit(
        self, call: Call, answer: Callable[[str], Response | Awaitable[Response]]
    ) -> Response:
        """A paid call: refused, or in the ledger under a new name, with which `answer` is made."""
        word = self.faults.take(call.prompt, call.job, *faults.BEFORE)
        if word is not None:
            return self._refuse(word)
        operation = f"{self.name}-{uuid.uuid4().hex}"
        await asyncio.to_thread(
            self.ledger.accepted,
            key=call.key,
            operation=operation,
            model=call.model,
            outputs=call.outputs,
        )
        made = answer(operation)
        response = made if isinstance(made, Response) else await made
        word = self.faults.take(call.prompt, call.job, *faults.AFTER)
        if word == "late":
            await self.pause(self.late_seconds)
        if word == "503-after":
            return self.error(503, word)
        if word == "cut-within":
            half = bytes(response.body[: len(response.body) // 2])
            return Cut(half, response.media_type or "")
        return Cut() if word == "cut-after" else response

    def asked(self, prompt: str, operation: str) -> Response | None:
        """What goes wrong with a question about the operation; None when it is to be answered."""
        word = self.faults.take(prompt, operation, *faults.POLL)
        if word is None:
            return None
        wait = {"retry-after": str(faults.RETRY_AFTER_SECONDS)}
        return self.error(503, word) if word == "poll-503" else self.error(429, word, wait)

    async def deliver(self, prompt: str, operation: str, data: bytes, media_type: str) -> Response:
        """A download of a result, with what may go wrong with one."""
        word = self.faults.take(prompt, operation, *faults.RESULT)
        if word == "download-503":
            return self.error(503, word)
        if word == "truncated":
            return Cut(data[: len(data) // 2], media_type)
        if word == "big":
            length = {"content-length": str(self.big_bytes)}
            chunks = media.big_video(self.big_bytes)
            return StreamingResponse(chunks, media_type="video/mp4", headers=length)
        if word == "slow-download":
            length = {"content-length": str(len(data))}
            return StreamingResponse(self.drops(data), media_type=media_type, headers=length)
        return Response(media.NO_MEDIA if word == "wrong-type" else data, media_type=media_type)

    async def drops(self, data: bytes) -> AsyncIterator[bytes]:
        """The data, a little at a time."""
        step = -(-len(data) // _DROPS)
        for at in range(0, len(data), step):
            await self.pause(faults.SLOW_SECONDS / _DROPS)
            yield data[at : at + step]

    async def pause(self, seconds: float) -> None:
        """Waits, at most until the fake is stopped."""
        assert self._ended is not None
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return

    def start(self) -> Self:
        """Starts to answer."""
        self._thread.start()
        assert self._started.wait(JOIN_SECONDS), "the fake did not start"
        return self

    def stop(self) -> None:
        """Ends the server; calls that wait are answered at once."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(JOIN_SECONDS)
        self.ledger.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application: counts, and lends `Cut` the connection."""
        self.requests.append(f"{scope['method']} {scope['path']}")
        if scope["method"] == "POST":
            self.posts[scope["path"]] += 1
        # ASGI has no word for it: uvicorn's `send` belongs to what has the transport.
        connection: Any = send
        scope["cut"] = connection.__self__.transport.abort
        await self._app(scope, receive, send)

    def _main(self) -> None:
        routes = [Route("/__fake/posts", self._posts), *self.routes()]
        self._app = Starlette(routes=routes)
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        config = uvicorn.Config(
            self, http="h11", ws="none", lifespan="off", log_config=None, access_log=False
        )
        self._server = uvicorn.Server(config)
        self._loop.call_soon(self._started.set)
        await self._server.serve(sockets=[self._socket])

    def _end(self) -> None:
        assert self._ended is not None
        self._ended.set()
        self._server.should_exit = True

    def _refuse(self, word: str) -> Response:
        if word == "cut-before":
            return Cut()
        if word.startswith("filtered-"):
            return self.filtered(word.removeprefix("filtered-"))
        wait = {"retry-after": str(faults.RETRY_AFTER_SECONDS)} if word == "429-retry-after" else {}
        statuses = {"500-before": 500, "401": 401}
        return self.error(statuses.get(word, 429), word, wait)

    async def _posts(self, _: Request) -> Response:
        return JSONResponse(dict(self.posts))


def run(kind: Callable[..., Fake]) -> None:
    """The program: prints the address, and answers until it gets SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--operation-seconds", type=float, default=0.2)
    parser.add_argument("--late-seconds", type=float, default=2.0)
    parser.add_argument("--big-bytes", type=int, default=BIG_BYTES)
    fake = kind(**vars(parser.parse_args()))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with fake:
        print(fake.url, flush=True)
        ended.wait()
