"""`rushes views`, `rushes apply`, `rushes clear`: what each place in an app shows."""

from typing import Annotated

import typer

from rushes.cli.commands import command
from rushes.cli.ids import media_id_of
from rushes.cli.inputs import MAX_LIMIT, check_number, limit_option
from rushes.cli.output import say, say_json, say_table, shorten, table_time
from rushes.cli.session import Session
from rushes.v1.media_pb2 import Media
from rushes.v1.view_pb2 import View

# So that a table of views has room for IDs in 80 columns.
SHOWN_NAME = 30
Name = Annotated[str, typer.Argument(metavar="VIEW", help='Name of the view, like "card/42".')]


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    for function in (views, apply, clear):
        command(app, function.__name__)(function)


def views(
    session: Session,
    prefix: Annotated[
        str, typer.Argument(metavar="[PREFIX]", help='How the names begin, like "card/".')
    ] = "",
    limit: Annotated[int, limit_option()] = 50,
) -> None:
    """List the views that show something, by name."""
    check_number("--limit", limit, 1, MAX_LIMIT)
    with session.client() as client:
        found = client.views(prefix, limit=limit)
        if session.json:
            for view in found:
                say_json(view)
            return
        columns = ("VIEW", "MEDIA", "TYPE", "APPLIED", "TITLE OR PROMPT")
        say_table(columns, map(_row, found), spare=("TYPE", "APPLIED"))


def apply(
    session: Session,
    view: Name,
    media_id: Annotated[
        str, typer.Argument(metavar="MEDIA_ID", help="ID of an image or video, or how it begins.")
    ],
    loop: Annotated[bool, typer.Option(help="Whether a video starts over at its end.")] = True,
) -> None:
    """Show an image or a video in a view."""
    with session.client() as client:
        answer = client.apply_view(view, media_id_of(client, media_id), looping=loop)
    if session.json:
        say_json(answer)
    else:
        say(f"{view} shows {answer.view.media.media_id}{_before(answer.previous_media_id)}")


def clear(session: Session, view: Name) -> None:
    """Show nothing in a view any more."""
    with session.client() as client:
        answer = client.clear_view(view)
    if session.json:
        say_json(answer)
    else:
        say(f"{view} shows nothing{_before(answer.previous_media_id)}")


def _before(media_id: str) -> str:
    return f" (before: {media_id})" if media_id else ""


def _row(view: View) -> tuple[str, ...]:
    media = view.media
    kind = "image" if media.type == Media.IMAGE else "loop" if view.looping else "video"
    applied = table_time(view.apply_time)
    title = shorten(media.title or media.prompt)
    return shorten(view.view, SHOWN_NAME), media.media_id, kind, applied, title
