"""The OpenAPI document, and a page to browse and try the calls. They need no token.

`openapi.json` is generated (`make proto`). `swagger-ui/` is a copy of the npm package that
`swagger-ui.lock` names, with hashes that a test compares; it is not edited.
"""

import hashlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.http.ranges import matches

FOLDER = Path(__file__).parent
# Path of the address: the file and its type.
PAGES = {
    "/openapi.json": ("openapi.json", "application/json"),
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/docs/docs.js": ("docs.js", "text/javascript; charset=utf-8"),
    "/docs/swagger-ui-bundle.js": (
        "swagger-ui/swagger-ui-bundle.js",
        "text/javascript; charset=utf-8",
    ),
    "/docs/swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css; charset=utf-8"),
}
# The page loads and calls nothing but this server, runs no script that stands in the page itself,
# and is shown inside of no other page. Its icons are addresses of data.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_HEADERS = {
    "Cache-Control": "no-cache",  # asked for again each time, by its ETag
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def page_routes() -> list[Route]:
    """A route for each page, whose bytes are read now."""
    return [Route(path, _page(*page), methods=["GET"]) for path, page in PAGES.items()]


def _page(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    body = (FOLDER / name).read_bytes()
    headers = {**_HEADERS, "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'}

    async def answer(request: Request) -> Response:
        if matches(request.headers.get("if-none-match"), headers["ETag"]):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(body, headers=headers, media_type=media_type)

    return answer
