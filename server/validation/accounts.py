"""Checks the requests of AccountService."""

from typing import Any

from core.api_keys import MAX_LABEL_CHARACTERS
from core.process.settings import Settings
from core.scopes import Scope
from rushes.v1 import account_service_pb2 as pb
from server.commands.requests import KeyList, KeyRequest
from server.validation import fields as f
from server.validation.problems import Problems


class AccountValidator:
    """Each request becomes a value of `server.commands.requests`, or FieldInvalid."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

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

    def _page(self, problems: Problems, request: Any) -> tuple[int, str]:
        most = self._settings.max_page_size
        size = f.check_page_size(problems, "page_size", request.page_size, most)
        return size, f.check_token(problems, "page_token", request.page_token)


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
