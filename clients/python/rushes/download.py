"""Downloads a signed media address into a file, which appears only when it is complete."""

import contextlib
import errno
import hashlib
import os
import secrets
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import IO, TypeAlias
from urllib.parse import urlsplit

import grpc

from rushes.errors import Cancelled, DownloadDamaged, NotFound, RushesError, Unavailable
from rushes.v1.media_pb2 import Media
from rushes.wire import is_loopback

CHUNK_BYTES = 256 * 1024
IDLE_SECONDS = 60.0
MIN_LIFETIME_SECONDS = 30
PathTarget: TypeAlias = str | os.PathLike[str]

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


def file_name(media: Media) -> str:
    """The name that a media item takes in a folder: its ID, with the ending of its type."""
    # Only the last part of the name, so that a server cannot choose another folder.
    return Path(f"{media.media_id}.{extension(media)}").name


def target(to: PathTarget, media: Media) -> Path:
    """The file for a media item: `to` itself, or one with its name in the folder `to`.

    Raises:
        FileNotFoundError: when the folder is not there; it names the folder as the caller did.
    """
    check_folder(to)
    path = Path(to)
    return path / file_name(media) if path.is_dir() else path


def targets(to: PathTarget, outputs: Sequence[Media]) -> list[Path]:
    """The files for the outputs of a job: in the folder `to`, or at `to`, numbered if several.

    Raises:
        FileNotFoundError: as `target` does.
    """
    path, count = Path(to), len(outputs)
    if path.is_dir() or count == 1:
        return [target(to, media) for media in outputs]
    check_folder(to)
    return [path.with_name(f"{path.stem}-{n}{path.suffix}") for n in range(1, count + 1)]


def check_folder(to: PathTarget) -> None:
    """Refuses a place where no file can be made.

    Raises:
        FileNotFoundError: when its folder is not there.
        PermissionError: when its folder can't be written to.
    """
    # A path forgets the slash at its end, and the folder's name would become the file's.
    is_folder = os.fspath(to).endswith("/") or Path(to).is_dir()
    folder = Path(to) if is_folder else Path(to).parent
    named = os.fspath(to) if is_folder else str(folder)
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", named)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "the folder can't be written to", named)


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
    with _draft(path) as file:
        download_to_file(media, file, stop)


def download_to_file(media: Media, file: IO[bytes], stop: threading.Event | None = None) -> None:
    """Writes the bytes of `media` to an open file, and checks them at the end."""
    what = f"media {media.media_id}"
    digest = _copy(media.url, file, what, stop)
    if media.sha256 and digest != media.sha256:
        raise DownloadDamaged(f"The bytes of {what} arrived damaged.")


def export_to_path(url: str, path: Path, stop: threading.Event | None = None) -> None:
    """Writes the ZIP of an export to `path`, which appears only when it is whole.

    Raises:
        NotFound, Unavailable, OSError: as `download_to_path`.
        DownloadDamaged: when it is no ZIP.
    """
    with _draft(path) as file:
        _copy(url, file, "the export", stop)
        if not zipfile.is_zipfile(file):
            raise DownloadDamaged("The ZIP of the export arrived damaged.")


@contextlib.contextmanager
def _draft(path: Path) -> Iterator[IO[bytes]]:
    """A file that becomes `path` at the end of the block, and goes when that fails."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _copy(url: str, file: IO[bytes], what: str, stop: threading.Event | None) -> str:
    """Writes what is at the address to an open file; its SHA-256 in hex."""
    digest = hashlib.sha256()
    try:
        with _open(url) as answer:
            while chunk := answer.read(CHUNK_BYTES):
                if stop is not None and stop.is_set():
                    raise Cancelled("The download was cancelled.", code=grpc.StatusCode.CANCELLED)
                digest.update(chunk)
                file.write(chunk)
    except urllib.error.HTTPError as error:
        raise _refusal(error.code, what) from None
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        code = grpc.StatusCode.UNAVAILABLE
        raise Unavailable(f"{what.capitalize()} can't be fetched now.", code=code) from error
    return digest.hexdigest()


def _open(url: str) -> IO[bytes]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise NotFound("There is no address to fetch it from.")
    proxies = urllib.request.ProxyHandler({} if is_loopback(parts.netloc) else None)
    opener = urllib.request.build_opener(proxies)
    answer: IO[bytes] = opener.open(url, timeout=IDLE_SECONDS)
    return answer


def _refusal(status: int, what: str) -> RushesError:
    if status >= 500:
        text = f"{what.capitalize()} can't be fetched now (HTTP {status})."
        return Unavailable(text, code=grpc.StatusCode.UNAVAILABLE)
    return NotFound(f"The address of {what} is not valid any more (HTTP {status}).")
