import json

from core.events import Event, event_to_json
from core.jobs import EventType, State
from tests.decoding import event_from_json
from tests.making import job_value


def test_an_event_comes_back_from_json_as_it_was() -> None:
    job = job_value(state=State.RUNNING, attempt=1, revision=7, labels={"node": "7"})
    event = Event(7, EventType.STARTED, 1234, job)

    payload = json.dumps(event_to_json(event))

    assert event_from_json(7, json.loads(payload)) == event


def test_a_payload_holds_the_whole_job_and_not_its_revision_twice() -> None:
    event = Event(7, EventType.QUEUED, 1234, job_value(revision=7))

    assert event_to_json(event).keys() == {"type", "event_time", "job"}
