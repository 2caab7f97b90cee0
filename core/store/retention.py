"""Forgetting what is too old: events, ended jobs, request ids."""

from core.store.database import Database, Session
from core.store.sql import Statement

_EVENTS = Statement("DELETE FROM job_event WHERE event_time < {now} - :keep_ms")
_LABELS = Statement(
    "DELETE FROM job_label WHERE job_id IN (SELECT job_id FROM job"
    " WHERE end_time < {now} - :keep_ms)"
)
_JOBS = Statement("DELETE FROM job WHERE end_time < {now} - :keep_ms")
_REQUESTS = Statement("DELETE FROM request_key WHERE expire_time < {now}")


def forget(db: Database, keep_ms: int) -> None:
    """Removes ended jobs and events older than `keep_ms`; a resume token below them gets a RESET.

    Media items stay: they are the user's library.
    """

    def work(session: Session) -> None:
        session.run(_EVENTS, keep_ms=keep_ms)
        session.run(_LABELS, keep_ms=keep_ms)
        session.run(_JOBS, keep_ms=keep_ms)
        session.run(_REQUESTS)

    db.write(work)
