"""Sends a file to the signed address of an upload, and goes on where a cut left it."""

import contextlib
import hashlib
import http.client
import io
import json
import mimetypes
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias
from urllib.parse import urlsplit

import grpc
from google.protobuf import json_format

from rushes.errors import Cancelled, InvalidArgument, RushesError, Unavailable, error_class
from rushes.v1.media_pb2 import Media
from rushes.v1.media_service_pb2 import CreateUploadRequest

CHUNK_BYTES = 256 * 1024
IDLE_SECONDS = 300.0
# A server that was killed keeps others out of its upload for so long.
BUSY_SECONDS = 20.0
BUSY_PAUSE_SECONDS = 0.5
# A path as text too, bytes, or an open file that can seek.
UploadSource: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes]
# Is told how many bytes are sent, and how many there are.
ProgressHandler: TypeAlias = Callable[[int, int], None]


def opened(source: UploadSource) -> AbstractContextManager[IO[bytes]]:
    """The source as an open file.

    Raises:
        InvalidArgument: when it is none.
        OSError: when the file can't be opened.
    """
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if isinstance(source, str | os.PathLike):
        return Path(source).open("rb")
    if not getattr(source, "seekable", bool)():
        raise InvalidArgument("source", "takes a path, bytes, or an open file that can seek")
    return nullcontext(source)


def measure(source: UploadSource, stop: threading.Event) -> CreateUploadRequest:
    """The request for an upload of these bytes: their number, checksum and usual type."""
    digest = hashlib.sha256()
    size = 0
    with opened(source) as file:
        file.seek(0)
        while chunk := file.read(CHUNK_BYTES):
            _check_stop(stop)
            digest.update(chunk)
            size += len(chunk)
    mime_type = None
    if isinstance(source, str | os.PathLike):
        mime_type = mimetypes.guess_type(os.fspath(source))[0]
    return CreateUploadRequest(
        size_bytes=size, sha256=digest.hexdigest(), mime_type=mime_type or ""
    )


@dataclass
class Sending:
    """One upload on its way. `reached` is how far the file was sent at best."""

    source: UploadSource
    url: str
    size: int
    on_progress: ProgressHandler | None = None
    reached: int = field(default=0, init=False)

    def send(self, stop: threading.Event) -> Media:
        """Sends what the server has not got yet; the item that the upload has become.

        Raises:
            Unavailable: when the connection breaks; what had come is kept.
            RushesError: when the server refuses the bytes.
        """
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return self._send(stop)
            except RushesError as error:
                if error.reason != "UPLOAD_INCOMPLETE":
                    raise
                if time.monotonic() > until:
                    raise Unavailable(error.message, code=grpc.StatusCode.UNAVAILABLE) from error
                # Another request still sends these bytes, or one that was cut is not forgotten yet.
                stop.wait(BUSY_PAUSE_SECONDS)

    def _send(self, stop: threading.Event) -> Media:
        head = self._request("HEAD", {})
        # When all bytes are in already, the last one asks for the answer again.
        first = min(int(head.headers.get("Upload-Offset", 0)), self.size - 1)
        headers = {"Content-Length": str(self.size - first)}
        if first:
            headers["Content-Range"] = f"bytes {first}-{self.size - 1}/{self.size}"
        with opened(self.source) as file:
            file.seek(first)
            answer = self._request("PUT", headers, self._chunks(file, first, stop))
        text = answer.body.decode("utf-8", "replace")
        media: Media = json_format.Parse(text, Media(), ignore_unknown_fields=True)
        return media

    def _chunks(self, file: IO[bytes], at: int, stop: threading.Event) -> Iterator[bytes]:
        while chunk := file.read(CHUNK_BYTES):
            _check_stop(stop)
            yield chunk
            at += len(chunk)
            self.reached = max(self.reached, at)
            if self.on_progress is not None:
                self.on_progress(at, self.size)

    def _request(self, method: str, headers: dict[str, str], body: Any = None) -> "_Answer":
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=IDLE_SECONDS)
        try:
            # A server that refuses the bytes may close before it has all of them.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, f"{parts.path}?{parts.query}", body, headers)
            response = connection.getresponse()
            answer = _Answer(response.status, response.headers, response.read())
        except (http.client.HTTPException, OSError) as error:
            text = "The connection broke while the file was sent."
            raise Unavailable(text, code=grpc.StatusCode.UNAVAILABLE) from error
        finally:
            connection.close()
        if answer.status >= 300:
            raise _refusal(answer)
        return answer


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


_GONE = {404: grpc.StatusCode.NOT_FOUND, 403: grpc.StatusCode.PERMISSION_DENIED}


def _refusal(answer: _Answer) -> RushesError:
    """The exception for an answer that is none; the body is JSON, or is not from Rushes."""
    try:
        said = json.loads(answer.body)
        [info] = [one for one in said["details"] if "reason" in one]
        codes = {code.value[0]: code for code in grpc.StatusCode}
        kind = error_class(codes[said["code"]], info["reason"])
        return kind(
            said["message"],
            reason=info["reason"],
            metadata=info.get("metadata", {}),
            code=codes[said["code"]],
        )
    except (ValueError, KeyError, TypeError):
        code = _GONE.get(answer.status, grpc.StatusCode.UNAVAILABLE)
        text = f"The upload was refused (HTTP {answer.status})."
        return error_class(code, "")(text, code=code)


def _check_stop(stop: threading.Event) -> None:
    if stop.is_set():
        raise Cancelled("The upload was cancelled.", code=grpc.StatusCode.CANCELLED)
