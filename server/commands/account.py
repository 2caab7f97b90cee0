"""What users spend: usage and budgets."""

import time
from typing import NamedTuple

from core.scopes import Scope
from core.store import Database, budgets, usage_days
from core.store.budgets import Budget, Period
from core.store.usage_days import Key, Usage, UsageQuery
from core.tokens import Tokens
from server.commands.requests import UsageRequest
from server.principal import require_scope


class UsagePage(NamedTuple):
    """A page of groups; the total comes with the first one only."""

    rows: list[Usage]
    next_page_token: str
    total: Usage | None


class Account:
    """Answers the caller about himself, and administrators about anybody."""

    def __init__(self, db: Database, tokens: Tokens) -> None:
        self._db = db
        self._tokens = tokens

    def usage(self, caller: str, wanted: UsageRequest) -> UsagePage:
        """A page of usage.

        Raises:
            ScopeMissing: when it is of others and the caller is no administrator.
            PageTokenInvalid: when the token is not one of this list.
        """
        if wanted.all_users or wanted.user_id not in ("", caller) or Key.USER in wanted.keys:
            require_scope(Scope.ADMIN)
        query = UsageQuery(
            user_id=None if wanted.all_users else wanted.user_id or caller,
            first_day=budgets.span(Period.DAY, wanted.from_ms),
            last_day=budgets.span(Period.DAY, wanted.until_ms - 1),
            from_ms=wanted.from_ms,
            until_ms=wanted.until_ms,
            keys=wanted.keys,
            label_key=wanted.label_key,
        )
        listing, now, token = f"usage {query}", int(time.time() * 1000), wanted.page_token
        after = self._tokens.read_page(caller, listing, token, now) if token else None
        found, total = usage_days.page(self._db, query, after=after, limit=wanted.page_size + 1)
        rows = found[: wanted.page_size]
        more = len(found) > len(rows)
        return UsagePage(
            rows,
            self._tokens.page(caller, listing, rows[-1].position, now) if more else "",
            total,
        )

    def budget(self, caller: str, user_id: str) -> tuple[list[Budget], tuple[int, ...]]:
        """The budgets that bind the user alone, and at which percents the user is told.

        Raises:
            ScopeMissing: when it is another user's and the caller is no administrator.
        """
        if user_id != caller:
            require_scope(Scope.ADMIN)
        return budgets.of_user(self._db, user_id), budgets.alert_percents(self._db, user_id)
