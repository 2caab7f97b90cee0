"""Messages as JSON, compared with what protobuf's own function makes of them."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from rushes.v1 import admin_service_pb2, analysis_pb2, media_service_pb2, webhook_service_pb2
from server.mapping.as_json import as_json

FILES = (media_service_pb2, admin_service_pb2, analysis_pb2, webhook_service_pb2)
DEPTH = 6
WORDS = ("", "a", "é\u2028\n", "0" * 40)


def types() -> Iterator[Descriptor]:
    """Every message of the contract that these files and what they import have."""
    seen = set()
    files = [module.DESCRIPTOR for module in FILES]
    while files:
        file = files.pop()
        if file.name in seen or not file.name.startswith("rushes/"):
            continue
        seen.add(file.name)
        files += file.dependencies
        yield from file.message_types_by_name.values()


def filled(type: Descriptor, chance: random.Random, depth: int = 0) -> Message:
    """A message of the type with values by chance."""
    message = message_factory.GetMessageClass(type)()
    if type.full_name == "google.protobuf.Timestamp":
        nanos = chance.choice((0, 5_000_000, 999_000_000, 1, 123_456_000))
        return type._concrete_class(seconds=chance.randrange(2**32), nanos=nanos)
    if type.file.package == "google.protobuf":
        return message
    for field in type.fields:
        if chance.random() < 0.7:
            put(message, field, chance, depth)
    return message


def put(message: Any, field: FieldDescriptor, chance: random.Random, depth: int) -> None:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        value = kind.fields_by_name["value"]
        getattr(message, field.name).update({"": plain(value, chance), "b": plain(value, chance)})
    elif kind is not None and depth < DEPTH:
        count = chance.randrange(3) if field.is_repeated else 1
        inner = [filled(kind, chance, depth + 1) for _ in range(count)]
        if field.is_repeated:
            getattr(message, field.name).extend(inner)
        else:
            getattr(message, field.name).CopyFrom(inner[0])
    elif kind is None and field.is_repeated:
        getattr(message, field.name).extend(plain(field, chance) for _ in range(2))
    elif kind is None:
        setattr(message, field.name, plain(field, chance))


def plain(field: FieldDescriptor, chance: random.Random) -> Any:
    if field.enum_type is not None:
        return chance.choice([*(one.number for one in field.enum_type.values), 9999])
    return {
        FieldDescriptor.CPPTYPE_STRING: lambda: (
            chance.randbytes(5)
            if field.type == FieldDescriptor.TYPE_BYTES
            else chance.choice(WORDS)
        ),
        FieldDescriptor.CPPTYPE_BOOL: lambda: chance.choice((True, False)),
        FieldDescriptor.CPPTYPE_INT32: lambda: chance.randrange(-(2**31), 2**31),
        FieldDescriptor.CPPTYPE_UINT32: lambda: chance.randrange(2**32),
        FieldDescriptor.CPPTYPE_INT64: lambda: chance.randrange(-(2**63), 2**63),
        FieldDescriptor.CPPTYPE_UINT64: lambda: chance.randrange(2**64),
        FieldDescriptor.CPPTYPE_FLOAT: lambda: chance.choice((0.1, 1e30, float("inf"))),
        FieldDescriptor.CPPTYPE_DOUBLE: lambda: chance.choice((0.1, 1e300, float("-inf"))),
    }[field.cpp_type]()


@pytest.mark.parametrize("type", list(types()), ids=lambda type: type.full_name)
def test_every_message_is_as_protobuf_writes_it(type: Descriptor) -> None:
    for seed in range(30):
        message = filled(type, random.Random(seed))
        assert as_json(message) == MessageToDict(message)


def test_a_type_with_a_form_of_its_own_has_that() -> None:
    struct = descriptor_pool.Default().FindMessageTypeByName("google.protobuf.Struct")
    message = struct._concrete_class()
    message.update({"a": [1, None, {"b": True}]})
    assert as_json(message) == {"a": [1.0, None, {"b": True}]}
