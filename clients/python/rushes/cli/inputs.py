"""What the caller typed, as values for a request."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer
from google.type.money_pb2 import Money

from rushes.cli.exits import Refusal
from rushes.download import extension
from rushes.fields import MediaSource
from rushes.v1.job_pb2 import Job
from rushes.values import to_money

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


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


def parse_amount(option: str, text: str) -> Money:
    """An amount such as "0.50" or "0.50 USD"."""
    try:
        amount = to_money(text)
    except ValueError:
        amount = None
    if amount is None:
        raise Refusal(f"{option}: {text!r} is no amount; write for example 0.50 or 0.50 USD.")
    return amount


def parse_media(option: str, text: str) -> MediaSource:
    """A file, or the media_id of something in the library."""
    path = Path(text)
    if path.is_file():
        return path
    if _ID.fullmatch(text):
        return text
    raise Refusal(f"{option}: {text!r} is neither a file nor a media id.")


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


def check_out(out: Path | None) -> None:
    """Refuses a place where no file can be made, before money is spent on what goes there.

    Raises:
        Refusal: naming the folder.
    """
    if out is None:
        return
    folder = out if out.is_dir() else out.parent
    if not folder.is_dir():
        raise Refusal(f"--out: there is no folder {folder}.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Refusal(f"--out: the folder {folder} can't be written to.")


def out_paths(out: Path, job: Job) -> list[Path]:
    """Where each output goes: to `out`, to name-1, name-2 ... beside it, or into it if a folder."""
    if out.is_dir():
        names = [f"{media.media_id}.{extension(media)}" for media in job.outputs]
        return [out / Path(name).name for name in names]
    if len(job.outputs) == 1:
        return [out]
    count = len(job.outputs)
    return [out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(1, count + 1)]
