"""Takes the bytes of an upload at its signed address, whole or in parts, as they come.

An upload in the air holds one piece of its bytes in memory, whatever its size. What has come is
kept every few MiB and every few seconds, and when the sender leaves.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from core.blobs import AddressSigner, PartWriter
from core.errors import (
    BlobMissing,
    CredentialsExpired,
    CredentialsInvalid,
    InputInvalid,
    NotFound,
    RateLimited,
    Reason,
    UploadIncomplete,
    UploadMismatch,
)
from core.files.sniff import HEAD_BYTES
from core.media import Media
from core.uploads import Upload
from server.commands.uploads import Intake
from server.fair_executor import FairExecutor
from server.http.ranges import Span, Unsatisfiable, parse_content_range
from server.http.refusals import refuse, refuse_error

T = TypeVar("T")
KEEP_BYTES = 8 * 1024 * 1024
KEEP_SECONDS = 5.0
_NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dock:
    """The parts that an upload needs. `look_ups` runs what asks the database, `writers` what
    writes bytes, `finishers` what reads and decodes whole files; both share out by user."""

    intake: Intake
    signer: AddressSigner
    show: Callable[[Media], dict[str, Any]]
    look_ups: Executor
    writers: FairExecutor
    finishers: FairExecutor
    most: int
    stuck_seconds: float
    now: Callable[[], float] = time.time
    receiving: set[object] = field(default_factory=set)


async def receive_upload(request: Request, dock: Dock) -> Response:
    """Answers PUT and HEAD.

    Raises:
        NotFound: when the upload was dropped.
        UploadIncomplete, UploadMismatch, InputInvalid, StorageFull: see CreateUpload.
        RateLimited: when too many uploads send bytes.
    """
    try:
        return await _answer(request, dock)
    except (CredentialsInvalid, CredentialsExpired) as error:
        return refuse_error(error, HTTPStatus.FORBIDDEN)  # signing in would not help
    except Unsatisfiable:
        text = "Content-Range: is damaged, or beyond size_bytes; use bytes first-last/size."
        return refuse(416, Reason.FIELD_INVALID, text)


async def _answer(request: Request, dock: Dock) -> Response:
    media_id, query = request.path_params["media_id"], request.query_params
    dock.signer.verify_upload(
        media_id, query.get("expire_time", ""), query.get("signature", ""), dock.now()
    )
    found = await _look_up(dock, dock.intake.find, media_id)
    if request.method == "HEAD":
        return _standing(200, found.size_bytes if isinstance(found, Media) else found.offset)
    if isinstance(found, Media):
        return JSONResponse(dock.show(found), 200, _NO_STORE)
    if found.whole:  # a process ended before it made an item of it
        taken = await _look_up(dock, dock.intake.take, found)
        return await _finish(dock, taken)
    span, whole = _span(request, found)
    if span.start != found.offset:
        raise UploadIncomplete(found.offset)
    if len(dock.receiving) >= dock.most:
        raise RateLimited("Too many uploads are under way; try later.")
    place = object()
    dock.receiving.add(place)
    try:
        taken = await _look_up(dock, dock.intake.take, found)
        return await _Receiver(dock, taken, span, whole=whole).receive(request)
    finally:
        dock.receiving.discard(place)


class _Receiver:
    """Receives one request's bytes. Its blocking calls run one after another, in threads."""

    def __init__(self, dock: Dock, upload: Upload, span: Span, *, whole: bool) -> None:
        self._dock = dock
        self._upload = upload
        self._span, self._whole = span, whole
        self._writer: PartWriter = dock.intake.open(upload)
        self._got = self._unkept = 0
        self._kept_at = time.monotonic()
        self._head = self._piece = b""
        self._checked = span.start > 0
        self._running: asyncio.Future[Any] | None = None

    async def receive(self, request: Request) -> Response:
        """Takes what the request sends."""
        intake = self._dock.intake
        length = request.headers.get("content-length")
        try:
            if self._whole and length is not None and int(length) != self._upload.size_bytes:
                raise UploadMismatch("size_bytes", f"the request has {length} bytes")
            async for piece in _pieces(request, self._dock.stuck_seconds):
                await self._take(piece)
            await self._check_end()
        except (UploadMismatch, InputInvalid, BlobMissing) as error:
            await self._write(intake.drop, self._upload, self._writer)
            if isinstance(error, BlobMissing):  # a part of it is gone
                raise NotFound("upload") from None
            raise
        except BaseException as error:
            await self._settled()
            upload = await self._write(intake.release, self._upload, self._writer)
            if isinstance(error, ClientDisconnect | TimeoutError):
                raise UploadIncomplete(upload.offset, "The rest did not come.") from None
            raise
        if self._span.start + self._got < self._upload.size_bytes:
            upload = await self._write(intake.release, self._upload, self._writer)
            return _standing(202, upload.offset)
        await self._keep()
        self._writer.close()
        return await _finish(self._dock, self._upload)

    async def _take(self, piece: bytes) -> None:
        self._got += len(piece)
        if self._got > self._span.end - self._span.start:
            if self._whole:
                raise UploadMismatch("size_bytes", "more bytes came")
            raise Unsatisfiable
        if not self._checked:
            self._check_head(piece)
        self._piece = piece
        await self._write(self._write_piece)
        self._unkept += len(piece)
        if self._unkept >= KEEP_BYTES or time.monotonic() - self._kept_at >= KEEP_SECONDS:
            await self._keep()

    def _write_piece(self) -> None:
        # A call that was made is garbage that is collected late: it must not hold the piece.
        piece, self._piece = self._piece, b""
        self._writer.write(piece)

    def _check_head(self, piece: bytes) -> None:
        self._head += piece[: HEAD_BYTES - len(self._head)]
        if len(self._head) == HEAD_BYTES or self._got == self._upload.size_bytes:
            self._dock.intake.check_head(self._upload, self._head)
            self._checked = True

    async def _check_end(self) -> None:
        if self._whole and self._got < self._upload.size_bytes:
            raise UploadMismatch("size_bytes", f"only {self._got} bytes came")

    async def _keep(self) -> None:
        self._upload = await self._write(self._dock.intake.keep, self._upload, self._writer)
        self._unkept, self._kept_at = 0, time.monotonic()

    async def _write(self, work: Callable[..., T], *values: Any) -> T:
        share = self._dock.writers.of(self._upload.user_id)
        loop = asyncio.get_running_loop()
        running = self._running = loop.run_in_executor(share, partial(work, *values))
        # A request that is cancelled leaves its thread at work, and `_settled` waits for that.
        return await asyncio.shield(running)

    async def _settled(self) -> None:
        if self._running is not None:
            await asyncio.wait([self._running])


async def _pieces(request: Request, stuck_seconds: float) -> AsyncIterator[bytes]:
    """The body as it comes.

    Raises:
        ClientDisconnect: when the sender leaves.
        TimeoutError: when it sends nothing for so long.
    """
    stream = aiter(request.stream())
    while True:
        async with asyncio.timeout(stuck_seconds):
            piece = await anext(stream, None)
        if piece is None:
            return
        if piece:
            yield piece


async def _look_up(dock: Dock, work: Callable[..., T], *values: Any) -> T:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(dock.look_ups, partial(work, *values))


async def _finish(dock: Dock, upload: Upload) -> Response:
    share = dock.finishers.of(upload.user_id)
    loop = asyncio.get_running_loop()
    media = await loop.run_in_executor(share, dock.intake.finish, upload)
    return JSONResponse(dock.show(media), 201, _NO_STORE)


def _span(request: Request, upload: Upload) -> tuple[Span, bool]:
    """The bytes that the request sends, and whether it sends the whole file."""
    header = request.headers.get("content-range")
    length = request.headers.get("content-length")
    if header is None:
        span = Span(0, upload.size_bytes)
        return span, True
    span = parse_content_range(header, upload.size_bytes)
    if length is not None and int(length) != span.end - span.start:
        raise Unsatisfiable
    return span, False


def _standing(status: int, offset: int) -> Response:
    return Response(status_code=status, headers={**_NO_STORE, "Upload-Offset": str(offset)})
