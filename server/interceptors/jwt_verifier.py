"""Checks bearer tokens.

Until the signature is verified every failure looks the same to the caller. After that the token is
of somebody who holds the key, so the message names the claim that is wrong; `docs/signing-in.md`
lists the messages.
"""

import base64
import functools
import time
from collections.abc import Callable
from typing import Any, Protocol

import jwt
from jwt.exceptions import InvalidSubjectError

from core.errors import CredentialsExpired, CredentialsInvalid, DependencyUnavailable
from core.ids import is_user_id
from core.process.settings import Settings
from core.scopes import USUAL_SCOPES, Scope
from server.principal import Principal

MAX_TOKEN_BYTES = 8192
_SUBJECT = "The token's sub must be a text of 1 to 256 characters without control characters."
_MAX_KNOWN = 1024
_JWKS_ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
_JWKS_TIMEOUT_SECONDS = 5
_REQUIRED = ("iss", "sub", "aud", "iat", "exp")
# Times are checked below: the library would take strings and floats for numbers.
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
            raise CredentialsInvalid("The token's header needs a `kid`, the id of its key.")
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
        # A signature by the local key stays good; a key server may withdraw a key.
        known = functools.lru_cache(_MAX_KNOWN)(self._claims)
        self._find = self._claims if keys.blocking else known

    @property
    def blocking(self) -> bool:
        """Whether `verify` may wait for the network, so that it belongs in a thread."""
        return self._keys.blocking

    def verify(self, token: str) -> Principal:
        """The caller that the token speaks for.

        Raises:
            CredentialsInvalid: when anything else than its time is wrong.
            CredentialsExpired: when only its time is over.
            DependencyUnavailable: when the key server can't be reached.
        """
        claims = self._find(token)
        _check_forms(claims)
        subject, expires = claims["sub"], claims["exp"]
        now, leeway = self._clock(), self._settings.jwt_leeway_seconds
        self._check_span(claims["iat"], expires, now)
        if expires + leeway <= now:
            raise CredentialsExpired
        return Principal(subject, (expires + leeway) * 1000, _scopes(claims.get("scope")))

    def _check_span(self, issued: int, expires: int, now: float) -> None:
        leeway, longest = self._settings.jwt_leeway_seconds, self._settings.jwt_max_lifetime_seconds
        if issued > now + leeway:
            raise CredentialsInvalid(
                f"The token's iat is in the future, by more than the leeway of {leeway} s:"
                " compare the clocks."
            )
        if expires <= issued:
            raise CredentialsInvalid("The token's exp must be later than its iat.")
        if expires - issued > longest:
            raise CredentialsInvalid(
                f"The token lasts {expires - issued} s from iat to exp; at most {longest} s are"
                " allowed."
            )

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_BYTES or not _has_one_form(token):
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
        except (DependencyUnavailable, CredentialsInvalid):
            raise
        except jwt.InvalidTokenError as error:
            raise CredentialsInvalid(self._wrong_claim(error)) from None
        except Exception:  # noqa: BLE001 - whatever a forged token breaks must look the same
            raise CredentialsInvalid from None
        return claims

    def _wrong_claim(self, error: jwt.InvalidTokenError) -> str:
        """A sentence about the wrong claim; empty for an error that the library raises before it
        has verified the signature."""
        match error:
            case jwt.MissingRequiredClaimError():
                return f"The token lacks the claim {error.claim}; it needs {', '.join(_REQUIRED)}."
            case jwt.InvalidAudienceError():
                return f'The token\'s aud must be the text "{self._settings.jwt_audience}".'
            case jwt.InvalidIssuerError():
                return f'The token\'s iss must be the text "{self._settings.jwt_issuer}".'
            case InvalidSubjectError():
                return _SUBJECT
            case jwt.ImmatureSignatureError():
                return "The token's nbf is in the future."
        return ""


def _has_one_form(token: str) -> bool:
    """Whether the signature is written as its signer wrote it.

    The library reads other letters, padding and characters of no meaning as the same bytes. Head
    and body are signed letter by letter, so theirs can't be changed.
    """
    signature = token.rpartition(".")[2]
    try:
        raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    except ValueError:
        return False
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == signature


def _check_forms(claims: dict[str, Any]) -> None:
    if not _is_subject(claims["sub"]):
        raise CredentialsInvalid(_SUBJECT)
    for name in ("iat", "exp"):
        if not _is_time(claims[name]):
            raise CredentialsInvalid(f"The token's {name} must be whole seconds since 1970.")
    if not isinstance(claims.get("scope", ""), str):
        raise CredentialsInvalid("The token's scope must be a text of names with spaces between.")


@functools.lru_cache(_MAX_KNOWN)
def _scopes(claim: str | None) -> frozenset[Scope]:
    """What the `scope` claim of RFC 9068 allows. Other services' scopes may stand in it too."""
    if claim is None:
        return USUAL_SCOPES
    named = claim.split()
    return frozenset(scope for scope in Scope if scope in named)


def _is_subject(value: Any) -> bool:
    return isinstance(value, str) and is_user_id(value)


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40
