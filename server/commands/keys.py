"""API keys: makes, lists and revokes them."""

import time
from typing import NamedTuple

from core.api_keys import ApiKey, KeyLimits
from core.process.telemetry import get_logger
from core.store import Database
from core.store import keys as key_store
from core.tokens import Tokens
from server.commands.requests import KeyList, KeyRequest
from server.principal import require_scope

log = get_logger(__name__)
_LISTING = "api keys"


class NewKey(NamedTuple):
    """A new key with its secret, which nobody can read again."""

    key: ApiKey
    secret: str


class Keys:
    """One user's API keys at a time, within the limits."""

    def __init__(self, db: Database, tokens: Tokens, limits: KeyLimits) -> None:
        self._db = db
        self._tokens = tokens
        self._limits = limits

    def create(self, user_id: str, wanted: KeyRequest) -> NewKey:
        """Makes a key.

        Raises:
            ScopeMissing: when the caller lacks a scope that the key would have.
            FieldInvalid: when it would end in the past, or too late.
            ResourceLimitReached: when the user has too many.
        """
        for scope in wanted.scopes:
            require_scope(scope)
        made, secret = key_store.issue(
            self._db, user_id, wanted.label, wanted.scopes, wanted.expire_time, self._limits
        )
        log.info("api_key_created", user_id=user_id, api_key_id=made.api_key_id)
        return NewKey(made, secret)

    def page(self, user_id: str, wanted: KeyList) -> tuple[list[ApiKey], str]:
        """A page of keys, newest first, and the token of the next.

        Raises:
            PageTokenInvalid: when the token is not one of this list.
        """
        now, token = int(time.time() * 1000), wanted.page_token
        after = self._tokens.read_page(user_id, _LISTING, token, now) if token else None
        found = key_store.list_page(
            self._db,
            user_id,
            after=(after[0], after[1]) if after else None,
            limit=wanted.page_size + 1,
        )
        keys = found[: wanted.page_size]
        if len(found) == len(keys):
            return keys, ""
        position = [keys[-1].create_time, keys[-1].api_key_id]
        return keys, self._tokens.page(user_id, _LISTING, position, now)

    def revoke(self, user_id: str, api_key_id: str) -> ApiKey:
        """Revokes the key for good; it may be revoked already.

        Raises:
            NotFound: when the user has no such key.
        """
        key = key_store.revoke(self._db, user_id, api_key_id)
        log.info("api_key_revoked", user_id=user_id, api_key_id=api_key_id)
        return key
