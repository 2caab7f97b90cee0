"""`rushes ls`, `rm`, `undelete`, `download`: the media library."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rushes.cli.commands import command
from rushes.cli.inputs import check_out, out_option, parse_labels
from rushes.cli.output import local_time, say, say_json, say_table, shorten
from rushes.cli.session import Session
from rushes.download import extension
from rushes.fields import LibraryFilter
from rushes.v1.media_pb2 import Media

MediaIds = Annotated[list[str], typer.Argument(metavar="MEDIA_ID...")]


class TypeName(StrEnum):
    """Types to ask for."""

    IMAGE = "image"
    VIDEO = "video"


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    for function in (ls, rm, undelete, download):
        command(app, function.__name__)(function)


def ls(
    session: Session,
    type: Annotated[TypeName | None, typer.Option(help="Only images, or only videos.")] = None,
    query: Annotated[str, typer.Option(help="Words in the prompt or the title.")] = "",
    label: Annotated[
        list[str] | None, typer.Option(help="Only with this label, key=value.")
    ] = None,
    starred: Annotated[bool, typer.Option("--starred", help="Only with a star.")] = False,
    bin: Annotated[bool, typer.Option("--bin", help="The bin instead of the library.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many at most.")] = 50,
) -> None:
    """List your images and videos, newest first."""
    wanted = LibraryFilter(
        labels=parse_labels(label or ()), query=query, starred=starred, deleted=bin
    )
    if type is not None:
        wanted["type"] = type.name
    with session.client() as client:
        found = client.library(limit, **wanted)
        if session.json:
            for media in found:
                say_json(media)
            return
        rows = (_row(media) for media in found)
        say_table(("MEDIA", "TYPE", "SIZE", "CREATED", "TITLE OR PROMPT"), rows)


def rm(
    session: Session,
    media_ids: MediaIds,
    permanent: Annotated[
        bool, typer.Option("--permanent", help="Erase for good, past the bin.")
    ] = False,
) -> None:
    """Put images and videos into the bin: all that are named, or none."""
    with session.client() as client:
        if len(media_ids) == 1:
            client.delete_media(media_ids[0], permanent=permanent)
        else:
            client.batch_delete(media_ids, permanent=permanent)
    for media_id in media_ids:
        if session.json:
            say_json({"mediaId": media_id})
        else:
            say(f"{media_id} {'erased' if permanent else 'in the bin'}")


def undelete(session: Session, media_ids: MediaIds) -> None:
    """Take images and videos out of the bin."""
    with session.client() as client:
        for media_id in media_ids:
            media = client.undelete_media(media_id)
            if session.json:
                say_json(media)
            else:
                say(f"{media.media_id} back in the library")


def download(
    session: Session,
    media_id: Annotated[str, typer.Argument(metavar="MEDIA_ID")],
    out: Annotated[Path | None, out_option("File or folder; else MEDIA_ID.mp4.")] = None,
) -> None:
    """Fetch an image or a video into a file."""
    check_out(out)
    with session.client() as client:
        media = client.get_media(media_id)
        # Only the last part, so that no server can choose another folder.
        name = Path(f"{media.media_id}.{extension(media)}").name
        path = out / name if out is not None and out.is_dir() else out or Path(name)
        client.download(media, path)
    if session.json:
        say_json(media)
    else:
        say(str(path))


def _row(media: Media) -> tuple[str, ...]:
    kind = "video" if media.type == Media.VIDEO else "image"
    star = "* " if media.starred else ""
    return (
        media.media_id,
        kind,
        f"{media.width}x{media.height}",
        local_time(media.create_time),
        star + shorten(media.title or media.prompt),
    )
