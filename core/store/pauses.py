"""Pauses of queues: in a paused queue no job starts, and what runs goes on.

The claims look at the table themselves (the named part `is_paused`), so a pause holds from its
commit on, whatever dies.
"""

from dataclasses import dataclass

from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement

# The table has a row for each queue that is paused. A pause that is repeated changes its reason.
_PAUSE = Statement("""
    INSERT INTO queue_pause (queue, reason, pause_time) VALUES (:queue, :reason, {now})
    ON CONFLICT (queue) DO UPDATE SET reason = excluded.reason
""")
_RESUME = Statement("DELETE FROM queue_pause WHERE queue = :queue")
_ALL = Statement("SELECT queue, reason, pause_time FROM queue_pause")


@dataclass(frozen=True, slots=True)
class Pause:
    """Why users wait, and since when, in milliseconds of the database."""

    reason: str
    pause_time: int


def pause(db: Database, queue: str, reason: str) -> None:
    """Starts no more jobs of the queue. May be repeated."""
    db.write(lambda session: session.run(_PAUSE, queue=queue, reason=reason), alone=True)


def resume(db: Database, queue: str) -> None:
    """Starts jobs of the queue again. May be repeated."""
    db.write(lambda session: session.run(_RESUME, queue=queue), alone=True)


def paused(db: Database | Session) -> dict[str, Pause]:
    """The queues that are paused."""
    return {queue: Pause(reason, int(time)) for queue, reason, time in db.rows(_ALL)}
