"""The receiver of the load's webhooks: it records what comes, and does not take all of it at once.

It answers some deliveries with an error the first time, and takes some without an answer, as
receivers do that die. Which ones the delivery's id says, so that a run can be repeated.
"""

import asyncio
import json
import threading
from typing import Any

from google.protobuf.json_format import ParseDict

from rushes.v1 import media_service_pb2 as pb
from tests.crash.history import Recorder, names_in

KINDS = [
    *("job_queued", "job_started", "job_updated", "job_reconciling", "job_succeeded"),
    *("job_failed", "job_cancelled", "notification_created"),
]
# Of the 256 ways in which an id ends: these are answered with an error once, these with nothing.
REFUSED, SILENT = range(0, 16), range(16, 24)


class Receiving:
    """A server on a free port of loopback, in a thread of its own; `close` ends it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._seen: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1000)
        )
        self._port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name="receiver", daemon=True)
        self._thread.start()

    def url(self, user: str) -> str:
        """Where the user's events go."""
        return f"http://127.0.0.1:{self._port}/{user}"

    def close(self) -> None:
        """Nobody is there any more."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._server.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            fields = (line.partition(": ") for line in lines[1:])
            headers = {name.lower(): value for name, _, value in fields}
            body = await reader.readexactly(int(headers["content-length"]))
            user = lines[0].split()[1].strip("/")
            status = self._take(user, headers["webhook-id"], body)
            if status:
                answer = f"HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n"
                writer.write(answer.encode())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return  # a worker that was killed while it sent
        finally:
            writer.close()

    def _take(self, user: str, delivery_id: str, body: bytes) -> int:
        """Records the delivery; the status to answer, or 0 for no answer."""
        chance, is_new = int(delivery_id[-2:], 16), delivery_id not in self._seen
        self._seen.add(delivery_id)
        status = 500 if is_new and chance in REFUSED else 204
        status = 0 if is_new and chance in SILENT else status
        self._recorder.write("delivered", **_told(user, delivery_id, body), status=status)
        return status


def _told(user: str, delivery_id: str, body: bytes) -> dict[str, Any]:
    """What the checker wants to know of a delivery."""
    content = json.loads(body)
    response = ParseDict(content["data"], pb.WatchJobsResponse())
    [event] = response.events
    return {
        "user": user,
        "delivery_id": delivery_id,
        "type": content["type"],
        "revision": event.revision,
        "job_id": event.job.job.job_id,
        "names": names_in(response),
    }
