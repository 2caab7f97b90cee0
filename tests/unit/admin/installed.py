"""An installation for the doctor, and an edge."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from admin.doctor import Finding, examine
from core.process.settings import Settings
from core.store import Database


class Healthy(http.server.BaseHTTPRequestHandler):
    """An edge whose servers are ready, or are not."""

    code = 200

    def do_GET(self) -> None:
        self.send_response(self.code if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


class NotReady(Healthy):
    code = 503


@contextlib.contextmanager
def an_edge(kind: type[Healthy]) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@dataclass
class Installation:
    """All that one needs, as a run of `make up` announces it; a test breaks a part."""

    settings: Settings
    db: Database
    state: dict[str, Any] = field(default_factory=dict)

    def set(self, **values: object) -> None:
        """Settings of the run besides those that it has."""
        self.state["settings"] |= {f"RUSHES_{k.upper()}": str(v) for k, v in values.items()}

    def findings(self) -> dict[str, Finding]:
        found = examine(self.settings.data_dir, self.state)
        return {finding.check: finding for finding in found}

    def ailing(self) -> dict[str, str]:
        """What each check that is not ok says."""
        return {name: found.text for name, found in self.findings().items() if not found.ok}

    def only(self, check: str) -> str:
        """What that check says, the only one that is not ok."""
        ailing = self.ailing()
        assert list(ailing) == [check]
        return ailing[check]
