"""What watchers are told: durable events, each at one revision of its user, and progress ticks."""

import functools
import json
from dataclasses import dataclass
from typing import Any

from core.jobs import EventType, Job, Progress


@dataclass(frozen=True)
class Event:
    """A state change with the whole job after it. `event_time` in milliseconds of the database."""

    revision: int
    type: EventType
    event_time: int
    job: Job

    @functools.cached_property
    def payload(self) -> str:
        """The event as the database and the stream carry it, encoded once for both."""
        return json.dumps(event_to_json(self), separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as the database and the stream carry it: decoded only where it is needed.

    `payload` is JSON: {"type", "event_time", "job"}.
    """

    user_id: str
    revision: int
    job_id: str
    payload: str


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
    """How far one run of a job is; no state, it may be lost."""

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
    }


def event_from_json(revision: int, values: dict[str, Any]) -> Event:
    """The event whose payload `event_to_json` wrote."""
    job = Job.from_json(values["job"])
    return Event(revision, EventType(values["type"]), values["event_time"], job)
