"""Views, as callers list, read, apply and clear them."""

import json
import time
from dataclasses import dataclass
from itertools import islice
from typing import Any

from core.store import Database, view_calls
from core.store import views as view_store
from core.store.view_calls import Changed
from core.store.views import Version
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

    def __init__(self, db: Database, tokens: Tokens, changes: Changes, max_views: int) -> None:
        self._db = db
        self._tokens = tokens
        self._changes = changes
        self._max_views = max_views

    def page(self, user_id: str, wanted: ViewList) -> tuple[dict[Version, View], str]:
        """A page of views that show something, by name, and the token of the next.

        Raises:
            PageTokenInvalid: when the token is not one of this list.
        """
        found = view_store.page(self._db, user_id, **self._asked(user_id, wanted))
        shown = dict(islice(found.items(), wanted.page_size))
        return shown, self._next_token(user_id, wanted, list(found))

    def versions(self, user_id: str, wanted: ViewList) -> tuple[list[Version], str]:
        """The versions of the views of such a page, and the token of the next.

        Raises:
            PageTokenInvalid: when the token is not one of this list.
        """
        found = view_store.versions(self._db, user_id, **self._asked(user_id, wanted))
        return found[: wanted.page_size], self._next_token(user_id, wanted, found)

    def _asked(self, user_id: str, wanted: ViewList) -> dict[str, Any]:
        """One more view than the page has, so that the next page is known to be there."""
        token, now_ms = wanted.page_token, _now_ms()
        listing = _listing(wanted)
        after = self._tokens.read_page(user_id, listing, token, now_ms)[0] if token else ""
        return {"prefix": wanted.prefix, "after": after, "limit": wanted.page_size + 1}

    def _next_token(self, user_id: str, wanted: ViewList, found: list[Version]) -> str:
        if len(found) <= wanted.page_size:
            return ""
        name = found[wanted.page_size - 1][0]
        return self._tokens.page(user_id, _listing(wanted), [name], _now_ms())

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
            lambda db: view_calls.apply(
                db, user_id, view, media_id, looping=looping, max_views=self._max_views
            )
        )

    def clear(self, user_id: str, view: str) -> Changed:
        """Makes the view show nothing."""
        return self._changes.make_own(lambda db: view_calls.clear(db, user_id, view))


def _listing(wanted: ViewList) -> str:
    return "views:" + json.dumps(wanted.prefix)


def _now_ms() -> int:
    return int(time.time() * 1000)
