"""A watch without gRPC: one JSON object per line, or server-sent events."""

import json
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

import pytest

from tests.e2e.rest import Rest
from tests.sse import messages

SSE = "text/event-stream"
WAYS = {"lines": ("*/*", "application/json"), "sse": (SSE, SSE)}
each_way = pytest.mark.parametrize(("accept", "content_type"), WAYS.values(), ids=WAYS)
VIDEO = {"spec": {"prompt": "sea", "duration": "10s"}}
IMAGE = {"spec": {"prompt": "a paper boat", "size": "256x256"}}


def read_responses(stream: HTTPResponse, accept: str) -> Iterator[Any]:
    """The responses of a watch, or the parts of them, each as soon as it is there."""
    if accept != SSE:
        yield from (json.loads(line) for line in stream)
        return
    for message in messages(stream):
        assert message.json["resumeToken"] == message.last_id
        kinds = {kind for event in message.events for kind in event} - {"revision", "eventTime"}
        assert kinds == ({message.name} if message.events else set())
        yield message.json


@each_way
def test_events_arrive_while_the_job_runs(rest: Rest, accept: str, content_type: str) -> None:
    job_id = rest("POST /v1/videos:generate", VIDEO).json["job"]["jobId"]

    kinds, types = [], []
    with rest.open(f"GET /v1/jobs:watch?job_ids={job_id}&until_done=true", accept=accept) as stream:
        assert stream.headers["content-type"] == content_type
        for response in read_responses(stream, accept):
            assert response["resumeToken"]
            for event in response.get("events", []):
                kinds += event.keys() & {"job", "progress", "synced", "end"}
                types += [event["job"]["type"]] if "job" in event else []
                if event.get("progress", {}).get("progress", {}).get("percent"):
                    # That this comes in time proves that nothing was held back.
                    rest(f"POST /v1/jobs/{job_id}:cancel")

    assert kinds[0] == "job"
    assert kinds.index("synced") < kinds.index("progress")
    assert kinds[-1] == "end"
    assert types[0] == "CURRENT"
    assert types[-1] == "CANCELLED"


@each_way
def test_a_watch_goes_on_from_its_resume_token(rest: Rest, accept: str, content_type: str) -> None:
    with rest.open("GET /v1/jobs:watch", accept=accept) as stream:
        token = next(read_responses(stream, accept))["resumeToken"]
    job_id = rest("POST /v1/images:generate", IMAGE).json["job"]["jobId"]
    rest(f"GET /v1/jobs/{job_id}?wait=30s")

    line = f"GET /v1/jobs:watch?resume_token={token}&until_done=true"
    with rest.open(line, accept=accept) as stream:
        responses = list(read_responses(stream, accept))

    events = [event for response in responses for event in response.get("events", [])]
    changes = [(e["revision"], e["job"]["type"]) for e in events if "job" in e]
    assert changes == [("1", "QUEUED"), ("2", "STARTED"), ("3", "SUCCEEDED")]
    assert events[-1] == {"end": {}}
