"""Callers who send what only the server may say: whose a thing is, what it cost, how far it is."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.internal import encoder, wire_format
from google.protobuf.message import Message

from rushes.v1 import job_pb2, media_pb2
from rushes.v1 import media_service_pb2 as pb
from server.mapping.wire import within
from tests.e2e.running import Running
from tests.house import House
from tests.rpc.requests import image
from tests.security.calls import METHODS, outcome, request_of

# What the server alone says. Some of these words name a filter or an input in a request: there the
# path says so.
OUTPUT_ONLY = {
    field.name
    for message in (job_pb2.Job, media_pb2.Media, job_pb2.Cost, job_pb2.JobError)
    for field in message.DESCRIPTOR.fields
} | {"owner", "tenant", "role", "is_admin", "scope", "scopes", "priority", "price", "blob_key"}
ASKED = {
    *("job_id", "media_id", "request_id", "labels", "title", "starred", "model", "prompt", "seed"),
    *("sha256", "size_bytes", "type", "duration", "video", "image", "reason"),
    *("analysis", "apply_to_view", "batch_id", "mime_type"),
}
# What a method takes because its scope reaches over other users, or because it asks for that.
MAY_NAME = {
    "CreateNotification": {"user_id"},
    "GetUsage": {"user_id", "start_time", "end_time"},
    "GetBudget": {"user_id"},
    "CreateApiKey": {"scopes"},
    "PauseQueue": {"queue"},
    "ResumeQueue": {"queue"},
    "SetBudget": {"owner", "user_id"},
    # With whom, and the words to that user.
    "CreateShare": {"user_id", "message"},
    # Of a webhook only what an update may change is taken, and `state` is such a field.
    "UpdateWebhook": {"state", "create_time", "url"},
    "CreateWebhook": {"url"},
}
ANSWERS = [job_pb2.Job, media_pb2.Media, job_pb2.Cost, job_pb2.JobError, job_pb2.QueueInfo]


def messages(of: Descriptor, seen: tuple[Descriptor, ...] = ()) -> Iterator[Descriptor]:
    """The message and every message inside of it."""
    if of in seen:
        return
    yield of
    for field in of.fields:
        if field.message_type is not None:
            yield from messages(field.message_type, (*seen, of))


def ways(of: Descriptor, before: tuple[FieldDescriptor, ...] = ()) -> Iterator[Any]:
    """The ways to every message in the message, itself with the empty one."""
    yield before
    for field in of.fields:
        inner = field.message_type
        if inner is None or inner.GetOptions().map_entry or field.is_repeated:
            continue
        if inner not in {one.message_type for one in before}:
            yield from ways(inner, (*before, field))


@pytest.mark.parametrize("name", METHODS)
def test_no_request_has_a_field_that_the_server_alone_says(name: str) -> None:
    inside = list(messages(METHODS[name].input_type))
    own = [one for one in inside if one.full_name.startswith("rushes.")]

    asked = ASKED | MAY_NAME.get(METHODS[name].name, set())
    said = {field.name for one in own for field in one.fields} & (OUTPUT_ONLY - asked)

    assert not said
    assert not {one.full_name for one in inside} & {one.DESCRIPTOR.full_name for one in ANSWERS}


def tag(number: int, kind: int) -> bytes:
    return bytes(encoder.TagBytes(number, kind))


def text(number: int, value: bytes) -> bytes:
    return within(tag(number, wire_format.WIRETYPE_LENGTH_DELIMITED), value)


def foreign(of: Descriptor) -> dict[str, bytes]:
    """Fields that the message does not have, with what an attacker wants in them."""
    free = [n for n in range(1, 64) if n not in of.fields_by_number]
    job = job_pb2.Job(user_id="mallory", state=job_pb2.Job.SUCCEEDED, attempt=9, revision=2**40)
    job.cost.estimated.units = -1_000_000
    whole = job.SerializeToString()
    return {
        "its user": b"".join(text(number, b"mallory") for number in free),
        "a state": b"".join(tag(number, wire_format.WIRETYPE_VARINT) + b"\x04" for number in free),
        "a whole job": b"".join(text(number, whole) for number in free),
        "fixed numbers": b"".join(
            tag(number, wire_format.WIRETYPE_FIXED64) + b"\xff" * 8 for number in free
        ),
        "a group": tag(free[0], wire_format.WIRETYPE_START_GROUP)
        + text(1, b"mallory")
        + tag(free[0], wire_format.WIRETYPE_END_GROUP),
        "the last number": text(2**29 - 1, b"mallory"),
    }


def with_foreign(request: Message, way: tuple[FieldDescriptor, ...], more: bytes) -> bytes:
    """The request as bytes, with more fields in the message there."""
    if not way:
        return request.SerializeToString() + more
    head, *rest = way
    inner = with_foreign(getattr(request, head.name), tuple(rest), more)
    outer = type(request)()
    outer.CopyFrom(request)
    outer.ClearField(head.name)
    return outer.SerializeToString() + text(head.number, inner)


PLACES = {
    f"{method.name}.{'.'.join(field.name for field in way)}": (method, way)
    for method in METHODS.values()
    for way in ways(method.input_type)
    if all(field.message_type.full_name.startswith("rushes.") for field in way)
}
KINDS = ["its user", "a state", "a whole job", "fixed numbers", "a group", "the last number"]


def names_somebody_else(answer: Any) -> bool:
    return "mallory" in str(answer)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_a_field_that_a_message_does_not_have_does_nothing(
    served: House, place: str, kind: str
) -> None:
    method, way = PLACES[place]
    plain = request_of(method)
    at: Descriptor = way[-1].message_type if way else method.input_type
    inner: Any = plain
    for field in way:
        inner = getattr(inner, field.name)
        inner.SetInParent()
    before = outcome(served, "alice", method, plain)

    after = outcome(served, "alice", method, with_foreign(plain, way, foreign(at)[kind]))

    assert type(after) is type(before)
    assert not names_somebody_else(after)
    if hasattr(after, "job"):
        assert (after.job.user_id, after.job.state) == ("alice", job_pb2.Job.QUEUED)
        assert (after.job.attempt, after.job.cost) == (0, before.job.cost)
    if not isinstance(after, Message):
        assert (after.code, after.reason) == (before.code, before.reason)


def test_nothing_of_it_is_kept(served: House) -> None:
    alice, generate = served.caller("alice"), "rushes.v1.MediaService.GenerateImage"
    sent = with_foreign(image(), (), foreign(pb.GenerateImageRequest.DESCRIPTOR)["a whole job"])

    job_id = outcome(served, "alice", METHODS[generate], sent).job.job_id

    kept = alice.call("GetJob", pb.GetJobRequest(job_id=job_id)).job
    assert not names_somebody_else(kept)
    mallory = served.caller("mallory")
    assert not mallory.call("ListJobs", pb.ListJobsRequest()).jobs


# What a web page may put into JSON. An answer that names mallory would have believed it.
JSON: dict[str, Any] = {
    "userId": "mallory",
    "user_id": "mallory",
    "state": "SUCCEEDED",
    "cost": {"amount": {"currencyCode": "USD", "units": "-5"}},
    "provider": "mallory",
    "attempt": 99,
    "revision": "99",
    "outputs": [{"mediaId": "mallory"}],
    "createTime": "1999-01-01T00:00:00Z",
    "job": {"userId": "mallory"},
    "__proto__": {"userId": "mallory"},
    "constructor": {"prototype": {"userId": "mallory"}},
    "$ref": "mallory",
    "@type": "type.googleapis.com/rushes.v1.Job",
}


@pytest.mark.parametrize("place", ["body", "spec", "options"])
@pytest.mark.parametrize("name", JSON)
def test_a_word_in_json_that_means_nothing_changes_nothing(
    run: Running, name: str, place: str
) -> None:
    spec, options = {"prompt": "a boat", "model": "simulator-image"}, {"validateOnly": True}
    body: dict[str, Any] = {"spec": spec, "options": options}
    {"body": body, "spec": spec, "options": options}[place][name] = JSON[name]

    answer = run.rest("alice")("POST /v1/images:generate", body)

    assert answer.status in (200, 400)
    if answer.status == 200:
        job = answer.json["job"]
        assert (job["userId"], job["state"]) == ("alice", "QUEUED")
        assert "mallory" not in str(job)
        assert "attempt" not in job


@pytest.mark.parametrize("name", ["user_id", "userId", "owner", "is_admin", "X-User-Id", "sub"])
def test_a_word_in_a_query_that_means_nothing_shows_nobody_else_s(run: Running, name: str) -> None:
    body = {"spec": {"prompt": "a boat", "model": "simulator-image"}}
    made = run.rest("victim")("POST /v1/images:generate", body).json["job"]["jobId"]

    answer = run.rest("alice")(f"GET /v1/jobs?{name}=victim")

    assert answer.status in (200, 400)
    assert made not in answer.body.decode()
