"""Turns what the caller typed into values for a request."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer
from google.type.money_pb2 import Money

from rushes.cli.exits import Refusal
from rushes.errors import InvalidArgument
from rushes.fields import MediaSource
from rushes.values import is_id, to_money

MAX_LIMIT = 1_000_000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """Labels from "key=value" texts."""
    labels: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise Refusal(f"--label: {text!r} is not of the form key=value.")
        labels[key] = value
    return labels


def parse_span(option: str, text: str) -> int:
    """Seconds from "90s", "30m", "12h" or "1d"."""
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit()) or unit not in _UNITS or len(number) > 9:
        raise Refusal(f"{option}: {text!r} is not a time; write for example 90s, 30m or 12h.")
    return int(number) * _UNITS[unit]


def parse_amount(option: str, text: str) -> Money | None:
    """An amount such as "0.50" or "0.50 USD"."""
    try:
        return to_money(text, option)
    except InvalidArgument as error:
        raise Refusal(f"{error.message}.") from None


def parse_media(option: str, text: str) -> MediaSource:
    """A file, or the ID of something in the library."""
    path = Path(text)
    if path.is_file():
        return path
    if is_id(text):
        return text
    raise Refusal(f"{option}: {text!r} is neither a file nor a media ID.")


def parse_out(text: str) -> Path:
    """A file, or a folder that is there.

    Raises:
        typer.BadParameter: for a folder, by its slash at the end, that is not there.
    """
    # A path forgets the slash, and the folder's name would become the file's.
    if text.endswith("/") and not Path(text).is_dir():
        raise typer.BadParameter(f"there is no folder {text}")
    return Path(text)


def out_option(text: str) -> Any:
    """The option --out with `text` as its help."""
    return typer.Option(parser=parse_out, metavar="PATH", help=text)


def limit_option() -> Any:
    """The option --limit of a list."""
    return typer.Option(metavar="NUMBER", help="How many at most.")


def check_number(option: str, value: float | None, low: float, high: float) -> None:
    """Refuses a number that no request can hold.

    Raises:
        Refusal: naming the option.
    """
    if value is None or low <= value <= high:
        return
    if value < low and low > -(10**6):
        raise Refusal(f"{option}: must be {low:g} or more.")
    raise Refusal(f"{option}: {value} is out of range.")
