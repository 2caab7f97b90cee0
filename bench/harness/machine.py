"""The machine of a run: its versions, and a calibration that says whether to believe the run."""

import os
import platform
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from standalone.valkey import find_valkey

PACKAGES = ("grpcio", "protobuf", "redis", "hiredis", "uvloop", "peewee", "dramatiq")
# It prints how many seconds each of its spins took.
_SPIN = """
import time
for _ in range(12):
    begun = time.perf_counter()
    for _ in range(1_000_000):
        pass
    print(time.perf_counter() - begun)
"""
PINGS, PING_ROUNDS = 8, 200
# On a calm machine the median of the spins is within a few percent of the best one.
BUSY_SPIN, BUSY_PING = 1.25, 2.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """How much slower than the best the usual spin and ping-pong were; 1.0 is a calm machine.

    `spin_ms` and `ping_us` are the best ones. The spin keeps all cores busy at once.
    """

    spin_ms: float
    spin: float
    ping_us: float
    ping: float

    @property
    def busy(self) -> bool:
        """Whether something else takes so much of the machine that no figure can be believed."""
        return self.spin > BUSY_SPIN or self.ping > BUSY_PING

    def __str__(self) -> str:
        word = "BUSY: do not believe this run" if self.busy else "calm"
        return (
            f"machine {word} (spin {self.spin:.2f} of its best {self.spin_ms:.0f} ms,"
            f" ping-pong {self.ping:.2f} of its best {self.ping_us:.0f} us)"
        )


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a run was made."""

    cores: int
    processor: str
    kernel: str
    versions: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def this_machine(**others: str) -> Machine:
    """This machine with the versions of what a bench uses, and of `others`."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    if (valkey := find_valkey()) is not None:
        versions["valkey"] = _valkey_version(valkey)
    return Machine(os.cpu_count() or 1, _processor(), platform.release(), versions | others)


def calibrate() -> Calibration:
    """Measures the machine for about two seconds."""
    pings = _pings()
    return calibration([seconds * 1000 for seconds in _spins()], [s * 1e6 for s in pings])


def calibration(spins_ms: Sequence[float], pings_us: Sequence[float]) -> Calibration:
    """Compares the usual measurement with the best one."""
    spin, ping = min(spins_ms), min(pings_us)
    return Calibration(
        spin_ms=spin,
        spin=statistics.median(spins_ms) / spin,
        ping_us=ping,
        ping=statistics.median(pings_us) / ping,
    )


def _spins() -> list[float]:
    """Seconds of each spin, of one process for each core at once."""
    command = [sys.executable, "-c", _SPIN]
    spinning = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for _ in range(os.cpu_count() or 1)
    ]
    outputs = [process.communicate()[0] for process in spinning]
    return [float(line) for output in outputs for line in output.split()]


def _pings() -> list[float]:
    """Seconds of a round trip on loopback, the mean of each round."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        echo = threading.Thread(target=_echo, args=(server,))
        echo.start()
        with socket.create_connection(server.getsockname()) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            found = [_round(client) for _ in range(PINGS)]
        echo.join()
    return found


def _round(client: socket.socket) -> float:
    begun = time.perf_counter()
    for _ in range(PING_ROUNDS):
        client.send(b"x")
        client.recv(1)
    return (time.perf_counter() - begun) / PING_ROUNDS


def _echo(server: socket.socket) -> None:
    peer, _ = server.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with peer:
        while data := peer.recv(16):
            peer.send(data)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _valkey_version(binary: Path) -> str:
    output = subprocess.check_output([binary, "--version"], text=True)
    found = [word[2:] for word in output.split() if word.startswith("v=")]
    return found[0] if found else output.strip()
