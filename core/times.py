"""Times: integer milliseconds of the database, as dates in UTC and as text."""

from datetime import UTC, datetime


def utc(time_ms: int) -> datetime:
    """The time as a date in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def iso(time_ms: int) -> str:
    """The time as in RFC 3339, with milliseconds."""
    return utc(time_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
