"""Turns: how users share a queue.

Jobs start in the order of their turns. A user's next job gets a turn after the user's last one,
but never an earlier turn than the queue has reached. A user who used an idle queue alone owes
nothing to users who come later: when none of its jobs waits, its next job comes at most one turn
after the turn that the queue has reached (start-time fair queueing).
"""

from dataclasses import dataclass

from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement

# The user's last turn, how many of its jobs wait, the latest turn of those in this queue, and the
# turn that the queue has reached. Indexes: primary keys for the user and its flows, `job_reached`
# for the queue.
_NEXT = Statement("""
    SELECT s.last_turn, waiting.count, waiting.own_turn,
        (SELECT max(job.turn) FROM job WHERE job.queue = :queue AND job.start_time IS NOT NULL)
    FROM (
        SELECT sum(waiting) AS count, max(CASE WHEN queue = :queue THEN last_turn END) AS own_turn
        FROM flow WHERE user_id = :user_id
    ) waiting
    LEFT JOIN user_stream s ON s.user_id = :user_id
""")


@dataclass(frozen=True, slots=True)
class Next:
    """How many jobs of the user wait, in all queues, and the turn that one more would get."""

    waiting: int
    turn: int


def read_next(db: Database | Session, user_id: str, queue: str) -> Next:
    """How many jobs of the user wait, and the turn that one more job in the queue would get."""
    row = db.row(_NEXT, user_id=user_id, queue=queue)
    assert row is not None
    last, waiting, own, reached = (int(value or 0) for value in row)
    return Next(waiting, next_turn(reached, last, own))


def next_turn(reached: int, last: int, own: int) -> int:
    """The turn of a user's next job.

    It comes after `own`, the latest turn of the user's jobs that wait (0: none waits), and after
    `last`, the user's last turn, as far as the queue has `reached` that.
    """
    return max(reached, min(last, reached) + 1, own + 1)
