"""A job's run: claims the job, and runs step after step until it ends, waits, or is lost.

Each step begins from the recorded state, so the next claim of the job can repeat it. The one
exception is the step that pays (`submit`).
"""

import contextlib
import errno
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from core.blobs import Blobs
from core.errors import BlobMissing, DependencyUnavailable, LeaseLost, Reason, StorageFull
from core.events import Event
from core.ids import new_id
from core.jobs import EventType, Job, JobFailure, Outcome, Stage, State, Step
from core.kinds import Result
from core.process import failpoints, metrics
from core.store import Database, claims, media, starts, submits, transitions
from core.store.claims import Claim
from core.telling.changes import Changes, Teller
from workers.endings import Endings, cancel_operation, context, not_configured, worker_lost
from workers.outcomes import Failed, NotNow
from workers.providers import (
    LocalProvider,
    Provider,
    ProviderFailed,
    Providers,
    RunStopped,
    TryLater,
    paid,
)
from workers.runs.journal import Entry
from workers.runs.lease import Lease, LeaseKeeper
from workers.runs.reconcile import Reconciler
from workers.runs.results import MAKERS
from workers.runs.submit import Submitter

log = structlog.get_logger()

RETRY_MS = 1000
# How long a thread runs jobs of one queue before it wakes another worker and yields.
QUEUE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Runs jobs in the calling thread; one object serves all threads of a worker process."""

    db: Database
    blobs: Blobs
    providers: Providers
    keeper: LeaseKeeper
    changes: Changes
    teller: Teller
    endings: Endings
    submitter: Submitter
    reconciler: Reconciler
    worker_id: str
    work_folder: Path
    max_attempts: int
    user_concurrency: int
    max_views: int
    max_result_bytes: int

    def run_queue(self, queue: str) -> None:
        """Runs jobs of the queue until there is none, or until QUEUE_SECONDS are over.

        Raises:
            DependencyUnavailable: when the database can't be asked.
        """
        until = time.monotonic() + QUEUE_SECONDS
        while self.run_next(queue):
            if self.keeper.closing or time.monotonic() > until:
                # Another worker goes on: a job may wait, or the user may have room for one.
                self.teller.wake(queue)
                return

    def run_next(self, queue: str) -> bool:
        """Runs the next job of the queue as far as it goes; False when there is none.

        Raises:
            DependencyUnavailable: when the database can't be asked.
        """
        if self.keeper.closing:
            return False
        claim = self.changes.make(lambda db: self._claim(db, queue))
        if claim is None:
            return False
        metrics.CLAIMS.labels(queue).inc()
        with self.keeper.hold(claim) as lease:
            self._run(claim, lease)
        return True

    def _claim(self, db: Database, queue: str) -> Claim | None:
        lease_ms, most = self.keeper.lease_ms, self.user_concurrency
        local = self._local
        if local:
            return starts.claim_and_start(db, queue, self.worker_id, lease_ms, most, local)
        return claims.claim(db, queue, self.worker_id, lease_ms, most)

    def release(self, job: Job) -> None:
        """Stops the operation that an ended job left at its provider."""
        provider = paid(self.providers.get(job.provider))
        if provider and job.provider_operation:
            self.endings.release(provider, job)

    def adopt(self, entry: Entry) -> None:
        """Records an operation that a dead process left, or stops it if its job has ended.

        Raises:
            DependencyUnavailable, StorageFull: when the database can't take it.
        """
        if self.submitter.adopt(entry) is not None:
            return
        for intent in submits.of_job(self.db, entry.job_id):
            provider = paid(self.providers.get(intent.provider))
            if provider and intent.operation == entry.operation:
                self.endings.release_orphan(
                    provider, intent.user_id, intent.job_id, intent.operation
                )

    def _run(self, claim: Claim, lease: Lease) -> None:
        try:
            self._steps(claim, lease)
        except ProviderFailed as error:
            self.endings.fail(claim, Failed.of(error))
        except TryLater as error:
            self.endings.retry(claim, NotNow.of(error))
        except LeaseLost:
            log.warning("run_lost", **context(claim), step=claim.step)
        except (DependencyUnavailable, StorageFull) as error:
            name = type(error).__name__
            log.warning("run_interrupted", **context(claim), step=claim.step, error=name)
            self.endings.hand_back(claim, RETRY_MS)
        except Exception as error:  # noqa: BLE001 - a bug ends the job, never the worker
            self._crashed(claim, error)

    def _crashed(self, claim: Claim, error: Exception) -> None:
        error_id = uuid.uuid4().hex
        name = type(error).__name__
        log.exception("run_crashed", **context(claim), error_id=error_id, error=name)
        pays = paid(self.providers.get(claim.job.provider)) and claim.step is Step.SUBMIT
        if pays and not self._surely_unsent(claim):
            # The operation may be in this process's journal, which others read when it is gone.
            self.endings.make_if_possible(lambda db: submits.unknown(db, claim.run))
            return
        self.endings.fail(claim, Failed(_internal(error_id)))

    def _surely_unsent(self, claim: Claim) -> bool:
        try:
            found = submits.of_job(self.db, claim.run.job_id)
        except DependencyUnavailable:
            return False
        return all(intent.outcome in (Outcome.NOT_SENT, Outcome.REJECTED) for intent in found)

    def _steps(self, claim: Claim, lease: Lease) -> None:
        provider = self.providers.get(claim.job.provider)
        if claim.job.state is State.RECONCILING:
            self.reconciler.reconcile(claim, paid(provider))
        elif claim.step is Step.SUBMIT and claim.at_risk:
            # The run that wrote the intent is gone. Its journal, or the run itself if it was only
            # frozen, may still say what came of the submit.
            self.endings.make_if_possible(lambda db: submits.unknown(db, claim.run))
            # Somebody may have settled it since the claim; then the job goes on now.
            self.endings.hand_back(claim, 0)
        elif claim.job.attempt > self.max_attempts:
            self.endings.fail(claim, worker_lost(self.max_attempts))
        else:
            self._advance(claim, provider, lease)

    def _advance(
        self, claim: Claim, provider: LocalProvider | Provider | None, lease: Lease
    ) -> None:
        if provider is None:
            self._without_provider(claim)
            return
        paying = paid(provider)
        try:
            if lease.stopping() or claim.job.cancel_request_time is not None:
                raise RunStopped
            if paying and claim.step is Step.SUBMIT:
                submitted = self.submitter.submit(claim, paying, lease, self._read_input)
                if submitted is None:
                    return
                claim = submitted
            elif claim.job.state is State.QUEUED and not self._start(claim):
                return
            self._fetch(claim, provider, lease)
        except RunStopped:
            # Caught here, because `claim` has the operation that this very run began.
            self._stop(claim, paying, lease)

    @property
    def _local(self) -> list[str]:
        """The providers that render in this process, so that their jobs have no submit."""
        return [name for name, provider in self.providers.items() if paid(provider) is None]

    def _start(self, claim: Claim) -> bool:
        event = self.changes.make(
            lambda db: transitions.start(db, claim.run, self.user_concurrency)
        )
        if event is None:
            self.endings.hand_back(claim, RETRY_MS)
            return False
        return event.type is EventType.STARTED

    def _fetch(self, claim: Claim, provider: LocalProvider, lease: Lease) -> None:
        count = claim.job.spec.output_count
        done = {output.output_index for output in claim.job.outputs}
        missing = [index for index in range(count) if index not in done]
        # The operation is done by now. The time of the download is not the provider's.
        sent = claim.job.submit_time
        made_ms = None if sent is None else self.db.now_ms() - sent
        for index in missing:
            lease.begin_output(index)
            with _full_disk_told(), _scratch_file(self.work_folder) as path:
                result = self._fetch_one(claim, provider, lease, index, path, made_ms)
            self._keep(claim, result, last=index == missing[-1])

    def _keep(self, claim: Claim, result: Result, *, last: bool) -> None:
        """Writes the output down; the last one ends the job."""

        def keep(db: Database) -> Event:
            if last:
                return transitions.succeed(db, claim.run, result, self.max_views)
            return transitions.add_output(db, claim.run, result)

        self.changes.make(keep)

    def _fetch_one(
        self,
        claim: Claim,
        provider: LocalProvider,
        lease: Lease,
        index: int,
        path: Path,
        made_ms: int | None,
    ) -> Result:
        if lease.stopping() or claim.job.cancel_request_time is not None:
            raise RunStopped
        job, begun = claim.job, time.monotonic()
        output = provider.fetch(job, claim.operation, index, path, self._read_input, lease)
        if made_ms is None:
            made_ms = int((time.monotonic() - begun) * 1000)
        failpoints.hit("fetch.middle")
        lease.report(Stage.POST_PROCESSING, 1.0, "Storing the result")
        return MAKERS[job.kind](
            self.blobs,
            job,
            index,
            path,
            output,
            made_ms,
            cost_micros=_share_micros(claim),
            max_bytes=self.max_result_bytes,
        )

    def _stop(self, claim: Claim, provider: Provider | None, lease: Lease) -> None:
        if lease.lost:
            log.warning("run_lost", **context(claim), step=claim.step)
        elif lease.stop_asked or claim.job.cancel_request_time is not None:
            cancels = provider is not None and bool(claim.operation)
            cost = cancel_operation(provider, claim.job) if provider and cancels else None
            self.endings.cancel(claim, cost)
        else:
            self.endings.hand_back(claim, 0)
            self.teller.wake(claim.job.queue)

    def _without_provider(self, claim: Claim) -> None:
        failure = not_configured(claim.job.provider)
        if claim.at_risk:
            # Money was spent, and another worker may have the key.
            self.endings.retry(claim, NotNow(failure))
        else:
            self.endings.fail(claim, Failed(failure))

    def _read_input(self, media_id: str) -> bytes:
        item = media.find(self.db, media_id)
        try:
            if item is not None:
                return self.blobs.read(item.blob_key)
        except BlobMissing:
            # It was erased meanwhile: the purge erases rows first and bytes second.
            pass
        message = "An input of the job was erased."
        raise ProviderFailed(JobFailure(reason=Reason.INPUT_MEDIA_INVALID, message=message))


def _share_micros(claim: Claim) -> int:
    """What one output costs: its share of the provider's figure, or else of the estimate."""
    total = claim.charged_micros
    if total is None:
        total = claim.job.cost.estimated_micros
    return total // claim.job.spec.output_count


@contextlib.contextmanager
def _scratch_file(folder: Path) -> Iterator[Path]:
    """The file in which one output is made. It has no folder of its own: making and erasing one
    costs more than everything else that is done to a small file."""
    path = folder / new_id()
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _full_disk_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageFull from error
        raise


def _internal(error_id: str) -> JobFailure:
    return JobFailure(
        reason=Reason.INTERNAL_ERROR,
        message="Something went wrong in Rushes. The log has the details under the error id.",
        metadata={"error_id": error_id},
    )
