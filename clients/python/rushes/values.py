"""Python values as parts of a message. Only input files are read."""

import os
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from rushes.fields import Amount, MediaSource, Seconds
from rushes.v1.job_pb2 import MediaInput
from rushes.v1.media_pb2 import Media

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def is_id(text: str) -> bool:
    """Whether a text has the form of a job's or a media item's ID."""
    return _ID.fullmatch(text) is not None


def media_input(source: MediaSource, field: str = "input") -> MediaInput:
    """An input from bytes, a file's path, a media ID, a media item, an address, or as it is.

    Raises:
        ValueError: when a text is neither a media ID nor the path of a file; it names `field`.
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
    raise TypeError(f"{field}: takes a path, bytes, a media ID or a Media, not {kind}")


def enum_number(value: int | str, kind: EnumDescriptor, field: str) -> int:
    """The number of an enum's value, which may be named in upper or lower case.

    Raises:
        ValueError: when there is no such value; it names `field` and the choices.
    """
    if not isinstance(value, str):
        return value
    found = kind.values_by_name.get(value.upper())
    if found is None:
        choices = ", ".join(choice.name.lower() for choice in kind.values if choice.number)
        raise ValueError(f"{field}: {value!r} is not one of {choices}")
    return found.number


def label_filter(labels: Mapping[str, str] | None) -> list[str]:
    """Labels as a list filter names them."""
    return [f"{key}={value}" for key, value in (labels or {}).items()]


def to_duration(value: Seconds | None) -> Duration | None:
    """Seconds as a message; None stays unset."""
    if value is None:
        return None
    duration = Duration()
    duration.FromTimedelta(value if isinstance(value, timedelta) else timedelta(seconds=value))
    return duration


def to_timestamp(value: datetime | None) -> Timestamp | None:
    """A point in time as a message; one without a zone is in UTC. None stays unset."""
    if value is None:
        return None
    timestamp = Timestamp()
    timestamp.FromDatetime(value)
    return timestamp


def to_money(value: Amount | None) -> Money | None:
    """An amount as a message; without a currency it is in the server's. None stays unset.

    Raises:
        ValueError: when it is not an amount, or has more than nine decimals.
    """
    if value is None or isinstance(value, Money):
        return value
    text, _, currency = str(value).strip().partition(" ")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        text = f"{value!r} is not an amount; write for example 0.50 or 0.50 USD"
        raise ValueError(text) from None
    nanos = amount.scaleb(9)
    if not amount.is_finite() or nanos != int(nanos):
        raise ValueError(f"{value!r} is not an amount of at most nine decimals")
    units, rest = divmod(abs(int(nanos)), 10**9)
    sign = -1 if amount < 0 else 1
    return Money(currency_code=currency.strip(), units=sign * units, nanos=sign * rest)


def _named_input(text: str, field: str) -> MediaInput:
    if is_id(text):
        return MediaInput(media_id=text)
    if text.startswith(("http://", "https://")):
        return MediaInput(uri=text)
    if not Path(text).is_file():
        raise ValueError(f"{field}: {text!r} is neither a media ID nor a file")
    return MediaInput(content=Path(text).read_bytes())
