"""Checks the requests of AccountService."""

import time
from collections.abc import Callable
from typing import Any

from core.api_keys import MAX_LABEL_CHARACTERS
from core.process.settings import Settings
from core.scopes import Scope
from core.store.usage_days import DAY_MS, Key
from rushes.v1 import account_service_pb2 as pb
from server.commands.requests import KeyList, KeyRequest, UsageRequest
from server.validation import fields as f
from server.validation.problems import Problems

_USUAL_DAYS = 30


class AccountValidator:
    """Each request becomes a value of `server.commands.requests`, or FieldInvalid."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock

    def get_usage(self, request: pb.GetUsageRequest) -> UsageRequest:
        """Whose usage, of which days, and how it is grouped."""
        problems = Problems()
        keys = _keys(problems, request)
        f.check_label_key(problems, "label_key", request.label_key)
        if Key.LABEL in keys and not request.label_key:
            problems.wrong("label_key", "must be set with LABEL in group_by")
        elif request.label_key and Key.LABEL not in keys:
            problems.wrong("label_key", "needs LABEL in group_by")
        user_id = f.check_user_id(problems, "user_id", request.user_id)
        if request.all_users and user_id:
            problems.wrong("all_users", "does not go with user_id")
        from_ms, until_ms = self._days(problems, request)
        size, token = self._page(problems, request)
        problems.raise_wrong()
        return UsageRequest(
            user_id=user_id,
            all_users=request.all_users,
            from_ms=from_ms,
            until_ms=until_ms,
            keys=keys,
            label_key=request.label_key,
            page_size=size,
            page_token=token,
        )

    def get_budget(self, request: pb.GetBudgetRequest) -> str:
        """Whose budget; empty for the caller's."""
        problems = Problems()
        user_id = f.check_user_id(problems, "user_id", request.user_id)
        problems.raise_wrong()
        return user_id

    def create_api_key(self, request: pb.CreateApiKeyRequest) -> KeyRequest:
        """The key that is asked for."""
        problems = Problems()
        if not request.label.strip():
            problems.wrong("label", "must not be empty")
        f.check_text(problems, "label", request.label, MAX_LABEL_CHARACTERS)
        scopes = _scopes(problems, request.scopes)
        expire = None
        if request.HasField("expire_time"):
            expire = f.read_time(problems, "expire_time", request.expire_time)
        problems.raise_wrong()
        return KeyRequest(label=request.label, scopes=scopes, expire_time=expire)

    def list_api_keys(self, request: pb.ListApiKeysRequest) -> KeyList:
        """Which page of the keys."""
        problems = Problems()
        size, token = self._page(problems, request)
        problems.raise_wrong()
        return KeyList(page_size=size, page_token=token)

    def revoke_api_key(self, request: pb.RevokeApiKeyRequest) -> str:
        """The key's id."""
        problems = Problems()
        api_key_id = f.check_id(problems, "api_key_id", request.api_key_id)
        problems.raise_wrong()
        return api_key_id

    def _days(self, problems: Problems, request: pb.GetUsageRequest) -> tuple[int, int]:
        """When the first day begins and the last one ends."""
        until: int | None = int(self._clock() * 1000)
        if request.HasField("end_time"):
            until = f.read_time(problems, "end_time", request.end_time)
        if until is None:
            return 0, 0
        start: int | None = until - _USUAL_DAYS * DAY_MS
        if request.HasField("start_time"):
            start = f.read_time(problems, "start_time", request.start_time)
        if start is None:
            return 0, 0
        if start >= until:
            problems.wrong("start_time", "must be before end_time")
        elif until // DAY_MS - start // DAY_MS > self._settings.usage_days:
            days = self._settings.usage_days
            problems.wrong("start_time", f"must be at most {days} days before end_time")
        return start // DAY_MS * DAY_MS, -(-until // DAY_MS) * DAY_MS

    def _page(self, problems: Problems, request: Any) -> tuple[int, str]:
        most = self._settings.max_page_size
        size = f.check_page_size(problems, "page_size", request.page_size, most)
        return size, f.check_token(problems, "page_token", request.page_token)


def _keys(problems: Problems, request: pb.GetUsageRequest) -> tuple[Key, ...]:
    keys: list[Key] = []
    for number, value in enumerate(request.group_by[: len(Key) + 1]):
        place = f"group_by[{number}]"
        name = f.read_enum(problems, place, pb.GetUsageRequest.GroupBy, value)
        if not value:
            problems.wrong(place, "must be DAY, MODEL, LABEL or USER")
        elif name and Key[name] in keys:
            problems.wrong(place, f"names {name} a second time")
        elif name:
            keys.append(Key[name])
    return tuple(keys)


def _scopes(problems: Problems, names: Any) -> tuple[Scope, ...]:
    """Scopes that a key may have, each of them once."""
    if not names:
        problems.wrong("scopes", "must name one scope or more")
    found = dict.fromkeys(
        scope
        for number, name in enumerate(names[: f.MAX_IDS])
        if (scope := _scope(problems, f"scopes[{number}]", name)) is not None
    )
    return tuple(found)


def _scope(problems: Problems, field: str, name: str) -> Scope | None:
    if name == Scope.KEYS_WRITE:
        problems.wrong(field, "an API key can't make or revoke API keys")
    elif name not in frozenset(Scope):
        able = ", ".join(scope for scope in Scope if scope is not Scope.KEYS_WRITE)
        problems.wrong(field, f"must be one of {able}")
    else:
        return Scope(name)
    return None
