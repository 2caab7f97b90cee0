"""A watch that a test reads while it goes on."""

import threading
from typing import Any

import grpc

from rushes.v1 import media_service_pb2 as pb
from tests.house import House
from tests.services import wait_for

Kind = str


class Watch:
    """An open watch, read in a thread of its own."""

    def __init__(self, house: House, user_id: str = "alice", **request: Any) -> None:
        self.call = house.caller(user_id).stream(pb.WatchJobsRequest(**request))
        self.responses: list[pb.WatchJobsResponse] = []
        self.error: grpc.RpcError | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for response in self.call:
                self.responses.append(response)
        except grpc.RpcError as error:
            self.error = error

    @property
    def events(self) -> list[pb.WatchEvent]:
        return [event for response in self.responses for event in response.events]

    def kinds(self) -> list[Kind]:
        return [str(event.WhichOneof("event")) for event in self.events]

    def until(self, kind: Kind) -> None:
        wait_for(lambda: kind in self.kinds(), f"{kind} to be seen")

    def ended(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()

    def close(self) -> None:
        self.call.cancel()
        self.ended()
