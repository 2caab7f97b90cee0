"""`rushes recipe`, and the files that `rushes generate --recipe` reads."""

import json
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict, Parse, ParseError

from rushes import Recipe
from rushes.cli.commands import command
from rushes.cli.exits import Refusal
from rushes.cli.ids import media_id_of
from rushes.cli.output import say, say_json
from rushes.cli.session import Session

# A recipe is a few thousand characters; nothing much larger is one.
MAX_BYTES = 1024 * 1024

MediaId = Annotated[
    str, typer.Argument(metavar="MEDIA_ID", help="ID of the item, or how it begins.")
]


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    command(app, "recipe")(recipe)


def recipe(session: Session, media_id: MediaId) -> None:
    """Print how an item was made, to keep; `rushes generate --recipe FILE` makes it again."""
    with session.client() as client:
        found = client.get_recipe(media_id_of(client, media_id))
    if session.json:
        say_json(found)
        return
    for line in json.dumps(MessageToDict(found), indent=2).splitlines():
        say(line)


def read_recipe(path: Path) -> Recipe:
    """The recipe in a file.

    Raises:
        Refusal: when there is no such file, or it holds no recipe.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Refusal(f"--recipe: {path}: {(error.strerror or '').lower()}.") from None
    if len(data) > MAX_BYTES:
        raise Refusal(f"--recipe: {path} is too large to be a recipe.")
    try:
        # A later version may know fields that this one does not; `format` says if they matter.
        found = Parse(data, Recipe(), ignore_unknown_fields=True)
    except (ParseError, UnicodeDecodeError):
        raise Refusal(f"--recipe: {path} holds no recipe; make one with rushes recipe.") from None
    if found.WhichOneof("spec") is None:
        raise Refusal(f"--recipe: {path} names neither a video nor an image.")
    return found
