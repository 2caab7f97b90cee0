"""The command line put together."""

import sys

import typer
from typer import TyperException

import rushes
from rushes.cli import generate, jobs, library, machine, models, token, watching
from rushes.cli.commands import new_group
from rushes.cli.exits import DONE, INTERRUPTED, USAGE
from rushes.cli.output import note

app = new_group("Generate images and videos, and watch every job live.")
app.add_typer(generate.app, name="generate")
for part in (watching, jobs, library, models, token, machine):
    part.register(app)


def run() -> int:
    """Runs the command in sys.argv; the exit code (see `rushes.cli.exits`)."""
    if sys.argv[1:] == ["--version"]:
        print(rushes.__version__)
        return DONE
    try:
        "".join(sys.argv).encode()
    except UnicodeEncodeError:
        note("The command line holds bytes that are not UTF-8.")
        return USAGE
    try:
        return int(app(standalone_mode=False) or DONE)
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
        note(f"{plain}. Try: rushes --help")
