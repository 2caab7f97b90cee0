"""`rushes-admin storage`: how much of their quota users keep."""

from typing import Annotated, Any

import typer

from admin.site import Site
from admin.tables import print_json, print_table
from core.store import usage

app = typer.Typer(help="Storage: what each user keeps.", no_args_is_help=True)
MIB = 1024 * 1024


@app.command("show")
def show(
    context: typer.Context,
    user: Annotated[str | None, typer.Option("--user", help="This user alone.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many users.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show who keeps most, with what is in the bin, beside RUSHES_USER_STORAGE_MEGABYTES."""
    site: Site = context.obj
    with site.database() as db:
        found = [(user, usage.used_bytes(db, user))] if user else usage.largest(db, count)
    limit = site.settings.user_storage_megabytes * MIB or None
    if json:
        print_json([_as_json(*one, limit) for one in found])
    elif found:
        print_table(("USER", "MIB", "LIMIT", "LEFT"), (_row(*one, limit) for one in found))
    else:
        print("No user keeps anything.")


def _left(used: int, limit: int | None) -> int | None:
    return None if limit is None else max(limit - used, 0)


def _row(user: str, used: int, limit: int | None) -> tuple[str, ...]:
    return user, _mebibytes(used), _mebibytes(limit), _mebibytes(_left(used, limit))


def _mebibytes(bytes: int | None) -> str:
    return "none" if bytes is None else f"{bytes / MIB:.1f}"


def _as_json(user: str, used: int, limit: int | None) -> dict[str, Any]:
    left = _left(used, limit)
    return {"user": user, "used_bytes": used, "limit_bytes": limit, "left_bytes": left}
