"""Which tokens are good. The clock is the test's; the keys are made here."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from core.errors import (
    CredentialsExpired,
    CredentialsInvalid,
    CredentialsMissing,
    DependencyUnavailable,
)
from core.process.settings import read_settings
from server.interceptors.auth import bearer_token
from server.interceptors.jwt_verifier import JwksKeys, LocalKey, Verifier

NOW = 1_800_000_000
KEY = bytes(range(32))
SETTINGS = read_settings()
GOOD: dict[str, Any] = {
    **{"sub": "alice", "aud": "rushes", "iss": "rushes"},
    **{"iat": NOW - 10, "exp": NOW + 3600},
}


BODY = json.dumps(GOOD).encode()


def verifier(now: float = NOW) -> Verifier:
    return Verifier(LocalKey(KEY), SETTINGS, clock=lambda: now)


def token(key: bytes = KEY, **claims: Any) -> str:
    """A token signed with HS256, also with claims that no library would put into one."""
    body = {name: value for name, value in {**GOOD, **claims}.items() if value is not ...}
    return signed(b'{"alg":"HS256","typ":"JWT"}', json.dumps(body).encode(), key)


def signed(header: bytes, body: bytes, key: bytes = KEY) -> str:
    text = f"{segment(header)}.{segment(body)}"
    return f"{text}.{segment(hmac.digest(key, text.encode(), hashlib.sha256))}"


def segment(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unsigned(header: bytes) -> str:
    return f"{segment(header)}.{segment(BODY)}."


def test_a_good_token_names_its_subject_and_its_end() -> None:
    principal = verifier().verify(token())
    assert principal.user_id == "alice"
    assert principal.expire_time == (NOW + 3600 + SETTINGS.jwt_leeway_seconds) * 1000


EXP, IAT = "exp must be whole seconds since 1970", "iat must be whole seconds since 1970"
AUD, ISS = 'aud must be the text "rushes"', 'iss must be the text "rushes"'
SUB = "sub must be a text of 1 to 256 characters without control characters"
# What is wrong with a token that its holder signed well, and what the holder is told.
BAD_CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    **{f"no {name}": ({name: ...}, f"lacks the claim {name}; it needs iss, ") for name in GOOD},
    "exp as text": ({"exp": str(NOW + 60)}, EXP),
    "exp as a fraction": ({"exp": NOW + 60.5}, EXP),
    "exp is not a number": ({"exp": float("nan")}, EXP),
    "exp is true": ({"exp": True}, EXP),
    "exp far ahead": ({"exp": NOW + 24 * 3600}, "lasts 86410 s from iat to exp; at most 86400 s"),
    "exp before iat": ({"exp": NOW - 20}, "exp must be later than its iat"),
    "iat in the future": ({"iat": NOW + 31}, "iat is in the future, by more than the leeway of 30"),
    "iat as text": ({"iat": str(NOW)}, IAT),
    "a negative iat": ({"iat": -5}, IAT),
    "nbf in the future": ({"nbf": 4_000_000_000}, "nbf is in the future"),
    "another aud": ({"aud": "other"}, AUD),
    "a list of aud": ({"aud": ["rushes"]}, AUD),
    "another iss": ({"iss": "other"}, ISS),
    "a list of iss": ({"iss": ["rushes"]}, ISS),
    "an empty sub": ({"sub": ""}, SUB),
    "a number for sub": ({"sub": 7}, SUB),
    "a long sub": ({"sub": "x" * 257}, SUB),
    "a sub with NUL": ({"sub": "a\0b"}, SUB),
    "a sub with a break": ({"sub": "a\nb"}, SUB),
}


@pytest.mark.parametrize(("claims", "said"), BAD_CLAIMS.values(), ids=list(BAD_CLAIMS))
def test_a_wrong_claim_is_refused_by_its_name(claims: dict[str, Any], said: str) -> None:
    with pytest.raises(CredentialsInvalid) as caught:
        verifier().verify(token(**claims))
    assert said in caught.value.message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("claims", "said"), BAD_CLAIMS.values(), ids=list(BAD_CLAIMS))
def test_nobody_hears_of_the_claims_of_a_token_that_is_not_signed(
    claims: dict[str, Any], said: str
) -> None:
    with pytest.raises(CredentialsInvalid) as caught:
        verifier().verify(token(key=bytes(32), **claims))
    assert caught.value.message == CredentialsInvalid().message
    assert said not in caught.value.message


def test_the_leeway_is_given_and_no_more() -> None:
    end = GOOD["exp"] + SETTINGS.jwt_leeway_seconds
    assert verifier(end - 1).verify(token()).user_id == "alice"
    with pytest.raises(CredentialsExpired):
        verifier(end).verify(token())
    assert verifier(GOOD["iat"] - 30).verify(token())


def test_a_token_that_is_known_ends_with_its_time_all_the_same() -> None:
    now = [float(NOW)]
    known = Verifier(LocalKey(KEY), SETTINGS, clock=lambda: now[0])
    good, forged = token(), token(key=bytes(32))
    assert known.verify(good) == known.verify(good)
    for _ in range(2):
        with pytest.raises(CredentialsInvalid):
            known.verify(forged)

    now[0] = NOW + 3600 + SETTINGS.jwt_leeway_seconds
    with pytest.raises(CredentialsExpired):
        known.verify(good)


def test_an_expired_token_of_another_key_is_only_invalid() -> None:
    with pytest.raises(CredentialsInvalid):
        verifier(NOW + 90_000).verify(token(key=bytes(32)))


DEEP = b"[" * 4000
FORGED = {
    "alg none": unsigned(b'{"alg":"none"}'),
    "alg None": unsigned(b'{"alg":"None"}'),
    "alg nOnE": unsigned(b'{"alg":"nOnE"}'),
    "alg of another length": jwt.encode(GOOD, KEY * 2, "HS384"),
    "no alg": signed(b"{}", BODY),
    "a deep header": signed(DEEP, BODY),
    "a deep body": signed(b'{"alg":"HS256"}', DEEP),
    "an unknown crit": signed(b'{"alg":"HS256","crit":["x"],"x":1}', BODY),
    "b64 false": signed(b'{"alg":"HS256","b64":false,"crit":["b64"]}', BODY),
    "a key in the header": token(key=b"k" * 32),
    "no signature": token().rpartition(".")[0] + ".",
    "half a signature": token()[:-20],
    "one more segment": token() + ".x",
    "one segment": "x",
    "nothing": "",
    "not ASCII": token() + "é",
    "too long": token(extra="x" * 8192),
    "five segments, as JWE": ".".join("xxxxx"),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=list(FORGED))
def test_a_forged_token_is_refused_in_the_usual_words(forged: str) -> None:
    with pytest.raises(CredentialsInvalid) as caught:
        verifier().verify(forged)
    assert caught.value.message == CredentialsInvalid().message
    assert caught.value.__cause__ is None


def test_each_changed_character_is_refused() -> None:
    good = token()
    for place in range(len(good)):
        changed = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        with pytest.raises(CredentialsInvalid):
            verifier().verify(changed)


@pytest.fixture(scope="module")
def private_keys() -> dict[str, Any]:
    return {
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ec": ec.generate_private_key(ec.SECP256R1()),
    }


@pytest.fixture
def jwks(private_keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Verifier:
    """A verifier whose key server answers with both public keys and one that signs nothing."""
    rsa_key = jwt.algorithms.RSAAlgorithm.to_jwk(private_keys["rsa"].public_key(), as_dict=True)
    ec_key = jwt.algorithms.ECAlgorithm.to_jwk(private_keys["ec"].public_key(), as_dict=True)
    weak = {**rsa_key, "alg": "RS512", "kid": "weak"}
    answer = {"keys": [{**rsa_key, "kid": "rsa"}, {**ec_key, "kid": "ec"}, weak]}
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda _: answer)
    return Verifier(JwksKeys("https://keys.example/jwks"), SETTINGS, clock=lambda: NOW)


def with_kid(key: Any, algorithm: str, kid: str | None) -> str:
    headers = {"kid": kid} if kid is not None else {}
    return jwt.encode(GOOD, key, algorithm, headers=headers)


def test_tokens_of_published_keys_are_good(jwks: Verifier, private_keys: dict[str, Any]) -> None:
    assert jwks.blocking
    for kid, algorithm in (("rsa", "RS256"), ("ec", "ES256")):
        assert jwks.verify(with_kid(private_keys[kid], algorithm, kid)).user_id == "alice"


@pytest.mark.parametrize(
    ("kid", "key", "algorithm"),
    [
        ("rsa", "rsa", "RS512"),
        ("rsa", "ec", "ES256"),
        ("ec", "rsa", "RS256"),
        ("weak", "rsa", "RS512"),
        ("unknown", "rsa", "RS256"),
        (None, "rsa", "RS256"),
        ("../../dev/null", "rsa", "RS256"),
    ],
)
def test_a_key_is_good_for_its_own_algorithm_only(
    jwks: Verifier, private_keys: dict[str, Any], kid: str | None, key: str, algorithm: str
) -> None:
    with pytest.raises(CredentialsInvalid):
        jwks.verify(with_kid(private_keys[key], algorithm, kid))


def test_a_public_key_is_no_shared_secret(jwks: Verifier) -> None:
    forged = jwt.encode(GOOD, b"public key text of thirty-two by", "HS256", headers={"kid": "rsa"})
    with pytest.raises(CredentialsInvalid):
        jwks.verify(forged)


def test_a_key_server_is_asked_about_a_token_that_is_known_too() -> None:
    keys = LocalKey(KEY)
    keys.blocking = True
    known = Verifier(keys, SETTINGS, clock=lambda: NOW)
    assert known.verify(token())

    keys.find = LocalKey(bytes(32)).find  # type: ignore[method-assign]

    with pytest.raises(CredentialsInvalid):
        known.verify(token())


def test_an_unreachable_key_server_is_no_fault_of_the_token(
    private_keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(_: Any) -> Any:
        raise jwt.PyJWKClientConnectionError("no route")

    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", unreachable)
    keys = JwksKeys("https://keys.example/jwks")
    with pytest.raises(DependencyUnavailable):
        Verifier(keys, SETTINGS).verify(with_kid(private_keys["rsa"], "RS256", "rsa"))


def test_the_header_is_read_as_one_bearer_token() -> None:
    assert bearer_token((("authorization", "bearer abc"), ("x", "y"))) == "abc"
    with pytest.raises(CredentialsMissing):
        bearer_token((("x-authorization", "Bearer abc"),))
    for value in ("abc", "Basic abc", "Bearer ", "Bearer", ""):
        with pytest.raises(CredentialsInvalid):
            bearer_token((("authorization", value),))
