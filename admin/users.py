"""`rushes-admin users`: the users at a glance."""

from collections.abc import Iterator
from typing import Any

import typer

from admin.site import Site
from admin.steering import JsonOption, cut
from admin.tables import clock, print_json, print_table
from core.money import amount
from core.store import Database, users
from core.store.users import UserGlance
from core.times import iso

app = typer.Typer()
PAGE = 500


@app.command("users")
def show_users(context: typer.Context, json: JsonOption = False) -> None:
    """Show each user's jobs and bytes now, and the money of this month, by name."""
    site: Site = context.obj
    currency = site.settings.currency
    with site.database() as db:
        found = list(_all(db))
    if json:
        print_json([_as_json(user, currency) for user in found])
    elif found:
        head = ("USER", "RUN", "QUEUED", "BYTES", f"SPENT {currency}", "RESERVED", "CHANGED")
        print_table(head, map(_row, found))
    else:
        print("There is no user yet.")


def _all(db: Database) -> Iterator[UserGlance]:
    after = ""
    while page := users.list_page(db, after=after, limit=PAGE):
        yield from page
        after = page[-1].user_id


def _row(user: UserGlance) -> tuple[str, ...]:
    return (
        cut(user.user_id, 24),
        *map(str, (user.running, user.queued, user.used_bytes)),
        amount(user.spent_micros),
        amount(user.reserved_micros),
        "" if user.change_time is None else clock(user.change_time)[:16],
    )


def _as_json(user: UserGlance, currency: str) -> dict[str, Any]:
    return {
        "user_id": user.user_id,
        "running_count": user.running,
        "queued_count": user.queued,
        "used_bytes": user.used_bytes,
        "currency": currency,
        "spent": amount(user.spent_micros),
        "reserved": amount(user.reserved_micros),
        "change_time": None if user.change_time is None else iso(user.change_time),
    }
