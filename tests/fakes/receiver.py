"""A webhook's receiver on loopback that keeps what it gets and answers as it is told."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.services import wait_for


@dataclass(frozen=True)
class Got:
    """One request: its headers in lower case, and its body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def delivery_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def type(self) -> str:
        return str(self.content["type"])


@dataclass
class Receiver:
    """Answers with the next of `statuses`, and with 204 when there is none left; `held` keeps its
    answers back while it is not set."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    text: bytes = b""
    held: threading.Event = field(default_factory=threading.Event)

    def of(self, *types: str) -> list[Got]:
        """What came of these types."""
        return [one for one in self.got if one.type in types]

    def wait(self, count: int, what: Callable[[Got], bool] = lambda _: True) -> list[Got]:
        """The first so many requests of that kind, once they are there."""
        wait_for(lambda: sum(map(what, self.got)) >= count, f"{count} deliveries")
        return [one for one in self.got if what(one)]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port, for the block."""
    made = Receiver()
    made.held.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.got.append(Got(self.path, headers, body))
            made.held.wait(20)
            status = made.statuses.pop(0) if made.statuses else 204
            try:
                self.send_response(status)
                for name, value in made.headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("content-length", str(len(made.text)))
                self.end_headers()
                self.wfile.write(made.text if status != 204 else b"")
            except OSError:
                return

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def handle_error(self, *_: Any) -> None:
            return

    server = Server(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=lambda: server.serve_forever(0.02))
    thread.start()
    try:
        yield made
    finally:
        made.held.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
