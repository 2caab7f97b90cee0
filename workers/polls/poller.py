"""The poller: polls all operations at providers, in one asyncio loop per worker process.

Each round writes down the polls that have ended since the last round, claims the operations that
are due, and polls them. When a poller dies, others take its claims over after their leases.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

import structlog

from core.errors import Reason, RushesError
from core.jobs import JobFailure
from core.process import failpoints
from core.store import Database, claims, polls
from core.store.claims import Claim
from core.telling.changes import Teller
from workers.circuits import Circuits, PollCounts, PolledProviders
from workers.endings import Endings, cancel_operation, context, not_configured
from workers.outcomes import Failed, NotNow, PollOutcome
from workers.polls.postponer import Postponer, Unfinished
from workers.providers import (
    Done,
    Pending,
    Provider,
    ProviderFailed,
    Providers,
    TryLater,
    paid,
)
from workers.rounds import Rounds

log = structlog.get_logger()

# How many polls of one provider are under way at once. Three quarters of that count as full.
AT_ONCE = 200
# The least pause between two rounds: the polls that end meanwhile share a transaction.
LEAST_PAUSE_SECONDS = 0.05
# How late a time-out may come and still count as the provider's failure.
ON_TIME_SECONDS = 0.5
THREADS = 4
_NO_ANSWER = JobFailure(
    reason=Reason.PROVIDER_UNAVAILABLE, message="The provider did not say how far it is."
)


class Poller(Rounds):
    """Polls operations."""

    def __init__(
        self,
        *,
        db: Database,
        teller: Teller,
        endings: Endings,
        postponer: Postponer,
        circuits: Circuits,
        providers: Providers,
        queues: tuple[str, ...],
        worker_id: str,
        lease_ms: int,
        look_seconds: float,
    ) -> None:
        super().__init__(
            "poller",
            threads=THREADS,
            least_pause=LEAST_PAUSE_SECONDS,
            look_seconds=look_seconds,
        )
        self._db = db
        self._teller = teller
        self._endings = endings
        self._postponer = postponer
        self._circuits = circuits
        self._providers = providers
        self._queues = queues
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._limits: set[asyncio.Timeout] = set()
        # The polls since the last round after which the operation is polled again.
        self._unfinished: list[Unfinished] = []
        self._polled = PolledProviders()

    def _hurry(self) -> None:
        """Ends the polls that are under way."""
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(self._asyncio.time())

    async def _round(self) -> float:
        writing = asyncio.ensure_future(self._write_down())
        try:
            return await self._ask_what_is_due()
        finally:
            await writing

    async def _ask_what_is_due(self) -> float:
        full, most = self._room()
        due, next_ms = await self._in_pool(self._claim, full, most)
        # Polls end after half a lease, so that they are written down while the claims hold.
        until = self._asyncio.time() + self._lease_ms / 2000
        for claim in due:
            self._begin(self._look_after(claim, until), claim.job.provider)
        return min(next_ms / 1000, self._look_seconds)

    def _claim(self, full: list[str], most: int) -> tuple[list[Claim], float]:
        """The operations that are due, and in how many milliseconds to look again."""
        # A look costs less than a claim that finds nothing.
        next_ms = polls.next_poll_ms(self._db, self._queues, full)
        if next_ms is None or next_ms > 0:
            return [], float("inf") if next_ms is None else next_ms
        found = polls.claim_polls(
            self._db, self._queues, self._worker_id, self._lease_ms, most, full
        )
        return found, 0

    def _room(self) -> tuple[list[str], int]:
        """The providers that are not asked now, and for how many polls there is room."""
        under_way = Counter(self._under_way.values())
        # A provider that hangs is full, and does not keep others from being asked.
        full = {name for name, count in under_way.items() if count > AT_ONCE * 3 // 4}
        most = max((count for name, count in under_way.items() if name not in full), default=0)
        return sorted(full | self._polled.resting()), AT_ONCE - most

    async def _look_after(self, claim: Claim, until: float) -> None:
        outcome = await self._poll(claim, until)
        cancels = claim.job.cancel_request_time is not None
        if cancels or isinstance(outcome, Done | Failed):
            await self._in_pool(self._settle, claim, outcome)
        else:
            self._unfinished.append(Unfinished(claim, outcome))

    async def _poll(self, claim: Claim, until: float) -> PollOutcome:
        provider = paid(self._providers.get(claim.job.provider))
        if provider is None:
            # The operation was paid for, and another worker may have the provider's key.
            return NotNow(not_configured(claim.job.provider))
        if claim.job.cancel_request_time is not None:
            return Pending(0)
        return await self._ask(claim, provider, until)

    async def _ask(self, claim: Claim, provider: Provider, until: float) -> PollOutcome:
        name = claim.job.provider
        try:
            async with self._limit(until):
                result = await provider.poll(claim.job, claim.operation)
            failpoints.hit("poll.after_get")
            self._polled.answered(name)
            return result
        except ProviderFailed as error:
            self._polled.answered(name)
            return Failed.of(error)
        except TryLater as error:
            answer = NotNow.of(error)
            self._polled.put_off(name, answer)
            return answer
        except TimeoutError:
            log.warning("poll_without_answer", **context(claim))
            if self._loop.stopping:
                # This process gave the poll up. The next worker polls at once.
                return Pending(int(self._look_seconds * 1000), percent=0)
            # A late time-out means that this process was frozen. Then it says nothing of the
            # provider.
            if self._asyncio.time() - until < ON_TIME_SECONDS:
                self._polled.failed(name)
        except Exception as error:  # noqa: BLE001 - a poll that fails costs nothing but time
            log.warning("poll_failed", **context(claim), error=type(error).__name__)
        return NotNow(_NO_ANSWER)

    @contextlib.asynccontextmanager
    async def _limit(self, until: float) -> AsyncIterator[None]:
        """Ends the block at `until`, or when the poller stops."""
        async with asyncio.timeout_at(
            self._asyncio.time() if self._loop.stopping else until
        ) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)

    async def _write_down(self) -> None:
        """Writes down the polls since the last time. An operation whose poll can't be written down
        is polled again after its lease."""
        unfinished, self._unfinished = self._unfinished, []
        counts = self._polled.take_counts()
        try:
            left = await self._in_pool(self._write, unfinished, counts)
        except RushesError as error:
            log.warning("polls_not_settled", count=len(unfinished), error=type(error).__name__)
            return
        for provider, pause_ms in left.items():
            self._polled.rest(provider, pause_ms)

    def _write(self, unfinished: list[Unfinished], counts: PollCounts) -> dict[str, int]:
        self._postponer.write(unfinished)
        return self._circuits.polls_ended(counts)

    def _settle(self, claim: Claim, outcome: PollOutcome) -> None:
        """Writes down how polling ended. If that fails, the job is polled again after its lease."""
        try:
            failpoints.hit("poll.before_commit")
            self._settle_one(claim, outcome)
        except RushesError as error:
            log.warning("poll_not_settled", **context(claim), error=type(error).__name__)
        except Exception as error:
            log.exception("poll_not_settled", **context(claim), error=type(error).__name__)

    def _settle_one(self, claim: Claim, outcome: PollOutcome) -> None:
        provider = paid(self._providers.get(claim.job.provider))
        if isinstance(outcome, Failed):
            self._endings.fail(claim, outcome)
        elif isinstance(outcome, NotNow):
            self._endings.retry(claim, outcome)
        elif isinstance(outcome, Pending) and provider is not None:
            self._endings.cancel(claim, cancel_operation(provider, claim.job))
        elif isinstance(outcome, Done) and claims.fetch_next(
            self._db, claim.run, outcome.charged_micros
        ):
            self._teller.wake(claim.job.queue)
