"""Refuses requests whose head is ambiguous or long, before anything reads them.

The edge does so too. This process must not depend on who stands before it.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import Reason
from server.http.refusals import refuse

# Of the path with its query and all headers. The longest signed address has some 300 bytes.
MOST_HEAD_BYTES = 16 * 1024


class Heads:
    """Wraps the application. The connection of a refused request ends: what follows may be a part
    of its body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            names = [name for name, _ in scope["headers"]]
            if b"transfer-encoding" in names and b"content-length" in names:
                app = _refusing(400, "The length of the request is given twice.")
            elif _size(scope) > MOST_HEAD_BYTES:
                app = _refusing(431, "The headers or the address are too long.")
        await app(scope, receive, send)


def _refusing(status: int, message: str) -> ASGIApp:
    return refuse(status, Reason.FIELD_INVALID, message, {"Connection": "close"})


def _size(scope: Scope) -> int:
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    return headers + len(scope["raw_path"]) + len(scope["query_string"])
