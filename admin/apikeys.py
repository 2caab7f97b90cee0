"""`rushes-admin apikey`: the API keys of a user."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from admin.site import Site
from admin.steering import JsonOption, administration, check_text, check_user, cut, who
from admin.tables import clock, print_json, print_table
from core.api_keys import DAY_MS, MAX_LABEL_CHARACTERS, ApiKey
from core.errors import SettingsInvalid
from core.scopes import OVER_OTHERS, Scope
from core.store import Database, keys
from core.times import iso

app = typer.Typer(help="API keys of a user.", no_args_is_help=True)
UserOption = Annotated[str, typer.Option("--user", help="Whose keys.")]
PAGE = 500
# A key makes no keys, and reaches over nobody.
SCOPES = tuple(scope for scope in Scope if scope not in OVER_OTHERS | {Scope.KEYS_WRITE})


@app.command("create")
def create_key(
    context: typer.Context,
    user: UserOption,
    label: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[list[str], typer.Option(help="What it may do; repeat it for more.")],
    days: Annotated[int | None, typer.Option(help="How long it works. Default: 90.")] = None,
    json: JsonOption = False,
) -> None:
    """Make a key. Its secret is shown this once."""
    check_user("--user", user)
    check_text("--label", label, MAX_LABEL_CHARACTERS)
    scopes = tuple(dict.fromkeys(map(_scope, scope)))
    site: Site = context.obj
    limits = site.settings.key_limits
    if days is not None and not 1 <= days <= limits.longest_days:
        raise SettingsInvalid(f"--days: must be 1 to {limits.longest_days}.")
    with administration(site) as admin, site.database() as db:
        end = None if days is None else db.now_ms() + days * DAY_MS
        made, secret = admin.create_key(who(), user, label, scopes, end, limits)
    if json:
        print_json({**_as_json(made), "secret": secret})
    else:
        print(f"{secret}\nKey {made.api_key_id} works until {clock(made.expire_time)}.")


@app.command("list")
def list_keys(context: typer.Context, user: UserOption, json: JsonOption = False) -> None:
    """List a user's keys, newest first; one that does not work any more for 90 days."""
    check_user("--user", user)
    site: Site = context.obj
    with site.database() as db:
        found = list(_all(db, user))
    if json:
        print_json([_as_json(key) for key in found])
    elif found:
        print_table(("KEY", "BEGINS", "LABEL", "EXPIRES", "REVOKED"), map(_row, found))
    else:
        print("The user has no API key.")


@app.command("revoke")
def revoke_key(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="As `list` shows it.")],
    user: UserOption,
    json: JsonOption = False,
) -> None:
    """Revoke a key for good."""
    check_user("--user", user)
    site: Site = context.obj
    with administration(site) as admin:
        revoked = admin.revoke_key(who(), user, key_id)
    if json:
        print_json(_as_json(revoked))
    else:
        print(f"Key {revoked.api_key_id} is revoked.")


def _scope(name: str) -> Scope:
    found = next((scope for scope in SCOPES if scope == name), None)
    if found is None:
        raise SettingsInvalid(f"--scope: use some of {', '.join(SCOPES)}.")
    return found


def _all(db: Database, user_id: str) -> Iterator[ApiKey]:
    after = None
    while page := keys.list_page(db, user_id, after=after, limit=PAGE):
        yield from page
        after = (page[-1].create_time, page[-1].api_key_id)


def _row(key: ApiKey) -> tuple[str, ...]:
    revoked = "" if key.revoke_time is None else clock(key.revoke_time)[:10]
    return (
        key.api_key_id,
        key.secret_prefix,
        cut(key.label, 20),
        clock(key.expire_time)[:10],
        revoked,
    )


def _as_json(key: ApiKey) -> dict[str, Any]:
    return {
        "api_key_id": key.api_key_id,
        "user_id": key.user_id,
        "label": key.label,
        "secret_prefix": key.secret_prefix,
        "scopes": list(key.scopes),
        "create_time": iso(key.create_time),
        "expire_time": iso(key.expire_time),
        "last_use_time": None if key.last_use_time is None else iso(key.last_use_time),
        "revoke_time": None if key.revoke_time is None else iso(key.revoke_time),
    }
