"""Requests that no client means, made from the descriptors, and bytes that are no requests.

`ATTACK_EXAMPLES` is the number of requests that each method gets of each kind. It is small in a
usual test run; `make attack` sends more, at random instead of the same ones each time.
"""

import os
import random
import struct
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.ids import new_id
from rushes.v1 import media_service_pb2 as pb
from tests.house import House, Refusal
from tests.rpc.requests import image, png, store_picture
from tests.security.calls import METHODS, outcome, outcome_of, request_of, sender

Code = grpc.StatusCode
EXAMPLES = int(os.environ.get("ATTACK_EXAMPLES", "25"))
AT_RANDOM = "ATTACK_EXAMPLES" in os.environ
FORBIDDEN = {Code.INTERNAL, Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.DATA_LOSS, Code.ABORTED}
DEPTH = 5

FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=not AT_RANDOM,
    suppress_health_check=list(HealthCheck),
)
NUMBERS = [0, 1, -1, 2, 50, 1000, 1001, 2**31 - 1, -(2**31), 2**32, 2**53, 2**63 - 1, -(2**63)]
TEXTS = [
    *(
        "",
        "a boat",
        "simulator-image",
        "builtin-image",
        "builtin-video",
        "16:9",
        "720p",
        "1024x1024",
    ),
    *(
        "image/png",
        "USD",
        "EUR",
        "node=1",
        "=",
        "a=",
        "%",
        "'",
        "\0",
        "\x1b[2J",
        "\u202e",
        "\ufeff",
    ),
    *("sim:fail", "sim:what", "../../etc/passwd", "{}", "${x}", "a" * 300, "é" * 9000, "👩" * 500),
]
FLOATS = [0.0, -0.0, float("nan"), float("inf"), float("-inf"), 1e308]


class Known:
    """Ids and tokens of the caller, so that requests come further than their forms."""

    def __init__(self, served: House) -> None:
        alice = served.caller("alice")
        job = alice.call("GenerateImage", image()).job.job_id
        alice.call("GenerateImage", image())
        listed = alice.call("ListJobs", pb.ListJobsRequest(page_size=1))
        media = store_picture(alice)
        store_picture(alice, "navy")
        pages = alice.call("ListMedia", pb.ListMediaRequest(page_size=1)).next_page_token
        self.ids = [job, media, new_id(), "0", ""]
        self.tokens = [listed.next_page_token, listed.resume_token, pages, "x", ""]


@pytest.fixture(scope="module")
def known(served: House) -> Known:
    return Known(served)


def values(field: FieldDescriptor, known: Known, depth: int) -> st.SearchStrategy[Any]:
    """What one value of the field may be."""
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        return requests(field.message_type, known, depth + 1)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return st.one_of(st.integers(0, 10), st.integers(-(2**31), 2**31 - 1))
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return st.sampled_from(FLOATS)
    if kind != FieldDescriptor.CPPTYPE_STRING:
        bits = 31 if "32" in str(kind) or kind == FieldDescriptor.CPPTYPE_INT32 else 63
        fitting = [number for number in NUMBERS if -(2**bits) <= number < 2**bits]
        return st.one_of(st.sampled_from(fitting), st.integers(-(2**bits), 2**bits - 1))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.one_of(st.binary(max_size=50), st.sampled_from([b"", png(), png()[:60]]))
    text = st.one_of(
        st.sampled_from(TEXTS), st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
    )
    if field.name.endswith(("_id", "_ids", "retry_of")):
        return st.one_of(st.sampled_from(known.ids), text)
    return st.one_of(st.sampled_from(known.tokens), text) if "token" in field.name else text


def requests(of: Descriptor, known: Known, depth: int = 0) -> st.SearchStrategy[Any]:
    """Messages of the type with any fields set, at most DEPTH deep."""
    if depth > DEPTH or of.GetOptions().map_entry:
        return st.just(GetMessageClass(of)())
    fields = {field.name: field for field in of.fields}
    each = {name: _several(field, known, depth) for name, field in fields.items()}
    filled = st.fixed_dictionaries({}, optional=each)
    return filled.map(lambda chosen: _made(of, chosen))


def _several(field: FieldDescriptor, known: Known, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return st.dictionaries(
            st.one_of(st.sampled_from(["node", "a.b", "", "A"]), st.text(max_size=3)),
            st.sampled_from(TEXTS[:10]),
            max_size=3,
        )
    one = values(field, known, depth)
    return st.lists(one, max_size=4) if field.is_repeated else one


def _made(of: Descriptor, chosen: dict[str, Any]) -> Message:
    message = GetMessageClass(of)()
    for name, value in chosen.items():
        at: Any = getattr(message, name)
        if isinstance(value, dict):
            for key, text in value.items():
                at[_sound(key)] = text
        elif isinstance(value, list):
            at.extend(value)
        elif isinstance(value, Message):
            at.CopyFrom(value)
        else:
            setattr(message, name, value)
    return message


def _sound(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def assert_sound(answer: Any) -> None:
    """The server answered, or refused with a reason, and showed nothing of its inside."""
    if not isinstance(answer, Refusal):
        return
    assert answer.code not in FORBIDDEN, answer
    assert answer.reason, answer
    shown = f"{answer.message} {answer.metadata}"
    for inside in ("Traceback", 'File "', ".py", "Error(", "peewee", "sqlite", "google.protobuf"):
        assert inside not in shown


@pytest.mark.timeout(7200 if AT_RANDOM else 120)
@pytest.mark.parametrize("name", METHODS)
def test_any_request_gets_an_answer_or_a_reason(served: House, known: Known, name: str) -> None:
    method = METHODS[name]

    @FUZZED
    @given(requests(method.input_type, known))
    def send(request: Any) -> None:
        if method.name == "GetJob" and request.wait.seconds > 0:
            request.ClearField("wait")  # it would wait for a job that nobody runs
        assert_sound(outcome(served, "alice", method, request))

    send()
    assert served.caller("bob").call("ListModels", pb.ListModelsRequest()).models


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes with a few of them changed, cut, doubled or made up."""
    changed = bytearray(data or b"\x0a\x00")
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(7):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at:at] = chance.randbytes(chance.randint(1, 9))
            case 2:
                del changed[at : at + chance.randint(1, 5)]
            case 3:
                changed[at:at] = changed[: chance.randint(1, 40)]
            case 4:  # a length that lies
                changed[at:at] = b"\x0a" + b"\xff" * 4 + b"\x07"
            case 5:  # a number that is too long
                changed[at:at] = b"\x08" + b"\xff" * 11
            case _:  # groups in groups
                changed[at:at] = b"\x0b" * chance.randint(1, 200)
    return bytes(changed)


@pytest.mark.timeout(7200 if AT_RANDOM else 120)
@pytest.mark.parametrize("name", METHODS)
def test_bytes_that_are_nearly_a_request_get_an_answer_or_a_reason(
    served: House, known: Known, name: str
) -> None:
    method = METHODS[name]
    seed = os.urandom(8).hex() if AT_RANDOM else name
    chance = random.Random(seed)
    good = request_of(method)
    for field in method.input_type.fields:
        if field.name.endswith("_id"):
            setattr(good, field.name, known.ids[0])

    for number in range(4 * EXAMPLES):
        data = mutated(good.SerializeToString(), chance)
        answer = outcome(served, "alice", method, data)
        try:
            assert_sound(answer)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, number {number}: {data!r}") from error


NESTED = b"\x0a\x7f" * 3000
WIRE = {
    "no text in a text": b"\x0a\x02\xff\xfe",
    "a lone surrogate": b"\x0a\x03\xed\xa0\x80",
    "a text that is too long by one": b"\x0a\x02a",
    "a length of 4 GiB": b"\x0a\xff\xff\xff\xff\x0f",
    "a negative length": b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    "a number without end": b"\x08" + b"\xff" * 20,
    "field 0": b"\x00\x01",
    "the last field": struct.pack("<B", 0xF8) + b"\xff\xff\xff\x0f\x01",
    "a wire type that is none": b"\x0f\x01",
    "the other one": b"\x0e\x01",
    "the end of no group": b"\x0c",
    "a group without end": b"\x0b",
    "another group's end": b"\x0b\x14",
    "groups in groups": b"\x0b" * 50_000,
    "messages in messages": NESTED,
    "a field of another wire type": b"\x09" + b"\0" * 8,
    "a megabyte of zeros": b"\0" * 1_000_000,
    "a megabyte of one field": b"\x0a\x00" * 500_000,
    "JSON": b'{"job_id": "x"}',
    "XML": b"<?xml version='1.0'?><!DOCTYPE a SYSTEM 'http://127.0.0.1:9/'><a/>",
    "a pickle": b"cos\nsystem\n(S'true'\ntR.",
}


@pytest.mark.parametrize("kind", WIRE)
def test_what_is_no_message_is_refused_or_means_nothing(served: House, kind: str) -> None:
    for method in METHODS.values():
        assert_sound(outcome(served, "alice", method, WIRE[kind]))


@pytest.mark.parametrize("name", METHODS)
def test_strangers_bytes_are_not_looked_at(served: House, name: str) -> None:
    send = sender(served, METHODS[name])
    for data in WIRE.values():
        answer = outcome_of(METHODS[name], send, data, ())
        assert answer.code is Code.UNAUTHENTICATED
