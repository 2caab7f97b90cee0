"""Small values: times, durations, money and enum names."""

from enum import StrEnum
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

_MICROS = 1_000_000


def timestamp(ms: int | None) -> Timestamp | None:
    """A point in time from milliseconds of the epoch."""
    if ms is None:
        return None
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def duration(ms: int | None) -> Duration | None:
    """A time span that is not negative, from milliseconds."""
    if ms is None:
        return None
    return Duration(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def money(micros: int | None, currency: str) -> Any:
    """An amount from micro-units; units and nanos carry the same sign."""
    if micros is None:
        return None
    sign = -1 if micros < 0 else 1
    units, rest = divmod(abs(micros), _MICROS)
    return Money(currency_code=currency, units=sign * units, nanos=sign * rest * 1000)


def enum_value(enum: Any, name: StrEnum | str) -> Any:
    """The number of a domain name in a proto enum; 0 for none."""
    return enum.Value(str(name)) if name else 0
