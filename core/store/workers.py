"""Which worker processes live, what they say of themselves, and which of them leads a duty."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.errors import NotFound
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement

# The tables `worker` and `leader` have a row for each process and for each duty: their statements
# read them whole, or find a row by the primary key.
_BEAT = Statement("""
    INSERT INTO worker (worker_id, host, pid, queues, start_time, heartbeat_time, threads, running,
        version)
    VALUES (:worker_id, :host, :pid, :queues, {now}, {now}, :threads, :running, :version)
    ON CONFLICT (worker_id) DO UPDATE SET heartbeat_time = {now}, running = excluded.running
""")
_LEAVE = Statement("DELETE FROM worker WHERE worker_id = :worker_id")
_FORGET_DEAD = Statement("DELETE FROM worker WHERE heartbeat_time < {now} - :dead_ms")
_QUEUES = Statement("SELECT queues FROM worker WHERE heartbeat_time >= {now} - :dead_ms")
_COLUMNS = """
    worker_id, host, pid, queues, start_time, heartbeat_time, threads, running, version,
    drain_time IS NOT NULL, heartbeat_time < {now} - :dead_ms
"""
_ALL = Statement(f"SELECT {_COLUMNS} FROM worker ORDER BY worker_id")
_ONE = Statement(f"SELECT {_COLUMNS} FROM worker WHERE worker_id = :worker_id")
_DRAIN = Statement("""
    UPDATE worker SET drain_time = {now} WHERE worker_id = :worker_id AND drain_time IS NULL
""")
_SHALL_END = Statement("""
    SELECT 1 FROM worker WHERE worker_id = :worker_id AND drain_time IS NOT NULL
""")
# Takes the lead of a duty, or keeps it. Changes no row while another owner's lease still runs.
_LEAD = Statement("""
    INSERT INTO leader (name, owner, lease_expire_time)
    VALUES (:name, :owner, {now} + :lease_ms)
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner,
        lease_expire_time = excluded.lease_expire_time
    WHERE leader.owner = excluded.owner OR leader.lease_expire_time < {now}
""")
DEAD_MS = 20_000
FORGOTTEN_MS = 30 * 60 * 1000


class WorkerState(StrEnum):
    """How a worker process fares; names of rushes.v1.Worker.State."""

    ACTIVE = "ACTIVE"
    DRAINING = "DRAINING"
    LOST = "LOST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker process as of its last heartbeat; times in milliseconds of the database."""

    worker_id: str
    state: WorkerState
    host: str
    pid: int
    queues: tuple[str, ...]
    threads: int
    running: int
    start_time: int
    heartbeat_time: int
    version: str


def beat(
    db: Database,
    worker_id: str,
    queues: Sequence[str],
    *,
    threads: int = 0,
    running: int = 0,
    version: str = "",
) -> None:
    """Says that this worker process lives, and forgets those that have long been dead."""
    values = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "queues": ",".join(queues),
        "threads": threads,
        "running": running,
        "version": version,
    }

    def work(session: Session) -> None:
        session.run(_BEAT, worker_id=worker_id, **values)
        session.run(_FORGET_DEAD, dead_ms=FORGOTTEN_MS)

    db.write(work)


def leave(db: Database, worker_id: str) -> None:
    """Says that this worker process ends."""
    db.write(lambda session: session.run(_LEAVE, worker_id=worker_id))


def list_all(db: Database | Session) -> list[Worker]:
    """The worker processes, by name; those that are lost are among them for FORGOTTEN_MS."""
    return [_worker_from_row(row) for row in db.rows(_ALL, dead_ms=DEAD_MS)]


def drain(db: Database, worker_id: str) -> Worker:
    """Asks a worker process to take no more jobs and end. May be repeated.

    Raises:
        NotFound: when there is none of that name.
    """

    def work(session: Session) -> Worker:
        session.later(_DRAIN, worker_id=worker_id)
        row = session.row(_ONE, worker_id=worker_id, dead_ms=DEAD_MS)
        if row is None:
            raise NotFound("worker")
        return _worker_from_row(row)

    return db.write(work)


def shall_end(db: Database, worker_id: str) -> bool:
    """Whether somebody asked the worker process to end."""
    return db.row(_SHALL_END, worker_id=worker_id) is not None


def served_queues(db: Database) -> set[str]:
    """The queues that a live worker serves."""
    return {name for row in db.rows(_QUEUES, dead_ms=DEAD_MS) for name in row[0].split(",")}


def lead(db: Database, duty: str, owner: str, lease_ms: int) -> bool:
    """Whether `owner` leads the duty until its lease ends; call again to keep it."""
    values = {"name": duty, "owner": owner, "lease_ms": lease_ms}
    return db.write(lambda session: session.run(_LEAD, **values)) == 1


def _worker_from_row(row: Row) -> Worker:
    worker_id, host, pid, queues, start, heartbeat, threads, running, version, drains, lost = row
    alive = WorkerState.DRAINING if drains else WorkerState.ACTIVE
    return Worker(
        worker_id=worker_id,
        state=WorkerState.LOST if lost else alive,
        host=host,
        pid=pid,
        queues=tuple(queues.split(",")),
        threads=threads,
        running=running,
        start_time=int(start),
        heartbeat_time=int(heartbeat),
        version=version,
    )
