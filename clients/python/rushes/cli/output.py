"""What is printed: results on stdout, the rest on stderr, nothing that could steer a terminal."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Control characters, line and paragraph separators, lone surrogates.
_UNSAFE = frozenset({"Cc", "Zl", "Zp", "Cs"})
# Format characters that turn the direction of the text around them.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    """One line of text from the server, unable to colour, move, hide or reverse anything."""
    return "".join(_clean(character) for character in text)


def _clean(character: str) -> str:
    if character in "\t\r\n":
        return " "
    if character in _TURNING or unicodedata.category(character) in _UNSAFE:
        return "\N{REPLACEMENT CHARACTER}"
    return character


def say(text: str) -> None:
    """One line of result."""
    print(_printable(clean(text), sys.stdout.encoding), flush=True)


def note(text: str) -> None:
    """One line for people, beside the result."""
    print(_printable(clean(text), sys.stderr.encoding), file=sys.stderr, flush=True)


def say_json(message: Message | dict[str, Any]) -> None:
    """One JSON object on a line, as REST writes it."""
    value = MessageToDict(message) if isinstance(message, Message) else message
    print(json.dumps(value), flush=True)


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere one line per row with tabs between, and no heading."""
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(_printable(clean(cell), sys.stdout.encoding) for cell in row))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(
            column, no_wrap=number == 0, overflow="fold" if number == 0 else "ellipsis"
        )
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    Console().print(table)


def has_room(columns: int) -> bool:
    """Whether a table of that width fits; scripts have room for everything."""
    return not sys.stdout.isatty() or Console().width >= columns


def money(amount: Money) -> str:
    """An amount with its currency: at least two digits after the point, and no rounding."""
    digits = f"{abs(amount.nanos):09d}".rstrip("0").ljust(2, "0")
    sign = "-" if amount.units < 0 or amount.nanos < 0 else ""
    return f"{sign}{abs(amount.units)}.{digits} {amount.currency_code}".strip()


def local_time(time: Timestamp) -> str:
    """A point in time on this machine's clock."""
    point = datetime.fromtimestamp(time.seconds, UTC).astimezone()
    return point.strftime("%Y-%m-%d %H:%M:%S")


def shorten(text: str, length: int = 60) -> str:
    """The beginning of a long text, on a terminal only: scripts get all of it."""
    if len(text) <= length or not sys.stdout.isatty():
        return text
    return text[: length - 1].rstrip() + "…"


def _printable(text: str, encoding: str | None) -> str:
    """What a terminal that is no UTF-8 can't show becomes a question mark instead of a crash."""
    name = encoding or "utf-8"
    return text.encode(name, "replace").decode(name)
