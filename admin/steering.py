"""What the commands share that steer an installation: the same methods as AdminService calls."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from admin.site import Site
from core.administration import Administration
from core.catalog.models import models_path, read_catalog
from core.errors import SettingsInvalid
from core.events import Event
from core.ids import MAX_USER_ID_CHARACTERS, is_user_id

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def administration(site: Site) -> Iterator[Administration]:
    """What administrators do, on the site's database."""
    settings = site.settings
    queues = read_catalog(models_path(settings.models_file), settings.missing).queues
    with site.database() as db:

        def make(change: Any) -> Event | None:
            # The hub finds what nobody told it.
            made: Event | None = change(db)
            return made

        yield Administration(db, queues, make)


def who() -> str:
    """The name in the log of whoever runs this command."""
    return f"rushes-admin uid={os.getuid()}"


def check_text(argument: str, text: str, most: int, *, needed: bool = True) -> str:
    """The text, of 1 to `most` printable characters; none where it is not needed.

    Raises:
        SettingsInvalid: which names the argument.
    """
    if needed and not text.strip():
        raise SettingsInvalid(f"{argument}: must not be empty.")
    if len(text) > most:
        raise SettingsInvalid(f"{argument}: has {len(text)} characters; at most {most} fit.")
    if any(not c.isprintable() and c != "\n" for c in text):
        raise SettingsInvalid(f"{argument}: has a character that can't be printed.")
    return text


def check_user(argument: str, user_id: str) -> str:
    """The name of a user, as the subject of a token may be."""
    if not is_user_id(user_id):
        most = MAX_USER_ID_CHARACTERS
        raise SettingsInvalid(
            f"{argument}: must have 1 to {most} characters, none of them a control one."
        )
    return user_id


def cut(text: str, width: int) -> str:
    """The text in at most `width` characters, so that a table fits 100 columns."""
    return text if len(text) <= width else text[: width - 1] + "…"
