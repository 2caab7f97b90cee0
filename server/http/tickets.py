"""Tickets: each lets a page open one stream without a header, soon after it got the ticket.

Keys: `rushes:ticket:<name>` holds the caller's credentials for TICKET_SECONDS, sealed with a key
that only the ticket itself gives; `rushes:tickets:<credentials>` counts those that the same
credentials got within a minute. Both names are hashes.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

import redis
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import CredentialsInvalid, RateLimited
from core.telling.stream import reaching

TICKET_SECONDS = 60
_COUNTED_SECONDS = 60
_BYTES = 32
_CHARACTERS = 43
# Each key seals one text, so no two texts share key and nonce.
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class _Seal:
    """What a ticket stands for: the name of its entry, and the key of what the entry holds."""

    name: str
    key: bytes

    @classmethod
    def of(cls, ticket: str) -> "_Seal":
        text = ticket.encode()
        name = hashlib.blake2b(text, digest_size=32, person=b"rushes name").hexdigest()
        key = hashlib.blake2b(text, digest_size=32, person=b"rushes key").digest()
        return cls(f"rushes:ticket:{name}", key)


class Tickets:
    """Gives tickets out and takes each one once, whichever process gave it. Calls block."""

    def __init__(self, client: redis.Redis, most_per_minute: int) -> None:
        self._redis: Any = client
        self._most = most_per_minute

    def make(self, credentials: str) -> str:
        """A ticket that stands for the credentials, which must be good.

        Raises:
            RateLimited: when the same credentials got too many within a minute.
            DependencyUnavailable: when Redis can't be reached.
        """
        ticket = base64.urlsafe_b64encode(secrets.token_bytes(_BYTES)).rstrip(b"=").decode()
        seal = _Seal.of(ticket)
        sealed = AESGCM(seal.key).encrypt(_NONCE, credentials.encode(), None)
        with reaching("ticket store"):
            if self._count(credentials) > self._most:
                raise RateLimited("You get tickets too fast; one is enough for each stream.")
            self._redis.set(seal.name, sealed, ex=TICKET_SECONDS)
        return ticket

    def take(self, ticket: str) -> str:
        """The credentials that the ticket stands for. It is of no use after that.

        Raises:
            CredentialsInvalid: when it was never given, was taken, or is too old.
            DependencyUnavailable: when Redis can't be reached.
        """
        refused = CredentialsInvalid(
            f"The ticket is unknown, was used, or is older than {TICKET_SECONDS} s; get a new one."
        )
        if len(ticket) != _CHARACTERS or not ticket.isascii():
            raise refused
        seal = _Seal.of(ticket)
        with reaching("ticket store"):
            sealed = self._redis.getdel(seal.name)
        if sealed is None:
            raise refused
        try:
            return AESGCM(seal.key).decrypt(_NONCE, sealed, None).decode()
        except InvalidTag:
            raise refused from None

    def _count(self, credentials: str) -> int:
        digest = hashlib.blake2b(credentials.encode(), digest_size=16).hexdigest()
        name = f"rushes:tickets:{digest}"
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.incr(name)
            pipe.expire(name, _COUNTED_SECONDS, nx=True)
            return int(pipe.execute()[0])
