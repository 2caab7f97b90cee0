"""PostgreSQL connections that never hang: a pool, and a limit on every wait for the server.

A server that is frozen, or behind a network that swallows everything, answers neither a statement
nor a connect. PostgreSQL's own timeouts do not help then, and TCP's do not help on a unix socket.
So psycopg2 hands each of its waits to `_wait`, which gives up at the time limit of the call.
"""

import contextlib
import select
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import peewee
import psycopg2
from psycopg2 import extensions

from core.errors import DependencyUnavailable
from core.store.engine.sql import STATEMENT_MS

# Every caller is told within 5 s. The slowest is one that waited for a thread while others waited
# for the server, and then tried the server itself.
CALL_SECONDS = 3.0
TRY_SECONDS = 1.5
# Every statement has its index, but a queue grows faster than the planner learns of it. Without
# these options the planner reads tables whole because they were small when it looked, sorts what an
# index has in order (a bitmap scan loses the order), or starts processes for a statement of a
# millisecond. A prepared statement is planned once.
_PLANS = (
    "-c enable_seqscan=off -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
    " -c max_parallel_workers_per_gather=0 -c jit=off -c plan_cache_mode=force_generic_plan"
)
# The least time for each answer: a call may have come so far late, by no fault of the server.
_LEAST_SECONDS = 0.3
_IDLE_SECONDS = 300.0
# A plan that was made while a table was small is not kept for longer than that.
_PLAN_SECONDS = 10.0
# Far more statements than there are. But each shape of a search makes another one, and the server
# keeps it until the connection ends.
_MOST_PREPARED = 500
_NO_ANSWER = "the server did not answer in time"


class _Limit(threading.local):
    """When this thread's call gives up, and whether it did."""

    until: float | None = None
    passed = False

    def left(self) -> float | None:
        return None if self.until is None else max(self.until - time.monotonic(), _LEAST_SECONDS)


_limit = _Limit()


class Connection(extensions.connection):
    """A connection, and what its server process keeps for it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # psycopg2 waits in here already.
        self.answers: select.poll | None = None
        self.prepared: set[str] = set()
        self.reusable = True
        self._planned_at = time.monotonic()
        super().__init__(*arguments, **options)

    def forgets_plans(self) -> bool:
        """Whether the plans of prepared statements are old; from now on they count as new."""
        now = time.monotonic()
        old = now - self._planned_at > _PLAN_SECONDS
        if old:
            self._planned_at = now
        return old


def _wait(connection: extensions.connection) -> None:
    """Waits for the server. psycopg2 closes the connection when this raises."""
    while (need := connection.poll()) != extensions.POLL_OK:
        waiter = _waiter(connection, need)
        left = _limit.left()
        if not waiter.poll(None if left is None else left * 1000):
            _limit.passed = True
            raise psycopg2.OperationalError(_NO_ANSWER)


def _waiter(connection: extensions.connection, need: int) -> select.poll:
    """The poll object that waits until the connection can be read or written."""
    reads = need == extensions.POLL_READ
    ours = connection if reads and isinstance(connection, Connection) else None
    if ours is not None and ours.answers is not None:
        return ours.answers
    waiter = select.poll()
    waiter.register(connection.fileno(), select.POLLIN if reads else select.POLLOUT)
    # A connection that is being made may try one socket after the other.
    if ours is not None and ours.status != extensions.STATUS_SETUP:
        ours.answers = waiter
    return waiter


class Postgres(peewee.PostgresqlDatabase):
    """A pool of at most `connections` connections; each thread that is inside a call has one."""

    def __init__(self, url: str, connections: int) -> None:
        extensions.set_wait_callback(_wait)
        super().__init__(
            url.replace("postgres://", "postgresql://", 1),
            keepalives_idle=30,
            keepalives_interval=5,
            keepalives_count=3,
            connection_factory=Connection,
            # So a slow statement does not look like a server that hangs. A wait for a lock ends
            # before it, because that is no slow statement: it is worth another try.
            options=f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={STATEMENT_MS * 9 // 10}"
            f" -c idle_in_transaction_session_timeout=10000 {_PLANS}",
        )
        # peewee would hold its lock while it connects, so that nobody could give a connection back.
        # The lock guards nothing, because each thread has a state of its own.
        self._lock = contextlib.nullcontext()
        self._room = threading.BoundedSemaphore(connections)
        self._idle: deque[tuple[float, Any]] = deque()
        self._hangs = False
        self._trying = threading.Lock()

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Gives one call a limit for everything that it waits for.

        While the server hangs, one call at a time tries it and the others fail at once. Otherwise
        all threads of the process would wait, and other calls would wait for a thread.

        Raises:
            DependencyUnavailable: when the server hangs and another call is trying it.
        """
        if _limit.until is not None:
            yield
            return
        trying = self._hangs
        if trying and not self._trying.acquire(blocking=False):
            raise DependencyUnavailable("database")
        seconds = TRY_SECONDS if trying else CALL_SECONDS
        _limit.until, _limit.passed = time.monotonic() + seconds, False
        try:
            yield
        finally:
            _limit.until = None
            if trying:
                self._trying.release()
            if trying or _limit.passed:
                self._hangs = _limit.passed

    def connection(self) -> Connection:
        """The connection of this thread."""
        connection: Connection = super().connection()
        return connection

    def undo(self) -> None:
        """Rolls back what this thread's connection began; a lost connection did so by itself."""
        idle = extensions.TRANSACTION_STATUS_IDLE
        if not self.is_closed() and self.connection().info.transaction_status != idle:
            with contextlib.suppress(peewee.PeeweeException):
                self.execute_sql("ROLLBACK")

    def close_idle(self) -> None:
        """Closes the connections that nobody uses; when one is lost, they are lost too."""
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop()[1].close()

    def _connect(self) -> Any:
        left = _limit.left()
        if not self._room.acquire(timeout=-1 if left is None else left):
            raise peewee.OperationalError("no connection was free in time")
        try:
            return self._idle_one() or super()._connect()  # type: ignore[misc]
        except BaseException:
            self._room.release()
            raise

    def _close(self, connection: Any) -> None:
        """Gives the connection back to the pool, unless something is wrong with it."""
        try:
            if self._is_good(connection):
                self._idle.append((time.monotonic(), connection))
            else:
                connection.close()
        finally:
            self._room.release()

    def _is_good(self, connection: Connection) -> bool:
        if connection.closed or not connection.reusable:
            return False
        idle: bool = connection.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE
        return idle and len(connection.prepared) <= _MOST_PREPARED

    def _idle_one(self) -> Any:
        """The connection that was used last, so that those which are not needed grow old and go."""
        oldest = time.monotonic() - _IDLE_SECONDS
        with contextlib.suppress(IndexError):
            while self._idle[0][0] < oldest:
                self._idle.popleft()[1].close()
            return self._idle.pop()[1]
        return None
