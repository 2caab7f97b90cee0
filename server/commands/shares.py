"""Shares, as owners make, list and revoke them, and as those look at them who have them."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.errors import FeatureDisabled, field_invalid
from core.ids import new_id
from core.media import MediaType
from core.process.settings import Settings
from core.process.telemetry import get_logger
from core.shares import DAY_MS, Share, SharedItem
from core.store import Database, recipes, share_calls
from core.store import shares as share_store
from core.store.shares import Position
from core.telling.changes import Changes
from core.tokens import Tokens
from server.commands.pages import cut, media_bytes, recipe_bytes

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewShare:
    """A share with a user, or a link if it names none; `expire_time` None takes the usual one."""

    media_id: str
    user_id: str = ""
    expire_time: int | None = None
    message: str = ""
    with_recipe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareList:
    """Which shares to list; no `media_id` are those of all items."""

    page_size: int
    page_token: str = ""
    media_id: str = ""
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedList:
    """Which items to list that others share with the user."""

    page_size: int
    page_token: str = ""
    type: MediaType | None = None
    url_ttl_seconds: int | None = None


class Shares:
    """One user's shares at a time."""

    def __init__(self, db: Database, tokens: Tokens, changes: Changes, settings: Settings) -> None:
        self._db = db
        self._tokens = tokens
        self._changes = changes
        self._settings = settings

    def create(self, user_id: str, wanted: NewShare) -> Share:
        """Shares the item; with the same user again it gives that share the new end.

        Raises:
            FieldInvalid: when it would end in the past or too late, or is with the user itself.
            FeatureDisabled: when it is a link, and the operator allows none.
            NotFound: naming the field, when the user has no such item outside the bin.
            ResourceLimitReached: when too many of the user's shares last.
        """
        if not wanted.user_id and not self._settings.share_links:
            raise FeatureDisabled("links to media items", "RUSHES_SHARE_LINKS")
        if wanted.user_id == user_id:
            raise field_invalid("user_id", "is your own; name another user")
        share = Share(
            share_id=new_id(),
            media_id=wanted.media_id,
            owner_user_id=user_id,
            user_id=wanted.user_id,
            message=wanted.message,
            with_recipe=wanted.with_recipe,
            expire_time=self._expire_time(wanted.expire_time),
        )
        most = self._settings.max_shares
        made = self._changes.make_own(lambda db: share_calls.create(db, share, most)).share
        log.info("share_created", user_id=user_id, share_id=made.share_id)
        return made

    def page(self, user_id: str, wanted: ShareList) -> tuple[list[Share], str]:
        """A page of the user's shares with others, newest first, and the token of the next.

        Raises:
            PageTokenInvalid: when the token is not one of this list.
        """
        listing = "shares:" + json.dumps([wanted.media_id, wanted.ended])
        found = share_store.page(
            self._db,
            user_id,
            media_id=wanted.media_id,
            with_ended=wanted.ended,
            after=self._after(user_id, listing, wanted.page_token),
            limit=wanted.page_size + 1,
        )
        shown = found[: wanted.page_size]
        return shown, self._next(user_id, listing, shown, more=len(found) > len(shown))

    def page_with(self, user_id: str, wanted: SharedList) -> tuple[list[SharedItem], str]:
        """A page of what others share with the user now, newest first, and the token of the next.

        Raises:
            PageTokenInvalid: when the token is not one of this list.
        """
        listing = "shared media:" + json.dumps(wanted.type)
        found = share_store.page_with(
            self._db,
            user_id,
            type=wanted.type,
            after=self._after(user_id, listing, wanted.page_token),
            limit=wanted.page_size + 1,
        )
        shown = cut(self._with_recipes(found), wanted.page_size, _shared_bytes)
        shares = [one.share for one in shown]
        return shown, self._next(user_id, listing, shares, more=len(found) > len(shown))

    def _with_recipes(self, items: Sequence[SharedItem]) -> list[SharedItem]:
        media = [item.media for item in items if item.share.with_recipe]
        found = recipes.of_items(self._db, media)
        return [
            replace(item, recipe=found.get(item.media.media_id) if item.share.with_recipe else None)
            for item in items
        ]

    def revoke(self, user_id: str, share_id: str) -> Share:
        """Ends a share of the user, or with the user; it may have ended already.

        Raises:
            NotFound: when there is no such share.
        """
        share = share_store.revoke(self._db, user_id, share_id)
        log.info("share_revoked", user_id=user_id, share_id=share_id)
        return share

    def _expire_time(self, asked: int | None) -> int:
        now = self._db.now_ms()
        if asked is None:
            return now + self._settings.share_days * DAY_MS
        if asked <= now:
            raise field_invalid("expire_time", "must be in the future")
        days = self._settings.max_share_days
        if asked > now + days * DAY_MS:
            raise field_invalid("expire_time", f"must be at most {days} days away")
        return asked

    def _after(self, user_id: str, listing: str, token: str) -> Position | None:
        if not token:
            return None
        position = self._tokens.read_page(user_id, listing, token, _now_ms())
        return position[0], position[1]

    def _next(self, user_id: str, listing: str, shown: list[Share], *, more: bool) -> str:
        if not more:
            return ""
        position: list[Any] = [shown[-1].create_time, shown[-1].share_id]
        return self._tokens.page(user_id, listing, position, _now_ms())


def _shared_bytes(item: SharedItem) -> int:
    own = media_bytes(item.media) + len(item.share.message.encode())
    return own + (recipe_bytes(item.recipe) if item.recipe else 0)


def _now_ms() -> int:
    return int(time.time() * 1000)
