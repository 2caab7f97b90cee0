"""Prints tables for people and JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from core.times import utc


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints columns under their heads, each as wide as its longest cell."""
    lines = [tuple(head), *(tuple(map(_clean, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def print_json(value: Any) -> None:
    """Prints one object or list on one line."""
    print(json.dumps(value))


def clock(ms: int) -> str:
    """A point in time for people."""
    return f"{utc(ms):%Y-%m-%d %H:%M:%S} UTC"


def age(ms: int) -> str:
    """A time span for people: its two largest units."""
    seconds = max(ms, 0) // 1000
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count or parts or unit == "s":
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def _clean(text: str) -> str:
    """The text without terminal codes: user names come from tokens."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
