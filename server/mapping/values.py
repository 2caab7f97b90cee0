"""Small values: times, durations, money and enum names.

A message inside a message is given as the values of its fields, by name. The constructor around it
takes that at a third of the price of a message of its own, which it would copy.
"""

import functools
from enum import StrEnum
from typing import Any

_MICROS = 1_000_000


def timestamp(ms: int | None) -> Any:
    """A google.protobuf.Timestamp from milliseconds of the epoch."""
    if ms is None:
        return None
    return {"seconds": ms // 1000, "nanos": ms % 1000 * 1_000_000}


def duration(ms: int | None) -> Any:
    """A google.protobuf.Duration that is not negative, from milliseconds."""
    if ms is None:
        return None
    return {"seconds": ms // 1000, "nanos": ms % 1000 * 1_000_000}


def money(micros: int | None, currency: str) -> Any:
    """A google.type.Money from micro-units; units and nanos carry the same sign."""
    if micros is None:
        return None
    sign = -1 if micros < 0 else 1
    units, rest = divmod(abs(micros), _MICROS)
    return {"currency_code": currency, "units": sign * units, "nanos": sign * rest * 1000}


@functools.cache
def enum_value(enum: Any, name: StrEnum | str) -> Any:
    """The number of a domain name in a proto enum; 0 for none."""
    return enum.Value(str(name)) if name else 0
