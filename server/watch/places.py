"""The places of waiting jobs in their queues, as watchers are told them."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from core.errors import RushesError
from core.events import QueueInfo
from core.process.telemetry import get_logger
from core.store.places import Queues
from server.fair_executor import FairExecutor
from server.watch.feed import Feed

log = get_logger(__name__)

PLACES_SECONDS = 1.0
FEEDS_AT_ONCE = 50


class Places:
    """Reads places in threads of the pool. Places are progress, never revisions."""

    def __init__(
        self, queues: Queues, pool: FairExecutor, feeds: Callable[[], Iterable[Feed]]
    ) -> None:
        self._queues = queues
        self._pool = pool
        self._feeds = feeds

    async def of(self, job_ids: Sequence[str], user_id: str | None = None) -> dict[str, QueueInfo]:
        """The places of those of the jobs that wait, read in the share of the user whose watch
        begins, or else in that of the process."""
        if not job_ids:
            return {}
        loop, share = asyncio.get_running_loop(), self._pool.of(user_id)
        return await loop.run_in_executor(share, self._queues.places, job_ids)

    async def tell_forever(self) -> None:
        """Offers the feeds the places of their jobs, with one query for all watched users."""
        while True:
            await asyncio.sleep(PLACES_SECONDS)
            waiting = [job_id for feed in self._feeds() for job_id in feed.progress.waiting]
            try:
                places = await self.of(waiting)
            except RushesError as error:
                log.warning("places_failed", error=type(error).__name__)
                continue
            await self._offer(places)

    async def _offer(self, places: dict[str, QueueInfo]) -> None:
        feeds = [feed for feed in self._feeds() if feed.progress.waiting]
        for number, feed in enumerate(feeds, 1):
            feed.offer_places(places)
            if number % FEEDS_AT_ONCE == 0:
                # Live events go on between.
                await asyncio.sleep(0)
