"""`rushes doctor` and `rushes logs`: they look at this machine, so the server's own code does them.

The dist rushes-server fills the entry point group `rushes.commands`; each is a function that prints
and gives an exit code.
"""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Annotated

import typer

from rushes.cli.commands import command
from rushes.cli.discovery import data_folders, find_run, no_folder
from rushes.cli.exits import Refusal
from rushes.cli.inputs import MAX_LIMIT, check_number
from rushes.cli.session import Session

GROUP = "rushes.commands"


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    command(app, "doctor")(doctor)
    command(app, "logs")(logs)


def doctor(session: Session) -> None:
    """Check what Rushes needs on this machine.

    Each line says that something is in order, or what to do.
    """
    examine = _installed("doctor")
    folder, state = find_run() or (next(data_folders(), None), None)
    raise typer.Exit(examine(folder, state, session.json))


def logs(
    session: Session,
    process: Annotated[
        str, typer.Argument(metavar="PROCESS", help="Only this one, for example worker-1.")
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")
    ] = False,
    lines: Annotated[int, typer.Option(metavar="NUMBER", help="How many of the last lines.")] = 100,
) -> None:
    """Show the logs of this machine's processes, by time."""
    check_number("--lines", lines, 0, MAX_LIMIT)
    show = _installed("logs")
    run = find_run()
    folder = run[0] if run else next(data_folders(), None)
    if folder is None:
        raise no_folder()
    raise typer.Exit(show(folder, process, follow, lines, session.json))


def _installed(name: str) -> Callable[..., int]:
    try:
        for point in entry_points(group=GROUP, name=name):
            found: Callable[..., int] = point.load()
            return found
    except ImportError as error:
        raise Refusal(f"`rushes {name}` can't be loaded: {error}.") from None
    raise Refusal(f"`rushes {name}` needs rushes-server on this machine; only the client is here.")
