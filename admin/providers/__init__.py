"""`rushes-admin providers`: checks whether each configured provider accepts its key."""

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from admin.providers.asking import Trouble
from admin.providers.keys import configured
from admin.providers.probes import PROBES
from admin.site import Site
from admin.tables import print_json, print_table
from core.catalog.models import Catalog, read_catalog
from core.process.secrets import KEY_VARIABLES
from core.process.settings import Settings

WRONG = 1

app = typer.Typer(help="The paid providers of this installation.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a provider said; `text` is for people."""

    provider: str
    ok: bool
    text: str


@app.callback()
def providers() -> None:
    """The paid providers of this installation."""


@app.command("check")
def check(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask each configured provider a free question. Exits with 1 when something is wrong."""
    site: Site = context.obj
    findings = examine(site.settings, site.unknown)
    if json:
        print_json([asdict(finding) for finding in findings])
    elif findings:
        rows = ((found.provider, "ok" if found.ok else "NO", found.text) for found in findings)
        print_table(("PROVIDER", "", ""), rows)
    else:
        print("No paid provider is configured.", file=sys.stderr)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(WRONG)


def examine(settings: Settings, unknown: Iterable[str] = ()) -> list[Finding]:
    """A finding for each configured provider. `unknown` names the variables that the run on this
    machine has and this shell does not have."""
    catalog = read_catalog(settings.models_file, settings.missing)
    lacking = [(name, variable) for name, variable in KEY_VARIABLES.items() if variable in unknown]
    findings = [_examine(settings, name, catalog) for name in configured(settings)]
    return findings + [
        Finding(
            name, False, f"set {variable} in this shell as for the run: secrets are not passed on"
        )
        for name, variable in lacking
    ]


def _examine(settings: Settings, provider: str, catalog: Catalog) -> Finding:
    now = catalog.clock()
    models = [
        model.provider_model
        for model in catalog.models.values()
        if model.provider == provider and not model.retired(now)
    ]
    try:
        return Finding(provider, True, PROBES[provider](settings, models))
    except Trouble as trouble:
        return Finding(provider, False, str(trouble))
