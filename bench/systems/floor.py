"""The floor: what grpc.aio itself costs for the same streams, messages and pacing.

`python -m bench.systems.floor` is a bare grpc.aio server on uvloop without Redis, database, tokens
or filters. It is its own publisher: it writes messages of the asked size to its watchers, one call
of `write` for each, with at most one under way for a watcher, as the product does.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import uvloop

from bench.harness.client import PATH, Plan, connect, lines, request, say, together
from bench.harness.processes import Child, python
from bench.harness.systems import TICK_SECONDS, Pace, Running, Shape, stamp
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb

# As the product's server sets them; without the first two a storm of calls is cut.
OPTIONS = [
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
    ("grpc.server_max_unrequested_time_in_server", 300),
    ("grpc.so_reuseport", 0),
]
# What the product sends; a load says it better.
USUAL_BYTES = {"progress": 180, "state": 460}
EMPTY = stamp(0, 0.0)
TOKEN_BYTES = 250


class Floor:
    """Implements bench.harness.systems.System."""

    name = "floor"

    def __init__(self, missed: int = 0) -> None:
        self._missed = missed

    @contextlib.contextmanager
    def start(self, shape: Shape) -> Iterator[Running]:
        """The server and its client."""
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rushes-floor-")))
            server = Child(python("bench.systems.floor", str(self._missed)))
            stack.callback(server.end)
            port = server.hello()["port"]
            plan = Plan(
                host="127.0.0.1",
                ports=[port] * shape.connection_count,
                places=together(shape.watchers, shape.connection_count),
                tokens=["x" * TOKEN_BYTES] * shape.watchers,
                requests=[request()] * shape.watchers,
            )
            connected = connect(stack, plan, folder, server.pid)
            yield Running(
                pids={"server": server.pid, "client": connected.client.pid},
                client=connected.client,
                publisher=server,
                refused=connected.refused,
                connect_seconds=connected.seconds,
                before_kib=connected.before_kib,
            )


def template(kind: str, size: int) -> bytes:
    """A response with one event and the empty stamp, padded by its token to the size."""
    event = pb.WatchEvent()
    if kind == "progress":
        event.progress.job_id = "x" * 26
        event.progress.progress.message = EMPTY
    else:
        event.job.type = pb.JobEvent.UPDATED
        event.job.job.state = job_pb2.Job.RUNNING
        event.job.job.progress.message = EMPTY
    response = pb.WatchJobsResponse(events=[event])
    response.resume_token = "x" * max(size - response.ByteSize() - 3, 1)
    return response.SerializeToString()


def _token(text: str) -> bytes:
    return pb.WatchJobsResponse(resume_token=text).SerializeToString()


class _Watch:
    """One open stream; like the product's, it has at most one write under way."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.messages: list[bytes] = []
        self.numbers = dict.fromkeys(USUAL_BYTES, 0)


class _Server:
    def __init__(self, missed: int) -> None:
        self._watches: list[_Watch] = []
        self._turn = 0
        synced = pb.WatchEvent(synced=pb.WatchEvent.Synced())
        self._live = pb.WatchJobsResponse(events=[synced]).SerializeToString()
        self._missed = missed

    async def watch(
        self, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]"
    ) -> None:
        watch = _Watch()
        self._watches.append(watch)
        try:
            await context.write(self._greeting(request, watch))
            while True:
                await watch.news.wait()
                watch.news.clear()
                messages, watch.messages = watch.messages, []
                for message in messages:
                    await context.write(message)
        finally:
            self._watches.remove(watch)

    def _greeting(self, request: bytes, watch: _Watch) -> bytes:
        """What the product sends first: to one who returns all that it missed, in one response."""
        token = pb.WatchJobsRequest.FromString(request).resume_token
        missed = b""
        if token.isdecimal():
            watch.numbers["state"] = int(token)
            message = template("state", USUAL_BYTES["state"])
            missed = b"".join(self._stamped(watch, "state", message) for _ in range(self._missed))
        # In protobuf, joined bytes are a merged message.
        return missed + self._live + _token(str(watch.numbers["state"]))

    async def publish(self, kind: str, rate: float, seconds: float, size: int) -> dict[str, Any]:
        message = template(kind, size or USUAL_BYTES[kind])
        pace = Pace(rate, seconds, time.perf_counter())
        while not pace.finished:
            for _ in range(pace.due(time.perf_counter())):
                self._turn = (self._turn + 1) % len(self._watches)
                watch = self._watches[self._turn]
                watch.messages.append(self._stamped(watch, kind, message))
                watch.news.set()
            pace.published(time.perf_counter())
            await asyncio.sleep(TICK_SECONDS)
        return {"sent": pace.total, "late_ms": pace.late_seconds * 1000}

    @staticmethod
    def _stamped(watch: _Watch, kind: str, message: bytes) -> bytes:
        watch.numbers[kind] += 1
        return message.replace(EMPTY.encode(), stamp(watch.numbers[kind], time.time()).encode())


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, server: _Server) -> None:
        self._handler: Any = grpc.unary_stream_rpc_method_handler(server.watch)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handler if handler_call_details.method == PATH else None


async def _serve(missed: int) -> None:
    server = _Server(missed)
    served = grpc.aio.server(options=OPTIONS)
    served.add_generic_rpc_handlers((_Handlers(server),))
    port = served.add_insecure_port("127.0.0.1:0")
    await served.start()
    say({"port": port})
    reader = await lines()
    while line := await reader.readline():
        asked = json.loads(line)
        if "missed" in asked:  # the greeting has it
            say({})
            continue
        say(await server.publish(asked["kind"], asked["rate"], asked["seconds"], asked["bytes"]))
    await served.stop(None)


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
