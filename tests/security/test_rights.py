"""Who may do what: every method of every service, tried by whoever should not.

The cases derive from the descriptors: a method that is added is tried without a word here, or the
tests say what they lack to call it.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import jwt
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from core import api_keys
from core.ids import new_id
from core.scopes import Scope
from core.store import deliveries, keys
from core.webhooks import DeliveryState
from rushes.v1 import media_service_pb2 as media_pb
from rushes.v1 import notification_service_pb2 as notification_pb
from rushes.v1 import share_service_pb2 as share_pb
from rushes.v1 import webhook_service_pb2 as webhook_pb
from tests.house import House
from tests.making import kept_key
from tests.rpc.requests import image, store_picture
from tests.security.calls import (
    ALL_SCOPES,
    METHODS,
    PLANNED,
    outcome,
    outcome_of,
    request_of,
    sender,
)

Code = grpc.StatusCode
# Ids that name nothing of anybody: the caller gives them, or a worker process itself.
OWN = {"request_id", "user_id", "user_ids", "worker_id"}
# Ids of what is no user's but all users'.
OF_ALL = {"announcement_id", "announcement_ids"}
MALFORMED = {
    "a path": "../../etc/passwd",
    "SQL": "' OR 1=1 --",
    "a pattern": "%",
    "a null byte": "0\x00" + "0" * 24,
    "a line break": "01J0000000000000000000000\n",
    "an escape": "\x1b[2J" + "0" * 22,
    "letters that look alike": "\u0430" * 26,
    "right to left": "\u202e" + "0" * 25,
    "a number": "-1",
    "much": "0" * 10_000,
    "nearly an id": str(uuid.UUID(int=7))[:-1],
    "an id in braces": f"{{{uuid.UUID(int=7)}}}",
}


def seconds_from_now(seconds: int) -> int:
    return int(time.time()) + seconds


def unsigned(house: House) -> str:
    claims = jwt.decode(house.token("alice"), options={"verify_signature": False})
    return jwt.encode(claims, "", algorithm="none")


def signed_by_another(house: House) -> str:
    claims = jwt.decode(house.token("alice"), options={"verify_signature": False})
    return jwt.encode(claims, b"another key of thirty-two bytes!", "HS256")


def of_another_body(house: House) -> str:
    """A good signature under claims that it was not made for."""
    head, _, _ = house.token("bob").split(".")
    _, _, signature = house.token("alice").split(".")
    return f"{head}.{house.token('bob').split('.')[1]}.{signature}"


def api_key(house: House, **changes: Any) -> str:
    """The secret of a key that may do everything."""
    return kept_key(house.db, scopes=tuple(Scope), **changes)[1]


def revoked_api_key(house: House) -> str:
    key, secret = kept_key(house.db, scopes=tuple(Scope))
    keys.revoke(house.db, key.user_id, key.api_key_id)
    return secret


# What somebody sends who is nobody: the authorization headers, and the reason that is told.
NOBODIES: dict[str, tuple[Callable[[House], tuple[str, ...]], str]] = {
    "no header": (lambda _: (), "CREDENTIALS_MISSING"),
    "an empty header": (lambda _: ("",), "CREDENTIALS_INVALID"),
    "no token": (lambda _: ("Bearer ",), "CREDENTIALS_INVALID"),
    "nonsense": (lambda _: ("Bearer nonsense",), "CREDENTIALS_INVALID"),
    "dots": (lambda _: ("Bearer ..",), "CREDENTIALS_INVALID"),
    "another scheme": (lambda h: (f"Basic {h.token('alice')}",), "CREDENTIALS_INVALID"),
    "two headers": (lambda h: (f"Bearer {h.token('alice')}",) * 2, "CREDENTIALS_INVALID"),
    "no signature": (lambda h: (f"Bearer {unsigned(h)}",), "CREDENTIALS_INVALID"),
    "another key": (lambda h: (f"Bearer {signed_by_another(h)}",), "CREDENTIALS_INVALID"),
    "another body": (lambda h: (f"Bearer {of_another_body(h)}",), "CREDENTIALS_INVALID"),
    "another audience": (
        lambda h: (f"Bearer {h.token('alice', aud='others')}",),
        "CREDENTIALS_INVALID",
    ),
    "another issuer": (
        lambda h: (f"Bearer {h.token('alice', iss='others')}",),
        "CREDENTIALS_INVALID",
    ),
    "no subject": (lambda h: (f"Bearer {h.token('alice', sub=None)}",), "CREDENTIALS_INVALID"),
    "an empty subject": (lambda h: (f"Bearer {h.token('')}",), "CREDENTIALS_INVALID"),
    "no end": (lambda h: (f"Bearer {h.token('alice', exp=None)}",), "CREDENTIALS_INVALID"),
    "for ever": (
        lambda h: (f"Bearer {h.token('alice', exp=seconds_from_now(10**8))}",),
        "CREDENTIALS_INVALID",
    ),
    "of the future": (
        lambda h: (f"Bearer {h.token('alice', iat=seconds_from_now(4000), exp=2**31)}",),
        "CREDENTIALS_INVALID",
    ),
    "an API key that nobody has": (
        lambda _: (f"Bearer {api_keys.new_secret()}",),
        "CREDENTIALS_INVALID",
    ),
    "a mistyped API key": (lambda h: (f"Bearer {api_key(h)[:-1]}!",), "CREDENTIALS_INVALID"),
    "an API key and more": (lambda h: (f"Bearer {api_key(h)}x",), "CREDENTIALS_INVALID"),
    "an expired API key": (
        lambda h: (f"Bearer {api_key(h, expire_time=1)}",),
        "CREDENTIALS_EXPIRED",
    ),
    "a revoked API key": (lambda h: (f"Bearer {revoked_api_key(h)}",), "CREDENTIALS_INVALID"),
    "expired": (
        lambda h: (
            f"Bearer {h.token('alice', iat=seconds_from_now(-7200), exp=seconds_from_now(-3600))}",
        ),
        "CREDENTIALS_EXPIRED",
    ),
}


def id_paths(of: Descriptor, before: tuple[FieldDescriptor, ...] = ()) -> Iterator[Any]:
    """The ways to every field of a request that holds an id."""
    for field in of.fields:
        path = (*before, field)
        if field.message_type is not None:
            if not field.message_type.GetOptions().map_entry and field.message_type not in {
                one.message_type for one in before
            }:
                yield from id_paths(field.message_type, path)
        elif field.name.endswith(("_id", "_ids")) and field.name not in OWN:
            yield path


def with_id(method: MethodDescriptor, path: tuple[FieldDescriptor, ...], value: str) -> Message:
    """A request that names the id there."""
    request: Message = request_of(method)
    at: Any = request
    for field in path[:-1]:
        inner = getattr(at, field.name)
        at = inner.add() if field.is_repeated else inner
    last = path[-1]
    if last.is_repeated:
        getattr(at, last.name).append(value)
    else:
        setattr(at, last.name, value)
    return request


NAMING = {
    f"{method.name}.{'.'.join(field.name for field in path)}": (method, path)
    for method in METHODS.values()
    for path in id_paths(method.input_type)
    if not f"{method.name}.{'.'.join(field.name for field in path)}".startswith(PLANNED)
}


def of_kind(house: House, user: str, path: tuple[FieldDescriptor, ...]) -> str:
    """The id of something of the user that the field may name."""
    if path[-1].name in ("media_id", "media_ids", "seed_media_id"):
        return store_picture(house.caller(user))
    if path[-1].name in ("job_id", "job_ids"):
        return str(house.caller(user).call("GenerateImage", image()).job.job_id)
    may_all = house.caller_with(f"Bearer {house.token('operator', scope=ALL_SCOPES)}")
    if path[-1].name == "notification_ids":
        message = notification_pb.CreateNotificationRequest(user_id=user, title="Hello")
        made = may_all.call("CreateNotification", message)
        return str(made.notification.notification_id)
    if path[-1].name == "api_key_id":
        return kept_key(house.db, user)[0].api_key_id
    if path[-1].name == "batch_id":
        batch = media_pb.BatchGenerateRequest(requests=[{"image": {"prompt": "a boat"}}])
        return str(house.caller(user).call("BatchGenerate", batch).batch_id)
    if path[-1].name == "share_id":
        request = share_pb.CreateShareRequest(
            media_id=store_picture(house.caller(user)), user_id="somebody"
        )
        return str(house.caller(user).call("CreateShare", request).share.share_id)
    if path[-1].name in ("webhook_id", "delivery_id"):
        made = webhook_pb.CreateWebhookRequest(
            url="http://localhost:9/", kinds=[webhook_pb.Webhook.JOB_QUEUED]
        )
        webhook_id = str(house.caller(user).call("CreateWebhook", made).webhook.webhook_id)
        if path[-1].name == "webhook_id":
            return webhook_id
        house.caller(user).call("GenerateImage", image())
        states = tuple(DeliveryState)
        return deliveries.page(house.db, webhook_id, states=states, limit=1)[0].delivery_id
    raise AssertionError(f"make something that {path[-1].full_name} names")


@pytest.mark.parametrize("name", METHODS)
def test_nobody_may_do_anything(house: House, name: str) -> None:
    # Given something that could be changed, and a request that would be taken from its owner
    store_picture(house.caller("alice"))
    sent = {
        who: tuple(("authorization", value) for value in headers(house))
        for who, (headers, _) in NOBODIES.items()
    }
    method, before = METHODS[name], house.count_rows()
    send, request = sender(house, METHODS[name]), request_of(METHODS[name])

    # When somebody sends it who is nobody
    refusals = {who: outcome_of(method, send, request, headers) for who, headers in sent.items()}

    # Then each is refused with the reason, and nothing is stored
    assert {who: (one.code, one.reason) for who, one in refusals.items()} == {
        who: (Code.UNAUTHENTICATED, reason) for who, (_, reason) in NOBODIES.items()
    }
    assert house.count_rows() == before


@pytest.mark.parametrize(
    "name", [name for name, (_, path) in NAMING.items() if path[-1].name not in OF_ALL]
)
def test_what_is_another_s_looks_like_nothing(house: House, name: str) -> None:
    method, path = NAMING[name]
    theirs, nobody_s = of_kind(house, "alice", path), new_id()
    before = house.count_rows()

    # When bob names what is alice's, and what nobody has
    found = [
        outcome(house, "bob", method, with_id(method, path, one)) for one in (theirs, nobody_s)
    ]

    # Then he can't tell one from the other, and has changed nothing
    assert str(found[0]).replace(theirs, "ID") == str(found[1]).replace(nobody_s, "ID")
    assert house.count_rows() == before


@pytest.mark.parametrize("kind", MALFORMED)
@pytest.mark.parametrize("name", NAMING)
def test_an_id_that_is_none_is_named_and_refused(house: House, name: str, kind: str) -> None:
    method, path = NAMING[name]
    before = house.count_rows()
    refusal = outcome(house, "alice", method, with_id(method, path, MALFORMED[kind]))
    assert refusal.code is Code.INVALID_ARGUMENT
    assert any(path[-1].name in field for field in refusal.fields), refusal
    assert MALFORMED[kind] not in refusal.message
    assert house.count_rows() == before
