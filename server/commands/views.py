"""Views, as callers list, read, apply and clear them."""

import json
import time
from dataclasses import dataclass

from core.store import Database, view_calls
from core.store import views as view_store
from core.store.view_calls import Changed
from core.telling.changes import Changes
from core.tokens import Tokens
from core.views import View


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewList:
    """Which views to list; no `prefix` is all that show something."""

    page_size: int
    page_token: str = ""
    prefix: str = ""
    url_ttl_seconds: int | None = None


class Views:
    """One user's views at a time."""

    def __init__(self, db: Database, tokens: Tokens, changes: Changes) -> None:
        self._db = db
        self._tokens = tokens
        self._changes = changes

    def page(self, user_id: str, wanted: ViewList) -> tuple[list[View], str]:
        """A page of views that show something, by name, and the token of the next.

        Raises:
            PageTokenInvalid: when the token is not one of this list.
        """
        listing, now_ms = "views:" + json.dumps(wanted.prefix), int(time.time() * 1000)
        token = wanted.page_token
        after = self._tokens.read_page(user_id, listing, token, now_ms)[0] if token else ""
        size = wanted.page_size
        found = view_store.page(
            self._db, user_id, prefix=wanted.prefix, after=after, limit=size + 1
        )
        shown = found[:size]
        if len(found) == len(shown):
            return shown, ""
        return shown, self._tokens.page(user_id, listing, [shown[-1].view], now_ms)

    def get(self, user_id: str, view: str) -> View:
        """What the view shows."""
        return view_store.get(self._db, user_id, view)

    def apply(self, user_id: str, view: str, media_id: str, *, looping: bool) -> Changed:
        """Makes the view show the item.

        Raises:
            NotFound: naming the field, when the user has no such item outside the bin.
            ResourceLimitReached: when too many views show something.
        """
        return self._changes.make_own(
            lambda db: view_calls.apply(db, user_id, view, media_id, looping=looping)
        )

    def clear(self, user_id: str, view: str) -> Changed:
        """Makes the view show nothing."""
        return self._changes.make_own(lambda db: view_calls.clear(db, user_id, view))
