"""The poller: looks after all operations at providers, in one asyncio loop per worker process.

Each round writes down what the polls came to that have ended since the last one, claims what is
due, and asks; nothing waits in a thread, nor for the slowest of its round. A dead poller's claims
are taken over when their leases end.
"""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

from core.errors import Reason, RushesError
from core.jobs import JobFailure
from core.process import failpoints
from core.store import Database, claims, polls
from core.store.claims import Claim
from core.telling.changes import Teller
from workers.endings import Endings, cancel_operation, context, not_configured
from workers.polls.postponer import Later, Postponer
from workers.providers import (
    Done,
    Pending,
    Provider,
    ProviderFailed,
    Providers,
    TryLater,
    paid,
)

log = structlog.get_logger()

T = TypeVar("T")
# Polls of one provider that are under way at once; nearly as many count as full.
AT_ONCE = 200
# Between two rounds at least: what comes meanwhile shares a transaction.
LEAST_PAUSE_SECONDS = 0.05
# A provider that wants to be left alone longer than that means the one operation.
MOST_REST_SECONDS = 60.0
ON_TIME_SECONDS = 0.5
THREADS = 4
_NO_ANSWER = JobFailure(
    reason=Reason.PROVIDER_UNAVAILABLE, message="The provider did not say how far it is."
)


class Poller:
    """A thread with an event loop of its own."""

    def __init__(
        self,
        *,
        db: Database,
        teller: Teller,
        endings: Endings,
        postponer: Postponer,
        providers: Providers,
        queues: tuple[str, ...],
        worker_id: str,
        lease_ms: int,
        look_seconds: float,
    ) -> None:
        self._db = db
        self._teller = teller
        self._endings = endings
        self._postponer = postponer
        self._providers = providers
        self._queues = queues
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._look_seconds = look_seconds
        self._pool = ThreadPoolExecutor(THREADS, "poller")
        self._loop = asyncio.new_event_loop()
        self._stopping = False
        self._limits: set[asyncio.Timeout] = set()
        self._woken = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], str] = {}
        # Since the last round: what is to be polled again, who answered, who could not be reached.
        self._later: list[Later] = []
        self._answered: set[str] = set()
        self._failed: list[str] = []
        # Providers that asked for a pause, or whose circuit is open, and until when.
        self._resting: dict[str, float] = {}
        self._thread = threading.Thread(target=self._main, name="poller", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Asks the thread to end after the polls that are under way."""
        self._stopping = True
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._hurry)
        self.nudge()

    def nudge(self) -> None:
        """Says that an operation is to be polled soon."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._woken.set)

    def close(self) -> None:
        """Ends the thread."""
        self.stop()
        if self._thread.ident is not None:
            self._thread.join()
        self._pool.shutdown()
        self._loop.close()

    def _hurry(self) -> None:
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(self._loop.time())

    def _main(self) -> None:
        self._loop.run_until_complete(self._run())
        # Closes what providers have opened in this loop.
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    async def _run(self) -> None:
        while not self._stopping:
            await self._wait(await self._safely(self._round))
        await asyncio.gather(*self._under_way)
        await self._safely(self._write_down)

    async def _safely(self, work: Callable[[], Any]) -> float:
        try:
            pause: float | None = await work()
            return pause or 0
        except RushesError as error:
            log.warning("poll_round_failed", error=type(error).__name__)
        except Exception as error:
            log.exception("poll_round_crashed", error=type(error).__name__)
        return self._look_seconds

    async def _wait(self, seconds: float) -> None:
        if not self._stopping:
            await asyncio.sleep(LEAST_PAUSE_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds - LEAST_PAUSE_SECONDS):
                await self._woken.wait()
        self._woken.clear()

    async def _round(self) -> float:
        """Writes down, claims and asks; the seconds until the next round, unless a poll ends."""
        writing = asyncio.ensure_future(self._write_down())
        try:
            return await self._ask_what_is_due()
        finally:
            await writing

    async def _ask_what_is_due(self) -> float:
        full, most = self._room()
        due, next_ms = await self._in_pool(self._claim, full, most)
        # Half a lease: the answers are written down while the claims are still ours.
        until = self._loop.time() + self._lease_ms / 2000
        for claim in due:
            task = self._loop.create_task(self._look_after(claim, until))
            self._under_way[task] = claim.job.provider
            task.add_done_callback(self._ended)
        return min(next_ms / 1000, self._look_seconds)

    def _claim(self, full: list[str], most: int) -> tuple[list[Claim], float]:
        """What is due, and in how many milliseconds to look again."""
        # A look costs less than a claim that finds nothing.
        next_ms = polls.next_poll_ms(self._db, self._queues, full)
        if next_ms is None or next_ms > 0:
            return [], float("inf") if next_ms is None else next_ms
        where = self._db, self._queues, self._worker_id, self._lease_ms
        return polls.claim_polls(*where, most, full), 0

    def _room(self) -> tuple[list[str], int]:
        """The providers that are asked no more now, and for how many polls there is room."""
        under_way, now = Counter(self._under_way.values()), self._loop.time()
        self._resting = {name: until for name, until in self._resting.items() if until > now}
        # So one that hangs keeps no other from being asked.
        full = {name for name, count in under_way.items() if count > AT_ONCE * 3 // 4}
        most = max((count for name, count in under_way.items() if name not in full), default=0)
        return sorted(full.union(self._resting)), AT_ONCE - most

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._under_way[task]
        self._woken.set()

    async def _look_after(self, claim: Claim, until: float) -> None:
        result = await self._poll(claim, until)
        cancels = claim.job.cancel_request_time is not None
        if cancels or isinstance(result, Done | ProviderFailed):
            await self._in_pool(self._settle, claim, result)
        else:
            self._later.append(Later(claim, result))

    async def _poll(self, claim: Claim, until: float) -> Pending | Done | ProviderFailed | TryLater:
        provider = paid(self._providers.get(claim.job.provider))
        if provider is None:
            # Others may have it; its operation was paid for.
            return TryLater(not_configured(claim.job.provider))
        if claim.job.cancel_request_time is not None:
            return Pending(0)
        return await self._ask(claim, provider, until)

    async def _ask(
        self, claim: Claim, provider: Provider, until: float
    ) -> Pending | Done | ProviderFailed | TryLater:
        name = claim.job.provider
        try:
            async with self._limit(until):
                result = await provider.poll(claim.job, claim.operation)
            failpoints.hit("poll.after_get")
            self._answered.add(name)
            return result
        except ProviderFailed as error:
            self._answered.add(name)
            return error
        except TryLater as error:
            self._note(name, error)
            return error
        except TimeoutError:
            log.warning("poll_without_answer", **context(claim))
            if self._stopping:
                # Given up by us: whoever comes next asks at once.
                return Pending(int(self._look_seconds * 1000), percent=0)
            # After a time in which this process was frozen nobody knows who did not answer.
            if self._loop.time() - until < ON_TIME_SECONDS:
                self._failed.append(name)
        except Exception as error:  # noqa: BLE001 - a poll that fails costs nothing but time
            log.warning("poll_failed", **context(claim), error=type(error).__name__)
        return TryLater(_NO_ANSWER)

    def _note(self, provider: str, error: TryLater) -> None:
        if not error.sent:
            self._failed.append(provider)
        elif error.delay_ms is not None:
            # Its limit is for all that is asked, not for this operation alone.
            pause = min(error.delay_ms / 1000, MOST_REST_SECONDS)
            self._rest(provider, pause)

    def _rest(self, provider: str, seconds: float) -> None:
        until = self._loop.time() + seconds
        self._resting[provider] = max(until, self._resting.get(provider, until))

    @contextlib.asynccontextmanager
    async def _limit(self, until: float) -> AsyncIterator[None]:
        """Ends what is under way in the block by then, or when the poller stops."""
        async with asyncio.timeout_at(self._loop.time() if self._stopping else until) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)

    async def _write_down(self) -> None:
        """What came since the last time; what can't be is polled again after its lease."""
        later, self._later = self._later, []
        answered, self._answered = self._answered, set()
        failed, self._failed = self._failed, []
        try:
            left = await self._in_pool(self._postponer.write, later, answered, failed)
        except RushesError as error:
            log.warning("polls_not_settled", count=len(later), error=type(error).__name__)
            return
        for provider, pause_ms in left.items():
            self._rest(provider, pause_ms / 1000)

    def _settle(self, claim: Claim, result: Pending | Done | ProviderFailed | TryLater) -> None:
        """Writes down what ends the polls; if it can't, the job is polled again after the lease."""
        try:
            failpoints.hit("poll.before_commit")
            self._settle_one(claim, result)
        except RushesError as error:
            log.warning("poll_not_settled", **context(claim), error=type(error).__name__)
        except Exception as error:
            log.exception("poll_not_settled", **context(claim), error=type(error).__name__)

    def _settle_one(self, claim: Claim, result: Pending | Done | ProviderFailed | TryLater) -> None:
        provider = paid(self._providers.get(claim.job.provider))
        if isinstance(result, ProviderFailed):
            self._endings.fail(claim, result)
        elif isinstance(result, TryLater):
            self._endings.retry(claim, result)
        elif isinstance(result, Pending) and provider is not None:
            self._endings.cancel(claim, cancel_operation(provider, claim.job))
        elif isinstance(result, Done) and claims.fetch_next(
            self._db, claim.run, result.charged_micros
        ):
            self._teller.wake(claim.job.queue)

    async def _in_pool(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self._loop.run_in_executor(self._pool, work, *arguments)
