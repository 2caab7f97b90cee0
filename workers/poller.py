"""The poller: looks after all operations at providers, in one asyncio loop per worker process.

It claims what is due in batches, asks with many requests at once, and writes the next time down.
Nothing waits in a thread, and a dead poller's claims are taken over when their leases end.
"""

import asyncio
import contextlib
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from core import failpoints
from core.errors import RushesError
from core.events import ProgressTick
from core.jobs import Progress, Stage
from core.store import Database, claims
from core.store.claims import Claim
from core.tell import Teller
from workers.endings import Endings, cancel_operation, context, not_configured
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
BATCH = 500
LEAST_PAUSE_SECONDS = 0.02
AT_ONCE = 50
THREADS = 4


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a poll came to."""

    claim: Claim
    result: Pending | Done | ProviderFailed | TryLater


class Poller:
    """A thread with an event loop of its own."""

    def __init__(
        self,
        *,
        db: Database,
        teller: Teller,
        endings: Endings,
        providers: Providers,
        queues: tuple[str, ...],
        worker_id: str,
        lease_ms: int,
        look_seconds: float,
    ) -> None:
        self._db = db
        self._teller = teller
        self._endings = endings
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
        self._thread = threading.Thread(target=self._main, name="poller", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Asks the thread to end after the batch that it is at."""
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
            limit.reschedule(self._loop.time())

    def _main(self) -> None:
        self._loop.run_until_complete(self._run())

    async def _run(self) -> None:
        while not self._stopping:
            try:
                pause = await self._round()
            except RushesError as error:
                log.warning("poll_round_failed", error=type(error).__name__)
                pause = self._look_seconds
            except Exception as error:
                log.exception("poll_round_crashed", error=type(error).__name__)
                pause = self._look_seconds
            await self._wait(pause)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    async def _round(self) -> float:
        """Polls what is due; the seconds until the next round."""
        # A look costs less than a claim that finds nothing.
        next_ms = await self._in_pool(claims.next_poll_ms, self._db, self._queues)
        if next_ms is None or next_ms > 0:
            return min(next_ms / 1000, self._look_seconds) if next_ms else self._look_seconds
        due = await self._in_pool(
            claims.claim_polls, self._db, self._queues, self._worker_id, self._lease_ms, BATCH
        )
        # Half a lease: the answers are written down while the claims are still ours.
        until = self._loop.time() + self._lease_ms / 2000
        # Of each provider, so that one which hangs keeps no other from being asked.
        at_once: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))
        await asyncio.gather(*(self._look_after(claim, at_once, until) for claim in due))
        return LEAST_PAUSE_SECONDS

    async def _look_after(
        self, claim: Claim, at_once: Mapping[str, asyncio.Semaphore], until: float
    ) -> None:
        answer = await self._poll(claim, at_once, until)
        await self._in_pool(self._settle, answer)

    async def _poll(
        self, claim: Claim, at_once: Mapping[str, asyncio.Semaphore], until: float
    ) -> _Answer:
        provider = paid(self._providers.get(claim.job.provider))
        if provider is None:
            # Others may have it; its operation was paid for.
            return _Answer(claim, TryLater(not_configured(claim.job.provider)))
        if claim.job.cancel_request_time is not None:
            return _Answer(claim, Pending(0))
        return _Answer(claim, await self._ask(claim, provider, at_once, until))

    async def _ask(
        self,
        claim: Claim,
        provider: Provider,
        at_once: Mapping[str, asyncio.Semaphore],
        until: float,
    ) -> Pending | Done | ProviderFailed | TryLater:
        try:
            async with self._limit(until), at_once[claim.job.provider]:
                result = await provider.poll(claim.job, claim.operation)
            failpoints.hit("poll.after_get")
            return result
        except (ProviderFailed, TryLater) as error:
            return error
        except Exception as error:  # noqa: BLE001 - a poll that fails costs nothing but time
            log.warning("poll_failed", **context(claim), error=type(error).__name__)
            return Pending(int(self._look_seconds * 1000))

    @contextlib.asynccontextmanager
    async def _limit(self, until: float) -> AsyncIterator[None]:
        """Ends what is under way in the block by then, or when the poller stops."""
        async with asyncio.timeout_at(self._loop.time() if self._stopping else until) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)

    def _settle(self, answer: _Answer) -> None:
        """Writes down what came of a poll; if it can't, the job is polled again after the lease."""
        try:
            failpoints.hit("poll.before_commit")
            self._settle_one(answer.claim, answer.result)
        except RushesError as error:
            log.warning("poll_not_settled", **context(answer.claim), error=type(error).__name__)
        except Exception as error:
            name = type(error).__name__
            log.exception("poll_not_settled", **context(answer.claim), error=name)

    def _settle_one(self, claim: Claim, result: Pending | Done | ProviderFailed | TryLater) -> None:
        provider = paid(self._providers.get(claim.job.provider))
        if isinstance(result, ProviderFailed):
            self._endings.fail(claim, result)
        elif isinstance(result, TryLater):
            self._endings.retry(claim, result)
        elif claim.job.cancel_request_time is not None and provider is not None:
            self._endings.cancel(claim, cancel_operation(provider, claim.job))
        elif isinstance(result, Pending):
            usual_ms = int(self._look_seconds * 1000)
            delay_ms = usual_ms if result.delay_ms is None else result.delay_ms
            self._endings.hand_back(claim, delay_ms, percent=result.percent or 0)
            self._tell(claim, result)
        elif claims.fetch_next(self._db, claim.run, result.charged_micros):
            self._teller.wake(claim.job.kind)

    def _tell(self, claim: Claim, pending: Pending) -> None:
        percent = max(pending.percent or 0, claim.job.progress.percent)
        progress = Progress(stage=Stage.GENERATING, percent=percent)
        run, attempt = claim.run, claim.job.attempt
        if progress != claim.job.progress:
            self._teller.tell_progress(
                ProgressTick(
                    user_id=run.user_id, job_id=run.job_id, attempt=attempt, progress=progress
                )
            )

    async def _in_pool(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self._loop.run_in_executor(self._pool, work, *arguments)
