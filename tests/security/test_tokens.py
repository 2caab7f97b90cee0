"""Forged and damaged tokens: bearer tokens, keys of a key server, page and resume tokens."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from google.protobuf.message import Message

from core.errors import CredentialsInvalid
from core.process.settings import read_settings
from rushes.v1 import media_service_pb2 as pb
from server.interceptors.jwt_verifier import JwksKeys, Verifier
from tests.house import House
from tests.rpc.requests import image, store_picture
from tests.services import DEADLINE_SECONDS

Code = grpc.StatusCode
ATTACKER_KEY = b"a key of the attacker's own, 32 b"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def segment(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    return {
        **{"sub": "alice", "aud": "rushes", "iss": "rushes", "iat": now, "exp": now + 3600},
        **changed,
    }


def token(key: bytes, head: Any = None, body: Any = None) -> str:
    """A token of any head and body, signed by HMAC-SHA256 whatever its head says."""
    head = {"alg": "HS256", "typ": "JWT"} if head is None else head
    parts = [
        segment(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (head, claims() if body is None else body)
    ]
    text = ".".join(parts)
    return f"{text}.{segment(hmac.digest(key, text.encode(), hashlib.sha256))}"


# Heads under which a right HMAC stands all the same.
ALGORITHMS: list[Any] = [
    *("none", "None", "nOnE", "NONE", "", "hs256", "HS256 ", "HS384", "HS512", "RS256", "PS256"),
    *("ES256", "EdDSA", "HS256\0", "dir", "A256KW", None, 256, True, ["HS256"], {"alg": "HS256"}),
]
# What an attacker puts into the head so that his own key is taken for ours.
HEADS: dict[str, dict[str, Any]] = {
    "a key": {"jwk": {"kty": "oct", "k": segment(ATTACKER_KEY)}},
    "a key's address": {"jku": "http://127.0.0.1:9/keys"},
    "a certificate": {"x5c": [segment(b"certificate")]},
    "a certificate's address": {"x5u": "http://127.0.0.1:9/certificate"},
    "an empty file": {"kid": "../../../../dev/null"},
    "SQL": {"kid": "x' UNION SELECT 'key"},
    "a command": {"kid": "key; cat /etc/passwd"},
    "a number": {"kid": 7},
    "a list": {"kid": ["key"]},
    "a long kid": {"kid": "k" * 4000},
    "an unknown extension": {"crit": ["x"], "x": 1},
    "no extension": {"crit": []},
    "a body as it is": {"b64": False, "crit": ["b64"]},
    "a nested token": {"cty": "JWT"},
    "compression": {"zip": "DEF"},
    "encryption": {"enc": "A256GCM"},
}
BODIES: dict[str, Any] = {
    "a list": [claims()],
    "a text": "alice",
    "a number": 7,
    "nothing": b"null",
    "no bytes": b"",
    "no JSON": b"alice",
    "half of it": b'{"sub": "alice"',
    "no UTF-8": b'{"sub": "\xff"}',
    "depth": b'{"a":' * 600 + b"1" + b"}" * 600,
    "a surrogate": b'{"sub": "\\ud800", "aud": "rushes", "iss": "rushes", "iat": 1, "exp": 2}',
    "a far end": claims(exp=10**30),
    "an endless end": json.dumps(claims()).replace('"exp": ', '"exp": 1e400, "x": ').encode(),
    "an end that is none": json.dumps(claims()).replace('"exp": ', '"exp": NaN, "x": ').encode(),
    "a number of many digits": b'{"exp": ' + b"9" * 5000 + b"}",
    "an end in a list": claims(exp=[int(time.time()) + 60]),
    "a subject in a list": claims(sub=["alice"]),
    "a subject in an object": claims(sub={"alice": 1}),
    "a subject with an escape": claims(sub="alice\x1b[2J"),
    "a subject with NUL": claims(sub="alice\0"),
    "a subject of two lines": claims(sub="alice\r\nbob"),
    "a long subject": claims(sub="a" * 257),
    "several audiences": claims(aud=["rushes", "others"]),
    "an audience in capitals": claims(aud="RUSHES"),
    "an issuer and more": claims(iss="rushes.evil.example"),
}


def other_spare_bits(good: str) -> str:
    """The last letter of 32 bytes has two bits that mean nothing."""
    return good[:-1] + LETTERS[LETTERS.index(good[-1]) ^ 1]


# Other ways to write a good signature, and what is nearly one.
WRITTEN: dict[str, Callable[[str], str]] = {
    "padded": lambda good: good + "=",
    "padded twice": lambda good: good + "==",
    "padded three times": lambda good: good + "===",
    "other spare bits": other_spare_bits,
    "a letter of no meaning": lambda good: good[:-5] + "!" + good[-5:],
    "a letter of no meaning behind": lambda good: good + "~",
    "a space behind": lambda good: good + " x",
    "the other alphabet": lambda good: good.rpartition(".")[0] + "." + "+/" * 21 + "A",
    "one letter less": lambda good: good[:-1],
    "one letter more": lambda good: good + "A",
    "none": lambda good: good.rpartition(".")[0] + ".",
    "without its dot": lambda good: good.rpartition(".")[0],
    "twice": lambda good: good + good.rpartition(".")[2],
    "one segment more": lambda good: good + ".",
    "two segments more": lambda good: good + ".x.y",
    "in capitals": lambda good: good.rpartition(".")[0] + "." + good.rpartition(".")[2].upper(),
    "backwards": lambda good: good.rpartition(".")[0] + "." + good.rpartition(".")[2][::-1],
    "zeros": lambda good: good.rpartition(".")[0] + "." + "A" * 43,
    "of the body alone": lambda good: (
        good.rpartition(".")[0]
        + "."
        + segment(hashlib.sha256(good.rpartition(".")[0].encode()).digest())
    ),
    "a padded head": lambda good: good.replace(".", "=.", 1),
    "a padded body": lambda good: "=.".join(good.rsplit(".", 1)),
    "a dot before": lambda good: "." + good,
    "no head": lambda good: "." + good.partition(".")[2],
    "a comma and a second": lambda good: f"{good},{good}",
    "quotes": lambda good: f'"{good}"',
    "much": lambda good: good + "A" * 7_000,
}


def refusal_of(served: House, text: str) -> Any:
    caller = served.caller_with(f"Bearer {text}")
    return caller.refused("ListModels", pb.ListModelsRequest())


def is_usual(refusal: Any) -> bool:
    """Whether the refusal says nothing of why."""
    usual = (Code.UNAUTHENTICATED, "CREDENTIALS_INVALID", CredentialsInvalid().message)
    return (refusal.code, refusal.reason, refusal.message) == usual


def test_a_token_that_is_made_here_is_good_until_it_is_changed(served: House) -> None:
    caller = served.caller_with(f"Bearer {token(served.jwt_key)}")
    assert caller.call("ListModels", pb.ListModelsRequest()).models


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=repr)
def test_a_head_that_names_another_algorithm_is_refused(served: House, algorithm: Any) -> None:
    assert is_usual(refusal_of(served, token(served.jwt_key, {"alg": algorithm})))


@pytest.mark.parametrize("head", HEADS)
def test_a_key_of_the_attacker_s_is_not_taken_for_ours(served: House, head: str) -> None:
    forged = token(ATTACKER_KEY, {"alg": "HS256", **HEADS[head]})
    assert is_usual(refusal_of(served, forged))


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_no_signer_means_is_refused(served: House, body: str) -> None:
    signed = refusal_of(served, token(served.jwt_key, body=BODIES[body]))
    forged = refusal_of(served, token(ATTACKER_KEY, body=BODIES[body]))

    assert (signed.code, signed.reason) == (Code.UNAUTHENTICATED, "CREDENTIALS_INVALID")
    assert "alice" not in signed.message
    assert is_usual(forged)


@pytest.mark.parametrize("way", WRITTEN)
def test_a_signature_has_one_form(served: House, way: str) -> None:
    changed = WRITTEN[way](token(served.jwt_key))
    assert is_usual(refusal_of(served, changed))


def test_each_flipped_letter_of_a_signature_is_refused(served: House) -> None:
    head, _, signature = token(served.jwt_key).rpartition(".")
    changed = [
        signature[:at] + LETTERS[LETTERS.index(letter) ^ 1] + signature[at + 1 :]
        for at, letter in enumerate(signature)
    ]
    assert all(is_usual(refusal_of(served, f"{head}.{one}")) for one in changed)


@dataclass
class KeyServer:
    """A key server, and what it was asked."""

    private: dict[str, Any]
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self) -> bytes:
        keys = []
        for kid, key in self.private.items():
            kind = jwt.algorithms.get_default_algorithms()[ALGORITHM_OF[kid]]
            keys.append({**json.loads(kind.to_jwk(key.public_key())), "kid": kid})
        shared = {"kty": "oct", "k": segment(ATTACKER_KEY), "kid": "shared", "alg": "HS256"}
        return json.dumps({"keys": [*keys, shared]}).encode()


ALGORITHM_OF = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}


@pytest.fixture(scope="module")
def keys() -> Iterator[KeyServer]:
    made = KeyServer(
        {
            "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ec": ec.generate_private_key(ec.SECP256R1()),
            "ed": ed25519.Ed25519PrivateKey.generate(),
        }
    )

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(made.answer())

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_port}/keys"
        yield made
        server.shutdown()
        thread.join(DEADLINE_SECONDS)


@pytest.fixture(scope="module")
def verifier(keys: KeyServer) -> Verifier:
    return Verifier(JwksKeys(keys.url), read_settings())


def public_texts(key: Any) -> dict[str, bytes]:
    """Ways to write a public key, each of which a careless server takes for a shared secret."""
    encoding, form = serialization.Encoding, serialization.PublicFormat.SubjectPublicKeyInfo
    pem, der = (key.public_key().public_bytes(one, form) for one in (encoding.PEM, encoding.DER))
    return {"PEM": pem, "PEM without its last break": pem.rstrip(), "DER": der, "nothing": b""}


@pytest.mark.parametrize("kid", ALGORITHM_OF)
def test_a_published_key_is_good(verifier: Verifier, keys: KeyServer, kid: str) -> None:
    good = jwt.encode(claims(), keys.private[kid], ALGORITHM_OF[kid], headers={"kid": kid})
    assert verifier.verify(good).user_id == "alice"


@pytest.mark.parametrize("way", ["PEM", "PEM without its last break", "DER", "nothing"])
@pytest.mark.parametrize("kid", ALGORITHM_OF)
def test_a_public_key_is_no_secret(verifier: Verifier, keys: KeyServer, kid: str, way: str) -> None:
    secret = public_texts(keys.private[kid])[way]
    with pytest.raises(CredentialsInvalid):
        verifier.verify(token(secret, {"alg": "HS256", "kid": kid}))


@pytest.mark.parametrize("signer", ALGORITHM_OF)
@pytest.mark.parametrize("kid", [*ALGORITHM_OF, "shared", "", "RSA", "rsa ", "unknown", "../rsa"])
def test_a_key_signs_under_its_own_name_only(
    verifier: Verifier, keys: KeyServer, kid: str, signer: str
) -> None:
    if kid == signer:
        return
    forged = jwt.encode(claims(), keys.private[signer], ALGORITHM_OF[signer], headers={"kid": kid})
    with pytest.raises(CredentialsInvalid):
        verifier.verify(forged)


def test_a_shared_key_that_is_published_is_not_taken(verifier: Verifier) -> None:
    with pytest.raises(CredentialsInvalid):
        verifier.verify(token(ATTACKER_KEY, {"alg": "HS256", "kid": "shared"}))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_a_head_sends_nobody_to_another_key_server(
    verifier: Verifier, keys: KeyServer, name: str
) -> None:
    canary = keys.url.replace("/keys", "/canary")
    head = {"alg": "RS256", "kid": "rsa", name: canary if name.endswith("u") else [canary]}
    with pytest.raises(CredentialsInvalid):
        verifier.verify(token(ATTACKER_KEY, head))
    assert "/canary" not in keys.asked


def test_unknown_key_names_ask_the_key_server_no_more_often(
    keys: KeyServer, verifier: Verifier
) -> None:
    before = len(keys.asked)
    for number in range(50):
        with pytest.raises(CredentialsInvalid):
            verifier.verify(token(ATTACKER_KEY, {"alg": "RS256", "kid": f"unknown-{number}"}))
    assert len(keys.asked) - before <= 2


# Ways to change a token of a page or of a watch.
MUTATIONS: dict[str, Callable[[str], str]] = {
    "padded": lambda good: good + "=",
    "padded fully": lambda good: good + "=" * (-len(good) % 4 or 4),
    "a letter more": lambda good: good + "A",
    "a letter less": lambda good: good[:-1],
    "the first letter less": lambda good: good[1:],
    "half": lambda good: good[: len(good) // 2],
    "twice": lambda good: good * 2,
    "backwards": lambda good: good[::-1],
    "the other case": str.swapcase,
    "capitals": str.upper,
    "another version": lambda good: _with_byte(good, 0, 9),
    "the first version": lambda good: _with_byte(good, 0, 1),
    "another kind": lambda good: _with_byte(good, 1, ord("X")),
    "another first byte of the body": lambda good: _with_byte(good, 2, 0xFF),
    "another byte of the body": lambda good: _with_byte(good, 9, 0xFF),
    "another last byte": lambda good: _with_byte(good, -1, 0),
    "a space before": lambda good: " " + good,
    "a break behind": lambda good: good + "\n",
    "NUL behind": lambda good: good + "\0",
    "the other alphabet": lambda good: "+/" + good[2:],
    "a letter of no alphabet": lambda good: good[:4] + "\u00e9" + good[4:],
    "nonsense": lambda _: "nonsense",
    "JSON": lambda _: '{"revision": 0}',
    "a number": lambda _: "0",
    "as long as may be": lambda good: (good * 100)[:2000],
    "longer than may be": lambda good: (good * 100)[:2001],
    "a megabyte": lambda _: "A" * 1_000_000,
}


def _with_byte(good: str, at: int, value: int) -> str:
    raw = bytearray(base64.urlsafe_b64decode(good + "=" * (-len(good) % 4)))
    raw[at] = value if raw[at] != value else value ^ 1
    return segment(bytes(raw))


@dataclass(frozen=True)
class Held:
    """A token that a caller holds, and the call that takes it."""

    token: str
    method: str
    request: Callable[[str], Message]


@pytest.fixture(scope="module")
def held(served: House) -> dict[str, Held]:
    alice = served.caller("alice")
    jobs = [alice.call("GenerateImage", image()).job.job_id for _ in range(2)]
    for colour in ("teal", "navy"):
        store_picture(alice, colour)
    alice.call("CancelJob", pb.CancelJobRequest(job_id=jobs[0]))
    listed = alice.call("ListJobs", pb.ListJobsRequest(page_size=1))
    media = alice.call("ListMedia", pb.ListMediaRequest(page_size=1)).next_page_token
    one = pb.ListJobEventsRequest(job_id=jobs[0], page_size=1)
    events = alice.call("ListJobEvents", one).next_page_token
    return {
        "a page of jobs": Held(
            listed.next_page_token,
            "ListJobs",
            lambda text: pb.ListJobsRequest(page_size=1, page_token=text),
        ),
        "a page of media": Held(
            media, "ListMedia", lambda text: pb.ListMediaRequest(page_size=1, page_token=text)
        ),
        "a page of events": Held(
            events,
            "ListJobEvents",
            lambda text: pb.ListJobEventsRequest(job_id=jobs[0], page_size=1, page_token=text),
        ),
        "a watch": Held(
            listed.resume_token, "WatchJobs", lambda text: pb.WatchJobsRequest(resume_token=text)
        ),
    }


HELD = ["a page of jobs", "a page of media", "a page of events", "a watch"]
REFUSED = {"PAGE_TOKEN_INVALID", "RESUME_TOKEN_INVALID", "FIELD_INVALID"}


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("kind", HELD)
def test_a_changed_token_is_refused(
    served: House, held: dict[str, Held], kind: str, mutation: str
) -> None:
    one = held[kind]
    changed = MUTATIONS[mutation](one.token)

    refusal = served.caller("alice").refused(one.method, one.request(changed))

    assert refusal.code is Code.INVALID_ARGUMENT
    assert refusal.reason in REFUSED


@pytest.mark.parametrize("kind", HELD)
def test_a_token_is_its_user_s_alone(served: House, held: dict[str, Held], kind: str) -> None:
    one = held[kind]
    for user in ("bob", "Alice", "alice ", "alice\u200b", "a", "alice" * 20):
        refusal = served.caller(user).refused(one.method, one.request(one.token))
        # An event list of another's job is not found before its token is looked at.
        assert refusal.code in (Code.INVALID_ARGUMENT, Code.NOT_FOUND)


@pytest.mark.parametrize("kind", HELD)
@pytest.mark.parametrize("other", HELD)
def test_a_token_is_good_for_one_list_only(
    served: House, held: dict[str, Held], kind: str, other: str
) -> None:
    if kind == other:
        return
    one = held[kind]
    refusal = served.caller("alice").refused(one.method, one.request(held[other].token))
    assert refusal.reason in REFUSED
