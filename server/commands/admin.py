"""Pages of what administrators list; `core.administration` does the rest."""

import time
from typing import Any

from core.store import Database, budgets, submits
from core.store.budgets import Budget, Period
from core.store.submits import Unsettled
from core.tokens import Tokens

_SUBMITS, _BUDGETS = "unsettled submits", "all budgets"


class AdminLists:
    """Lists over all users, each page with the token of the next one."""

    def __init__(self, db: Database, tokens: Tokens) -> None:
        self._db = db
        self._tokens = tokens

    def unsettled(self, admin: str, page_size: int, token: str) -> tuple[list[Unsettled], str]:
        """Submits of which nobody knows whether they were accepted or charged, oldest first.

        Raises:
            PageTokenInvalid: when the token is not one of this list.
        """
        after = self._position(admin, _SUBMITS, token)
        position = (int(after[0]), str(after[1])) if after else (-1, "")
        found = submits.unsettled(self._db, after=position, limit=page_size + 1)
        if len(found) <= page_size:
            return found, ""
        last = found[page_size - 1].intent
        position = (last.create_time, last.job_id)
        return found[:page_size], self._next(admin, _SUBMITS, position)

    def budgets(self, admin: str, page_size: int, token: str) -> tuple[list[Budget], str]:
        """Budgets and what is spent of them, by owner.

        Raises:
            PageTokenInvalid: when the token is not one of this list.
        """
        after = self._position(admin, _BUDGETS, token)
        position = (str(after[0]), Period(after[1])) if after else None
        found = budgets.list_page(self._db, after=position, limit=page_size + 1)
        if len(found) <= page_size:
            return found, ""
        last = found[page_size - 1]
        return found[:page_size], self._next(admin, _BUDGETS, (last.owner, last.period))

    def _position(self, admin: str, listing: str, token: str) -> list[Any] | None:
        return self._tokens.read_page(admin, listing, token, _now_ms()) if token else None

    def _next(self, admin: str, listing: str, position: tuple[Any, ...]) -> str:
        return self._tokens.page(admin, listing, list(position), _now_ms())


def _now_ms() -> int:
    return int(time.time() * 1000)
