"""The simulator as a provider: every answer follows from the ledger and the clock.

So any process of the host can poll, fetch or cancel an operation that another one submitted.
"""

import hashlib
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from core.catalog.simulated import Word, words_in
from core.errors import Reason
from core.jobs import CostState, Job, JobFailure, Stage
from core.specs import media_spec
from core.times import iso
from workers.providers import (
    Done,
    Monitor,
    OutcomeUnknown,
    Output,
    Pending,
    ProviderFailed,
    ReadInput,
    RunStopped,
    Submitted,
    TryLater,
)
from workers.providers.simulator.files import NO_MEDIA, make_file
from workers.providers.simulator.ledger import Books, Ledger, Line, Operation
from workers.providers.simulator.words import EFFECTS, Moment, failure, first_failing

# How long an operation takes, by the kind of job.
OPERATION_MS = {"video": 500, "image": 100}
SLOW_MS = 10_000
POLL_MS = 500
BUSY_MS = 1000
LATE_SECONDS = 3.0
QUOTA_MS = 3_600_000
_MAX_SEED = 2**31


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class SimulatorProvider:
    """Implements `Provider` with play money. `folder` holds its ledger.

    Unless it `may_kill`, the words that kill a worker do nothing.
    """

    can_look_up = True

    def __init__(
        self,
        folder: Path,
        now_ms: Callable[[], int] = _now_ms,
        late_seconds: float = LATE_SECONDS,
        may_kill: bool = False,
    ) -> None:
        self._may_kill = may_kill
        self._ledger = Ledger(folder)
        self._now_ms = now_ms
        self._late_seconds = late_seconds

    def plan(self, job: Job, read_input: ReadInput) -> dict[str, bytes]:
        """The inputs. It uses none of them, but fails if one is gone, as other providers do."""
        return {media_id: read_input(media_id) for media_id in job.spec.inputs}

    def submit(self, job: Job, key: str, plan: Any) -> Submitted:
        """Accepts the job and charges its estimate, unless a word says otherwise."""
        words = words_in(job.spec.prompt)
        self._reach(job, words)
        refused = first_failing(words, Moment.REFUSE)
        if refused:
            raise ProviderFailed(failure(refused, **self._details(refused)), CostState.RELEASED)
        if self._acts(job, words, Word.LOST_REQUEST_ONCE):
            raise OutcomeUnknown("the connection was cut")
        operation = self._accept(job, key, words)
        if Word.LATE_ANSWER in words:
            raise OutcomeUnknown("no answer in time", late=self._answer_late(operation))
        if words & {Word.LOST_ANSWER, Word.LOST_ANSWER_LISTED}:
            raise OutcomeUnknown("the connection was cut", lost=Word.LOST_ANSWER in words)
        return Submitted(operation, done=False, delay_ms=min(_operation_ms(job, words), POLL_MS))

    async def poll(self, job: Job, operation: str) -> Pending | Done:
        """How far the operation is, from the clock."""
        found, now = self._find(operation), self._now_ms()
        left = found.ready_time - now
        if left > 0:
            share = (now - found.accept_time) / (found.ready_time - found.accept_time)
            return Pending(delay_ms=min(left, POLL_MS), percent=max(0, int(share * 100)))
        failed = first_failing(found.words, Moment.WORK)
        if failed:
            cost = EFFECTS[failed].cost
            charged = found.micros if cost is CostState.CHARGED else None
            raise ProviderFailed(failure(failed, **self._details(failed, found)), cost, charged)
        return Done(found.micros)

    def cancel(self, job: Job, operation: str) -> CostState:
        """Stops the operation and gives its price back, unless it is done already."""
        self._ledger.write(lambda books: self._cancelling(books, operation))
        found = self._find_any(operation)
        free = found.cancelled or found.micros == 0
        return CostState.RELEASED if free else CostState.CHARGED

    def look_up(self, key: str) -> str | None:
        """The operation of that submission.

        Raises:
            TryLater: while a word hides the operation, so it may have been accepted.
        """
        found = self._ledger.books().by_key.get(key)
        if found is None:
            return None
        listed = found.accept_time + int(self._late_seconds * 1000)
        late = Word.LATE_ANSWER in found.words and self._now_ms() < listed
        if late or Word.LOST_ANSWER in found.words:
            raise TryLater(_unavailable("The simulator can't list its operations now."))
        return found.name

    def fetch(
        self, job: Job, operation: str, index: int, path: Path, read_input: ReadInput, run: Monitor
    ) -> Output:
        """Makes output `index`; each has a seed of its own."""
        if run.stopping():
            raise RunStopped
        found = self._find(operation)
        self._trouble(job, found.words)
        asked = media_spec(job.spec).seed
        seed = (_drawn(operation) if asked is None else asked) + index
        if Word.BROKEN_FILE in found.words:
            path.write_bytes(NO_MEDIA)
        else:
            make_file(job.spec, seed, path)
        run.report(Stage.DOWNLOADING, 1.0, "Downloading")
        return Output(seed=seed, made_here=True)

    def _reach(self, job: Job, words: frozenset[Word]) -> None:
        if Word.UNREACHABLE in words:
            raise TryLater(failure(Word.UNREACHABLE))
        if self._acts(job, words, Word.UNREACHABLE_ONCE):
            raise TryLater(_unavailable("The simulator could not be reached."))
        if self._acts(job, words, Word.BUSY_ONCE):
            busy = _unavailable("The simulator is busy.")
            raise TryLater(busy, delay_ms=BUSY_MS, sent=True)

    def _accept(self, job: Job, key: str, words: frozenset[Word]) -> str:
        operation = f"simulated-{uuid.uuid4().hex}"

        def accepted(_: Books) -> Line:
            now = self._now_ms()
            return {
                "event": "accepted",
                "time": now,
                "key": key,
                "job_id": job.job_id,
                "operation": operation,
                "micros": 0 if Word.FILTERED in words else job.cost.estimated_micros,
                "model": job.spec.model,
                "words": sorted(words),
                "ready_time": now + _operation_ms(job, words),
            }

        self._ledger.write(accepted)
        return operation

    def _cancelling(self, books: Books, operation: str) -> Line | None:
        found, now = books.operations.get(operation), self._now_ms()
        if found is None or found.cancelled or Word.NO_CANCEL in found.words:
            return None
        if now >= found.ready_time:
            return None
        return {"event": "cancelled", "time": now, "operation": operation, "micros": 0}

    def _acts(self, job: Job, words: frozenset[Word], word: Word) -> bool:
        """Whether the word acts now: once for each job, in whichever process."""
        if word not in words or (job.job_id, word) in self._ledger.books().happened:
            return False

        def happened(books: Books) -> Line | None:
            if (job.job_id, word) in books.happened:
                return None
            return {
                "event": "happened",
                "time": self._now_ms(),
                "job_id": job.job_id,
                "operation": "",
                "word": word,
            }

        return self._ledger.write(happened) is not None

    def _trouble(self, job: Job, words: frozenset[Word]) -> None:
        if self._acts(job, words, Word.DOWNLOAD_FAILS_ONCE):
            raise TryLater(_unavailable("The download from the simulator broke off."))
        if self._may_kill and self._kills(job, words):
            os.kill(os.getpid(), signal.SIGKILL)
        if Word.CRASH in words:
            raise ArithmeticError("the simulator was told to crash")
        if Word.STORAGE_FAILS in words:
            raise ProviderFailed(failure(Word.STORAGE_FAILS), EFFECTS[Word.STORAGE_FAILS].cost)

    def _kills(self, job: Job, words: frozenset[Word]) -> bool:
        return Word.KILL_WORKER in words or self._acts(job, words, Word.KILL_WORKER_ONCE)

    def _answer_late(self, operation: str) -> "Future[str]":
        late: Future[str] = Future()
        timer = threading.Timer(self._late_seconds, late.set_result, (operation,))
        timer.name, timer.daemon = "simulator late answer", True
        timer.start()
        return late

    def _details(self, word: Word, operation: Operation | None = None) -> dict[str, str]:
        """The metadata of the failure that only this moment knows."""
        if word is Word.QUOTA:
            return {"retry_time": iso(self._now_ms() + QUOTA_MS)}
        if operation and word in (Word.TIMEOUT, Word.VANISH):
            return {"operation": operation.name}
        return {}

    def _find(self, operation: str) -> Operation:
        """The operation, if it has not been cancelled."""
        found = self._find_any(operation)
        if found.cancelled:
            raise ProviderFailed(_lost(operation), CostState.RELEASED)
        return found

    def _find_any(self, operation: str) -> Operation:
        found = self._ledger.books().operations.get(operation)
        if found is None:
            raise ProviderFailed(_lost(operation), CostState.UNCERTAIN)
        return found


def _operation_ms(job: Job, words: frozenset[Word]) -> int:
    return SLOW_MS if Word.SLOW in words else OPERATION_MS[job.kind]


def _drawn(operation: str) -> int:
    """A seed by chance, the same for every fetch of the operation."""
    return int.from_bytes(hashlib.sha256(operation.encode()).digest()[:4]) % _MAX_SEED


def _unavailable(message: str) -> JobFailure:
    return JobFailure(reason=Reason.PROVIDER_UNAVAILABLE, message=message)


def _lost(operation: str) -> JobFailure:
    return JobFailure(
        reason=Reason.PROVIDER_OPERATION_LOST,
        message="The simulator does not know the operation.",
        metadata={"operation": operation},
    )
