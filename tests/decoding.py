"""The way back from what an event keeps, for tests that compare it with the job that it tells of.

The product has no such way: a watch maps what events keep to messages.
"""

import dataclasses
from typing import Any

from core.errors import Reason
from core.events import Event
from core.jobs import Cost, CostState, EventType, Job, JobFailure, Progress, Stage, State
from core.kinds import record_from_json, spec_from_json
from core.media import Media


def event_from_json(revision: int, values: dict[str, Any]) -> Event:
    """The event whose payload `event_to_json` wrote."""
    job = job_from_json(values["job"])
    return Event(revision, EventType(values["type"]), values["event_time"], job)


def job_from_json(values: dict[str, Any]) -> Job:
    """The job that `Job.to_json` wrote."""
    failure = values.get("failure")
    given: dict[str, Any] = {
        **values,
        "spec": spec_from_json(values["kind"], values["spec"]),
        "state": State(values["state"]),
        "progress": progress_from_json(values["progress"]),
        "cost": Cost(**{**values["cost"], "state": CostState(values["cost"]["state"])}),
        "failure": JobFailure(**{**failure, "reason": Reason(failure["reason"])})
        if failure
        else None,
        "outputs": tuple(Media.from_json(item) for item in values["outputs"]),
        "result": record_from_json(values["kind"], values.get("result")),
    }
    names = {field.name for field in dataclasses.fields(Job)}
    return Job(**{name: value for name, value in given.items() if name in names})


def progress_from_json(values: dict[str, Any]) -> Progress:
    """The progress that `progress_to_json` wrote."""
    return Progress(**{**values, "stage": Stage(values["stage"])})
