"""Puts the command line together and runs it."""

import sys
from typing import Annotated

import typer
from typer import TyperException

import rushes
from rushes.cli import (
    accounts,
    exports,
    generate,
    jobs,
    library,
    machine,
    models,
    notifications,
    recipes,
    shares,
    templates,
    token,
    uploads,
    views,
    watching,
    webhooks,
)
from rushes.cli.commands import new_group, spread
from rushes.cli.exits import DONE, INTERRUPTED, USAGE
from rushes.cli.output import complain, say, use_json_aside
from rushes.cli.session import Session

HELP = "Generate images and videos, and watch every job live."
_WANTED = {
    "float_parsing": "a number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number that fits",
}


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
for part in (
    watching,
    jobs,
    library,
    uploads,
    shares,
    views,
    notifications,
    webhooks,
    recipes,
    exports,
    models,
    templates,
    accounts,
    token,
    machine,
):
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
        _explain(error)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED


def _explain(error: TyperException) -> None:
    text = _wrong_value(error) or error.format_message()
    if "\n" in text:
        # The help of a group that was called without a command.
        print(text, file=sys.stderr)
    elif text:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "rushes"
        complain(f"{text.rstrip('.')}. Try: {command} --help")


def _wrong_value(error: TyperException) -> str:
    """Names the option and what is wrong with its value; empty for any other error."""
    if not isinstance(error, typer.BadParameter) or error.param is None or not error.message:
        return ""
    name = error.param.opts[0] if error.param.opts[0].startswith("-") else error.param.name.upper()
    return f"{name}: {_complaint(error)}"


def _complaint(error: typer.BadParameter) -> str:
    # Typer validates with pydantic, whose errors say what was typed and which rule refused it.
    for detail in getattr(error.__cause__, "errors", list)():
        if wanted := _WANTED.get(detail["type"]):
            return f"{detail['input']!r} is not {wanted}"
    value, is_choice, choices = error.message.partition(" is not one of ")
    text = f"{value}{is_choice}{choices.replace(chr(39), '')}"
    return text.removeprefix("Value error, ")
