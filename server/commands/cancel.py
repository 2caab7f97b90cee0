"""Cancels a job."""

from core.events import QueueInfo
from core.jobs import Job
from core.store import transitions
from core.store.places import Queues
from core.telling.changes import Changes
from server.commands.requests import Cancellation


class Cancel:
    """Ends a queued job, asks a running one to end, and changes nothing of one that has ended."""

    def __init__(self, queues: Queues, changes: Changes) -> None:
        self._queues = queues
        self._changes = changes

    def cancel(self, user_id: str, asked: Cancellation) -> tuple[Job, QueueInfo | None]:
        """The job as it is then. Repeating the call is safe.

        Raises:
            NotFound: when the user has no such job.
            JobStateInvalid: when only a free cancel is asked for and it may cost something.
        """
        cancelled = self._changes.make(
            lambda db: transitions.cancel(
                db, user_id, asked.job_id, asked.reason, asked.only_if_free
            )
        )
        return cancelled.job, self._queues.place(asked.job_id)
