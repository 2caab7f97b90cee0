"""Python values as parts of a message. Only input files are read."""

import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from rushes.errors import InvalidArgument
from rushes.fields import Amount, MediaSource, Seconds
from rushes.v1.job_pb2 import MediaInput
from rushes.v1.media_pb2 import Media

Item = TypeVar("Item")
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# The decimal arithmetic is exact to 28 digits, of which nine are decimals.
_TOO_MUCH = 10**18


def is_id(text: str) -> bool:
    """Whether a text has the form of a job's or a media item's ID."""
    return _ID.fullmatch(text) is not None


def media_input(source: MediaSource, field: str = "input") -> MediaInput:
    """An input from bytes, a file's path, a media ID, a media item, an address, or as it is.

    Raises:
        InvalidArgument: when it is nothing of these; it names `field`.
        OSError: when the file can't be read.
    """
    if isinstance(source, MediaInput):
        return source
    if isinstance(source, Media):
        return MediaInput(media_id=source.media_id)
    if isinstance(source, bytes):
        return MediaInput(content=source)
    if isinstance(source, str):
        return _named_input(source, field)
    if isinstance(source, os.PathLike):
        return MediaInput(content=Path(source).read_bytes())
    kind = type(source).__name__
    raise InvalidArgument(field, f"takes a path, bytes, a media ID or a Media, not {kind}")


def content_size(source: MediaSource) -> int:
    """How many bytes of its own an input brings; none when it names something else.

    Raises:
        OSError: when it is a file that can't be read.
    """
    if isinstance(source, bytes):
        return len(source)
    if isinstance(source, MediaInput):
        return len(source.content)
    named = isinstance(source, str) and (is_id(source) or not Path(source).is_file())
    if named or not isinstance(source, str | os.PathLike):
        return 0
    return Path(source).stat().st_size


def enum_number(value: int | str, kind: EnumDescriptor, field: str) -> int:
    """The number of an enum's value, which may be named in upper or lower case.

    Raises:
        InvalidArgument: when there is no such value; it names `field` and the choices.
    """
    if not isinstance(value, str):
        return value
    found = kind.values_by_name.get(value.upper())
    if found is None:
        choices = ", ".join(choice.name.lower() for choice in kind.values if choice.number)
        raise InvalidArgument(field, f"{value!r} is not one of {choices}")
    return found.number


def items_of(value: Iterable[Item] | None) -> list[Item]:
    """The items of a list; a lone item, such as one text, counts as a list of one."""
    if value is None:
        return []
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return [value]  # type: ignore[list-item]
    return list(value)


def to_labels(labels: Mapping[str, str] | None, field: str = "labels") -> dict[str, str]:
    """Labels as a dictionary of texts.

    Raises:
        InvalidArgument: when they are something else; it names `field`.
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        text = f'takes a mapping of texts such as {{"node": "7"}}, not {type(labels).__name__}'
        raise InvalidArgument(field, text)
    for key, value in labels.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise InvalidArgument(field, f"{key!r}: {value!r} is not a pair of texts")
    return dict(labels)


def label_filter(labels: Mapping[str, str] | None) -> list[str]:
    """Labels as a list filter names them."""
    return [f"{key}={value}" for key, value in to_labels(labels).items()]


def to_duration(value: Seconds | None, field: str) -> Duration | None:
    """Seconds as a message; None stays unset.

    Raises:
        InvalidArgument: when it is not a length of time; it names `field`.
    """
    if value is None:
        return None
    duration = Duration()
    try:
        duration.FromTimedelta(value if isinstance(value, timedelta) else timedelta(seconds=value))
    except (TypeError, ValueError, OverflowError):
        text = f"{value!r} is neither a number of seconds nor a timedelta; write for example 8"
        raise InvalidArgument(field, text) from None
    return duration


def to_timestamp(value: datetime | None, field: str) -> Timestamp | None:
    """A point in time as a message; one without a zone is in UTC. None stays unset.

    Raises:
        InvalidArgument: when it is not a datetime; it names `field`.
    """
    if value is None:
        return None
    if not isinstance(value, datetime):
        text = f"{value!r} is not a datetime; write for example datetime(2026, 1, 31, tzinfo=UTC)"
        raise InvalidArgument(field, text)
    timestamp = Timestamp()
    timestamp.FromDatetime(value)
    return timestamp


def to_money(value: Amount | None, field: str) -> Money | None:
    """An amount as a message; without a currency it is in the server's. None stays unset.

    Raises:
        InvalidArgument: when it is not an amount, or has more than nine decimals; it names `field`.
    """
    if value is None or isinstance(value, Money):
        return value
    text, _, currency = str(value).strip().partition(" ")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        text = f"{value!r} is not an amount; write for example 0.50 or 0.50 USD"
        raise InvalidArgument(field, text) from None
    if not amount.is_finite() or abs(amount) >= _TOO_MUCH or amount != round(amount, 9):
        raise InvalidArgument(field, f"{value!r} is not an amount of at most nine decimals")
    units, rest = divmod(abs(int(amount.scaleb(9))), 10**9)
    sign = -1 if amount < 0 else 1
    return Money(currency_code=currency.strip(), units=sign * units, nanos=sign * rest)


def _named_input(text: str, field: str) -> MediaInput:
    if is_id(text):
        return MediaInput(media_id=text)
    if text.startswith(("http://", "https://")):
        return MediaInput(uri=text)
    if not Path(text).is_file():
        raise InvalidArgument(field, f"{text!r} is neither a media ID nor a file")
    return MediaInput(content=Path(text).read_bytes())
