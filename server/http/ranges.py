"""Range requests and conditions (RFC 9110, sections 13 and 14)."""

import re
from dataclasses import dataclass

# Bounded digits: int() of a longer text costs time, and no blob is that large.
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int


class Unsatisfiable(Exception):
    """The range lies outside the blob."""


def parse_range(header: str | None, size: int) -> Span | None:
    """The one range that is asked for; None when the whole blob must be sent.

    That is so without a header, with a malformed one, with another unit, or with several ranges.

    Raises:
        Unsatisfiable: when no byte of the blob is in the range.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise Unsatisfiable
    return Span(start, end)


def parse_content_range(header: str, size: int) -> Span:
    """The bytes of a file of `size` bytes that a request sends.

    Raises:
        Unsatisfiable: when it is malformed, names another size, or goes beyond it.
    """
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        raise Unsatisfiable
    first, last, of = map(int, match.groups())
    if of != size or not first <= last < size:
        raise Unsatisfiable
    return Span(first, last + 1)


def matches(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names the entity tag, by weak comparison."""
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags


def range_applies(if_range: str | None, etag: str) -> bool:
    """Whether a range may be served under this If-Range header.

    A date never matches, because this server sends none.
    """
    return if_range is None or if_range.strip() == etag
