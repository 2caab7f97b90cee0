"""The events that watchers get: durable changes of a user, and progress ticks, which may be lost.

A user has one change at each revision, counted from 1 without a gap. It is an event of a job with
what its transaction did beside, or a change of notifications or views alone. A reader that does not
know a change's kind passes over its revision.
"""

import functools
import json
from dataclasses import dataclass
from typing import Any

from core.jobs import EventType, Job, Progress
from core.notifications import NotificationChange
from core.views import ViewChange

# The kind of a change that is an event of a job, and of one that is about no job.
JOB_KIND = "job"
USER_KIND = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What stands in a change beside an event of a job, or without one.

    `read_announcements` are the ids of announcements that the user has marked as read.
    """

    notifications: tuple[NotificationChange, ...] = ()
    views: tuple[ViewChange, ...] = ()
    read_announcements: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The parts that are not empty."""
        values: dict[str, Any] = {
            "notifications": [one.to_json() for one in self.notifications],
            "views": [one.to_json() for one in self.views],
            "read_announcements": list(self.read_announcements),
        }
        return {name: value for name, value in values.items() if value}


NOTHING_BESIDE = Beside()


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """A durable change of a user, as the database and the stream carry it.

    `kind` says what the payload is. The payload is JSON and is decoded only where it is needed.
    `time` is in milliseconds of the database. `job_id` is the job that the change is about, or
    empty. `deliveries` counts what its transaction has written for webhooks.
    """

    user_id: str
    revision: int
    kind: str
    time: int
    payload: str
    job_id: str = ""
    deliveries: int = 0


@dataclass(frozen=True)
class Event:
    """A state change of a job, with the whole job after it.

    `event_time` is in milliseconds of the database. `deliveries` counts what its transaction has
    written for webhooks.
    """

    revision: int
    type: EventType
    event_time: int
    job: Job
    beside: Beside = NOTHING_BESIDE
    deliveries: int = 0

    @functools.cached_property
    def payload(self) -> str:
        """The event as the database and the stream carry it, encoded once for both."""
        return json.dumps(event_to_json(self), separators=(",", ":"))

    @property
    def change(self) -> UserChange:
        """The event as a change of the job's user."""
        return UserChange(
            user_id=self.job.user_id,
            revision=self.revision,
            kind=JOB_KIND,
            time=self.event_time,
            payload=self.payload,
            job_id=self.job.job_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInfo:
    """Place in the queue; 1 is next. Estimates are None while nothing was measured."""

    position: int
    estimated_wait_ms: int | None = None
    estimated_run_ms: int | None = None
    sample_count: int = 0
    blocked_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressTick:
    """How far one run of a job is. It is no state, so it may be lost."""

    user_id: str
    job_id: str
    attempt: int
    progress: Progress


def event_to_json(event: Event) -> dict[str, Any]:
    """The payload of an event; the revision and the ids stand beside it."""
    return {
        "type": event.type,
        "event_time": event.event_time,
        "job": event.job.to_json(),
        **event.beside.to_json(),
    }


def user_change(user_id: str, revision: int, time: int, beside: Beside) -> UserChange:
    """A change that is about no job."""
    payload = json.dumps({"event_time": time, **beside.to_json()}, separators=(",", ":"))
    return UserChange(
        user_id=user_id, revision=revision, kind=USER_KIND, time=time, payload=payload
    )
