"""Cancelling a job."""

from core.events import QueueInfo
from core.jobs import Job
from core.store import Database, transitions
from core.store import jobs as job_store
from core.tell import Teller


class Cancel:
    """Ends a job that waits, asks one that runs to end, and leaves one that has ended alone."""

    def __init__(self, db: Database, teller: Teller) -> None:
        self._db = db
        self._teller = teller

    def cancel(self, user_id: str, job_id: str, reason: str) -> tuple[Job, QueueInfo | None]:
        """The job as it is after that. May be repeated.

        Raises:
            NotFound: when the user has no such job.
        """
        job, event = transitions.cancel(self._db, user_id, job_id, reason)
        if event is not None:
            self._teller.tell(event)
        return job, job_store.queue_place(self._db, job_id)
