"""API keys: bearer tokens that do not change, and the form of their secrets.

A secret is `rushes_`, 256 random bits in 43 letters and digits, and a checksum in 6. The database
keeps a SHA-256 of it. That suffices: slow hashes and salts protect words that people choose, and
nobody can try 2**256 values at any speed. And a fast one lets each call look its key up by it. The
checksum is no protection either. It tells mistyped and made-up secrets without the database.
"""

import hashlib
import secrets
import string
import zlib
from dataclasses import dataclass

from core.scopes import Scope

PREFIX = "rushes_"
# So much of a secret is shown, to tell it by. The rest still has 226 random bits.
SHOWN_CHARACTERS = 12
MAX_LABEL_CHARACTERS = 100
DAY_MS = 24 * 3600 * 1000
# For so long a key is listed after it was revoked or has expired.
LISTED_MS = 90 * DAY_MS

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_BYTES, _RANDOM_LENGTH, _CHECK_LENGTH = 32, 43, 6
_LENGTH = len(PREFIX) + _RANDOM_LENGTH + _CHECK_LENGTH


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """How many keys of a user may work, for how many days they usually do, and at most."""

    most: int
    usual_days: int
    longest_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without its secret. Times in milliseconds; `last_use_time` is to the hour.

    `scopes` are names; another version may know more of them than this one.
    """

    api_key_id: str
    user_id: str
    label: str
    secret_prefix: str
    scopes: tuple[str, ...]
    create_time: int
    expire_time: int
    last_use_time: int | None = None
    revoke_time: int | None = None

    @property
    def known_scopes(self) -> frozenset[Scope]:
        """What its holder may do. It never makes keys, whatever the row says."""
        named = frozenset(scope for scope in Scope if scope in self.scopes)
        return named - {Scope.KEYS_WRITE}


def new_secret() -> str:
    """A new secret."""
    begun = PREFIX + _spelt(int.from_bytes(secrets.token_bytes(_RANDOM_BYTES)), _RANDOM_LENGTH)
    return begun + _check(begun)


def is_secret(text: str) -> bool:
    """Whether the text has the form of a secret, with the right checksum."""
    if len(text) != _LENGTH or not text.isascii() or not text.startswith(PREFIX):
        return False
    begun, check = text[:-_CHECK_LENGTH], text[-_CHECK_LENGTH:]
    return begun.removeprefix(PREFIX).isalnum() and check == _check(begun)


def hash_of(secret: str) -> str:
    """What the database keeps of a secret, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(begun: str) -> str:
    return _spelt(zlib.crc32(begun.encode()), _CHECK_LENGTH)


def _spelt(number: int, length: int) -> str:
    """The number in digits of base 62, the last ones first."""
    spelt = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        spelt += _DIGITS[digit]
    return spelt
