"""`rushes templates`: the presets for --style-pack, --mood and --cinematography."""

import typer

from rushes.cli.commands import command
from rushes.cli.field_names import option
from rushes.cli.output import say_json, say_table
from rushes.cli.session import Session


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    command(app, "templates")(templates)


def templates(session: Session) -> None:
    """List the presets for --style-pack, --mood and --cinematography."""
    with session.client() as client:
        found = client.list_prompt_templates()
    if session.json:
        for template in found:
            say_json(template)
        return
    rows = ((option(f"spec.{t.field}"), t.name, t.description, t.text) for t in found)
    say_table(("OPTION", "NAME", "FOR", "ADDED TO THE PROMPT"), rows)
