"""Decodes strangers' files: in a child process that can be killed, with a fair share per user.

A decoder reads whatever bytes somebody sends. A small file can take minutes, gigabytes, or the
whole process if the decoder has a bug. So a process of ours never decodes by itself. It asks a
zygote (`core.decoding.zygote`), which has loaded the decoders, holds no key and no connection, and
forks a child for each file. One file's child never sees another file.
"""

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.decoding.shares import Shares
from core.decoding.zygote import Asked, Zygote
from core.errors import DependencyUnavailable, ImageRefused, VideoRefused
from core.files.seen import Seen

MIB = 1024 * 1024
BYTES_PER_PIXEL = 16
# As many children at a time. A user has at most one less, so that another one need not wait.
AT_ONCE = 2
_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one file may take: pixels of an image, bytes besides those of its pixels, and seconds of
    CPU. It may take three times as long by the clock, because a busy machine is slow."""

    max_pixels: int
    cpu_seconds: float
    videos: bool = False
    spare_bytes: int = 192 * MIB

    @property
    def clock_seconds(self) -> float:
        """How long a child may live."""
        return 3 * self.cpu_seconds


_shares = Shares(AT_ONCE)
_zygote = Zygote()


def look_at(source: bytes | Path, owner: str, limits: Limits) -> Seen:
    """What the file is, and a thumbnail of it. Waits for its turn among the files of all users.

    Raises:
        ImageRefused, VideoRefused: when it is none that can be used, or exceeds the limits.
        DependencyUnavailable: when no process can be started.
        OSError: when the file can't be read.
    """
    return _read(_answer(source, owner, limits))


def shrink(source: bytes | Path, owner: str, limits: Limits, longest: int) -> bytes:
    """The image as an upright PNG, with at most `longest` pixels on its longer side.

    Raises what `look_at` raises.
    """
    return _read(_answer(source, owner, limits, longest)).thumbnail


def close() -> None:
    """Ends the zygote and what it decodes. The next file starts another one."""
    _zygote.close()


def _answer(source: bytes | Path, owner: str, limits: Limits, shrink_to: int = 0) -> bytes:
    """What a child says about the file."""
    with _opened(source) as file, _shares.of(owner):
        mapped = min(os.fstat(file.fileno()).st_size, 1024 * MIB)
        asked = Asked(
            max_pixels=limits.max_pixels,
            videos=limits.videos,
            cpu_seconds=limits.cpu_seconds,
            clock_seconds=limits.clock_seconds,
            memory_bytes=limits.spare_bytes + BYTES_PER_PIXEL * limits.max_pixels + mapped,
            shrink_to=shrink_to,
        )
        try:
            return _zygote.ask(asked, file.fileno())
        except OSError as error:
            raise DependencyUnavailable("decoder") from error


def _opened(source: bytes | Path) -> BinaryIO:
    """The file. The child gets this descriptor, and so needs no access to any folder."""
    if isinstance(source, Path):
        return source.open("rb")
    file: BinaryIO = _unnamed()
    try:
        file.write(source)
        file.flush()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _unnamed() -> BinaryIO:
    """A file without a name, in memory where the system can do that."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("input"), "w+b")
    return tempfile.TemporaryFile()


def _read(answer: bytes) -> Seen:
    """What the child said; a child that was killed said nothing."""
    head, _, thumbnail = answer.partition(b"\n")
    if not head:
        raise ImageRefused("it takes too long or too much memory to decode")
    said = json.loads(head[:_HEAD_BYTES])
    if "refused" in said:
        kind = VideoRefused if said["video"] else ImageRefused
        raise kind(str(said["refused"]))
    return Seen(
        mime_type=str(said["mime_type"]),
        width=int(said["width"]),
        height=int(said["height"]),
        duration_ms=None if said["duration_ms"] is None else int(said["duration_ms"]),
        thumbnail=thumbnail,
    )
