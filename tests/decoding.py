"""The way back from what an event keeps, for tests that compare it with what it tells of."""

from typing import Any

from core.events import Event
from core.jobs import EventType, Progress, Stage
from core.store.rows import job_from_json


def event_from_json(revision: int, values: dict[str, Any]) -> Event:
    """The event whose payload `event_to_json` wrote."""
    job = job_from_json(values["job"])
    return Event(revision, EventType(values["type"]), values["event_time"], job)


def progress_from_json(values: dict[str, Any]) -> Progress:
    """The progress that `progress_to_json` wrote."""
    return Progress(**{**values, "stage": Stage(values["stage"])})
