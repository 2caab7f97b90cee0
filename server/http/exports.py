"""Serves one export: a ZIP of the items as they are, with a manifest at its end.

Each item is looked up right before its bytes. What was deleted by then is left out, and the
manifest says so. Once bytes have been sent an error can only cut the answer: then the directory of
the ZIP is missing, so that nobody takes the part for the whole.
"""

import asyncio
import json
import tempfile
import unicodedata
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import IO, Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from core.errors import BlobMissing, CredentialsExpired, CredentialsInvalid, NotFound
from core.files.sniff import EXTENSIONS
from core.media import Media
from core.recipes import Recipe
from core.store.exports import Export
from server.http.downloads import SMALL_BYTES
from server.http.media import Shelf, close_pieces
from server.http.refusals import refuse_error
from server.http.zips import ZipStream

MANIFEST = "manifest.json"
FORMAT = 1
# Items that are looked up at once, and their recipes.
_AT_ONCE = 20
_NAME_BYTES = 100
# The rest of the manifest is in a file until the items are through.
_MANIFEST_BYTES = 1024 * 1024
_PIECE_BYTES = 64 * 1024
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Referrer-Policy": "no-referrer",
    "Accept-Ranges": "none",
}
Item = tuple[Media, Recipe | None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exports:
    """Finds an export by its id, and those of some of its items that are there now; both may block.
    `show` gives an item and its recipe as JSON values."""

    find: Callable[[str], Export | None]
    items: Callable[[Export, Sequence[str]], list[Item]]
    show: Callable[[Media, Recipe | None], dict[str, Any]]
    version: str = ""


async def serve_export(request: Request, shelf: Shelf, exports: Exports) -> Response:
    """The ZIP of the export whose address this is.

    Raises:
        NotFound: when the export was forgotten, or none of its items is left.
        RateLimited: when too many downloads are under way.
    """
    export_id, query = request.path_params["export_id"], request.query_params
    try:
        shelf.signer.verify_export(
            export_id, query.get("expire_time", ""), query.get("signature", ""), shelf.now()
        )
    except (CredentialsInvalid, CredentialsExpired) as error:
        return refuse_error(error, HTTPStatus.FORBIDDEN)  # signing in would not help
    export = await _in_pool(shelf, lambda: _lasting(exports, export_id))
    name = f"rushes-{datetime.fromtimestamp(shelf.now(), UTC):%Y-%m-%d}-{export_id[-6:]}.zip"
    headers = {**_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    if request.method == "HEAD":
        return Response(headers=headers, media_type="application/zip")
    with ExitStack() as held:
        held.enter_context(shelf.downloads.place(export.user_id, SMALL_BYTES + 1))
        made = _Making(shelf, exports, export)
        return _Zip(made, headers, held.pop_all())


def _lasting(exports: Exports, export_id: str) -> Export:
    export = exports.find(export_id)
    if export is None or not any(exports.items(export, ids) for ids in _parts(export.media_ids)):
        raise NotFound("export")
    return export


class _Zip(StreamingResponse):
    """The pieces of the ZIP. Whatever ends it, it gives back what it held."""

    def __init__(self, made: "_Making", headers: dict[str, str], held: ExitStack) -> None:
        self._pieces = made.pieces()
        super().__init__(self._pieces, headers=headers, media_type="application/zip")
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            async with aclosing(self._pieces):
                await super().__call__(scope, receive, send)


class _Manifest:
    """What the ZIP holds, as JSON in a file, so that memory does not grow with the items."""

    def __init__(self, file: IO[bytes], head: dict[str, Any]) -> None:
        self._file = file
        self._before = "\n"
        self._write(json.dumps(head).removesuffix("}") + ', "media": [')

    def add(self, entry: dict[str, Any]) -> None:
        """Notes an item whose bytes are in the ZIP."""
        self._write(self._before + json.dumps(entry))
        self._before = ",\n"

    def end(self, missing: Sequence[str]) -> tuple[int, Iterator[bytes]]:
        """How many bytes the whole has, and these."""
        self._write(f'\n], "missing": {json.dumps(missing)}}}\n')
        size = self._file.tell()
        self._file.seek(0)
        return size, iter(lambda: self._file.read(_PIECE_BYTES), b"")

    def _write(self, text: str) -> None:
        self._file.write(text.encode())


class _Making:
    """One ZIP under way."""

    def __init__(self, shelf: Shelf, exports: Exports, export: Export) -> None:
        self._shelf = shelf
        self._exports = exports
        self._export = export
        self._zip = ZipStream()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The bytes of the ZIP, in pieces."""
        head = {"format": FORMAT, "exportTime": _time(self._shelf.now())}
        with tempfile.SpooledTemporaryFile(_MANIFEST_BYTES) as file:
            manifest = _Manifest(file, {**head, "rushesVersion": self._exports.version})
            missing = []
            for media_ids in _parts(self._export.media_ids):
                found = await self._look_up(media_ids)
                for media_id in media_ids:
                    content = await self._open(found.get(media_id))
                    if content is None:
                        missing.append(media_id)
                        continue
                    media, recipe = found[media_id]
                    with self._file(media, content) as made:
                        while piece := await run_in_threadpool(_next, made):
                            yield piece
                    entry = {"file": file_name(media), **self._exports.show(media, recipe)}
                    await run_in_threadpool(manifest.add, entry)
            size, content = manifest.end(missing)
            with closing(self._zip.add(MANIFEST, self._shelf.now(), size, content)) as made:
                while piece := await run_in_threadpool(_next, made):
                    yield piece
            yield self._zip.end()

    async def _look_up(self, media_ids: Sequence[str]) -> dict[str, Item]:
        found = await _in_pool(self._shelf, lambda: self._exports.items(self._export, media_ids))
        return {item[0].media_id: item for item in found}

    async def _open(self, item: Item | None) -> Iterator[bytes] | None:
        """The bytes of the item; None when they are gone."""
        if item is None:
            return None
        media = item[0]
        try:
            return await run_in_threadpool(
                self._shelf.blobs.stream, media.blob_key, 0, media.size_bytes
            )
        except BlobMissing:
            return None

    @contextmanager
    def _file(self, media: Media, content: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
        """What the ZIP gets for an item; at the end of the block it lets go of the item's bytes."""
        name, time_s = file_name(media), media.create_time / 1000
        try:
            with closing(self._zip.add(name, time_s, media.size_bytes, content)) as made:
                yield made
        finally:
            close_pieces(content)


def file_name(media: Media) -> str:
    """The name of an item in a ZIP: words of its title or prompt, its id, and its type's ending.

    Letters, digits and their marks are kept; everything else becomes "-". So no name is a path,
    hidden, or one that a system has reserved.
    """
    text = unicodedata.normalize("NFC", media.title or media.prompt)[:_NAME_BYTES]
    kept = "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in text)
    words = "-".join(kept.split()).encode()[:_NAME_BYTES].decode(errors="ignore")
    ending = EXTENSIONS.get(media.mime_type, "bin")
    return f"{words}_{media.media_id}.{ending}" if words else f"{media.media_id}.{ending}"


def _parts(media_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (media_ids[n : n + _AT_ONCE] for n in range(0, len(media_ids), _AT_ONCE))


def _next(pieces: Iterator[bytes]) -> bytes:
    """The next piece that is not empty; an empty one when there is none."""
    return next((piece for piece in pieces if piece), b"")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


async def _in_pool(shelf: Shelf, look: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(shelf.pool, look)
