"""The routes of the HTTP process and its one way out for errors."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor

import grpc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.blobs import AddressSigner, Blobs
from core.errors import NotFound, Reason, RequestError
from core.media import Media
from core.shares import SharedItem
from server.http import bodies
from server.http.access_log import AccessLog
from server.http.bodies import Bodies
from server.http.calls import refuse_call
from server.http.credentials import Credentials
from server.http.downloads import Downloads
from server.http.exports import Exports, serve_export
from server.http.heads import Heads
from server.http.media import Shelf, serve_media
from server.http.pages import page_routes
from server.http.refusals import SAFE, refuse, refuse_error
from server.http.shares import serve_page, serve_shared
from server.http.streams import Streams
from server.http.uploads import Dock, receive_upload

_NO_ID = "00000000-0000-0000-0000-000000000000"


def no_link(share_id: str) -> None:
    """Finds nothing, where links are not allowed."""


def make_app(
    *,
    find: Callable[[str], Media | None],
    blobs: Blobs,
    signer: AddressSigner,
    pool: Executor,
    downloads: Downloads,
    credentials: Credentials,
    streams: Streams,
    checks: Bodies,
    dock: Dock | None = None,
    exports: Exports | None = None,
    find_link: Callable[[str], SharedItem | None] = no_link,
    now: Callable[[], float] = time.time,
) -> Starlette:
    """The application. `find` looks an item up, whichever user has it, and `find_link` the item of
    a share by link; both run in `pool`. Without a `dock` it takes no uploads, and without
    `exports` it gives none."""
    shelf = Shelf(find=find, blobs=blobs, signer=signer, pool=pool, now=now, downloads=downloads)

    async def media(request: Request) -> Response:
        return await serve_media(request, shelf)

    async def shared(request: Request) -> Response:
        return await serve_shared(request, shelf, find_link)

    async def page(request: Request) -> Response:
        return await serve_page(request, shelf, find_link)

    async def export(request: Request) -> Response:
        if exports is None:
            raise NotFound("page")
        return await serve_export(request, shelf, exports)

    async def upload(request: Request) -> Response:
        if dock is None:
            raise NotFound("page")
        return await receive_upload(request, dock)

    async def ready(request: Request) -> Response:
        await asyncio.get_running_loop().run_in_executor(pool, find, _NO_ID)
        return JSONResponse({"ready": True}, headers={"Cache-Control": "no-store"})

    async def ticket(request: Request) -> Response:
        await bodies.refuse_fields(request)
        return JSONResponse(await credentials.ticket_for(request), headers=SAFE)

    app = Starlette(
        routes=[
            Route("/v1/jobs:watch", streams.serve, methods=["GET"]),
            Route("/v1/streams:ticket", ticket, methods=["POST"]),
            Route("/media/{media_id}/{variant}", media, methods=["GET"]),
            Route("/shares/{share_id}", page, methods=["GET"]),
            Route("/shares/{share_id}/{variant}", shared, methods=["GET"]),
            Route("/exports/{export_id}", export, methods=["GET"]),
            Route("/uploads/{media_id}", upload, methods=["PUT", "HEAD"]),
            Route("/ready", ready, methods=["GET"]),
            Route(f"{bodies.PREFIX}/{{path:path}}", checks.answer, methods=bodies.METHODS),
            *page_routes(),
        ],
        middleware=[Middleware(AccessLog), Middleware(Heads)],
        exception_handlers={
            RequestError: _domain_error,
            grpc.aio.AioRpcError: _call_error,
            HTTPException: _http_error,
            Exception: _unknown_error,
        },
    )
    app.router.redirect_slashes = False  # a redirect would repeat the signature in a header
    return app


async def _domain_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return refuse_error(error)


async def _call_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, grpc.aio.AioRpcError)
    return refuse_call(error)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return refuse(404, Reason.RESOURCE_NOT_FOUND, "There is no such page.")
    return refuse(error.status_code, Reason.FIELD_INVALID, error.detail, error.headers)


async def _unknown_error(_: Request, __: Exception) -> Response:
    return refuse(500, Reason.INTERNAL_ERROR, "Something went wrong on our side.")
