"""Many uploads at once into one HTTP process: its memory, and how fast they come in.

Run it from the repository: `.venv/bin/python -m bench.uploads [--count 200] [--mebibytes 50]`.
One client sends the same video for users who have ten uploads each. Memory is the most that the
HTTP process had at any moment, beside what it had before the first byte. The floor writes as many
bytes into one file and syncs it, in the same minute and folder.
"""

import argparse
import asyncio
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bench.harness.processes import cpu_seconds, resident_kib
from core.blobs import AddressSigner
from core.process.keys import read_or_make_key
from core.process.settings import Settings, read_settings
from core.store import open_database, uploads
from standalone.preflight import free_port
from standalone.probe import http_status
from tests.fakes.films import film
from tests.services import wait_for

MIB = 1 << 20
PIECE_BYTES = 256 * 1024
USER_UPLOADS = 10
DAY_MS = 24 * 3600 * 1000


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--mebibytes", type=int, default=50)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"))
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="uploads-", dir=asked.folder))
    try:
        floor = _floor_seconds(folder, asked.count * asked.mebibytes)
        settings = read_settings(data_dir=folder / "data")
        data = _video(folder, asked.mebibytes * MIB)
        targets = _begin(settings, asked.count, len(data))
        _measure(folder / "data", targets, data, floor)
    finally:
        shutil.rmtree(folder)


def _video(folder: Path, size: int) -> bytes:
    """A short video with as much padding behind it as makes it so large."""
    path = film(folder / "film", "mp4", "libx264")
    data = path.read_bytes()
    padding = size - len(data)
    return data + struct.pack(">I4s", padding, b"free") + bytes(padding - 8)


def _begin(settings: Settings, count: int, size: int) -> list[str]:
    """Path and query of as many new uploads."""
    db = open_database(settings)
    signer = AddressSigner(settings.address, read_or_make_key(settings.signing_key_path))
    targets = []
    for number in range(count):
        asked = uploads.Asked(
            user_id=f"user-{number // USER_UPLOADS}",
            size_bytes=size,
            sha256="",
            most=USER_UPLOADS,
            keep_ms=DAY_MS,
        )
        upload = uploads.begin(db, asked).upload
        assert upload is not None
        url = urlsplit(signer.upload_url(upload.media_id, upload.expire_time // 1000))
        targets.append(f"{url.path}?{url.query}")
    db.close()
    return targets


def _floor_seconds(folder: Path, mebibytes: int) -> float:
    piece = os.urandom(MIB)
    path = folder / "floor"
    begun = time.monotonic()
    with path.open("wb", buffering=0) as file:
        for _ in range(mebibytes):
            file.write(piece)
        os.fsync(file.fileno())
    taken = time.monotonic() - begun
    path.unlink()
    return taken


def _measure(data_dir: Path, targets: Sequence[str], data: bytes, floor: float) -> None:
    port = free_port()
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RUSHES_")}
    variables = {"RUSHES_DATA_DIR": str(data_dir), "RUSHES_HTTP_LISTEN": f"127.0.0.1:{port}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "server.http"],
        env=clean | variables | {"RUSHES_LOG_LEVEL": "ERROR"},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: asyncio.run(http_status(port, "/ready")) == 200, "the HTTP process")
        before = resident_kib(process.pid)
        begun, cpu = time.monotonic(), cpu_seconds(process.pid)
        statuses = asyncio.run(_send_all(port, targets, data))
        taken, cpu = time.monotonic() - begun, cpu_seconds(process.pid) - cpu
        total = len(targets) * len(data) / MIB
        print(f"uploads           {len(targets)} of {len(data) / MIB:.0f} MiB")
        print(f"answers           {sorted(set(statuses))}")
        print(f"memory before     {before / 1024:.0f} MiB")
        print(f"most memory       {resident_kib(process.pid, 'VmHWM') / 1024:.0f} MiB")
        print(f"came in at        {total / taken:.0f} MiB/s, {floor / taken:.2f} of the floor")
        print(f"CPU               {1000 * cpu / total:.2f} ms for each MiB")
    finally:
        process.terminate()
        process.wait()


async def _send_all(port: int, targets: Sequence[str], data: bytes) -> list[int]:
    return await asyncio.gather(*(_send(port, target, data) for target in targets))


async def _send(port: int, target: str, data: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode())
    view = memoryview(data)
    for at in range(0, len(data), PIECE_BYTES):
        writer.write(view[at : at + PIECE_BYTES])
        await writer.drain()
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


if __name__ == "__main__":
    main()
