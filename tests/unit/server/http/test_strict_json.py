"""A body passes only when it is the message that it means, and each refusal names the field."""

import json
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from core.errors import FieldInvalid
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import notification_service_pb2
from server.http.bindings import our_services
from server.http.strict_json import MOST_VALUES, check_body

VIDEO = pb.GenerateVideoRequest.DESCRIPTOR
UPDATE = pb.UpdateMediaRequest.DESCRIPTOR
BATCH = pb.BatchDeleteMediaRequest.DESCRIPTOR
SETTINGS = notification_service_pb2.UpdateNotificationSettingsRequest.DESCRIPTOR
ESTIMATE = pb.EstimateCostRequest.DESCRIPTOR


def wrong(body: Any, message: Descriptor = VIDEO) -> dict[str, str]:
    """The fields that are wrong, each with what would be right."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        check_body(sent, message)
    except FieldInvalid as error:
        return {one.field: one.description for one in error.violations}
    return {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", VIDEO),
        ({}, VIDEO),
        ({"spec": None, "options": None}, VIDEO),
        ({"spec": {"prompt": "Meer, Möwen \U0001f30a", "duration": "2.5s", "seed": "7"}}, VIDEO),
        ({"spec": {"negative_prompt": "a", "seed": 7.0}}, VIDEO),
        ({"spec": {"negativePrompt": "a", "firstFrame": {"content": "aGk="}}}, VIDEO),
        ({"spec": {"first_frame": {"content": "_-8"}}}, VIDEO),
        ({"options": {"validateOnly": True, "labels": {"node": "7", "a.b": "c"}}}, VIDEO),
        ({"options": {"maxCost": {"currencyCode": "USD", "units": "5", "nanos": 1}}}, VIDEO),
        ({"mediaIds": ["a", "b"], "permanent": False}, BATCH),
        ({"image": {"prompt": "sea"}, "models": ["a", "b"]}, ESTIMATE),
        (b'\r\n\t {"spec": {"prompt": "\\ud83c\\udf0a"}} ', VIDEO),
    ],
    ids=lambda value: value.name if isinstance(value, Descriptor) else repr(value),
)
def test_what_the_contract_says_passes(body: Any, message: Descriptor) -> None:
    assert wrong(body, message) == {}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"specs": {}}, "specs"),
        ({"options": {"validateOnyl": True}}, "options.validateOnyl"),
        ({"options": {"ValidateOnly": True}}, "options.ValidateOnly"),
        ({"options": {"validate-only": True}}, "options.validate-only"),
        ({"options": {"maxCost": {"unit": "5"}}}, "options.max_cost.unit"),
        ({"spec": {"references": [{}, {"contents": ""}]}}, "spec.references[1].contents"),
        ({"@type": "x"}, "@type"),
        ({"__proto__": {}}, "__proto__"),
        ({"": 1}, ""),
    ],
    ids=repr,
)
def test_a_field_that_is_not_there_is_named(body: Any, field: str) -> None:
    [(found, description)] = wrong(body).items()

    assert found == (field or "body")
    assert description.startswith("there is no such field")


def test_the_field_that_was_meant_is_named_too() -> None:
    found = wrong({"options": {"validateOnyl": True}})

    assert found["options.validateOnyl"] == "there is no such field; validateOnly is one"


@pytest.mark.parametrize(
    ("body", "field", "description"),
    [
        ([], "body", "must be an object"),
        ("text", "body", "must be an object"),
        (b"null", "body", "must be an object"),
        ({"spec": []}, "spec", "must be an object"),
        ({"spec": {"seed": "many"}}, "spec.seed", "must be a whole number of 64 bits"),
        ({"spec": {"seed": 2**63}}, "spec.seed", "must be a whole number of 64 bits"),
        ({"spec": {"seed": 1.5}}, "spec.seed", "must be a whole number of 64 bits"),
        ({"spec": {"seed": True}}, "spec.seed", "must be a whole number of 64 bits"),
        ({"spec": {"prompt": 7}}, "spec.prompt", "must be a text"),
        ({"spec": {"prompt": ["a"]}}, "spec.prompt", "must be a text"),
        ({"spec": {"prompt": "\ud800"}}, "spec.prompt", "must be a text"),
        ({"options": {"validateOnly": "true"}}, "options.validate_only", "must be true or false"),
        ({"options": {"validateOnly": 1}}, "options.validate_only", "must be true or false"),
        ({"spec": {"references": {}}}, "spec.references", "must be a list"),
        ({"spec": {"references": [None]}}, "spec.references[0]", "must be an object"),
        ({"spec": {"duration": 2}}, "spec.duration", 'must be a number of seconds such as "1.5s"'),
        ({"options": {"labels": []}}, "options.labels", "must be an object"),
        ({"options": {"labels": {"a": 1}}}, "options.labels.a", "must be a text"),
        ({"options": {"labels": {"a": None}}}, "options.labels.a", "must be a text"),
    ],
    ids=repr,
)
def test_a_value_of_another_kind_is_refused(body: Any, field: str, description: str) -> None:
    assert wrong(body) == {field: description}


@pytest.mark.parametrize("text", ["a", "aGk", "aGk= ", "aG!k", "aGk==", "=", "aGk=\n", "a===", "é"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    found = wrong({"spec": {"firstFrame": {"content": text}}})

    allowed = text == "aGk"  # padding may be left out
    assert found == ({} if allowed else {"spec.first_frame.content": "must be base64"})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"options": {"validateOnly": true, "validateOnly": false}}', "options.validateOnly"),
        (b'{"spec": {}, "options": {"labels": {"a": "1", "a": "2"}}}', "options.labels.a"),
        (b'{"spec": {}, "spec": {}}', "spec"),
    ],
)
def test_a_key_that_is_there_twice_is_refused(body: bytes, field: str) -> None:
    assert wrong(body) == {field: "is there twice"}


def test_two_spellings_of_one_field_are_refused() -> None:
    found = wrong({"options": {"validateOnly": True, "validate_only": False}})

    assert found == {"options.validate_only": "is there twice, in two spellings"}


def test_two_members_of_a_oneof_are_refused() -> None:
    found = wrong({"image": {}, "video": {}}, ESTIMATE)

    assert list(found.values()) in (["can't be set beside image"], ["can't be set beside video"])


@pytest.mark.parametrize(
    ("body", "description"),
    [
        (b"{no json", "is no JSON: see line 1, column 2"),
        (b"{'spec': {}}", "is no JSON: see line 1, column 2"),
        (b'{"spec": {},}', "is no JSON: see line 1, column 13"),
        (b'{"spec": {}} {}', "is no JSON: see line 1, column 14"),
        (b'{"spec": {"prompt": "a\nb"}}', "is no JSON: see line 1, column 23"),
        (b"\xef\xbb\xbf{}", "is no JSON: see line 1, column 1"),
        (b" ", "is no JSON: see line 1, column 2"),
        ('{"spec": {"prompt": "é"}}'.encode("latin-1"), "is not UTF-8"),
        ('{"spec": {}}'.encode("utf-16"), "is not UTF-8"),
        (b'{"spec": {"seed": NaN}}', "has a number that can't be read"),
        (b'{"spec": {"seed": -Infinity}}', "has a number that can't be read"),
        (b'{"spec": {"seed": 1' + b"0" * 5000 + b"}}", "has a number that can't be read"),
        (b'{"spec":' + b"[" * 10_000, "is nested too deeply"),
        (b'{"spec":' * 10_000, "is nested too deeply"),
        (b"[" + b"[]," * (MOST_VALUES // 2 + 1), f"has more than {MOST_VALUES} values"),
        (b"[" + b'"",' * (MOST_VALUES + 1), f"has more than {MOST_VALUES} values"),
        (b'["\\\\",' + b'"",' * (3 * MOST_VALUES), f"has more than {MOST_VALUES} values"),
        (b'{"a":"' + b'\\",' * (MOST_VALUES + 1), "is no JSON: see line 1, column 6"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_can_t_be_read_is_refused(body: bytes, description: str) -> None:
    assert wrong(body) == {"body": description}


def test_a_text_may_have_any_number_of_commas() -> None:
    text = ',[{"\\' * MOST_VALUES

    assert wrong({"spec": {"prompt": text, "negativePrompt": text}}) == {}


def test_a_callers_own_word_can_t_deceive_who_reads_the_error() -> None:
    found = wrong({"options": {"\x1b[2J\u202e\ud800" + "x" * 500: 1}})

    [field] = found
    assert field.startswith("options.?[2J??xxx")
    assert len(field) < 100


def test_a_list_of_what_is_wrong_ends() -> None:
    assert len(wrong({f"no{number}": 1 for number in range(10_000)})) == 20


def test_names_and_numbers_of_enums_are_known_ones() -> None:
    """By a message of the test's own, so that it holds whatever the contract has."""
    file = FileDescriptorProto(name="tea.proto", package="tea", syntax="proto3")
    kind = file.enum_type.add(name="Kind")
    kind.value.add(name="NONE", number=0)
    kind.value.add(name="GREEN", number=1)
    message = file.message_type.add(name="Tea")
    message.field.add(name="kind", number=1, type=14, label=1, type_name=".tea.Kind")
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    tea = pool.FindMessageTypeByName("tea.Tea")

    for right in ("GREEN", "green", 1, 0, None):
        assert wrong({"kind": right}, tea) == {}
    for no in ("BLACK", "1", "", 7, True, 1.0, []):
        assert wrong({"kind": no}, tea) == {"kind": "must be one of NONE, GREEN"}


@pytest.mark.parametrize("mask", ["", "title", "maxCost,labels", "settings.digest", "max_cost"])
def test_a_mask_is_names_with_commas_between(mask: str) -> None:
    assert wrong({"updateMask": mask}, SETTINGS) == {}
    for no in (f"{mask},", f",{mask}", f"{mask} ", 7, [mask], f"{mask}-x"):
        assert list(wrong({"updateMask": no}, SETTINGS)) == ["update_mask"]


def test_every_message_of_the_contract_can_be_checked() -> None:
    """Each field of each request takes the default of its kind in the contract's own JSON."""
    for service in our_services():
        for method in service.methods:
            assert wrong(whole(method.input_type), method.input_type) == {}, method.full_name


def whole(message: Descriptor) -> dict[str, Any]:
    """A value for each field, and for one field of each oneof, as JSON."""
    taken: set[str] = set()
    found = {}
    for field in message.fields:
        group = field.containing_oneof
        if group is None or group.name not in taken:
            if group is not None:
                taken.add(group.name)
            found[field.json_name] = _of(field)
    return found


def _of(field: FieldDescriptor) -> Any:
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        return {}
    return [_one(field)] if field.is_repeated else _one(field)


def _one(field: FieldDescriptor) -> Any:
    if field.message_type is not None:
        known = {"Timestamp": "2026-01-31T12:00:00Z", "Duration": "2s", "FieldMask": "a,b"}
        return known.get(field.message_type.name) or whole(field.message_type)
    if field.enum_type is not None:
        return field.enum_type.values[0].name
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "aGk="
    if field.type == FieldDescriptor.TYPE_STRING:
        return "text"
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    longs = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
    return "7" if field.cpp_type in longs else 7
