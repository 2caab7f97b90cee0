"""Faults: each can be inflicted and healed, and says what it does to whom.

They end or stop only processes that the suite started, by their id.
"""

import contextlib
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import psycopg2
import redis

from core.telling.messages import NAMESPACE
from tests.crash.disk import SmallDisk
from tests.crash.installation import Installation, Process
from tests.crash.proxy import Edge
from tests.services import Postgres, Valkey, wait_for

Env = dict[str, str]
STREAM = "rushes:{0}:events"
FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1"


class Fault(ABC):
    """Something that goes wrong for a while. `heal` may be called twice."""

    kind = ""
    # How many processes of ours it kills.
    kills = 0

    def __init__(self, target: str = "") -> None:
        self.target = target

    @abstractmethod
    def inflict(self) -> None:
        """Makes it happen."""

    def heal(self) -> None:  # noqa: B027 - not every fault lasts
        """Ends it."""


class Killed(Fault):
    """SIGKILL; started again by `heal`, with `extra` in its environment if there is any."""

    kind = "kill"
    kills = 1
    # Whether it did its work when it was killed.
    was_up = False

    def __init__(self, process: Process, extra: Env | None = None) -> None:
        super().__init__(process.name)
        self._process = process
        self._extra = extra

    @property
    def pid(self) -> int:
        """Whom it kills."""
        return self._process.pid

    def inflict(self) -> None:
        self.was_up = self._process.is_up
        self._process.kill()

    def heal(self) -> None:
        self._process.start(self._extra)


class Restarted(Killed):
    """SIGTERM: it drains, hands back and ends by itself."""

    kind = "restart"
    kills = 0

    def inflict(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.stop()


class Frozen(Fault):
    """SIGSTOP, then SIGCONT: a zombie if it takes longer than its leases."""

    kind = "freeze"

    def __init__(self, process: Process) -> None:
        super().__init__(process.name)
        self._process = process

    @property
    def pid(self) -> int:
        """Whom it freezes."""
        return self._process.pid

    def inflict(self) -> None:
        self._process.freeze()

    def heal(self) -> None:
        self._process.thaw()


class EverythingKilled(Fault):
    """Every process of ours and Valkey at once, then a cold start."""

    kind = "kill_all"

    def __init__(self, house: Installation) -> None:
        super().__init__("everything")
        self._house = house
        self.kills = len(house.processes)

    def inflict(self) -> None:
        for process in self._house.processes:
            process.kill()
        self._house.valkey.kill()

    def heal(self) -> None:
        if self._house.valkey.process is None:
            self._house.valkey.start()
        for process in self._house.processes:
            process.start()


class ValkeyFault(Fault):
    """Something with Valkey."""

    def __init__(self, valkey: Valkey) -> None:
        super().__init__("valkey")
        self._valkey = valkey

    def _set(self, **options: str) -> None:
        with contextlib.suppress(redis.RedisError), self._client() as client:
            for name, value in options.items():
                client.config_set(name.replace("_", "-"), value)

    def _client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self._valkey.socket), socket_timeout=2)


class ValkeyKilled(ValkeyFault):
    """SIGKILL; it comes back empty."""

    kind = "valkey_kill"

    def inflict(self) -> None:
        self._valkey.kill()

    def heal(self) -> None:
        if self._valkey.process is None:
            self._valkey.start()


class ValkeyFlushed(ValkeyFault):
    """FLUSHALL."""

    kind = "valkey_flush"

    def inflict(self) -> None:
        with contextlib.suppress(redis.RedisError), self._client() as client:
            client.flushall()


class ValkeyFrozen(ValkeyFault):
    """SIGSTOP: connections open, and nobody answers."""

    kind = "valkey_freeze"

    def inflict(self) -> None:
        self._signal(signal.SIGSTOP)

    def heal(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._valkey.process is not None:
            self._valkey.process.send_signal(number)


class ValkeyFull(ValkeyFault):
    """No memory left and nothing evicted: every write is refused, reads go on."""

    kind = "valkey_full"

    def inflict(self) -> None:
        self._set(maxmemory="1")

    def heal(self) -> None:
        self._set(maxmemory="0")


class Garbage(ValkeyFault):
    """Messages that nobody understands, in the queue and in the stream."""

    kind = "garbage"
    MESSAGES = (b"", b"\x00\xff", b"{", b"[]", b'{"actor_name": 7}', b'"text"')

    def inflict(self) -> None:
        with contextlib.suppress(redis.RedisError), self._client() as client:
            for number, message in enumerate(self.MESSAGES):
                self._to_queue(client, f"garbage-{number}", message)
                self._to_stream(client, message)
            client.xadd(STREAM, {b"other": b"fields"})

    def _to_queue(self, client: redis.Redis, message_id: str, message: bytes) -> None:
        for queue in ("video", "image"):
            client.hset(f"{NAMESPACE}:{queue}.msgs", message_id, message)
            client.rpush(f"{NAMESPACE}:{queue}", message_id)
            # One that is announced and not there.
            client.rpush(f"{NAMESPACE}:{queue}", f"missing-{message_id}")
            client.rpush(f"{NAMESPACE}:{queue}:wake", message)

    def _to_stream(self, client: redis.Redis, payload: bytes) -> None:
        for kind in ("event", "progress", "else"):
            entry: dict[Any, Any] = {
                **{"kind": kind, "user": "user-00", "revision": "1000000", "job": "x"},
                **{"attempt": "1", "payload": payload},
            }
            client.xadd(STREAM, entry)
            client.xadd(STREAM, {**entry, "revision": "not a number"})


class PostgresFault(Fault):
    """Something with the PostgreSQL that the suite started."""

    def __init__(self, postgres: Postgres) -> None:
        super().__init__("postgres")
        self._postgres = postgres

    def heal(self) -> None:
        if self._postgres.process is None:
            self._postgres.start()

    @property
    def _pids(self) -> list[int]:
        """The postmaster first, then its children."""
        process = self._postgres.process
        return [process.pid, *children_of(process.pid)] if process is not None else []

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class PostgresRestarted(PostgresFault):
    """Shut down: fast (SIGINT) or immediate (SIGQUIT, as after a crash)."""

    kind = "postgres_restart"

    def __init__(self, postgres: Postgres, number: signal.Signals = signal.SIGINT) -> None:
        super().__init__(postgres)
        self.kind = f"{self.kind}_{'fast' if number == signal.SIGINT else 'immediate'}"
        self._number = number

    def inflict(self) -> None:
        process = self._postgres.process
        if process is not None:
            process.send_signal(self._number)
            process.wait(timeout=30)
            self._postgres.process = None


class PostgresKilled(PostgresFault):
    """SIGKILL of the postmaster and its children."""

    kind = "postgres_kill"

    def inflict(self) -> None:
        process, pids = self._postgres.process, self._pids
        if process is not None:
            self._signal_all(signal.SIGKILL)
            process.wait()
            wait_for(lambda: not any(map(_lives, pids)), "PostgreSQL to be gone")
            self._postgres.process = None


class PostgresFrozen(PostgresFault):
    """SIGSTOP of all of it: the kernel takes connections, and nobody answers."""

    kind = "postgres_freeze"

    def inflict(self) -> None:
        self._signal_all(signal.SIGSTOP)

    def heal(self) -> None:
        self._signal_all(signal.SIGCONT)


class ConnectionsTerminated(PostgresFault):
    """pg_terminate_backend of every connection to the database."""

    kind = "postgres_terminate"

    def __init__(self, postgres: Postgres, database: str) -> None:
        super().__init__(postgres)
        self._database = database

    def inflict(self) -> None:
        with contextlib.suppress(psycopg2.Error):
            connection = psycopg2.connect(self._postgres.url())
            try:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                        (self._database,),
                    )
            finally:
                connection.close()


class Spoiled(Fault):
    """An edge in bad weather: `slow`, `cut`, `blackhole`, `half_open` or `lose_replies`."""

    def __init__(self, edge: Edge, weather: str, **figures: Any) -> None:
        super().__init__(edge.name)
        self.kind = f"edge_{weather}"
        self._edge = edge
        self._weather = weather
        self._figures = figures

    def inflict(self) -> None:
        getattr(self._edge, self._weather)(**self._figures)

    def heal(self) -> None:
        self._edge.pass_on()


class DiskFull(Fault):
    """No room left on the small disk that holds the data folder."""

    kind = "disk_full"

    def __init__(self, disk: SmallDisk) -> None:
        super().__init__("data")
        self._ballast = disk.folder / "ballast"

    def inflict(self) -> None:
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(64 * 1024))

    def heal(self) -> None:
        self._ballast.unlink(missing_ok=True)


class ClockSkewed(Killed):
    """Started again with a clock that is an hour off, by libfaketime."""

    kind = "clock_skew"

    def __init__(self, process: Process, skew: str = "+1h") -> None:
        super().__init__(process)
        self._skew = skew

    def inflict(self) -> None:
        library = find_faketime()
        assert library is not None
        skewed = {"LD_PRELOAD": str(library), "FAKETIME": self._skew}
        self._process.kill()
        self._process.start({**skewed, "FAKETIME_DONT_FAKE_MONOTONIC": "1"})

    def heal(self) -> None:
        self._process.kill()
        self._process.start()


def find_faketime() -> Path | None:
    """libfaketime, where it is installed."""
    return next(iter(Path("/").glob(FAKETIME.lstrip("/"))), None)


def children_of(pid: int) -> list[int]:
    """The children of a process, without those of its children (Linux)."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, task.read_text().split())
    return found


def _lives(pid: int) -> bool:
    """Whether it does; a zombie that nobody collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
