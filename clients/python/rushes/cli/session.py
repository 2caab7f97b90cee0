"""Which server a command talks to, and as whom."""

import getpass
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Annotated, Self

import typer

from rushes import Client, environment
from rushes.cli.discovery import Standalone, find_standalone, not_running
from rushes.cli.exits import NOT_ALLOWED, Refusal
from rushes.cli.sign_in import Signer, read_key
from rushes.wire import is_loopback, parse_server

RETRY_SECONDS = 5.0


@dataclass(frozen=True)
class Connection:
    """The options that every command takes."""

    server: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="host:port or http(s)://... [RUSHES_SERVER]"),
    ] = None
    user: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Sign in as NAME with the local key [RUSHES_USER]"),
    ] = None
    token: Annotated[
        str | None,
        typer.Option(metavar="JWT", help="Sign in with it [RUSHES_TOKEN, RUSHES_TOKEN_FILE]"),
    ] = None
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON objects, one per line; errors too.")
    ] = False

    def over(self, outer: object) -> Self:
        """These options; those that are missing are taken from before the subcommand."""
        if not isinstance(outer, Connection):
            return self
        values = {f.name: getattr(self, f.name) or getattr(outer, f.name) for f in fields(self)}
        return type(self)(**values)


class Session:
    """A command's server, credentials and way of printing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.json = connection.json

    @cached_property
    def standalone(self) -> Standalone | None:
        """The Rushes that runs on this machine."""
        return find_standalone()

    @property
    def named_server(self) -> str:
        """The server that the caller named; empty for the one that runs here."""
        return self._connection.server or os.environ.get("RUSHES_SERVER", "")

    @property
    def server(self) -> str:
        """The server to talk to.

        Raises:
            Refusal: when none is named and none runs here.
        """
        if self.named_server:
            return self.named_server
        if self.standalone is None:
            raise not_running()
        return self.standalone.server

    @property
    def user(self) -> str:
        """The user whom the local key signs in."""
        named = self._connection.user or os.environ.get("RUSHES_USER")
        if named:
            return named
        try:
            return getpass.getuser()
        except (OSError, KeyError, ImportError):
            raise Refusal("This user has no name; give one with --user.") from None

    def client(self) -> Client:
        """A client for the server; close it, or use it with `with`."""
        return Client(self.server, self._credentials(), retry_for=RETRY_SECONDS)

    def repeated_options(self) -> list[str]:
        """The options that another command needs to talk to the same server as the same user."""
        connection = self._connection
        given = {"--server": connection.server, "--user": connection.user}
        return [part for name, value in given.items() if value for part in (name, value)]

    def _credentials(self) -> str | Callable[[], str]:
        if self._connection.token and self._connection.user:
            raise Refusal("--user signs in with the local key; it does not go with --token.")
        if self._connection.token:
            return self._connection.token.strip()
        if not self._connection.user and (named := environment.token()):
            return named
        signer, user = self._local_signer(), self.user
        return lambda: signer.token(user)

    def _local_signer(self) -> Signer:
        target, _ = parse_server(self.server, secure=False)
        if self.standalone is None or not is_loopback(target):
            text = f"No token for {self.server}: give one with --token or RUSHES_TOKEN."
            raise Refusal(text, NOT_ALLOWED)
        standalone = self.standalone
        return Signer(read_key(standalone.key_file), standalone.issuer, standalone.audience)
