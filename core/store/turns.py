"""Turns: how users share a queue.

Jobs start by turn. A user's next job comes a turn after its last one, but never earlier than the
turn that the queue has reached, nor later than a turn after it for what the user had before: who
used an idle queue alone owes nothing to those who come later (start-time fair queueing).
"""

from dataclasses import dataclass

from core.store.database import Database, Session
from core.store.sql import Statement

_WAITING = Statement(
    "SELECT count(*), max(CASE WHEN queue = :queue THEN turn END) FROM job"
    " WHERE user_id = :user_id AND state = 'QUEUED'"
)
_REACHED = Statement("SELECT max(turn) FROM job WHERE queue = :queue AND start_time IS NOT NULL")
_LAST = Statement("SELECT last_turn FROM user_stream WHERE user_id = :user_id")


@dataclass(frozen=True, slots=True)
class Next:
    """How many jobs of the user wait, in all queues, and the turn that one more would get."""

    waiting: int
    turn: int


def read_next(db: Database | Session, user_id: str, queue: str) -> Next:
    """What one more job of the user in the queue would find."""
    row = db.row(_LAST, user_id=user_id)
    last = int(row[0]) if row else 0
    waits = db.row(_WAITING, user_id=user_id, queue=queue)
    reached = db.row(_REACHED, queue=queue)
    count, own = waits if waits else (0, None)
    return Next(int(count), next_turn(int((reached and reached[0]) or 0), last, int(own or 0)))


def next_turn(reached: int, last: int, own: int) -> int:
    """The turn after the user's `own` latest that waits (0: none does) and after its `last` one,
    as far as the queue has `reached` that."""
    return max(reached, min(last, reached) + 1, own + 1)
