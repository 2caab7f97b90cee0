"""The floor of downloads: `python -m bench.systems.asgi PORT SIZE PIECE` is a bare application on
uvicorn with the parser of the HTTP process. It sends the asked range of SIZE bytes from memory."""

import sys
from typing import Any

import uvicorn

PORT, SIZE, PIECE = (int(argument) for argument in sys.argv[1:])
BYTES = bytes(PIECE)


async def _app(scope: Any, receive: Any, send: Any) -> None:
    asked = dict(scope["headers"])[b"range"].decode().removeprefix("bytes=")
    first, _, last = asked.partition("-")
    left = int(last) - int(first) + 1
    headers = [(b"content-length", str(left).encode())]
    await send({"type": "http.response.start", "status": 206, "headers": headers})
    while left > 0:
        piece = BYTES if left >= PIECE else BYTES[:left]
        left -= len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": left > 0})


if __name__ == "__main__":
    uvicorn.run(_app, port=PORT, http="h11", lifespan="off", access_log=False, log_level="warning")
