"""`rushes share`, `shares`, `unshare`: items shown to other users, or to whoever has a link."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from rushes import Client, Share, SharedMedia
from rushes.cli.commands import command
from rushes.cli.exits import Refusal
from rushes.cli.ids import media_id_of
from rushes.cli.inputs import MAX_LIMIT, check_number, limit_option, parse_span
from rushes.cli.options import TypeName
from rushes.cli.output import local_time, say, say_json, say_table, shorten, table_time
from rushes.cli.session import Session
from rushes.v1.media_pb2 import Media
from rushes.values import is_id

SHOWN_USER = 24


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    for function in (share, shares, unshare):
        command(app, function.__name__)(function)


def share(
    session: Session,
    media_id: Annotated[
        str, typer.Argument(metavar="MEDIA_ID", help="ID of an image or video, or how it begins.")
    ],
    recipient: Annotated[
        str, typer.Option("--with", metavar="USER", help="Share it with this user.")
    ] = "",
    link: Annotated[
        bool, typer.Option("--link", help="Make a link, which shows it to whoever has it.")
    ] = False,
    span: Annotated[
        str, typer.Option("--for", metavar="TIME", help='How long, like "7d"; else 30 days.')
    ] = "",
    message: Annotated[str, typer.Option(metavar="TEXT", help="Words to the other user.")] = "",
    recipe: Annotated[
        bool, typer.Option("--recipe", help="Show the user the prompt, seed and recipe too.")
    ] = False,
) -> None:
    """Share an image or a video with a user, or by a link."""
    if bool(recipient) == link:
        raise Refusal("Give --with USER, or --link.")
    if link and (message or recipe):
        raise Refusal("--message and --recipe are for a user, not for a link.")
    end = datetime.now(UTC) + timedelta(seconds=parse_span("--for", span)) if span else None
    with session.client() as client:
        found = media_id_of(client, media_id)
        if link:
            made = client.share_link(found, expire_time=end)
        else:
            made = client.share(
                found, recipient, expire_time=end, message=message, with_recipe=recipe
            )
    if session.json:
        say_json(made)
    elif link:
        say(made.page_url)
        say(f"The file alone: {made.link_url}")
        say(f"It works until {local_time(made.expire_time)}; share {made.share_id}.")
    else:
        say(f"Shared with {recipient} until {local_time(made.expire_time)}; share {made.share_id}.")


def shares(
    session: Session,
    with_me: Annotated[
        bool, typer.Option("--with-me", help="What others share with you instead.")
    ] = False,
    media: Annotated[
        str, typer.Option("--media", metavar="MEDIA_ID", help="Only shares of this item.")
    ] = "",
    ended: Annotated[
        bool, typer.Option("--ended", help="Also those that have ended in the last 30 days.")
    ] = False,
    type: Annotated[
        TypeName | None,
        typer.Option(metavar="TYPE", help="With --with-me: only image, or only video."),
    ] = None,
    limit: Annotated[int, limit_option()] = 50,
) -> None:
    """List what you share with others, or what they share with you, newest first."""
    check_number("--limit", limit, 1, MAX_LIMIT)
    if with_me and (media or ended):
        raise Refusal("--media and --ended are for your own shares, not for --with-me.")
    if type and not with_me:
        raise Refusal("--type goes with --with-me.")
    with session.client() as client:
        if with_me:
            _show_items(session, client.shared_media(type=type, limit=limit))
        else:
            media_id = media_id_of(client, media) if media else ""
            _show_shares(session, client.shares(media_id, ended=ended, limit=limit))


def unshare(
    session: Session,
    share_ids: Annotated[
        list[str], typer.Argument(metavar="SHARE_ID", help="IDs, or how they begin.")
    ],
) -> None:
    """End shares now: yours, or others' with you."""
    with session.client() as client:
        for share_id in [_share_id(client, text) for text in share_ids]:
            ended = client.revoke_share(share_id)
            if session.json:
                say_json(ended)
            else:
                say(f"{share_id} has ended")


def _show_shares(session: Session, found: Iterator[Share]) -> None:
    if session.json:
        for one in found:
            say_json(one)
        return
    say_table(("SHARE", "WITH", "UNTIL", "MEDIA"), map(_row, found), spare=("MEDIA",))


def _show_items(session: Session, found: Iterator[SharedMedia]) -> None:
    if session.json:
        for one in found:
            say_json(one)
        return
    columns = ("SHARE", "FROM", "UNTIL", "TYPE", "TITLE OR MESSAGE")
    say_table(columns, map(_item_row, found), spare=("TYPE",))


def _row(one: Share) -> tuple[str, ...]:
    who = shorten(one.user_id, SHOWN_USER) or "a link"
    until = "revoked" if one.HasField("revoke_time") else table_time(one.expire_time)
    return one.share_id, who, until, one.media_id


def _item_row(one: SharedMedia) -> tuple[str, ...]:
    kind = "video" if one.media.type == Media.VIDEO else "image"
    who = shorten(one.share.owner_user_id, SHOWN_USER)
    title = shorten(one.media.title or one.share.message, 30)
    return one.share.share_id, who, table_time(one.share.expire_time), kind, title


def _share_id(client: Client, text: str) -> str:
    """The ID of the share, the caller's own or one with the caller, that the text names."""
    if is_id(text):
        return text
    beginning = text.lower()
    known = {share.share_id for share in client.shares()}
    known |= {item.share.share_id for item in client.shared_media()}
    fitting = [one for one in known if one.startswith(beginning)]
    if len(fitting) == 1:
        return fitting[0]
    how_many = "Several" if fitting else "None"
    raise Refusal(f"{how_many} of your share IDs start with {text!r}; give the whole ID.")
