"""`rushes notifications`, `rushes read`: what the service has to say to you."""

import datetime
from collections.abc import Iterator
from typing import Annotated

import typer

from rushes.cli.commands import command
from rushes.cli.exits import Refusal
from rushes.cli.ids import notification_id_of
from rushes.cli.inputs import MAX_LIMIT, check_number, limit_option
from rushes.cli.output import say, say_json, say_table, shorten, table_time
from rushes.cli.session import Session
from rushes.v1.notification_pb2 import Notification

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="NOTIFICATION_ID", help="IDs, or how they begin.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    for function in (notifications, read):
        command(app, function.__name__)(function)


def notifications(
    session: Session,
    unread: Annotated[bool, typer.Option("--unread", help="Only unread ones.")] = False,
    limit: Annotated[int, limit_option()] = 50,
) -> None:
    """List your notifications, newest first; a star marks those that are unread."""
    check_number("--limit", limit, 1, MAX_LIMIT)
    with session.client() as client:
        found = client.notifications(unread=unread, limit=limit)
        if session.json:
            for one in found:
                say_json(one)
            return
        say_table(("", "ID", "TIME", "KIND", "TITLE"), map(_row, found), spare=("TIME", "KIND"))


def read(
    session: Session,
    notification_ids: Ids = None,
    all: Annotated[bool, typer.Option("--all", help="All that there are now.")] = False,
) -> None:
    """Mark notifications as read."""
    if bool(notification_ids) == all:
        raise Refusal("Name notifications by ID, or give --all.")
    with session.client() as client:
        named = [notification_id_of(client, text) for text in notification_ids or ()]
        until = _newest(client.notifications(limit=1)) if all else None
        is_any = bool(named) or until is not None
        left = client.mark_read(named, until=until) if is_any else 0
    if session.json:
        say_json({"unreadCount": left})
    else:
        say(f"{left} unread")


def _newest(found: Iterator[Notification]) -> datetime.datetime | None:
    """When the newest of them was made."""
    newest = next(found, None)
    return newest.create_time.ToDatetime(datetime.UTC) if newest else None


def _row(one: Notification) -> tuple[str, ...]:
    new = "" if one.HasField("read_time") else "*"
    kind = Notification.Kind.Name(one.kind).lower().replace("_", " ")
    title = f"{one.title} ({one.text})" if one.text else one.title
    return new, one.notification_id, table_time(one.create_time), kind, shorten(title)
