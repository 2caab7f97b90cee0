"""The zygote and its children: `python -m core.decoding.child DESCRIPTOR`.

The zygote has one thread, loads the decoders once, and waits at the descriptor. For each message it
forks a child with the file and a socket for the answer. It kills a child whose time is over. When
the other side is closed, it kills all of them and ends.
"""

import contextlib
import fcntl
import gc
import json
import math
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from io import BytesIO
from pathlib import Path

from PIL import Image

from core.errors import ImageRefused, VideoRefused
from core.files.images import read_image
from core.files.seen import Seen, see

# Pixels, whether videos are taken, seconds of CPU and of the clock, bytes of memory, and the longer
# side of the shrunk image, or 0 for a thumbnail.
ASKED = struct.Struct("=Q?ddQI")
LOOK_SECONDS = 0.05
OPEN_FILES = 32
NICENESS = 5


def serve(control: socket.socket) -> None:
    """Forks children until the other side is closed."""
    ends: dict[int, float] = {}
    while True:
        ready, _, _ = select.select([control], [], [], LOOK_SECONDS if ends else None)
        _collect(ends)
        if not ready:
            continue
        message, descriptors = _received(control)
        if len(message) < ASKED.size:
            break
        if pid := os.fork():
            ends[pid] = time.monotonic() + ASKED.unpack(message)[3]
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            control.close()
            _decode(message, *descriptors)
            os._exit(0)
    for pid in ends:
        os.kill(pid, signal.SIGKILL)


def _received(control: socket.socket) -> tuple[bytes, list[int]]:
    """A message, and the descriptors that came with its first byte."""
    message, descriptors, _, _ = socket.recv_fds(control, ASKED.size, 2)
    while (
        message and len(message) < ASKED.size and (more := control.recv(ASKED.size - len(message)))
    ):
        message += more
    return message, list(descriptors)


def _collect(ends: dict[int, float]) -> None:
    """Forgets the children that have ended, and kills those whose time is over."""
    now = time.monotonic()
    for pid, end in list(ends.items()):
        if now > end:
            os.kill(pid, signal.SIGKILL)
        if os.waitpid(pid, os.WNOHANG)[0]:
            del ends[pid]


def _decode(message: bytes, answer: int, file: int) -> None:
    """Says what the file is. Whatever goes wrong otherwise ends the process without an answer."""
    max_pixels, videos, cpu_seconds, _, memory_bytes, shrink_to = ASKED.unpack(message)
    with socket.socket(fileno=answer) as told, contextlib.suppress(Exception):
        _limit(cpu_seconds, memory_bytes)
        try:
            seen = see(_path_of(file), max_pixels, videos=videos, shrink_to=shrink_to)
            told.sendall(_told(seen))
        except (ImageRefused, VideoRefused) as refusal:
            said = {"refused": refusal.cause, "video": isinstance(refusal, VideoRefused)}
            told.sendall(json.dumps(said).encode() + b"\n")


def _told(seen: Seen) -> bytes:
    head = {
        "mime_type": seen.mime_type,
        "width": seen.width,
        "height": seen.height,
        "duration_ms": seen.duration_ms,
    }
    return json.dumps(head).encode() + b"\n" + seen.thumbnail


def _limit(cpu_seconds: float, memory_bytes: int) -> None:
    """Takes from this process all that decoding one file does not need."""
    whole = math.ceil(cpu_seconds)
    limits = {
        resource.RLIMIT_CPU: (whole, whole + 1),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_NOFILE: (OPEN_FILES, OPEN_FILES),
        resource.RLIMIT_CORE: (0, 0),
    }
    if sys.platform == "linux":
        most = _size() + memory_bytes
        limits[resource.RLIMIT_AS] = (most, most)
    for limit, values in limits.items():
        resource.setrlimit(limit, values)
    os.nice(NICENESS)


def _size() -> int:
    """Bytes of address space that this process has already."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _path_of(file: int) -> Path:
    """A path that opens the file at its begin, however often."""
    if sys.platform == "darwin":  # there /dev/fd shares one position
        name = fcntl.fcntl(file, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0").decode()
        if Path(name).exists():
            return Path(name)
    return Path(f"/dev/fd/{file}")


def _warm_up() -> None:
    """Loads what Pillow loads at its first image, so that no child has to."""
    Image.init()
    for kind in ("PNG", "JPEG", "WEBP"):
        file = BytesIO()
        Image.new("RGB", (16, 16)).save(file, kind)
        read_image(file.getvalue(), 256)


if __name__ == "__main__":
    # The other side says when to end: a signal to the whole group is meant for it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _warm_up()
    gc.collect()
    gc.freeze()  # else a collection in a child would copy every page
    gc.disable()
    serve(socket.socket(fileno=int(sys.argv[1])))
