"""`rushes-admin models`: checks the models file, and shows which models can be run here."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from admin.site import Site
from admin.tables import print_table
from core.catalog.ability import Ability
from core.catalog.models import Model, models_path, read_catalog
from core.errors import SettingsInvalid
from core.money import amount

WRONG = 1
# The revision of the packaged price lists. Nobody has compared their prices.
EXAMPLE = "example"

app = typer.Typer(help="The models that this installation knows.", no_args_is_help=True)


@app.callback()
def models() -> None:
    """The models that this installation knows."""


@app.command("check")
def check(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Option(help="The file to check. Default: RUSHES_MODELS_FILE.")
    ] = None,
) -> None:
    """Read the models file as every process does, and show each model. Exits with 1 on an error."""
    site: Site = context.obj
    settings = site.settings
    source = models_path(file or settings.models_file)
    try:
        catalog = read_catalog(source, settings.missing)
    except SettingsInvalid as error:
        print(error.message, file=sys.stderr)
        raise typer.Exit(WRONG) from None
    now = catalog.clock()
    known = catalog.models.values()
    rows = (row for model in known for row in _rows(model, now, settings.currency))
    heads = ("MODEL", "MAKES", "PROVIDER", "TYPICAL", "QUEUE", "AVAILABLE", "PRICE", "SHUTDOWN")
    print_table(heads, rows)
    print(f"{source}: {len(known)} models.")
    if any(model.price_revision.startswith(EXAMPLE) for model in known):
        print("Some prices are examples: compare them with those of your provider.")
    unpriced = catalog.unpriced_defaults()
    for model in unpriced:
        print(f"{model.model} can't be run without a price: add it.", file=sys.stderr)
    if unpriced:
        raise typer.Exit(WRONG)


def _rows(model: Model, now_ms: int, currency: str) -> Iterator[tuple[str, ...]]:
    """One row for each price. Only the first row of a kind has the other columns."""
    reason = model.unavailable_reason(now_ms)
    available = f"no: {reason}" if reason else "yes"
    end = f"{model.shutdown_time} -> {model.replacement}" if model.shutdown_time else ""
    typical = f"{model.typical_seconds:g} s" if model.typical_seconds else ""
    without = "" if model.retired(now_ms) else "none: can't be run"
    for kind in model.kinds:
        first, *more = _prices(model.ability(kind), currency) or [without]
        queue = model.queue_of(kind)
        yield model.model, kind, model.provider, typical, queue, available, first, end
        yield from ((*[""] * 6, line, "") for line in more)


def _prices(ability: Ability | None, currency: str) -> list[str]:
    lines = ability.price_list if ability else []
    return [f"{amount(micros)} {currency} {text}" for text, micros in lines]
