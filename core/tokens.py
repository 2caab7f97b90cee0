"""Opaque tokens for callers: URL-safe, versioned, authenticated, bound to one user.

Layout before base64url: version (1 byte), kind (1 byte), the body, a MAC of 16 bytes. The user is
not inside: it is part of what the MAC covers, so another user's token looks forged. The MAC is a
keyed BLAKE2b, which costs a third of the HMAC-SHA256 of version 1: each state change that a watch
sends has a new token.
"""

import base64
import binascii
import hashlib
import hmac
import json
import struct
from dataclasses import dataclass
from typing import Any

from core.errors import PageTokenInvalid, ResumeTokenInvalid

_VERSION, _VERSION_1 = b"\x02", b"\x01"
_PAGE, _RESUME = b"P", b"R"
_MAC_BYTES = 16
PAGE_TOKEN_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """What a watcher has seen: everything up to `revision` of the history named by `epoch`.

    `whole` is False inside a snapshot: what follows it is not known yet, so it can't be continued.
    """

    epoch: str
    revision: int
    whole: bool = True


class Tokens:
    """Makes and reads tokens with keys derived from the installation's signing key."""

    def __init__(self, signing_key: bytes) -> None:
        self._key = hmac.digest(signing_key, b"rushes token", hashlib.sha256)

    def resume(self, user_id: str, point: ResumePoint) -> str:
        """The resume token of `user_id` for `point`."""
        body = struct.pack(">?Q", point.whole, point.revision) + point.epoch.encode()
        return self._seal(_RESUME, user_id, body)

    def read_resume(self, user_id: str, token: str) -> ResumePoint:
        """What `resume` put into the token.

        Raises:
            ResumeTokenInvalid: when it is damaged, forged, or another user's.
        """
        body = self._open(_RESUME, user_id, token)
        if body is None or len(body) < 9:
            raise ResumeTokenInvalid
        whole, revision = struct.unpack(">?Q", body[:9])
        return ResumePoint(body[9:].decode("utf-8", "replace"), revision, whole)

    def page(self, user_id: str, listing: str, position: list[Any], now_ms: int) -> str:
        """The token of the page after `position` in `listing` (the list's name and filters)."""
        expire = now_ms // 1000 + PAGE_TOKEN_SECONDS
        body = json.dumps([_digest(listing), expire, position], separators=(",", ":")).encode()
        return self._seal(_PAGE, user_id, body)

    def read_page(self, user_id: str, listing: str, token: str, now_ms: int) -> list[Any]:
        """The position that `page` put into the token.

        Raises:
            PageTokenInvalid: when it is damaged, forged, another user's or list's, or too old.
        """
        body = self._open(_PAGE, user_id, token)
        if body is None:
            raise PageTokenInvalid
        digest, expire, position = json.loads(body)
        if digest != _digest(listing) or expire * 1000 < now_ms:
            raise PageTokenInvalid
        return list(position)

    def _seal(self, kind: bytes, user_id: str, body: bytes) -> str:
        sealed = _VERSION + kind + body
        return _encode(sealed + self._mac(user_id, sealed))

    def _open(self, kind: bytes, user_id: str, token: str) -> bytes | None:
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        # Other letters can mean the same bytes: a token has one form.
        if _encode(raw) != token:
            return None
        sealed, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(user_id, sealed)):
            return None
        known = sealed[:1] in (_VERSION, _VERSION_1) and sealed[1:2] == kind
        return sealed[2:] if known else None

    def _mac(self, user_id: str, sealed: bytes) -> bytes:
        covered = user_id.encode() + b"\0" + sealed
        if sealed[:1] == _VERSION_1:
            return hmac.digest(self._key, covered, hashlib.sha256)[:_MAC_BYTES]
        return hashlib.blake2b(covered, key=self._key, digest_size=_MAC_BYTES).digest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _digest(listing: str) -> str:
    return hashlib.sha256(listing.encode()).hexdigest()[:16]
