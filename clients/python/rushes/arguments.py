"""Checks the keyword arguments of the client's methods, and names the wrong one."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from rushes.errors import InvalidArgument

Filled = TypeVar("Filled", bound=Message)
_TAKES = {
    FieldDescriptor.CPPTYPE_STRING: "a text",
    FieldDescriptor.CPPTYPE_BOOL: "True or False",
    FieldDescriptor.CPPTYPE_INT32: "a whole number of at most 32 bits",
    FieldDescriptor.CPPTYPE_INT64: "a whole number of at most 64 bits",
    FieldDescriptor.CPPTYPE_ENUM: "a name of its enum",
}


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuses a keyword that is not known.

    Raises:
        InvalidArgument: naming the keyword and the closest known one, or else all of them.
    """
    choices = sorted(known)
    for name in given:
        if name not in choices:
            close = get_close_matches(name, choices, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(choices)}"
            raise InvalidArgument(name, f"there is no such argument; {hint}")


def filled(kind: type[Filled], values: Mapping[str, Any]) -> Filled:
    """A message of the given values.

    Raises:
        InvalidArgument: when a value does not fit into its field; it names the field.
    """
    try:
        return kind(**values)
    except (TypeError, ValueError):
        for name, value in values.items():
            _check_value(kind, name, value)
        raise


def _check_value(kind: type[Message], name: str, value: Any) -> None:
    try:
        kind(**{name: value})
    except (TypeError, ValueError):
        field = kind.DESCRIPTOR.fields_by_name[name]
        takes = _TAKES.get(field.cpp_type, "another type")
        raise InvalidArgument(name, f"takes {takes}, not {value!r}") from None
