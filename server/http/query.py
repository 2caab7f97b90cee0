"""Query parameters as fields of a request, by the rules of the edge's transcoder."""

from collections.abc import Iterable
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from core.errors import FieldInvalid, FieldViolation

M = TypeVar("M", bound=Message)
_TRUTHS = {"true": True, "false": False}
# JSON writes these as texts.
_TEXTS = {"google.protobuf.Duration", "google.protobuf.Timestamp"}


def read_query(pairs: Iterable[tuple[str, str]], request: M) -> M:
    """Sets the fields that the parameters name, in snake_case or camelCase, and gives it back.

    A repeated field takes a parameter for each value. Enums go by name, durations as "30s".

    Raises:
        FieldInvalid: naming each parameter that is unknown, given twice, or has a wrong value.
    """
    wrong: list[FieldViolation] = []
    given: set[str] = set()
    message: Any = request.DESCRIPTOR
    for name, text in pairs:
        field = _field(message, name)
        if field is None:
            wrong.append(FieldViolation(name, "there is no such parameter"))
        elif field.name in given and not field.is_repeated:
            wrong.append(FieldViolation(name, "is given more than once"))
        else:
            given.add(field.name)
            try:
                _add(request, field, text)
            except (json_format.ParseError, ValueError):
                wrong.append(FieldViolation(name, f"must be {_expected(field)}"))
    if wrong:
        raise FieldInvalid(*wrong)
    return request


def _field(message: Descriptor, name: str) -> FieldDescriptor | None:
    field = message.fields_by_name.get(name) or message.fields_by_camelcase_name.get(name)
    if field is None or (field.message_type and field.message_type.full_name not in _TEXTS):
        return None
    return field


def _add(request: Message, field: FieldDescriptor, text: str) -> None:
    value: Any = text
    if field.type == FieldDescriptor.TYPE_BOOL:
        if text not in _TRUTHS:
            raise ValueError(text)
        value = _TRUTHS[text]
    elif field.enum_type:
        value = text.upper()
    one = type(request)()
    json_format.ParseDict({field.name: [value] if field.is_repeated else value}, one)
    request.MergeFrom(one)


def _expected(field: FieldDescriptor) -> str:
    if field.message_type:
        return "seconds, such as 30s" if field.message_type.name == "Duration" else "a time"
    if field.enum_type:
        names = [value.name for value in field.enum_type.values if value.number]
        return f"one of {', '.join(names)}"
    return "true or false" if field.type == FieldDescriptor.TYPE_BOOL else "a number"
