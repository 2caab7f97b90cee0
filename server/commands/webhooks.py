"""Webhooks, as callers make, change, test and look at them."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from core.errors import FeatureDisabled, RateLimited
from core.ids import new_id
from core.process.settings import Settings
from core.process.telemetry import get_logger
from core.sending import Sender
from core.store import Database, deliveries
from core.store import webhooks as webhook_store
from core.tokens import Tokens
from core.webhooks import Delivery, DeliveryState, Kind, Secrets, State, Webhook
from server.commands.pages import cut
from server.fair_executor import FairExecutor

log = get_logger(__name__)

# Tests of one user that are under way at once.
MOST_TESTS = 5
# An upper bound of what a delivery takes on the wire besides its texts.
_DELIVERY_BYTES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookChange:
    """What to change of a webhook; None stays as it is."""

    url: str | None = None
    kinds: tuple[Kind, ...] | None = None
    labels: dict[str, str] | None = None
    description: str | None = None
    state: State | None = None

    def of(self, webhook: Webhook) -> Webhook:
        """The webhook with it."""
        names = ("url", "kinds", "labels", "description", "state")
        given: dict[str, Any] = {name: getattr(self, name) for name in names}
        return replace(webhook, **{name: one for name, one in given.items() if one is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryList:
    """Which deliveries to list; no states are all."""

    webhook_id: str
    page_size: int
    page_token: str = ""
    states: tuple[DeliveryState, ...] = ()


class Shown(NamedTuple):
    """A webhook with its secret, which nobody can read again."""

    webhook: Webhook
    secret: str


class Webhooks:
    """One user's webhooks at a time. `ping` makes the body of a test, of its time."""

    def __init__(
        self,
        *,
        settings: Settings,
        db: Database,
        tokens: Tokens,
        secrets: Secrets,
        pool: FairExecutor,
        sender: Sender,
        ping: Callable[[int], bytes],
    ) -> None:
        self._settings = settings
        self._db = db
        self._tokens = tokens
        self._secrets = secrets
        self._pool = pool
        self._sender = sender
        self._ping = ping
        self._tests: Counter[str] = Counter()

    def require_allowed(self) -> None:
        """Returns where the operator allows webhooks.

        Raises:
            FeatureDisabled: otherwise.
        """
        if self._settings.webhooks == "off":
            raise FeatureDisabled("webhooks", "RUSHES_WEBHOOKS")

    def create(self, user_id: str, wanted: WebhookChange) -> Shown:
        """Makes a webhook.

        Raises:
            ResourceLimitReached: when the user has too many.
        """
        empty = Webhook(
            webhook_id=new_id(),
            user_id=user_id,
            url="",
            kinds=(),
            labels={},
            salt=self._secrets.new_salt(),
        )
        made = webhook_store.create(self._db, wanted.of(empty), self._settings.max_webhooks)
        log.info("webhook_created", user_id=user_id, webhook_id=made.webhook_id)
        return Shown(made, self._secrets.shown(made))

    def all(self, user_id: str) -> list[Webhook]:
        """All of the user, the oldest first."""
        return webhook_store.all_of(self._db, user_id)

    def update(self, user_id: str, webhook_id: str, wanted: WebhookChange) -> Webhook:
        """Changes the webhook.

        Raises:
            NotFound: when the user has no such webhook.
        """
        changed = webhook_store.update(self._db, user_id, webhook_id, wanted.of)
        if changed.state is not State.ENABLED:
            deliveries.give_up(self._db, webhook_id)
        log.info("webhook_updated", user_id=user_id, webhook_id=webhook_id, state=changed.state)
        return changed

    def delete(self, user_id: str, webhook_id: str) -> None:
        """Removes the webhook with its deliveries; it may be gone already."""
        if webhook_store.delete(self._db, user_id, webhook_id):
            deliveries.erase(self._db, webhook_id)
            log.info("webhook_deleted", user_id=user_id, webhook_id=webhook_id)

    def rotate(self, user_id: str, webhook_id: str) -> Shown:
        """Gives the webhook another secret.

        Raises:
            NotFound: when the user has no such webhook.
        """
        salt = self._secrets.new_salt()
        webhook = webhook_store.rotate(self._db, user_id, webhook_id, salt)
        log.info("webhook_secret_rotated", user_id=user_id, webhook_id=webhook_id)
        return Shown(webhook, self._secrets.shown(webhook))

    async def test(self, user_id: str, webhook_id: str) -> Delivery:
        """Sends a ping once, and gives what came of it. It holds no thread while it waits.

        Raises:
            NotFound: when the user has no such webhook.
            RateLimited: when too many of the user's tests are under way.
        """
        loop, share = asyncio.get_running_loop(), self._pool.of(user_id)
        with self._place(user_id):
            webhook = await loop.run_in_executor(
                share, webhook_store.get, self._db, user_id, webhook_id
            )
            delivery_id, now_ms = new_id(), time.time_ns() // 1_000_000
            response = await self._sender.send(webhook, delivery_id, self._ping(now_ms))
            state = DeliveryState.SUCCEEDED if response.taken else DeliveryState.FAILED
            delivery = Delivery(
                delivery_id=delivery_id,
                webhook_id=webhook_id,
                user_id=user_id,
                kind=Kind.PING,
                state=state,
                create_time=now_ms,
                try_count=1,
                try_time=now_ms,
                response_status=response.status,
                response_text=response.text,
                response_ms=response.ms,
                error=response.error,
            )
            await loop.run_in_executor(share, deliveries.add, self._db, delivery)
        return delivery

    def deliveries(self, user_id: str, wanted: DeliveryList) -> tuple[list[Delivery], str]:
        """A page of deliveries, newest first, and the token of the next.

        Raises:
            NotFound: when the user has no such webhook.
            PageTokenInvalid: when the token is not one of this list.
        """
        webhook_store.get(self._db, user_id, wanted.webhook_id)
        states = wanted.states or tuple(DeliveryState)
        listing = "deliveries:" + json.dumps([wanted.webhook_id, sorted(states)])
        now_ms, token = int(time.time() * 1000), wanted.page_token
        below = deliveries.FIRST
        if token:
            create_time, delivery_id = self._tokens.read_page(user_id, listing, token, now_ms)
            below = create_time, delivery_id
        found = deliveries.page(
            self._db,
            wanted.webhook_id,
            states=states,
            below=below,
            limit=wanted.page_size + 1,
        )
        shown = cut(found, wanted.page_size, _size)
        if len(shown) == len(found):
            return shown, ""
        position = [shown[-1].create_time, shown[-1].delivery_id]
        return shown, self._tokens.page(user_id, listing, position, now_ms)

    def redeliver(self, user_id: str, webhook_id: str, delivery_id: str) -> Delivery:
        """Has a delivery tried again now.

        Raises:
            NotFound: when the user has no such webhook, or that has no such delivery.
        """
        webhook = webhook_store.get(self._db, user_id, webhook_id)
        return deliveries.try_again(self._db, webhook, delivery_id)

    @contextlib.contextmanager
    def _place(self, user_id: str) -> Iterator[None]:
        if self._tests[user_id] >= MOST_TESTS:
            text = f"At most {MOST_TESTS} of your tests may be under way at once."
            raise RateLimited(text, limit=MOST_TESTS)
        self._tests[user_id] += 1
        try:
            yield
        finally:
            self._tests[user_id] -= 1
            if not self._tests[user_id]:
                del self._tests[user_id]


def _size(delivery: Delivery) -> int:
    return _DELIVERY_BYTES + 4 * (len(delivery.response_text) + len(delivery.error))
