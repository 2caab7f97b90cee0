"""`rushes-admin announce`: messages to all users."""

from typing import Annotated

import typer

from admin.site import Site
from admin.steering import JsonOption, administration, check_text, who
from admin.tables import clock, print_json
from core.announcements import Announcement
from core.errors import SettingsInvalid
from core.ids import new_id
from core.notifications import MAX_TEXT_CHARACTERS, MAX_TITLE_CHARACTERS, Severity
from core.times import iso

app = typer.Typer(help="Messages to all users.", no_args_is_help=True)
HOUR_MS = 3600 * 1000


@app.command("create")
def create_announcement(
    context: typer.Context,
    title: Annotated[str, typer.Argument(metavar="TITLE")],
    text: Annotated[str, typer.Option(help="More words.")] = "",
    severity: Annotated[str, typer.Option(help="info, success, warning or error.")] = "info",
    hours: Annotated[int | None, typer.Option(help="How long it shows. Default: always.")] = None,
    json: JsonOption = False,
) -> None:
    """Say something to all users."""
    check_text("TITLE", title, MAX_TITLE_CHARACTERS)
    check_text("--text", text, MAX_TEXT_CHARACTERS, needed=False)
    if severity.upper() not in Severity.__members__:
        raise SettingsInvalid("--severity: use info, success, warning or error.")
    if hours is not None and not 1 <= hours <= 24 * 366:
        raise SettingsInvalid("--hours: must be 1 to 8784.")
    site: Site = context.obj
    with administration(site) as admin, site.database() as db:
        now = db.now_ms()
        wanted = Announcement(
            announcement_id=new_id(),
            severity=Severity[severity.upper()],
            title=title,
            text=text,
            create_time=now,
            expire_time=None if hours is None else now + hours * HOUR_MS,
        )
        made = admin.announce(who(), wanted)
    end = made.expire_time
    if json:
        print_json(
            {
                "announcement_id": made.announcement_id,
                "severity": made.severity,
                "title": made.title,
                "text": made.text,
                "create_time": iso(made.create_time),
                "expire_time": None if end is None else iso(end),
            }
        )
    else:
        until = "" if end is None else f" until {clock(end)}"
        print(f"Announcement {made.announcement_id} is shown{until}.")


@app.command("withdraw")
def withdraw_announcement(
    context: typer.Context,
    announcement_id: Annotated[str, typer.Argument(metavar="ANNOUNCEMENT")],
) -> None:
    """Take an announcement back. May be repeated."""
    site: Site = context.obj
    with administration(site) as admin:
        admin.withdraw(who(), announcement_id)
    print(f"Announcement {announcement_id} is withdrawn.")
