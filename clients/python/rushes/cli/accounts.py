"""`rushes usage`, `budget` and `keys`: what you spend, and the API keys that speak for you."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from google.type.money_pb2 import Money

from rushes import ApiKey, Budget, Client, Usage
from rushes.cli.commands import command, new_group
from rushes.cli.exits import Refusal
from rushes.cli.inputs import MAX_LIMIT, check_number, limit_option
from rushes.cli.output import (
    local_time,
    money,
    note,
    say,
    say_json,
    say_table,
    shorten,
    table_time,
)
from rushes.cli.session import Session
from rushes.v1.account_service_pb2 import CreateApiKeyResponse, GetUsageResponse
from rushes.values import is_id

keys = new_group("API keys: bearer tokens that do not change.")
KEYS = ("day", "model", "label", "user")
BEGINNING = "rushes_"
# Every secret begins with that, and then with what is shown of it.
SHOWN_CHARACTERS = 12
# The server knows the limit.
MAX_DAYS = 36_500
# So that a table of keys has room for scopes in 80 columns.
SHOWN_LABEL = 18


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    command(app, "usage")(usage)
    command(app, "budget")(budget)
    command(keys, "create")(create)
    command(keys, "list")(list_keys)
    command(keys, "revoke")(revoke)
    app.add_typer(keys, name="keys")


def usage(
    session: Session,
    by: Annotated[
        str, typer.Option(metavar="KEYS", help="day, model, label, user; with commas.")
    ] = "day",
    first: Annotated[
        str, typer.Option("--from", metavar="DAY", help="First day (UTC), as 2026-11-30.")
    ] = "",
    until: Annotated[
        str, typer.Option(metavar="DAY", help="Last day (UTC), included; else today.")
    ] = "",
    label: Annotated[
        str, typer.Option(metavar="KEY", help="The label whose values --by label tells apart.")
    ] = "",
    of: Annotated[
        str, typer.Option(metavar="USER", help="Another user's; for administrators.")
    ] = "",
    all_users: Annotated[
        bool, typer.Option("--all-users", help="Of all users; for administrators.")
    ] = False,
) -> None:
    """Show what you spent and how your jobs ended, by day, model or label."""
    wanted = [key.strip() for key in by.split(",") if key.strip()]
    by_label = "label" in [key.lower() for key in wanted]
    if by_label != bool(label):
        raise Refusal("--by label and --label KEY go together.")
    start, end = _day("--from", first), _day("--until", until)
    with session.client() as client:
        found = client.usage(
            wanted,
            start_time=start,
            end_time=end + timedelta(days=1) if end else None,
            label_key=label,
            user_id=of,
            all_users=all_users,
        )
    if session.json:
        for row in found.rows:
            say_json(row)
        say_json(GetUsageResponse(total=found.total))
        return
    shown = [key for key in KEYS if key in [text.lower() for text in wanted]]
    columns = (*(key.upper() for key in shown), "CHARGED", "RESERVED", "UNCERTAIN")
    counts = ("OPEN", "DONE", "FAILED", "CANCELLED")
    total = (*(["total", *[""] * len(shown)][: len(shown)]), *_figures(found.total))
    rows = [*((*_names(row, shown), *_figures(row)) for row in found.rows), total]
    say_table((*columns, *counts), rows, spare=("UNCERTAIN", "CANCELLED", "OPEN"))


def budget(
    session: Session,
    of: Annotated[
        str, typer.Option(metavar="USER", help="Another user's; for administrators.")
    ] = "",
) -> None:
    """Show what you may spend today and this month, and what is left."""
    with session.client() as client:
        found = client.budget(of)
    if session.json:
        for one in found:
            say_json(one)
        return
    columns = ("PERIOD", "LIMIT", "SPENT", "RESERVED", "LEFT", "RESETS")
    say_table(columns, map(_budget_row, found))


def create(
    session: Session,
    label: Annotated[str, typer.Argument(metavar="LABEL", help="What it is for.")],
    scope: Annotated[
        list[str],
        typer.Option(metavar="SCOPE", help="What it may do, such as jobs.read; may be repeated."),
    ],
    days: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Its lifetime; else 90 days.")
    ] = None,
) -> None:
    """Make an API key and print its secret, which is not shown again."""
    check_number("--days", days, 1, MAX_DAYS)
    end = datetime.now(UTC) + timedelta(days=days) if days is not None else None
    with session.client() as client:
        made = client.create_api_key(label, scope, expire_time=end)
    if session.json:
        say_json(CreateApiKeyResponse(api_key=made.api_key, secret=made.secret))
        return
    say(made.secret)
    note(f"Keep it: it is not shown again. It ends {local_time(made.api_key.expire_time)}.")


def list_keys(session: Session, limit: Annotated[int, limit_option()] = 50) -> None:
    """List your API keys, newest first; those that ended are listed for 90 days."""
    check_number("--limit", limit, 1, MAX_LIMIT)
    with session.client() as client:
        found = list(client.api_keys(limit))
    if session.json:
        for key in found:
            say_json(key)
        return
    columns = ("KEY", "SECRET", "STATE", "LAST USE", "LABEL", "SCOPES")
    say_table(columns, map(_key_row, found), spare=("LAST USE", "KEY"))


def revoke(
    session: Session,
    wanted: Annotated[
        list[str],
        typer.Argument(metavar="KEY", help="IDs, or how they or the secrets begin."),
    ],
) -> None:
    """Revoke API keys for good: within 10 s they are refused everywhere."""
    with session.client() as client:
        for api_key_id in [_key_id(client, text) for text in wanted]:
            key = client.revoke_api_key(api_key_id)
            if session.json:
                say_json(key)
            else:
                say(f"{key.api_key_id} revoked")


def _day(option: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(f"{option}: {text!r} is not a day; write for example 2026-11-30.") from None


def _names(row: Usage, shown: Sequence[str]) -> Iterator[str]:
    values = {
        "day": row.day,
        "model": row.model or "(forgotten)",
        "label": row.label_value,
        "user": row.user_id,
    }
    return (values[key] for key in shown)


def _figures(row: Usage) -> tuple[str, ...]:
    counts = (row.unfinished_count, row.succeeded_count, row.failed_count, row.cancelled_count)
    return (*map(money, (row.charged, row.reserved, row.uncertain)), *map(str, counts))


def _budget_row(one: Budget) -> tuple[str, ...]:
    period = Budget.Period.Name(one.period).lower()
    limit = money(one.limit) if one.HasField("limit") else "none"
    left = money(_left(one)) if one.HasField("limit") else ""
    return (
        period,
        limit,
        money(one.spent),
        money(one.reserved),
        left,
        local_time(one.reset_time),
    )


def _left(one: Budget) -> Money:
    used = _nanos(one.spent) + _nanos(one.reserved)
    units, nanos = divmod(max(_nanos(one.limit) - used, 0), 10**9)
    return Money(currency_code=one.limit.currency_code, units=units, nanos=nanos)


def _nanos(amount: Money) -> int:
    return int(amount.units) * 10**9 + int(amount.nanos)


def _key_row(key: ApiKey) -> tuple[str, ...]:
    used = table_time(key.last_use_time) if key.HasField("last_use_time") else "never"
    scopes = " ".join(key.scopes)
    label = shorten(key.label, SHOWN_LABEL)
    return (key.api_key_id, key.secret_prefix, _state(key), used, label, scopes)


def _state(key: ApiKey) -> str:
    if key.HasField("revoke_time"):
        return "revoked"
    if key.expire_time.ToDatetime(UTC) <= datetime.now(UTC):
        return "expired"
    return f"until {key.expire_time.ToDatetime(UTC).date()}"


def _key_id(client: Client, text: str) -> str:
    """The ID of the key that the text names: an ID, or how an ID or a secret begins."""
    if is_id(text):
        return text
    beginning = text[:SHOWN_CHARACTERS] if text.startswith(BEGINNING) else text.lower()
    fitting = [
        key.api_key_id
        for key in client.api_keys()
        if (key.secret_prefix if beginning.startswith(BEGINNING) else key.api_key_id).startswith(
            beginning
        )
    ]
    if len(fitting) == 1:
        return fitting[0]
    how_many = "Several" if fitting else "None"
    raise Refusal(f"{how_many} of your API keys begin with {beginning!r}; give the whole ID.")
