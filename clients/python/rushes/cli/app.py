"""Puts the command line together and runs it."""

import sys
from typing import Annotated

import typer
from typer import TyperException

import rushes
from rushes.cli import generate, jobs, library, machine, models, templates, token, watching
from rushes.cli.commands import new_group, spread
from rushes.cli.exits import DONE, INTERRUPTED, USAGE
from rushes.cli.output import complain, say, use_json_aside
from rushes.cli.session import Session

HELP = "Generate images and videos, and watch every job live."


def _say_version(wanted: bool) -> None:
    if wanted:
        say(rushes.__version__)
        raise typer.Exit(DONE)


def _main(
    session: Session,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Takes the options that stand before the command; `spread` remembers them."""


app = new_group(HELP)
app.callback(help=HELP)(spread(_main))
app.add_typer(generate.app, name="generate")
for part in (watching, jobs, library, models, templates, token, machine):
    part.register(app)


def run() -> int:
    """Runs the command in sys.argv; the exit code (see `rushes.cli.exits`)."""
    typed = sys.argv[1:]
    if "--json" in typed[: typed.index("--") if "--" in typed else None]:
        use_json_aside()
    try:
        "".join(typed).encode()
    except UnicodeEncodeError:
        complain("The command line holds bytes that are not UTF-8.")
        return USAGE
    try:
        return int(app(prog_name="rushes", standalone_mode=False) or DONE)
    except TyperException as error:
        _explain(error.format_message())
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED


def _explain(text: str) -> None:
    if "\n" in text:
        # The help of a group that was called without a command.
        print(text, file=sys.stderr)
    elif text:
        plain = text.replace("Value error, ", "").rstrip(".")
        complain(f"{plain}. Try: rushes --help")
