"""Webhooks: addresses of users to which their events are sent, and each delivery of one.

A delivery is signed as Standard Webhooks says (https://www.standardwebhooks.com). Times are in
milliseconds of the database.
"""

import base64
import functools
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from core.events import Beside
from core.jobs import EventType
from core.notifications import ChangeType
from core.views import ViewChangeType

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
DAY_MS = 24 * HOUR_MS
# From a failed try to the next one: 8 tries in 24 h.
PAUSES_MS = (
    *(5000, 5 * MINUTE_MS, 25 * MINUTE_MS, 90 * MINUTE_MS),
    *(3 * HOUR_MS, 7 * HOUR_MS, 12 * HOUR_MS),
)
# A webhook that takes nothing for so long is disabled.
PATIENCE_MS = DAY_MS
# So long a secret that was replaced signs too.
FORMER_MS = DAY_MS
TRY_SECONDS = 10.0
RESPONSE_BYTES = 1024
GONE = 410
_MOST_SECRETS = 4096
SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with


class Kind(StrEnum):
    """Names of rushes.v1.Webhook.Kind."""

    JOB_QUEUED = "JOB_QUEUED"
    JOB_STARTED = "JOB_STARTED"
    JOB_UPDATED = "JOB_UPDATED"
    JOB_RECONCILING = "JOB_RECONCILING"
    JOB_SUCCEEDED = "JOB_SUCCEEDED"
    JOB_FAILED = "JOB_FAILED"
    JOB_CANCELLED = "JOB_CANCELLED"
    NOTIFICATION_CREATED = "NOTIFICATION_CREATED"
    VIEW_APPLIED = "VIEW_APPLIED"
    VIEW_CLEARED = "VIEW_CLEARED"
    PING = "PING"

    @property
    def type(self) -> str:
        """The `type` of a delivery: "job.succeeded"."""
        return self.lower().replace("_", ".", 1)


class State(StrEnum):
    """Names of rushes.v1.Webhook.State."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    DISABLED_AFTER_FAILURES = "DISABLED_AFTER_FAILURES"


class DeliveryState(StrEnum):
    """Names of rushes.v1.WebhookDelivery.State."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that gets a user's events. `failing_time` is when the first try failed since one
    was taken; `salt` and `former_salt` make its secrets (`Secrets`)."""

    webhook_id: str
    user_id: str
    url: str
    kinds: tuple[Kind, ...]
    labels: Mapping[str, str]
    description: str = ""
    state: State = State.ENABLED
    create_time: int = 0
    enable_time: int = 0
    success_time: int | None = None
    failing_time: int | None = None
    failure_count: int = 0
    salt: str = ""
    former_salt: str = ""
    former_until: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One kind of one event on its way to one webhook, and what came of its last try.

    `once` says that it is tried once and not again by itself. `fence` rises at each claim.
    """

    delivery_id: str
    webhook_id: str
    user_id: str
    kind: Kind
    revision: int = 0
    job_id: str = ""
    state: DeliveryState = DeliveryState.PENDING
    create_time: int = 0
    next_try_time: int | None = None
    fence: int = 0
    once: bool = False
    try_count: int = 0
    try_time: int | None = None
    response_status: int = 0
    response_text: str = ""
    response_ms: int | None = None
    error: str = ""


class Response(NamedTuple):
    """What came of one try: a status, or 0 and why no answer came. `ms` is what it took."""

    status: int = 0
    text: str = ""
    error: str = ""
    ms: int = 0

    @property
    def taken(self) -> bool:
        """Whether the receiver has taken the delivery."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Hook:
    """What a transition needs to know of a webhook that is on."""

    webhook_id: str
    kinds: frozenset[str]
    labels: Mapping[str, str]

    def wants(self, kind: Kind, labels: Mapping[str, str]) -> bool:
        """Whether it gets the kind, of a job with these labels."""
        if kind not in self.kinds:
            return False
        return not kind.startswith("JOB_") or self.labels.items() <= labels.items()


@functools.lru_cache(1024)
def hooks_from_json(kept: str) -> tuple[Hook, ...]:
    """The webhooks that are on, as the user's row keeps them."""
    if not kept:
        return ()
    return tuple(Hook(name, frozenset(kinds), labels) for name, kinds, labels in json.loads(kept))


def hooks_to_json(webhooks: list[Webhook]) -> str:
    """What the user's row keeps of its webhooks; empty when none is on."""
    on = [one for one in webhooks if one.state is State.ENABLED]
    if not on:
        return ""
    return json.dumps([[one.webhook_id, list(one.kinds), dict(one.labels)] for one in on])


def kinds_of(type: EventType | None, beside: Beside) -> list[Kind]:
    """The kinds of deliveries that a change makes. `type` is that of its event of a job, if any."""
    kinds = [Kind(f"JOB_{type}")] if type else []
    if any(one.type is ChangeType.CREATED for one in beside.notifications):
        kinds.append(Kind.NOTIFICATION_CREATED)
    for view_type, kind in _VIEWS.items():
        if any(one.type is view_type for one in beside.views):
            kinds.append(kind)
    return kinds


_VIEWS = {
    ViewChangeType.APPLIED: Kind.VIEW_APPLIED,
    ViewChangeType.CLEARED: Kind.VIEW_CLEARED,
}


class Secrets:
    """Makes the secrets of webhooks of the installation's key, so that no table holds them."""

    def __init__(self, signing_key: bytes) -> None:
        self._key = hmac.digest(signing_key, b"rushes webhook secret", hashlib.sha256)
        self._made = functools.lru_cache(_MOST_SECRETS)(self._make)

    @staticmethod
    def new_salt() -> str:
        """What makes another secret for a webhook."""
        return secrets.token_hex(16)

    def secret(self, webhook_id: str, salt: str) -> bytes:
        """The 32 bytes of a secret."""
        return self._made(webhook_id, salt)

    def _make(self, webhook_id: str, salt: str) -> bytes:
        return hmac.digest(self._key, f"{webhook_id}\n{salt}".encode(), hashlib.sha256)

    def shown(self, webhook: Webhook) -> str:
        """The webhook's secret as its user gets it."""
        return (
            SECRET_PREFIX + base64.b64encode(self.secret(webhook.webhook_id, webhook.salt)).decode()
        )

    def headers(
        self, webhook: Webhook, delivery_id: str, now_ms: int, body: bytes
    ) -> dict[str, str]:
        """The headers of a delivery; signed twice while the secret is replaced."""
        seconds = str(now_ms // 1000)
        salts = [webhook.salt]
        if webhook.former_salt and now_ms < webhook.former_until:
            salts.append(webhook.former_salt)
        signed = f"{delivery_id}.{seconds}.".encode() + body
        macs = (
            hmac.digest(self.secret(webhook.webhook_id, salt), signed, hashlib.sha256)
            for salt in salts
        )
        return {
            "webhook-id": delivery_id,
            "webhook-timestamp": seconds,
            "webhook-signature": " ".join("v1," + base64.b64encode(mac).decode() for mac in macs),
        }
