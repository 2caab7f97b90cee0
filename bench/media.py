"""Signed downloads of a large file from the HTTP process, beside nginx and uvicorn's own floor.

Run it from the repository: `.venv/bin/python -m bench.media [--gigabytes 1]`.
The three serve within the same minute: the HTTP process a signed address of the library, nginx the
same file from the same folder (one process, sendfile), and a bare application on uvicorn as many
bytes from memory in pieces of the same size. A client of its own reads them from loopback and
throws them away. The file is in memory, so that no disk is measured.
"""

import argparse
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.harness import command
from bench.harness.processes import cpu_seconds, resident_kib
from bench.harness.report import metric, times
from bench.harness.results import Row, Run, percentile, row_of
from bench.installation import Installation, end, installation
from bench.peers.systems import ROOT
from core.blobs.keys import content_key
from core.blobs.objects import PIECE_BYTES
from rushes import Client
from standalone.preflight import free_port
from tests.services import wait_for

GIB = 1 << 30
RANGE_BYTES = 1 << 20
RANGES, RANGES_AT_ONCE = 400, 8
BUFFER = 1 << 20
NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; default_type image/png;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
Values = dict[str, float]
COLUMNS = [
    metric("MB/s", "mb_per_s"),
    times("of uvicorn's floor", "mb_per_s", "uvicorn"),
    times("of nginx", "mb_per_s", "nginx"),
    metric("server CPU ms/MB", "cpu_ms", 2),
    metric("client CPU ms/MB", "client_ms", 2, range=False),
    metric("p50 ms", "p50_ms", 1, range=False),
    metric("p99 ms", "p99_ms", 1),
    metric("most memory MiB", "mib", range=False),
]


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that has the file at `path`."""

    name: str
    process: "subprocess.Popen[bytes]"
    port: int
    path: str


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    asked = parser.parse_args()
    run = command.begin()
    command.finish("media", _rows(asked, run), COLUMNS, asked.write)


def _rows(asked: argparse.Namespace, run: Run) -> list[Row]:
    size = int(asked.gigabytes * GIB) // BUFFER * BUFFER
    found: dict[tuple[str, str], list[Values]] = {}
    with ExitStack() as stack:
        running = stack.enter_context(installation("sqlite", 1, in_memory=True))
        path, blob = _large_file(running, size)
        serving = [_rushes(stack, running, path), _uvicorn(stack, size)]
        if (nginx := _nginx(stack, running, blob)) is not None:
            serving.append(nginx)
        for one in serving:
            wait_for(lambda one=one: _listens(one.port), one.name)  # type: ignore[misc]
        for _ in range(asked.repetitions):
            for one in serving:
                whole = f"{asked.gigabytes:g} GiB at once"
                found.setdefault((whole, one.name), []).append(_whole(one, size))
                ranges = f"ranges of 1 MiB, {RANGES_AT_ONCE} at once"
                found.setdefault((ranges, one.name), []).append(_ranges(one, size))
    ordered = sorted(found.items(), key=lambda item: item[0][0])
    return [row_of(cell, system, run, each) for (cell, system), each in ordered]


def _large_file(running: Installation, size: int) -> tuple[str, Path]:
    """Makes a picture, and its blob large; gives the path of its signed address, and the blob."""
    with Client(running.address, token=running.token("alice")) as client:
        job = client.wait(client.generate_image("a pixel").job_id)
    [media] = job.outputs
    address, key = urlsplit(media.url), content_key(media.media_id)
    [blob] = [path for path in running.data.rglob("*") if str(path).endswith(key)]
    with blob.open("wb") as file:
        for _ in range(size // BUFFER):
            file.write(os.urandom(BUFFER))
    return f"{address.path}?{address.query}", blob


def _rushes(stack: ExitStack, running: Installation, path: str) -> Serving:
    port = free_port()
    env = running.environment | {"RUSHES_HTTP_LISTEN": f"127.0.0.1:{port}"}
    process = subprocess.Popen([sys.executable, "-m", "server.http"], env=env)
    stack.callback(end, process)
    return Serving("rushes", process, port, path)


def _uvicorn(stack: ExitStack, size: int) -> Serving:
    port = free_port()
    arguments = [str(port), str(size), str(PIECE_BYTES)]
    process = subprocess.Popen([sys.executable, "-m", "bench.systems.asgi", *arguments])
    stack.callback(end, process)
    return Serving("uvicorn", process, port, "/")


def _nginx(stack: ExitStack, running: Installation, blob: Path) -> Serving | None:
    """None when it is not installed."""
    binary = ROOT / ".venv-peers" / "nginx" / "usr" / "sbin" / "nginx"
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or str(binary)
    if not Path(found).exists():
        print("nginx is not installed: make bench-setup")
        return None
    port, folder = free_port(), running.data.with_name("nginx")
    folder.mkdir()
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # the blob is its owner's alone
    text = NGINX.format(folder=folder, port=port, root=blob.parent, user=user)
    config.write_text(text)
    process = subprocess.Popen([found, "-p", str(folder), "-e", "stderr", "-c", str(config)])
    stack.callback(end, process)
    return Serving("nginx", process, port, f"/{blob.name}")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _whole(one: Serving, size: int) -> Values:
    return _measured(one, [(0, size - 1)], 1)


def _ranges(one: Serving, size: int) -> Values:
    starts = [random.randrange(size - RANGE_BYTES) for _ in range(RANGES)]
    return _measured(one, [(start, start + RANGE_BYTES - 1) for start in starts], RANGES_AT_ONCE)


def _measured(one: Serving, spans: list[tuple[int, int]], at_once: int) -> Values:
    used, client, begun = cpu_seconds(one.process.pid), time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(at_once) as threads:
        shares = [spans[place::at_once] for place in range(at_once)]
        ages = sorted(age for each in threads.map(lambda s: _read(one, s), shares) for age in each)
    seconds, client = time.perf_counter() - begun, time.process_time() - client
    megabytes = sum(last - first + 1 for first, last in spans) / 1e6
    return {
        "mb_per_s": megabytes / seconds,
        "cpu_ms": (cpu_seconds(one.process.pid) - used) * 1000 / megabytes,
        "client_ms": client * 1000 / megabytes,
        "p50_ms": percentile(ages, 0.5) * 1000,
        "p99_ms": percentile(ages, 0.99) * 1000,
        "mib": _most_kib(one.process.pid) / 1024,
    }


def _most_kib(pid: int) -> int:
    """Of the process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return resident_kib(pid, "VmHWM") + sum(_most_kib(int(child)) for child in children)


def _read(one: Serving, spans: list[tuple[int, int]]) -> list[float]:
    """Reads the spans one after the other on one connection; seconds of each."""
    ages, buffer = [], memoryview(bytearray(BUFFER))
    with socket.create_connection(("127.0.0.1", one.port)) as connection:
        for first, last in spans:
            begun = time.perf_counter()
            head = f"GET {one.path} HTTP/1.1\r\nHost: bench\r\nRange: bytes={first}-{last}\r\n\r\n"
            connection.sendall(head.encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                piece = connection.recv(4096)
                if not piece:
                    raise ConnectionError(f"{one.name} broke off after {answer[:60]!r}")
                answer += piece
            head_bytes, _, body = answer.partition(b"\r\n\r\n")
            if b" 206 " not in head_bytes.split(b"\r\n")[0]:
                raise ConnectionError(f"{one.name} answered {head_bytes[:60]!r}")
            left = last - first + 1 - len(body)
            while left > 0:
                count = connection.recv_into(buffer, min(left, BUFFER))
                if not count:
                    raise ConnectionError(f"{one.name} broke off")
                left -= count
            ages.append(time.perf_counter() - begun)
    return ages


if __name__ == "__main__":
    main()
