"""Prints results on stdout and the rest on stderr, without control characters."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Spaces between the columns of a table.
GAP = 2
# The last column wraps; it needs no more room than this.
WRAPPED = 24
# Control characters, line and paragraph separators, lone surrogates.
_UNSAFE = frozenset({"Cc", "Zl", "Zp", "Cs"})
# Format characters that turn the direction of the text around them.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Characters that show nothing: the byte order mark, annotations, and tags, which can spell words.
_HIDDEN = frozenset("\ufeff\ufff9\ufffa\ufffb" + "".join(map(chr, range(0xE0000, 0xE0080))))


def clean(text: str) -> str:
    """One line of text from the server, unable to colour, move, hide or reverse anything."""
    return "".join(_clean(character) for character in text)


def _clean(character: str) -> str:
    if character in "\t\r\n":
        return " "
    if character in _TURNING or character in _HIDDEN or unicodedata.category(character) in _UNSAFE:
        return "\N{REPLACEMENT CHARACTER}"
    return character


def say(text: str) -> None:
    """Prints one line of the result."""
    print(_printable(clean(text), sys.stdout.encoding), flush=True)


def note(text: str) -> None:
    """Prints one line for people on stderr; with --json as {"note": text}."""
    if _aside.as_json:
        _aside.write({"note": text})
    else:
        _aside.write_line(text)


def warn(text: str) -> None:
    """Prints a warning of the server on stderr; with --json as {"warning": text}."""
    if _aside.as_json:
        _aside.write({"warning": text})
    else:
        _aside.write_line(f"Warning: {text}")


def complain(text: str, fields: Mapping[str, Any] | None = None) -> None:
    """Prints an error on stderr; with --json as an object with its message and `fields`."""
    if _aside.as_json:
        _aside.write({"message": text, "reason": "", **(fields or {})})
    else:
        _aside.write_line(text)


def use_json_aside() -> None:
    """Makes `note`, `warn` and `complain` print JSON objects from now on."""
    _aside.as_json = True


class _Aside:
    """Writes to stderr."""

    as_json = False

    def write(self, value: Mapping[str, Any]) -> None:
        print(json.dumps(value), file=sys.stderr, flush=True)

    def write_line(self, text: str) -> None:
        print(_printable(clean(text), sys.stderr.encoding), file=sys.stderr, flush=True)


_aside = _Aside()


def say_json(message: Message | dict[str, Any]) -> None:
    """Prints one JSON object on a line, in the form of the REST API."""
    value = MessageToDict(message) if isinstance(message, Message) else message
    print(json.dumps(value), flush=True)


def say_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], spare: Sequence[str] = ()
) -> None:
    """A table on a terminal; elsewhere one line per row with tabs between, and no heading.

    spare: columns that a terminal leaves out, the last of them first, until the rest fits.
    """
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(_printable(clean(cell), sys.stdout.encoding) for cell in row))
        return
    cells = [[clean(cell) for cell in row] for row in rows]
    shown = _fitting(columns, cells, spare, Console().width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number in shown:
        overflow: Any = "fold" if number == shown[0] else "ellipsis"
        table.add_column(columns[number], no_wrap=number != shown[-1], overflow=overflow)
    for row in cells:
        table.add_row(*(Text(row[number]) for number in shown))
    Console().print(table)


def _fitting(
    columns: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str], width: int
) -> list[int]:
    """The numbers of the columns to show: spare ones are left out until the rest fits."""
    widths = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    widths[-1] = min(widths[-1], WRAPPED)
    shown = list(range(len(columns)))
    for name in reversed(spare):
        if sum(widths[number] + GAP for number in shown) - GAP <= width:
            break
        shown.remove(columns.index(name))
    return shown


def money(amount: Money) -> str:
    """An amount with its currency: at least two digits after the point, and no rounding."""
    digits = f"{abs(amount.nanos):09d}".rstrip("0").ljust(2, "0")
    sign = "-" if amount.units < 0 or amount.nanos < 0 else ""
    return f"{sign}{abs(amount.units)}.{digits} {amount.currency_code}".strip()


def local_time(time: Timestamp) -> str:
    """A point in time on this machine's clock."""
    point = datetime.fromtimestamp(time.seconds, UTC).astimezone()
    return point.strftime("%Y-%m-%d %H:%M:%S")


def table_time(time: Timestamp) -> str:
    """A point in time for a table: on a terminal to the minute, without the year."""
    if not sys.stdout.isatty():
        return local_time(time)
    return datetime.fromtimestamp(time.seconds, UTC).astimezone().strftime("%b %d %H:%M")


def shorten(text: str, length: int = 60) -> str:
    """The beginning of a long text, on a terminal only: scripts get all of it."""
    if len(text) <= length or not sys.stdout.isatty():
        return text
    return text[: length - 1].rstrip() + "…"


def _printable(text: str, encoding: str | None) -> str:
    """The text with question marks for characters that the terminal's encoding lacks."""
    name = encoding or "utf-8"
    return text.encode(name, "replace").decode(name)
