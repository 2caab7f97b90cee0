"""The users at a glance, for administrators."""

from dataclasses import dataclass

from core.store.budgets import Period, span
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement

# The next users by name. Indexes: primary keys, of which that of the user's changes ends with the
# last one.
_PAGE = Statement("""
    SELECT u.user_id, u.running,
        coalesce((SELECT sum(f.waiting) FROM flow f WHERE f.user_id = u.user_id), 0),
        coalesce((SELECT s.used_bytes FROM user_storage s WHERE s.user_id = u.user_id), 0),
        coalesce((
            SELECT m.spent FROM spending m WHERE m.owner = 'user:' || u.user_id AND m.span = :month
        ), 0),
        coalesce((
            SELECT m.reserved FROM spending m
            WHERE m.owner = 'user:' || u.user_id AND m.span = :month
        ), 0),
        (
            SELECT e.event_time FROM job_event e WHERE e.user_id = u.user_id
            ORDER BY e.revision DESC LIMIT 1
        )
    FROM user_stream u WHERE u.user_id > :after ORDER BY u.user_id LIMIT :most
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserGlance:
    """A user's jobs, bytes and money (micro-units) of this month; `change_time` is when something
    of the user changed last, in milliseconds, and None when that is forgotten."""

    user_id: str
    running: int
    queued: int
    used_bytes: int
    spent_micros: int
    reserved_micros: int
    change_time: int | None


def list_page(db: Database, *, after: str = "", limit: int) -> list[UserGlance]:
    """The next users after a name, in the database's order of names."""

    def work(session: Session) -> list[UserGlance]:
        month = span(Period.MONTH, session.now_ms())
        rows = session.rows(_PAGE, after=after, most=limit, month=month)
        return [
            UserGlance(
                user_id=user_id,
                running=int(running),
                queued=int(queued),
                used_bytes=int(used),
                spent_micros=int(spent),
                reserved_micros=int(reserved),
                change_time=None if changed is None else int(changed),
            )
            for user_id, running, queued, used, spent, reserved, changed in rows
        ]

    return db.read(work)
