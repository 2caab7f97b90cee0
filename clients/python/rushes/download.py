"""Fetches a signed media address into a file: whole and checked, or not at all."""

import hashlib
import os
import secrets
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import grpc

from rushes.errors import Cancelled, DownloadDamaged, NotFound, RushesError, Unavailable
from rushes.v1.media_pb2 import Media
from rushes.wire import is_loopback

CHUNK_BYTES = 256 * 1024
IDLE_SECONDS = 60.0
MIN_LIFETIME_SECONDS = 30

_EXTENSIONS = {
    "video/mp4": "mp4",
    "video/webm": "webm",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
}


def extension(media: Media) -> str:
    """The usual file ending of a media item, without the dot."""
    return _EXTENSIONS.get(media.mime_type, "bin")


def address_runs_out(media: Media) -> bool:
    """Whether the signed address is missing or about to expire."""
    left = media.url_expire_time.seconds - time.time()
    return not media.url or (media.HasField("url_expire_time") and left < MIN_LIFETIME_SECONDS)


def download_to_path(media: Media, path: Path, stop: threading.Event | None = None) -> None:
    """Writes the bytes of `media` to `path`, which appears only when all of them are there.

    Raises:
        NotFound: when the address has expired or the item is gone.
        Unavailable: when the connection fails.
        DownloadDamaged: when the bytes are not those of `media.sha256`.
        OSError: when the file can't be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as file:
            download_to_file(media, file, stop)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def download_to_file(media: Media, file: IO[bytes], stop: threading.Event | None = None) -> None:
    """Writes the bytes of `media` to an open file, and checks them at the end."""
    digest = hashlib.sha256()
    try:
        with _open(media.url) as answer:
            while chunk := answer.read(CHUNK_BYTES):
                if stop is not None and stop.is_set():
                    raise Cancelled("The download was given up.", code=grpc.StatusCode.CANCELLED)
                digest.update(chunk)
                file.write(chunk)
    except urllib.error.HTTPError as error:
        raise _refusal(error.code, media) from None
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        code = grpc.StatusCode.UNAVAILABLE
        raise Unavailable(f"Media {media.media_id} can't be fetched now.", code=code) from error
    if media.sha256 and digest.hexdigest() != media.sha256:
        raise DownloadDamaged(f"The bytes of media {media.media_id} arrived damaged.")


def _open(url: str) -> IO[bytes]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise NotFound("The media item has no address to fetch it from.")
    proxies = urllib.request.ProxyHandler({} if is_loopback(parts.netloc) else None)
    opener = urllib.request.build_opener(proxies)
    answer: IO[bytes] = opener.open(url, timeout=IDLE_SECONDS)
    return answer


def _refusal(status: int, media: Media) -> RushesError:
    if status >= 500:
        text = f"Media {media.media_id} can't be fetched now (HTTP {status})."
        return Unavailable(text, code=grpc.StatusCode.UNAVAILABLE)
    return NotFound(f"The address of media {media.media_id} is not valid any more (HTTP {status}).")
