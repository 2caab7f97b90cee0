"""Messages joined by hand, of parts that are serialized once and used many times.

In protobuf, the fields of a message may stand in any order, and a message inside another is its
tag, its length and its bytes (https://protobuf.dev/programming-guides/encoding/).
"""

from typing import Any

_LENGTH_DELIMITED = 2
_SHORT = [bytes([value]) for value in range(0x80)]


def tag_of(message: Any, field: str) -> bytes:
    """The tag of a field that holds a message, a string or bytes."""
    number = message.DESCRIPTOR.fields_by_name[field].number
    return varint(number << 3 | _LENGTH_DELIMITED)


def within(tag: bytes, body: bytes) -> bytes:
    """The serialized message as the field with the tag."""
    return tag + varint(len(body)) + body


def varint(value: int) -> bytes:
    """A number that is not negative."""
    if value < len(_SHORT):
        return _SHORT[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
