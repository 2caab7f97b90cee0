"""Serves what was shared by link: a page for people, and the bytes.

Each request looks the share up, so that its end counts at once, and nobody may keep an answer
without asking again. The signature comes first, so an address that was made up tells nothing.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from core.blobs import Variant
from core.errors import CredentialsExpired, CredentialsInvalid, NotFound
from core.shares import SharedItem
from server.http.media import SAFETY, Blob, Shelf, blob_of, disposition, respond, variant_of
from server.http.pages.share import GONE, PAGE_HEADERS, share_page
from server.http.refusals import refuse_error

T = TypeVar("T")
# Finds what a link shows, by the id of its share; None when it was revoked.
FindLink = Callable[[str], SharedItem | None]
_UNLISTED = {"X-Robots-Tag": "noindex, nofollow, noarchive"}


async def serve_shared(request: Request, shelf: Shelf, find: FindLink) -> Response:
    """The bytes of one variant of the item of a link, whole or a range of them.

    Raises:
        NotFound: when the share was revoked, or its item is in the bin or erased.
        RateLimited: when too many downloads are under way.
    """
    variant = variant_of(request)
    try:
        share_id = _verified(request, shelf)
        blob = await _in_pool(shelf, lambda: _blob(shelf, find, share_id, variant))
    except (CredentialsInvalid, CredentialsExpired) as error:
        return refuse_error(error, HTTPStatus.FORBIDDEN)  # signing in would not help
    headers = {
        **SAFETY,
        **_UNLISTED,
        "ETag": blob.etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": disposition(blob, request.query_params.get("download") == "1"),
    }
    return await respond(request, shelf, blob, headers)


async def serve_page(request: Request, shelf: Shelf, find: FindLink) -> Response:
    """The page of a link. Whatever is wrong with the address, the answer is the same."""
    try:
        share_id = _verified(request, shelf)
        item = await _in_pool(shelf, lambda: _lasting(find, share_id))
    except (CredentialsInvalid, CredentialsExpired, NotFound):
        return _html(GONE, HTTPStatus.NOT_FOUND)
    return _html(share_page(item, shelf.signer), HTTPStatus.OK)


def _html(text: str, status: HTTPStatus) -> Response:
    headers = {**PAGE_HEADERS, **_UNLISTED}
    return Response(text, status, headers=headers, media_type="text/html; charset=utf-8")


async def _in_pool(shelf: Shelf, look: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(shelf.pool, look)


def _verified(request: Request, shelf: Shelf) -> str:
    """The id of the share whose address this is."""
    share_id: str = request.path_params["share_id"]
    expire_time, signature = (
        request.query_params.get(name, "") for name in ("expire_time", "signature")
    )
    shelf.signer.verify_share(share_id, expire_time, signature, shelf.now())
    return share_id


def _lasting(find: FindLink, share_id: str) -> SharedItem:
    item = find(share_id)
    if item is None:
        raise NotFound("share")
    if not item.lasts:
        raise CredentialsExpired("This link has expired; ask for a new one.")
    return item


def _blob(shelf: Shelf, find: FindLink, share_id: str, variant: Variant) -> Blob:
    return blob_of(shelf, _lasting(find, share_id).media, variant)
