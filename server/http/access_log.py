"""Logs a line per request, with the path and never the query, which holds a signature."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.process import metrics
from core.process.telemetry import get_logger

log = get_logger(__name__)

_MAX_PATH = 200


class AccessLog:
    """Wraps the whole application, so that it logs refusals and failures too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.monotonic()
        status = sent = 0

        async def watch(message: Message) -> None:
            nonlocal status, sent
            status = int(message.get("status", status))
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            metrics.HTTP_REQUESTS.labels(status).inc()
            metrics.HTTP_SENT.inc(sent)
            log.info(
                "http_request",
                method=scope["method"],
                path=scope["path"][:_MAX_PATH],
                status=status,
                sent_bytes=sent,
                milliseconds=round((time.monotonic() - start) * 1000, 1),
            )
