"""Verifies bearer tokens, which are JWTs. Every failure but expiry looks the same to the caller."""

import functools
import time
import unicodedata
from collections.abc import Callable
from typing import Any, Protocol

import jwt

from core.errors import CredentialsExpired, CredentialsInvalid, DependencyUnavailable
from core.process.settings import Settings
from server.principal import Principal

MAX_TOKEN_BYTES = 8192
_MAX_SUBJECT = 256
_MAX_KNOWN = 1024
_JWKS_ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
_JWKS_TIMEOUT_SECONDS = 5
_REQUIRED = ("exp", "iat", "sub", "aud", "iss")
# `verify` checks the times itself, because the library takes strings and floats for numbers.
_OPTIONS: Any = {
    "require": list(_REQUIRED),
    "strict_aud": True,
    "verify_exp": False,
    "verify_iat": False,
}


class KeySource(Protocol):
    """Finds the key of a token, and the one algorithm that this key is good for."""

    blocking: bool

    def find(self, token: str) -> tuple[Any, str]: ...


class LocalKey:
    """One HS256 key of at least 32 bytes."""

    blocking = False

    def __init__(self, key: bytes) -> None:
        self._key = key

    def find(self, token: str) -> tuple[Any, str]:
        return self._key, "HS256"


class JwksKeys:
    """The keys behind a JWKS address. Looking a key up may wait for the network."""

    blocking = True

    def __init__(self, url: str) -> None:
        self._client = jwt.PyJWKClient(url, timeout=_JWKS_TIMEOUT_SECONDS)

    def find(self, token: str) -> tuple[Any, str]:
        kid = jwt.get_unverified_header(token).get("kid")
        if not kid:
            raise CredentialsInvalid
        try:
            key = self._client.get_signing_key(kid)
        except jwt.PyJWKClientConnectionError:
            raise DependencyUnavailable("key server") from None
        if key.algorithm_name not in _JWKS_ALGORITHMS:
            raise CredentialsInvalid
        return key.key, key.algorithm_name


class Verifier:
    """Verifies a token and names the principal that it speaks for."""

    def __init__(
        self, keys: KeySource, settings: Settings, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._settings = settings
        self._clock = clock
        # A token of a local key stays good, so its claims are kept. A key server may revoke a key.
        known = functools.lru_cache(_MAX_KNOWN)(self._claims)
        self._find = self._claims if keys.blocking else known

    @property
    def blocking(self) -> bool:
        """Whether `verify` may wait for the network, so that it belongs in a thread."""
        return self._keys.blocking

    def verify(self, token: str) -> Principal:
        """The caller that the token speaks for.

        Raises:
            CredentialsInvalid: whatever is wrong with it.
            CredentialsExpired: when only its time is over.
            DependencyUnavailable: when the key server can't be reached.
        """
        claims = self._find(token)
        subject, issued, expires = claims["sub"], claims["iat"], claims["exp"]
        if not _is_subject(subject) or not _is_time(issued) or not _is_time(expires):
            raise CredentialsInvalid
        now, leeway = self._clock(), self._settings.jwt_leeway_seconds
        if issued > now + leeway:
            raise CredentialsInvalid
        if not 0 < expires - issued <= self._settings.jwt_max_lifetime_seconds:
            raise CredentialsInvalid
        if expires + leeway <= now:
            raise CredentialsExpired
        return Principal(subject, (expires + leeway) * 1000)

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_BYTES:
            raise CredentialsInvalid
        try:
            key, algorithm = self._keys.find(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._settings.jwt_audience,
                issuer=self._settings.jwt_issuer,
                leeway=self._settings.jwt_leeway_seconds,
                options=_OPTIONS,
            )
        except DependencyUnavailable:
            raise
        except Exception:  # noqa: BLE001 - every fault of a forged token must look the same
            raise CredentialsInvalid from None
        return claims


def _is_subject(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 1 <= len(value) <= _MAX_SUBJECT
        and not any(unicodedata.category(c) in ("Cc", "Cs") for c in value)
    )


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40
