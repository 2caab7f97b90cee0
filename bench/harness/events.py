"""A reader of many streams of server-sent events that costs little CPU itself.

It speaks the protocol of `bench.harness.client` with its harness. Each watcher has a connection of
its own, as HTTP/1.1 demands.
"""

import asyncio
import time
from typing import Any
from urllib.parse import urlencode

import orjson
import uvloop
from google.protobuf.json_format import MessageToDict

from bench.harness.client import Fleet, Watcher, read_plan, serve
from rushes.v1 import media_service_pb2 as pb

_DATA = b"data: "


class Connection(asyncio.Protocol):
    """One stream. A message's data never has a line break, so its framing does not matter."""

    def __init__(self) -> None:
        self.lost = False
        self._rest = b""
        self._watcher: EventWatcher | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def ask(self, request: bytes, watcher: "EventWatcher") -> None:
        """Sends the request; the watcher gets what comes."""
        self._watcher = watcher
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._watcher and line.startswith(_DATA):
                self._watcher.take(line.removeprefix(_DATA))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self._watcher:
            self._watcher.lose()

    def close(self) -> None:
        """Leaves."""
        self._transport.close()


class EventWatcher(Watcher):
    """One watch by server-sent events."""

    def open(self, connection: Any) -> None:
        """Opens the watch; with the last token if there is one."""
        self.live_at, self.ended = 0.0, False
        asked = pb.WatchJobsRequest.FromString(self.request)
        asked.resume_token = self.resume_token
        query = urlencode(MessageToDict(asked), doseq=True)
        head = [
            f"GET /v1/jobs:watch?{query} HTTP/1.1",
            "host: localhost",
            "accept: text/event-stream",
            f"authorization: Bearer {self.credentials}",
        ]
        connection.ask("\r\n".join([*head, "", ""]).encode(), self)

    def take(self, data: bytes) -> None:
        """The data of a message."""
        now, response = time.time(), orjson.loads(data)
        self.resume_token = response["resumeToken"]
        events = response.get("events", [])
        for event in events:
            if "progress" in event:
                self.count("progress", event["progress"]["progress"]["message"], now)
            elif "job" in event:
                if event["job"]["type"] != "CURRENT":
                    self.count("job", event["job"]["job"]["progress"]["message"], now)
            elif "synced" in event:
                self.live_at = now
        if len(events) == 1:
            self.counts.sizes.append(len(data))

    def lose(self) -> None:
        """The connection is gone."""
        self.ended = True
        self.counts.refused += 1


class EventFleet(Fleet):
    """All of them."""

    connection = Connection
    watcher = EventWatcher


if __name__ == "__main__":
    uvloop.run(serve(EventFleet(read_plan())))
