"""`rushes export`: several items as one ZIP."""

from pathlib import Path
from typing import Annotated

import typer

from rushes import Client
from rushes.cli.commands import command
from rushes.cli.exits import Refusal
from rushes.cli.ids import media_id_of
from rushes.cli.inputs import parse_labels, parse_out
from rushes.cli.options import TypeName
from rushes.cli.output import note, say, say_json
from rushes.cli.session import Session
from rushes.download import check_folder
from rushes.fields import LibraryFilter

# What one export takes, unless the operator says otherwise.
MOST = 1000
MediaIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="MEDIA_ID", help="IDs, or how they begin; else the filters count."),
]


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    command(app, "export")(export)


def export(
    session: Session,
    media_ids: MediaIds = None,
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
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", parser=parse_out, metavar="FILE.zip", help="File to save."),
    ] = None,
    address: Annotated[
        bool, typer.Option("--address", help="Print a signed address for a browser instead.")
    ] = False,
) -> None:
    """Save images and videos as one ZIP with a manifest of how each was made."""
    if (out is None) is not address:
        raise Refusal("Name a file with --out, or ask for an --address.")
    if out is not None:
        _check_file(out)
    wanted = LibraryFilter(
        labels=parse_labels(label or ()), query=query, starred=starred, type=type
    )
    filtered = bool(type or query or label or starred)
    if media_ids and filtered:
        raise Refusal("Name items by ID, or by filters; not by both.")
    with session.client() as client:
        chosen = (
            [media_id_of(client, text) for text in media_ids]
            if media_ids
            else _filtered(client, wanted)
        )
        if address:
            made = client.create_export(chosen)
            say_json(made) if session.json else say(made.export_url)
            return
        assert out is not None
        path = client.export(chosen, out)
    if session.json:
        say_json({"file": str(path), "mediaCount": len(chosen)})
    else:
        note(f"{len(chosen)} item{'s' if len(chosen) != 1 else ''}")
        say(str(path))


def _filtered(client: Client, wanted: LibraryFilter) -> list[str]:
    found = [media.media_id for media in client.library(MOST + 1, **wanted)]
    if not found:
        raise Refusal("There is nothing to export: see rushes ls.")
    if len(found) > MOST:
        raise Refusal(f"More than {MOST} items fit; narrow them with --query, --label or --type.")
    return found


def _check_file(out: Path) -> None:
    """Refuses a place where no file can be made, before anything is fetched."""
    if out.is_dir():
        raise Refusal(f"--out: {out} is a folder; name a file such as {out / 'export.zip'}.")
    try:
        check_folder(out)
    except OSError as error:
        raise Refusal(f"--out: {error.strerror}: {error.filename}") from None
