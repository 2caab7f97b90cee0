"""Development tokens, signed with the key that the standalone generated."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jwt

from rushes.cli.exits import NOT_ALLOWED, Refusal
from rushes.cli.inputs import parse_span

MIN_KEY_BYTES = 32
MAX_TTL_SECONDS = 24 * 3600
SESSION_TTL_SECONDS = 3600


@dataclass(frozen=True)
class Signer:
    """Makes tokens that the server of one installation accepts."""

    key: bytes
    issuer: str = "rushes"
    audience: str = "rushes"

    def token(
        self, user: str, ttl_seconds: int = SESSION_TTL_SECONDS, scopes: Sequence[str] = ()
    ) -> str:
        """A token that is `user` from now on, for that time.

        scopes: what alone it may do; without any it may do what a person may.
        """
        now = int(time.time())
        claims = {"sub": user, "iss": self.issuer, "aud": self.audience}
        claims |= {"scope": " ".join(scopes)} if scopes else {}
        return jwt.encode({**claims, "iat": now, "exp": now + ttl_seconds}, self.key, "HS256")


def read_key(file: Path) -> bytes:
    """The key in `file`, which holds it as hex.

    Raises:
        Refusal: when it can't be read or is too short.
    """
    try:
        key = bytes.fromhex(file.read_text().strip())
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise Refusal(f"The key {file} can't be read: {reason}.", NOT_ALLOWED) from None
    except ValueError:
        raise Refusal(f"The key {file} is not in hex.", NOT_ALLOWED) from None
    if len(key) < MIN_KEY_BYTES:
        raise Refusal(f"The key {file} is shorter than {MIN_KEY_BYTES} bytes.", NOT_ALLOWED)
    return key


def parse_ttl(text: str) -> int:
    """Seconds from "90s", "30m", "12h" or "1d"; at most 24 hours."""
    seconds = parse_span("--ttl", text)
    if not 0 < seconds <= MAX_TTL_SECONDS:
        raise Refusal("--ttl: a token is valid for more than 0 s and at most 24h.")
    return seconds
