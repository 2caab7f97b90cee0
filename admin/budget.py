"""`rushes-admin budget`: who may spend how much in each day and month (UTC)."""

from typing import Annotated, Any

import typer

from admin.site import Site
from admin.tables import clock, print_json, print_table
from core.errors import SettingsInvalid
from core.money import amount, read_amount
from core.store import budgets
from core.store.budgets import EACH_USER, INSTALLATION, Budget, Period, owner_of
from core.times import iso

app = typer.Typer(help="Budgets: who may spend how much.", no_args_is_help=True)
NONE = "none"

UserOption = Annotated[str | None, typer.Option("--user", help="The budget of this user.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LimitOption = Annotated[
    str | None, typer.Option(help="An amount such as 5.00, or none to remove the limit.")
]


@app.command("set")
def set_limits(
    context: typer.Context,
    user: UserOption = None,
    installation: Annotated[
        bool, typer.Option("--installation", help="The shared budget of all users.")
    ] = False,
    each_user: Annotated[
        bool,
        typer.Option("--each-user", help="The budget of each user who has no budget of their own."),
    ] = False,
    day: LimitOption = None,
    month: LimitOption = None,
) -> None:
    """Set or remove a limit. Jobs that are accepted already are not affected."""
    owner = _owner(user, installation, each_user)
    limits = {
        period: _limit(f"--{period}", text)
        for period, text in ((Period.DAY, day), (Period.MONTH, month))
        if text is not None
    }
    if not limits:
        raise SettingsInvalid("Give --day, --month or both.")
    site: Site = context.obj
    with site.database() as db:
        for period, limit in limits.items():
            budgets.set_limit(db, owner, period, limit)
        found = [b for b in budgets.show(db, user) if b.owner == owner]
    _print(found, site.settings.currency)


@app.command("show")
def show(context: typer.Context, user: UserOption = None, json: JsonOption = False) -> None:
    """Show every budget and what was spent; with --user, the budgets that limit this user."""
    site: Site = context.obj
    with site.database() as db:
        found = budgets.show(db, user)
    currency = site.settings.currency
    if json:
        print_json([_as_json(budget, currency) for budget in found])
    elif found:
        _print(found, currency)
    else:
        print("No budget is set, and nothing was spent this month.")


def _owner(user: str | None, installation: bool, each_user: bool) -> str:
    named = [owner_of(user)] if user else []
    named += [INSTALLATION] if installation else []
    named += [EACH_USER] if each_user else []
    if len(named) != 1:
        raise SettingsInvalid("Give one of --user, --installation and --each-user.")
    return named[0]


def _limit(option: str, text: str) -> int | None:
    if text == NONE:
        return None
    try:
        return read_amount(text)
    except ValueError as error:
        raise SettingsInvalid(f"{option}: {error}, or none.") from None


def _print(found: list[Budget], currency: str) -> None:
    head = ("OWNER", "PERIOD", f"LIMIT {currency}", "SPENT", "RESERVED", "LEFT", "RESETS")
    print_table(head, map(_row, found))


def _row(budget: Budget) -> tuple[str, ...]:
    limit = NONE if budget.limit_micros is None else amount(budget.limit_micros)
    if budget.owner == EACH_USER:
        # The spending of each user is in a row of that user.
        return (budget.owner, budget.period, limit, "", "", "", clock(budget.reset_time))
    return (
        budget.owner,
        budget.period,
        limit,
        amount(budget.spent_micros),
        amount(budget.reserved_micros),
        "" if budget.left_micros is None else amount(budget.left_micros),
        clock(budget.reset_time),
    )


def _as_json(budget: Budget, currency: str) -> dict[str, Any]:
    figures = {
        "limit": budget.limit_micros,
        "spent": budget.spent_micros,
        "reserved": budget.reserved_micros,
        "left": budget.left_micros,
    }
    return {
        "owner": budget.owner,
        "period": budget.period,
        "span": budget.span,
        "currency": currency,
        **{name: None if value is None else amount(value) for name, value in figures.items()},
        "reset_time": iso(budget.reset_time),
    }
