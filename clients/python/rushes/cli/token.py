"""`rushes token`: a development token from the generated key."""

from pathlib import Path
from typing import Annotated

import typer

from rushes.cli.commands import command
from rushes.cli.discovery import find_key_file, not_running
from rushes.cli.output import say, say_json
from rushes.cli.session import Session
from rushes.cli.sign_in import Signer, parse_ttl, read_key


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    command(app, "token")(token)


def token(
    session: Session,
    ttl: Annotated[str, typer.Option(metavar="TIME", help="Its lifetime, at most 24h.")] = "12h",
    key_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A key in hex, instead of the one found here."),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCOPE",
            help="What alone it may do, such as notifications.write; may be repeated.",
        ),
    ] = None,
) -> None:
    """Print a token for --user (or you), for curl and grpcurl."""
    seconds = parse_ttl(ttl)
    made = _signer(session, key_file).token(session.user, seconds, scope or ())
    say_json({"token": made}) if session.json else say(made)


def _signer(session: Session, key_file: Path | None) -> Signer:
    if key_file is not None:
        return Signer(read_key(key_file))
    if session.standalone is not None:
        found = session.standalone
        return Signer(read_key(found.key_file), found.issuer, found.audience)
    nearest = find_key_file()
    if nearest is None:
        raise not_running()
    return Signer(read_key(nearest))
