"""What administrators do, by the service or on the command line: both call the same methods.

Each change is one line of the log that says who made it and what it was.
"""

from collections.abc import Callable, Collection
from typing import Protocol

from core.announcements import Announcement
from core.api_keys import ApiKey, KeyLimits
from core.errors import JobStateInvalid, NotFound
from core.events import Event
from core.jobs import Job, State
from core.process.telemetry import get_logger
from core.scopes import Scope
from core.store import (
    Database,
    announcements,
    budgets,
    intents,
    jobs,
    keys,
    pauses,
    queue_stats,
    submits,
    workers,
)
from core.store.budgets import Budget, Period
from core.store.queue_stats import QueueStats
from core.store.workers import Worker

log = get_logger(__name__)

MAX_REASON_CHARACTERS = 200
USUAL_REASON = "paused by the operator"


class Make(Protocol):
    """Makes a change of a job, and tells it where somebody listens (`Changes.make`)."""

    def __call__(self, change: Callable[[Database], Event | None], /) -> Event | None: ...


class Administration:
    """Acts for the administrator `admin`, whose name stands in the log.

    `queues` are those in which jobs of a model wait.
    """

    def __init__(self, db: Database, queues: Collection[str], make: Make) -> None:
        self._db = db
        self._queues = tuple(queues)
        self._make = make

    def queues(self) -> list[QueueStats]:
        """Every queue of a model, and whatever other queue has jobs or is paused."""
        return queue_stats.look(self._db, self._queues)

    def pause(self, admin: str, queue: str, reason: str = "") -> QueueStats:
        """Starts no more jobs of the queue; what runs goes on. May be repeated.

        Raises:
            NotFound: when no model's jobs wait there.
        """
        if queue not in self._queues:
            raise NotFound("queue")
        pauses.pause(self._db, queue, reason or USUAL_REASON)
        log.info("queue_paused", admin=admin, queue=queue)
        return self._queue(queue)

    def resume(self, admin: str, queue: str) -> QueueStats:
        """Starts jobs of the queue again. May be repeated.

        Raises:
            NotFound: when no model's jobs wait there and it is not paused.
        """
        # It may have been paused when another models file named it.
        if queue not in self._queues and queue not in pauses.paused(self._db):
            raise NotFound("queue")
        pauses.resume(self._db, queue)
        log.info("queue_resumed", admin=admin, queue=queue)
        return self._queue(queue)

    def workers(self) -> list[Worker]:
        """Every worker process, by name; a lost one for half an hour."""
        return workers.list_all(self._db)

    def drain(self, admin: str, worker_id: str) -> Worker:
        """Asks a worker process to take no more jobs and end. May be repeated.

        Raises:
            NotFound: when there is none of that name.
        """
        worker = workers.drain(self._db, worker_id)
        log.info("worker_drained", admin=admin, worker_id=worker_id)
        return worker

    def adopt(self, admin: str, job_id: str, operation: str) -> Job:
        """The provider took the job's submit under that name.

        A job that waits for it goes on. Of an ended one only the charge is left to be settled.

        Raises:
            NotFound: when there is no such job.
            JobStateInvalid: when no submit of it is unsettled, or one may be under way.
        """
        user_id = submits.owner(self._db, job_id)
        found = submits.of_job(self._db, job_id)
        intent = next((i for i in found if i.outcome in intents.NOT_SETTLED), None)
        state = jobs.get(self._db, user_id, job_id).state
        if intent is None:
            raise JobStateInvalid(
                "No submit of this job waits to be found at the provider.", state=state
            )
        if state is not State.RECONCILING and not state.terminal:
            raise JobStateInvalid(
                f"The job is {state} and its submit may be under way: wait for its outcome.",
                state=state,
            )
        number = intent.number
        self._make(lambda db: submits.accepted(db, job_id, number, operation))
        log.info("job_resolved", admin=admin, job_id=job_id, user_id=user_id, verdict="operation")
        return jobs.get(self._db, user_id, job_id)

    def settle(
        self, admin: str, job_id: str, *, charged: bool, micros: int | None = None
    ) -> Job | None:
        """The provider charged the job's submit (`micros`, or the estimate), or it did not.

        None when the job's cost was certain already.

        Raises:
            NotFound: when there is no such job.
            JobStateInvalid: when it runs.
        """
        event = self._make(lambda db: submits.resolve(db, job_id, charged=charged, micros=micros))
        if event is None:
            return None
        verdict = "charged" if charged else "not_charged"
        user_id = event.job.user_id
        log.info("job_resolved", admin=admin, job_id=job_id, user_id=user_id, verdict=verdict)
        return event.job

    def set_budget(
        self, admin: str, owner: str, period: Period, limit_micros: int | None
    ) -> Budget:
        """Gives the owner a limit, or with None takes it away. Accepted jobs stay."""
        budgets.set_limit(self._db, owner, period, limit_micros)
        log.info("budget_set", admin=admin, owner=owner, period=period, limit_micros=limit_micros)
        return budgets.of_owner(self._db, owner, period)

    def announce(self, admin: str, announcement: Announcement) -> Announcement:
        """Says something to all users."""
        made = self._db.write(lambda session: announcements.create(session, announcement))
        log.info("announcement_created", admin=admin, announcement_id=made.announcement_id)
        return made

    def withdraw(self, admin: str, announcement_id: str) -> None:
        """Deletes an announcement, if it is not gone already."""
        announcements.delete(self._db, announcement_id)
        log.info("announcement_deleted", admin=admin, announcement_id=announcement_id)

    def create_key(
        self,
        admin: str,
        user_id: str,
        label: str,
        scopes: tuple[Scope, ...],
        expire_time: int | None,
        limits: KeyLimits,
    ) -> tuple[ApiKey, str]:
        """Makes an API key of a user, with its secret (`core.store.keys.issue`).

        Raises:
            FieldInvalid: when it would end in the past, or too late.
            ResourceLimitReached: when the user has as many as it may.
        """
        made, secret = keys.issue(self._db, user_id, label, scopes, expire_time, limits)
        log.info("api_key_created", admin=admin, user_id=user_id, api_key_id=made.api_key_id)
        return made, secret

    def revoke_key(self, admin: str, user_id: str, api_key_id: str) -> ApiKey:
        """Revokes an API key of a user for good. May be repeated.

        Raises:
            NotFound: when the user has no such key.
        """
        key = keys.revoke(self._db, user_id, api_key_id)
        log.info("api_key_revoked", admin=admin, user_id=user_id, api_key_id=api_key_id)
        return key

    def _queue(self, queue: str) -> QueueStats:
        found = queue_stats.look(self._db, (queue,))
        return next(stats for stats in found if stats.queue == queue)
