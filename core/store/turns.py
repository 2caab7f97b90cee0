"""Turns: how users share a queue.

Jobs start by turn. A user's next job comes a turn after its last one, but never earlier than the
turn that the queue has reached, nor later than a turn after it for what the user had before: who
used an idle queue alone owes nothing to those who come later (start-time fair queueing).
"""

from dataclasses import dataclass

from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement

_NEXT = Statement(
    "SELECT s.revision, {now}, s.last_turn, waiting.count, waiting.own_turn,"
    " (SELECT max(job.turn) FROM job WHERE job.queue = :queue AND job.start_time IS NOT NULL)"
    " FROM (SELECT count(*) AS count, max(CASE WHEN queue = :queue THEN turn END) AS own_turn"
    " FROM job WHERE user_id = :user_id AND state = 'QUEUED') waiting"
    " LEFT JOIN user_stream s ON s.user_id = :user_id"
)


@dataclass(frozen=True, slots=True)
class Next:
    """How many jobs of the user wait, in all queues, and the turn that one more would get; the
    user's revision and the time at which this was so."""

    waiting: int
    turn: int
    revision: int
    now_ms: int


def read_next(db: Database | Session, user_id: str, queue: str) -> Next:
    """What one more job of the user in the queue would find."""
    row = db.row(_NEXT, user_id=user_id, queue=queue)
    assert row is not None
    revision, now_ms, last, waiting, own, reached = (int(value or 0) for value in row)
    return Next(waiting, next_turn(reached, last, own), revision, now_ms)


def next_turn(reached: int, last: int, own: int) -> int:
    """The turn after the user's `own` latest that waits (0: none does) and after its `last` one,
    as far as the queue has `reached` that."""
    return max(reached, min(last, reached) + 1, own + 1)
