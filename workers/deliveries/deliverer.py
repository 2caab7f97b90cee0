"""The deliverer: sends what waits in the outbox, in one asyncio loop per worker process.

Each round writes down the tries that have ended since the last one, claims what is due, and sends
it. When a deliverer dies, others take its claims over after their leases, so a receiver may get a
delivery twice, with one id.
"""

import asyncio
import time
from collections import Counter
from typing import Protocol

import structlog
import uvloop

from core.events import UserChange
from core.process import failpoints, metrics
from core.sending import Sender
from core.store import Database, deliveries
from core.store import webhooks as webhook_store
from core.store.deliveries import Claimed, Fare, Tried
from core.telling.changes import Changes
from core.webhooks import GONE, PATIENCE_MS, DeliveryState, Kind
from workers.deliveries.judging import judged, refusal
from workers.rounds import Rounds

log = structlog.get_logger()

# The least pause between two rounds: the tries that end meanwhile share a transaction.
LEAST_PAUSE_SECONDS = 0.1
# What one transaction claims.
MOST_CLAIMED = 500
# What is looked at for deliveries that are due. With more of them, it is looked at by webhook.
WINDOW = 1000
# The share of the time in which so many are looked at.
_LOOK_SHARE = 0.1
_MOST_KNOWN = 50_000
THREADS = 2


class Bodies(Protocol):
    """Makes what is sent."""

    def body(self, kind: Kind, change: UserChange, epoch: str) -> bytes:
        """The part of the change that is of the kind.

        Raises:
            ValueError, KeyError, TypeError: when the change can't be read.
        """

    def ping(self, now_ms: int) -> bytes:
        """What a test sends."""


class Deliverer(Rounds):
    """Sends deliveries. With uvloop a try costs less CPU than with asyncio's own loop."""

    def __init__(
        self,
        *,
        db: Database,
        changes: Changes,
        sender: Sender,
        bodies: Bodies,
        at_once: int,
        at_once_of_webhook: int,
        lease_ms: int,
        look_seconds: float,
    ) -> None:
        super().__init__(
            "deliverer",
            threads=THREADS,
            least_pause=LEAST_PAUSE_SECONDS,
            look_seconds=look_seconds,
            new_loop=uvloop.new_event_loop,
        )
        self._db = db
        self._changes = changes
        self._sender = sender
        self._bodies = bodies
        self._at_once = at_once
        self._of_webhook = at_once_of_webhook
        self._lease_ms = lease_ms
        # Of the webhooks that take nothing, one delivery at a time is tried.
        self._failing: dict[str, int] = {}
        # After a look at very many, the next one waits.
        self._rest_until = 0.0
        self._tried: list[Tried] = []
        self._gone: set[str] = set()
        # Whose webhook was removed.
        self._orphans: set[str] = set()

    def _hurry(self) -> None:
        """Gives up the tries that are under way."""
        for task in self._under_way:
            task.cancel()

    async def _round(self) -> float:
        await self._write_down()
        room = self._at_once - len(self._under_way)
        if room <= 0:
            return self._look_seconds
        counts = Counter(self._under_way.values())
        ids, pause = await self._in_pool(self._look, counts)
        for first in range(0, min(len(ids), room), MOST_CLAIMED):
            part = ids[first : min(first + MOST_CLAIMED, room)]
            for one in await self._in_pool(deliveries.claim, self._db, part, self._lease_ms):
                self._begin_try(one)
            await self._write_down()
            if self._loop.stopping:
                break
        return pause

    def _look(self, counts: Counter[str]) -> tuple[list[str], float]:
        """What is due and has room, and in how many seconds to look again."""
        if (rest := self._rest_until - time.monotonic()) > 0:
            return [], rest
        # A look costs less than a claim that finds nothing.
        next_ms = deliveries.next_try_ms(self._db)
        if next_ms is None or next_ms > 0:
            ms = float("inf") if next_ms is None else next_ms
            return [], min(ms / 1000, self._look_seconds)
        begun = time.monotonic()
        ids, flooded = deliveries.look(self._db, counts, self._failing, self._of_webhook, WINDOW)
        ended = time.monotonic()
        if flooded:
            self._rest_until = ended + min((ended - begun) / _LOOK_SHARE, self._look_seconds)
        # All that is due may be of webhooks that have enough under way.
        return ids, 0 if ids else self._look_seconds

    def _begin_try(self, claimed: Claimed) -> None:
        webhook = claimed.webhook
        if webhook is None:
            self._orphans.add(claimed.delivery.delivery_id)
            return
        if webhook.failure_count:
            self._note_failing(webhook.webhook_id)
        if error := refusal(claimed):
            self._tried.append(Tried(claimed.delivery, DeliveryState.FAILED, error=error))
            return
        self._begin(self._try(claimed), webhook.webhook_id)

    async def _try(self, claimed: Claimed) -> None:
        delivery = claimed.delivery
        assert claimed.webhook is not None
        try:
            body = self._body(claimed)
        except (ValueError, KeyError, TypeError) as error:
            log.warning("delivery_unreadable", **_context(claimed), error=type(error).__name__)
            failed = Tried(delivery, DeliveryState.FAILED, error="its event can't be read")
            self._tried.append(failed)
            return
        try:
            response = await self._sender.send(claimed.webhook, delivery.delivery_id, body)
        except asyncio.CancelledError:
            # This process gives it up. The next one tries at once.
            self._tried.append(Tried(delivery, DeliveryState.PENDING))
            raise
        failpoints.hit("delivery.after_send")
        metrics.DELIVERIES.labels("taken" if response.taken else "failed").inc()
        if response.taken:
            self._failing.pop(delivery.webhook_id, None)
        else:
            self._note_failing(delivery.webhook_id)
        if response.status == GONE:
            self._gone.add(delivery.webhook_id)
        self._tried.append(judged(delivery, response))

    def _body(self, claimed: Claimed) -> bytes:
        if claimed.event is None:
            return self._bodies.ping(claimed.delivery.create_time)
        return self._bodies.body(claimed.delivery.kind, claimed.event, claimed.epoch)

    def _note_failing(self, webhook_id: str) -> None:
        if len(self._failing) >= _MOST_KNOWN:
            self._failing.clear()
        self._failing[webhook_id] = 1

    async def _write_down(self) -> None:
        """Writes down the tries since the last time. What can't be written down is tried again
        after its lease."""
        tried, self._tried = self._tried, []
        orphans, self._orphans = self._orphans, set()
        gone, self._gone = self._gone, set()
        if not tried and not orphans:
            return
        fares = await self._in_pool(self._write, tried, orphans)
        for fare in fares:
            if fare.is_on and (fare.webhook_id in gone or fare.failing_ms >= PATIENCE_MS):
                await self._in_pool(self._disable, fare, fare.webhook_id in gone)

    def _write(self, tried: list[Tried], orphans: set[str]) -> list[Fare]:
        failpoints.hit("delivery.before_commit")
        if orphans:
            deliveries.drop(self._db, orphans)
        return deliveries.settle(self._db, tried)

    def _disable(self, fare: Fare, is_gone: bool) -> None:
        cause = "answered that it is gone (410)" if is_gone else "has taken nothing for 24 hours"
        self._changes.make_own(
            lambda db: webhook_store.disable(db, fare.user_id, fare.webhook_id, cause)
        )
        deliveries.give_up(self._db, fare.webhook_id)
        log.info("webhook_disabled", user_id=fare.user_id, webhook_id=fare.webhook_id)


def _context(claimed: Claimed) -> dict[str, str]:
    delivery = claimed.delivery
    return {
        "user_id": delivery.user_id,
        "job_id": delivery.job_id,
        "webhook_id": delivery.webhook_id,
        "delivery_id": delivery.delivery_id,
    }
