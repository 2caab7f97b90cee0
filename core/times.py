"""Times: integer milliseconds of the database, as dates in UTC and as text."""

import functools
from datetime import UTC, datetime


def utc(time_ms: int) -> datetime:
    """The time as a date in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def iso(time_ms: int) -> str:
    """The time as in RFC 3339, with milliseconds."""
    seconds, ms = divmod(time_ms, 1000)
    return f"{iso_second(seconds)}.{ms:03d}Z"


@functools.lru_cache(4096)
def iso_second(seconds: int) -> str:
    """The second as in RFC 3339, without the Z at its end."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")
