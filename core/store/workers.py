"""Which worker processes live, and which of them leads a duty."""

import os
import socket
from collections.abc import Sequence

from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement

# The tables `worker` and `leader` have a row for each process and for each duty: their statements
# read them whole, or find a row by the primary key.
_BEAT = Statement("""
    INSERT INTO worker (worker_id, host, pid, queues, start_time, heartbeat_time)
    VALUES (:worker_id, :host, :pid, :queues, {now}, {now})
    ON CONFLICT (worker_id) DO UPDATE SET heartbeat_time = {now}
""")
_LEAVE = Statement("DELETE FROM worker WHERE worker_id = :worker_id")
_FORGET_DEAD = Statement("DELETE FROM worker WHERE heartbeat_time < {now} - :dead_ms")
_QUEUES = Statement("SELECT queues FROM worker WHERE heartbeat_time >= {now} - :dead_ms")
# Takes the lead of a duty, or keeps it. Changes no row while another owner's lease still runs.
_LEAD = Statement("""
    INSERT INTO leader (name, owner, lease_expire_time)
    VALUES (:name, :owner, {now} + :lease_ms)
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner,
        lease_expire_time = excluded.lease_expire_time
    WHERE leader.owner = excluded.owner OR leader.lease_expire_time < {now}
""")
DEAD_MS = 20_000


def beat(db: Database, worker_id: str, queues: Sequence[str]) -> None:
    """Says that this worker process lives, and forgets those that have long been dead."""
    values = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "queues": ",".join(queues),
    }

    def work(session: Session) -> None:
        session.run(_BEAT, worker_id=worker_id, **values)
        session.run(_FORGET_DEAD, dead_ms=100 * DEAD_MS)

    db.write(work)


def leave(db: Database, worker_id: str) -> None:
    """Says that this worker process ends."""
    db.write(lambda session: session.run(_LEAVE, worker_id=worker_id))


def served_queues(db: Database) -> set[str]:
    """The queues that a live worker serves."""
    return {name for row in db.rows(_QUEUES, dead_ms=DEAD_MS) for name in row[0].split(",")}


def lead(db: Database, duty: str, owner: str, lease_ms: int) -> bool:
    """Whether `owner` leads the duty until its lease ends; call again to keep it."""
    values = {"name": duty, "owner": owner, "lease_ms": lease_ms}
    return db.write(lambda session: session.run(_LEAD, **values)) == 1
