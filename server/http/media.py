"""Serves one signed address: it checks the signature, then sends the bytes."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from core.blobs import AddressSigner, Blobs, Variant
from core.errors import BlobMissing, CredentialsExpired, CredentialsInvalid, NotFound, Reason
from core.files.images import THUMBNAIL_TYPE
from core.files.sniff import EXTENSIONS, UNKNOWN
from core.media import Media
from server.http.downloads import Download, Downloads
from server.http.ranges import Span, Unsatisfiable, matches, parse_range, range_applies
from server.http.refusals import refuse, refuse_error

# A picture opened as a page of its own runs nothing and loads nothing but itself; browsers draw
# their own player with inline styles.
_POLICY = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "Accept-Ranges": "bytes",
    # The edge adds CORS headers for an origin only. Without this a browser would answer a request
    # with CORS from what it cached for an <img> without, and block it.
    "Vary": "Origin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The parts that a request needs. `find` may block, so it runs in `pool`. `now` in seconds."""

    find: Callable[[str], Media | None]
    blobs: Blobs
    signer: AddressSigner
    pool: Executor
    now: Callable[[], float]
    downloads: Downloads


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """The bytes of a variant of an item, and how they are served."""

    owner: str
    key: str
    size: int
    mime_type: str
    etag: str
    name: str


async def serve_media(request: Request, shelf: Shelf) -> Response:
    """The bytes of one variant of one item, whole or a range of them.

    Raises:
        NotFound: when the item is unknown, in the bin, or erased.
        RateLimited: when too many downloads are under way.
    """
    variant = variant_of(request)
    media_id = request.path_params["media_id"]
    query = request.query_params
    now = shelf.now()
    try:
        expire_time_s = shelf.signer.verify(
            media_id, variant, query.get("expire_time", ""), query.get("signature", ""), now
        )
    except (CredentialsInvalid, CredentialsExpired) as error:
        return refuse_error(error, HTTPStatus.FORBIDDEN)  # signing in would not help
    loop = asyncio.get_running_loop()
    blob = await loop.run_in_executor(shelf.pool, _look_up, shelf, media_id, variant)
    headers = {
        **SAFETY,
        "ETag": blob.etag,
        "Cache-Control": f"private, max-age={int(expire_time_s - now)}, immutable",
        "Content-Disposition": disposition(blob, query.get("download") == "1"),
    }
    return await respond(request, shelf, blob, headers)


async def respond(request: Request, shelf: Shelf, blob: Blob, headers: dict[str, str]) -> Response:
    """The bytes of a blob, whole or a range of them, or that nothing has changed.

    Raises:
        RateLimited: when too many downloads are under way.
    """
    if matches(request.headers.get("if-none-match"), blob.etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if request.method == "HEAD":  # has no ranges: RFC 9110, 14.2
        headers["Content-Length"] = str(blob.size)
        return Response(headers=headers, media_type=blob.mime_type)
    try:
        span = _span(request, blob)
    except Unsatisfiable:
        limits = {"Content-Range": f"bytes */{blob.size}"}
        return refuse(416, Reason.FIELD_INVALID, "The range is outside the file.", limits)
    status = HTTPStatus.OK
    if span is None:
        span = Span(0, blob.size)
    else:
        status = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{blob.size}"
    headers["Content-Length"] = str(span.end - span.start)
    with ExitStack() as held:
        held.enter_context(shelf.downloads.place(blob.owner, span.end - span.start))
        pieces = await run_in_threadpool(_open, shelf, blob, span)
        held.callback(close_pieces, pieces)
        return Download(
            pieces, status, headers=headers, media_type=blob.mime_type, held=held.pop_all()
        )


def variant_of(request: Request) -> Variant:
    """The variant that the path names.

    Raises:
        NotFound: when there is no such variant.
    """
    try:
        return Variant(request.path_params["variant"])
    except ValueError:
        raise NotFound("page") from None


def _span(request: Request, blob: Blob) -> Span | None:
    if not range_applies(request.headers.get("if-range"), blob.etag):
        return None
    return parse_range(request.headers.get("range"), blob.size)


def _look_up(shelf: Shelf, media_id: str, variant: Variant) -> Blob:
    media = shelf.find(media_id)
    if media is None or media.delete_time is not None:
        raise NotFound("media item")
    return blob_of(shelf, media, variant)


def blob_of(shelf: Shelf, media: Media, variant: Variant) -> Blob:
    """The bytes of an item that is in the library. May block.

    Raises:
        NotFound: when they are gone, or were never made.
    """
    if variant is Variant.CONTENT:
        key, mime_type, etag = media.blob_key, media.mime_type, f'"{media.sha256}"'
    else:
        # The thumbnail is made from the content once, so the content's checksum names it too.
        key, mime_type, etag = media.thumbnail_key, THUMBNAIL_TYPE, f'"{media.sha256}-thumbnail"'
    if not key:
        raise NotFound("thumbnail")
    try:
        size = shelf.blobs.size(key)
    except BlobMissing:
        raise NotFound("media item") from None
    known = mime_type if mime_type in EXTENSIONS else UNKNOWN
    name = f"{media.media_id}.{EXTENSIONS.get(known, 'bin')}"
    return Blob(owner=media.user_id, key=key, size=size, mime_type=known, etag=etag, name=name)


def _open(shelf: Shelf, blob: Blob, span: Span) -> Iterator[bytes]:
    try:
        return shelf.blobs.stream(blob.key, span.start, span.end)
    except BlobMissing:
        raise NotFound("media item") from None


def close_pieces(pieces: Iterator[bytes]) -> None:
    """Lets go of the blob that the pieces come from."""
    close = getattr(pieces, "close", None)  # not every iterator holds something
    if close is not None:
        close()


def disposition(blob: Blob, download: bool) -> str:
    """Whether a browser shows the bytes or saves them, and under which name."""
    kind = "attachment" if download or blob.mime_type == UNKNOWN else "inline"
    return f'{kind}; filename="{blob.name}"'
