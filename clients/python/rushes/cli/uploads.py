"""`rushes upload`, and the inputs that other commands upload by themselves."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from rushes import Client, Media
from rushes.cli.commands import command
from rushes.cli.exits import INTERRUPTED, Refusal
from rushes.cli.output import clean, note, say, say_json
from rushes.cli.session import Session
from rushes.errors import InvalidRequest
from rushes.fields import ImageJob, VideoJob
from rushes.requests import put_input, too_large

Files = Annotated[list[str], typer.Argument(metavar="FILE", help="PNG, JPEG, WebP, MP4 or WebM.")]
# A longer name is cut, so that the line fits.
SHOWN_NAME_LENGTH = 24


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    command(app, "upload")(upload)


def upload(session: Session, files: Files) -> None:
    """Put images and videos of your own into the library. After a cut, do it again: it goes on."""
    paths = [Path(text) for text in files]
    for path in paths:
        if not path.is_file():
            raise Refusal(f"FILE: there is no file {str(path)!r}.")
    with session.client() as client:
        for path in paths:
            try:
                media = send_file(session, client, path)
            except KeyboardInterrupt:
                again = ["rushes", "upload", *map(str, paths), *session.repeated_options()]
                note(f"Interrupted; go on with: {shlex.join(again)}")
                raise typer.Exit(INTERRUPTED) from None
            if session.json:
                say_json(media)
            else:
                say(f"{media.media_id} {path}")


def send_inputs(session: Session, client: Client, fields: VideoJob | ImageJob) -> None:
    """Uploads the inputs of a job that a request can't hold."""
    for name, number, source in too_large(fields):
        if isinstance(source, Path):
            put_input(fields, name, number, send_file(session, client, source))


def send_file(session: Session, client: Client, path: Path) -> Media:
    """The item that a file becomes; a terminal shows how far it is.

    Raises:
        RushesError: it names the file, of which there may be several.
    """
    try:
        return _send(session, client, path)
    except InvalidRequest as error:
        error.message = f"{path}: {error.message}"
        raise


def _send(session: Session, client: Client, path: Path) -> Media:
    if session.json or not sys.stderr.isatty():
        return client.upload(path)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        name = clean(path.name)[:SHOWN_NAME_LENGTH]
        task = progress.add_task(name, total=path.stat().st_size)
        return client.upload(path, lambda sent, _: progress.update(task, completed=sent))
