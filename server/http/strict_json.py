"""Reads a JSON body as strictly as the contract says, so that a misspelt field is never dropped.

The edge's transcoder decodes what passes here. It takes more than JSON allows (single quotes, keys
twice) and drops fields that it does not know; of what passes here it makes the same message.
"""

import binascii
import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from core.errors import FieldInvalid, FieldViolation, field_invalid

BODY = "body"
# Many times what any call takes. A value of two bytes may need a hundred as an object, so they are
# counted before any is made.
MOST_VALUES = 20_000
_MOST_VIOLATIONS = 20
_MOST_SHOWN = 64
# Control characters, halves of characters, and what turns the text around it.
_DECEPTIVE = re.compile(r"[^\w !-~]")
_HALF = re.compile(r"[\ud800-\udfff]")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_MASK = "google.protobuf.FieldMask"
_MASKS = re.compile(r"(?:[A-Za-z][\w.]*(?:,[A-Za-z][\w.]*)*)?", re.ASCII)
_FORMS = {
    "google.protobuf.Timestamp": 'a time such as "2026-01-31T12:00:00Z"',
    "google.protobuf.Duration": 'a number of seconds such as "1.5s"',
    _MASK: 'names of fields with commas between, such as "title,labels"',
}
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: "a whole number of 32 bits",
    FieldDescriptor.CPPTYPE_UINT32: "a whole number of 32 bits, from 0",
    FieldDescriptor.CPPTYPE_INT64: "a whole number of 64 bits",
    FieldDescriptor.CPPTYPE_UINT64: "a whole number of 64 bits, from 0",
}
_SCALARS = {
    **_INTEGERS,
    FieldDescriptor.CPPTYPE_BOOL: "true or false",
    FieldDescriptor.CPPTYPE_FLOAT: "a number",
    FieldDescriptor.CPPTYPE_DOUBLE: "a number",
    FieldDescriptor.CPPTYPE_STRING: "a text",
}


class _Object(dict[str, Any]):
    """A JSON object that remembers which keys it had twice."""

    twice: tuple[str, ...] = ()


def check_body(body: bytes, message: Descriptor, in_path: frozenset[str] = frozenset()) -> None:
    """Refuses a body that is not exactly a `message` as JSON. An empty one is the empty message.

    Fields that are `in_path` may not be in the body too: it would win over the path.

    Raises:
        FieldInvalid: it names each field that is wrong, or `body` when it can't be read at all.
    """
    if not body:
        return
    found = list(islice(_message(_parse(body), message, "", in_path), _MOST_VIOLATIONS))
    if found:
        raise FieldInvalid(*found)


def check_query(query: str, message: Descriptor, in_path: frozenset[str]) -> None:
    """Refuses parameters of a call without a body that are no fields, or are told more than once.

    One that is `in_path` too would win over the path. Their values are the transcoder's business.

    Raises:
        FieldInvalid: it names each parameter that is wrong.
    """
    found: list[FieldViolation] = []
    seen: set[str] = set()
    for name, _ in parse_qsl(query, keep_blank_values=True):
        first, _, rest = name.partition(".")
        field = _fields(message).get(first)
        if field is None:
            found.append(_wrong(_shown(name), _unknown(message, name)))
        elif field.name in in_path:
            found.append(_wrong(field.name, "is in the path already"))
        elif field.name in seen and not rest and not field.is_repeated:
            found.append(_wrong(field.name, "is there twice"))
        seen.add(field.name if field else "")
    if found:
        raise FieldInvalid(*found[:_MOST_VIOLATIONS])


def refuse_query(query: str) -> None:
    """Refuses all parameters: those of a call with a body would win over its body.

    Raises:
        FieldInvalid: it names each parameter.
    """
    names = [_shown(name) for name, _ in parse_qsl(query, keep_blank_values=True)]
    if names:
        why = "is no parameter of this call, whose fields are in its body"
        raise FieldInvalid(*(_wrong(name, why) for name in names[:_MOST_VIOLATIONS]))


def _parse(body: bytes) -> Any:
    """
    Raises:
        FieldInvalid: when it is no JSON.
    """
    if _has_too_many_values(body):
        raise field_invalid(BODY, f"has more than {MOST_VALUES} values")
    try:
        return json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant
        )
    except UnicodeDecodeError:
        raise field_invalid(BODY, "is not UTF-8") from None
    except RecursionError:
        raise field_invalid(BODY, "is nested too deeply") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise field_invalid(BODY, f"is no JSON: see {where}") from None
    except ValueError:
        raise field_invalid(BODY, "has a number that can't be read") from None


def _has_too_many_values(body: bytes) -> bool:
    if _signs(body) <= MOST_VALUES:
        return False
    # Texts have commas too, so they are left out. This must stay linear whatever the body is.
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 4 * MOST_VALUES:
        return True
    return _signs(b"".join(bare.split(b'"')[::2])) > MOST_VALUES


def _signs(text: bytes) -> int:
    """How often a value may begin."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        made.twice = tuple(name for name, count in counts.items() if count > 1)
    return made


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _message(
    value: Any, message: Descriptor, at: str, in_path: frozenset[str] = frozenset()
) -> Iterator[FieldViolation]:
    if not isinstance(value, _Object):
        yield _wrong(at, "must be an object")
        return
    yield from (_wrong(_join(at, _shown(name)), "is there twice") for name in value.twice)
    seen: set[str] = set()
    members: dict[str, str] = {}
    for name, item in value.items():
        field = _fields(message).get(name)
        if field is None:
            yield _wrong(_join(at, _shown(name)), _unknown(message, name))
            continue
        place = _join(at, field.name)
        if field.name in seen:
            yield _wrong(place, "is there twice, in two spellings")
        if field.name in in_path:
            yield _wrong(place, "is in the path already")
        seen.add(field.name)
        if item is None:
            continue
        group = field.containing_oneof
        if group is not None:
            if group.name in members:
                yield _wrong(place, f"can't be set beside {members[group.name]}")
            members[group.name] = field.name
        yield from _value(item, field, place)


def _value(item: Any, field: FieldDescriptor, at: str) -> Iterator[FieldViolation]:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        yield from _map(item, entry, at)
    elif not field.is_repeated:
        yield from _single(item, field, at)
    elif isinstance(item, list):
        for number, one in enumerate(item):
            yield from _single(one, field, f"{at}[{number}]")
    else:
        yield _wrong(at, "must be a list")


def _map(item: Any, entry: Descriptor, at: str) -> Iterator[FieldViolation]:
    if not isinstance(item, _Object):
        yield _wrong(at, "must be an object")
        return
    yield from (_wrong(_join(at, _shown(key)), "is there twice") for key in item.twice)
    for key, one in item.items():
        place = _join(at, _shown(key))
        if not _fits(key, entry.fields_by_name["key"]):
            yield _wrong(place, "is no key that can stand here")
        yield from _single(one, entry.fields_by_name["value"], place)


def _single(item: Any, field: FieldDescriptor, at: str) -> Iterator[FieldViolation]:
    message = field.message_type
    if message is not None and not message.full_name.startswith("google.protobuf."):
        yield from _message(item, message, at)
    elif not _fits(item, field):
        yield _wrong(at, f"must be {_form(field)}")


def _fits(item: Any, field: FieldDescriptor) -> bool:
    """Whether a value that has no fields of ours can stand in the field."""
    if field.enum_type is not None:
        return _is_known(item, field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return isinstance(item, str) and _is_base64(item)
    if field.type == FieldDescriptor.TYPE_STRING:
        return isinstance(item, str) and not _HALF.search(item)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return isinstance(item, bool)
    return _is_parsed(item, field)


def _is_parsed(item: Any, field: FieldDescriptor) -> bool:
    """Whether json_format, which knows the forms and ranges of numbers and times, takes it."""
    if field.message_type is not None and field.message_type.full_name == _MASK:
        return isinstance(item, str) and _MASKS.fullmatch(item) is not None
    if field.message_type is None:
        assert field.containing_type is not None
        holder: Any = GetMessageClass(field.containing_type)
        item = {field.json_name: [item] if field.is_repeated else item}
    else:
        holder = GetMessageClass(field.message_type)
    try:
        json_format.ParseDict(item, holder())
    except (json_format.ParseError, ValueError, TypeError, AttributeError):
        return False
    return True


def _is_known(item: Any, enum: EnumDescriptor) -> bool:
    if isinstance(item, str):
        return item.upper() in enum.values_by_name
    return isinstance(item, int) and not isinstance(item, bool) and item in enum.values_by_number


def _is_base64(text: str) -> bool:
    if not _BASE64.fullmatch(text):
        return False
    bare = text.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    try:
        binascii.a2b_base64(bare + "=" * (-len(bare) % 4), strict_mode=True)
    except binascii.Error:
        return False
    return len(text) % 4 == 0 or "=" not in text


def _form(field: FieldDescriptor) -> str:
    if field.enum_type is not None:
        return f"one of {', '.join(field.enum_type.values_by_name)}"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "base64"
    if field.message_type is not None:
        name = str(field.message_type.full_name)
        return _FORMS.get(name, f"a {name.rpartition('.')[2]} as JSON")
    return _SCALARS[field.cpp_type]


@cache
def _fields(message: Descriptor) -> Mapping[str, FieldDescriptor]:
    """The fields by their names in JSON and in the proto."""
    in_proto = {field.name: field for field in message.fields}
    return in_proto | {field.json_name: field for field in message.fields}


def _unknown(message: Descriptor, name: str) -> str:
    known = [field.json_name for field in message.fields]
    near = difflib.get_close_matches(name[:_MOST_SHOWN], known, 1)
    return f"there is no such field{f'; {near[0]} is one' if near else ''}"


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _shown(name: str) -> str:
    """A caller's own word, as it can stand in an error."""
    text = _DECEPTIVE.sub("?", name)
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"


def _wrong(at: str, description: str) -> FieldViolation:
    return FieldViolation(at or BODY, description)
