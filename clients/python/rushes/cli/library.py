"""`rushes ls`, `rm`, `undelete`, `update`, `download`: the media library."""

from pathlib import Path
from typing import Annotated

import typer

from rushes import Client, NotFound
from rushes.cli.commands import command
from rushes.cli.exits import Refusal
from rushes.cli.ids import job_or_media_id_of, media_id_of
from rushes.cli.inputs import MAX_LIMIT, check_number, limit_option, out_option, parse_labels
from rushes.cli.options import TypeName
from rushes.cli.output import say, say_json, say_table, shorten, table_time
from rushes.cli.saving import check_out, save_outputs
from rushes.cli.session import Session
from rushes.fields import LibraryFilter
from rushes.v1.job_pb2 import Job
from rushes.v1.media_pb2 import Media

MediaIds = Annotated[list[str], typer.Argument(metavar="MEDIA_ID", help="IDs, or how they begin.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    for function in (ls, rm, undelete, update, download):
        command(app, function.__name__)(function)


def ls(
    session: Session,
    type: Annotated[
        TypeName | None, typer.Option(metavar="TYPE", help="Only image, or only video.")
    ] = None,
    query: Annotated[
        str, typer.Option(metavar="WORDS", help="Words in the prompt or the title.")
    ] = "",
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only with this label.")
    ] = None,
    starred: Annotated[bool, typer.Option("--starred", help="Only with a star.")] = False,
    bin: Annotated[bool, typer.Option("--bin", help="The bin instead of the library.")] = False,
    limit: Annotated[int, limit_option()] = 50,
) -> None:
    """List your images and videos, newest first."""
    check_number("--limit", limit, 1, MAX_LIMIT)
    wanted = LibraryFilter(
        labels=parse_labels(label or ()), query=query, starred=starred, deleted=bin, type=type
    )
    with session.client() as client:
        found = client.library(limit, **wanted)
        if session.json:
            for media in found:
                say_json(media)
            return
        columns = ("MEDIA", "TYPE", "SIZE", "CREATED", "TITLE OR PROMPT")
        say_table(columns, (_row(media) for media in found), spare=("TYPE", "SIZE"))


def rm(
    session: Session,
    media_ids: MediaIds,
    permanent: Annotated[
        bool, typer.Option("--permanent", help="Delete permanently, skipping the bin.")
    ] = False,
) -> None:
    """Move images and videos to the bin: all that are named, or none."""
    with session.client() as client:
        wanted = [media_id_of(client, text) for text in media_ids]
        if len(wanted) == 1:
            client.delete_media(wanted[0], permanent=permanent)
        else:
            client.batch_delete(wanted, permanent=permanent)
    for media_id in wanted:
        if session.json:
            say_json({"mediaId": media_id})
        else:
            say(f"{media_id} {'deleted permanently' if permanent else 'in the bin'}")


def undelete(session: Session, media_ids: MediaIds) -> None:
    """Take images and videos out of the bin."""
    with session.client() as client:
        for text in media_ids:
            media = client.undelete_media(media_id_of(client, text))
            if session.json:
                say_json(media)
            else:
                say(f"{media.media_id} back in the library")


def update(
    session: Session,
    media_ids: MediaIds,
    title: Annotated[
        str | None, typer.Option(metavar="TEXT", help="New title; an empty one removes it.")
    ] = None,
    star: Annotated[bool | None, typer.Option(help="Give it a star, or take it away.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Set a label; an empty value removes it."),
    ] = None,
) -> None:
    """Change title, star or labels of images and videos."""
    labels = parse_labels(label or ())
    if title is None and star is None and not labels:
        raise Refusal("Nothing to change: give --title, --star, --no-star or --label.")
    with session.client() as client:
        for text in media_ids:
            media_id = media_id_of(client, text)
            media = client.update_media(media_id, title=title, starred=star, labels=labels)
            if session.json:
                say_json(media)
            else:
                say("\t".join((media.media_id, *_told(media))))


def download(
    session: Session,
    wanted: Annotated[
        str,
        typer.Argument(metavar="ID", help="ID of a media item or of a job, or how it begins."),
    ],
    out: Annotated[
        Path | None, out_option("File or folder; by default MEDIA_ID.mp4 or the like, here.")
    ] = None,
) -> None:
    """Save an image or a video, or all outputs of a job."""
    check_out(out)
    with session.client() as client:
        job = _outputs(client, job_or_media_id_of(client, wanted))
        paths = save_outputs(client, job, out if out is not None else Path())
    for media, path in zip(job.outputs, paths, strict=True):
        if session.json:
            say_json(media)
        else:
            say(str(path))


def _outputs(client: Client, found_id: str) -> Job:
    """The job with this ID; for a media item, a job that has only this output."""
    try:
        return Job(outputs=[client.get_media(found_id)])
    except NotFound:
        pass
    try:
        job = client.get_job(found_id)
    except NotFound:
        raise Refusal(f"There is no media item and no job {found_id}.") from None
    if not job.outputs:
        raise Refusal(f"Job {found_id} has no outputs.")
    return job


def _row(media: Media) -> tuple[str, ...]:
    kind = "video" if media.type == Media.VIDEO else "image"
    size = f"{media.width}x{media.height}"
    star, title = _told(media)
    created = table_time(media.create_time)
    return (media.media_id, kind, size, created, f"{star} {title}".strip())


def _told(media: Media) -> tuple[str, str]:
    """The star, and the title or else the prompt."""
    return "*" if media.starred else "", shorten(media.title or media.prompt)
