"""A job's run: claim, then step after step until it ends, waits, or is not ours any more.

Each step reads what is recorded and can be repeated by whoever claims the job next.
"""

import contextlib
import errno
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from core.blobs import Blobs
from core.errors import (
    BlobMissing,
    DependencyUnavailable,
    LeaseLost,
    Reason,
    RushesError,
    StorageFull,
)
from core.events import Event
from core.jobs import Job, JobFailure, Stage, State, Step
from core.media import Media
from core.store import Database, claims, media, transitions
from core.store.claims import Claim
from core.tell import Teller
from workers.lease import Lease, LeaseKeeper
from workers.providers import Pending, Provider, ProviderFailed, Providers, RunStopped
from workers.results import store_output

log = structlog.get_logger()

RETRY_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Runs jobs in the calling thread; one object serves all threads of a worker process."""

    db: Database
    blobs: Blobs
    providers: Providers
    keeper: LeaseKeeper
    teller: Teller
    worker_id: str
    work_folder: Path
    max_attempts: int
    user_concurrency: int

    def run_next(self, queue: str) -> bool:
        """Runs the next job of the queue as far as it goes; False when there is none.

        Raises:
            DependencyUnavailable: when the database can't be asked.
        """
        if self.keeper.closing:
            return False
        claim = claims.claim(
            self.db, queue, self.worker_id, self.keeper.lease_ms, self.user_concurrency
        )
        if claim is None:
            return False
        with self.keeper.hold(claim) as lease:
            self._run(claim, lease)
        # Its end may make room for another job of the user.
        self.teller.wake(queue)
        return True

    def _run(self, claim: Claim, lease: Lease) -> None:
        context = {"job_id": claim.run.job_id, "user_id": claim.run.user_id}
        bound = log.bind(**context, attempt=claim.job.attempt, step=claim.step)
        try:
            self._steps(claim, lease)
        except ProviderFailed as error:
            bound.info("job_failed", reason=error.failure.reason)
            self._fail(claim, error.failure)
        except LeaseLost:
            bound.warning("run_lost")
        except (DependencyUnavailable, StorageFull) as error:
            bound.warning("run_interrupted", error=type(error).__name__)
            self._hand_back(claim, RETRY_MS)
        except Exception as error:  # noqa: BLE001 - a bug ends the job, never the worker
            error_id = uuid.uuid4().hex
            bound.exception("run_crashed", error_id=error_id, error=type(error).__name__)
            self._fail(claim, _internal(error_id))

    def _steps(self, claim: Claim, lease: Lease) -> None:
        if claim.job.attempt > self.max_attempts:
            raise ProviderFailed(_worker_lost(self.max_attempts))
        if claim.job.state is State.QUEUED and not self._start(claim):
            return
        provider = self._provider(claim.job)
        try:
            while claim.step is not Step.FETCH:
                if lease.stopping() or claim.job.cancel_request_time is not None:
                    raise RunStopped
                moved = self._submit_or_poll(claim, provider)
                if moved is None:
                    return
                claim = moved
            self._fetch(claim, provider, lease)
        except RunStopped:
            # Here, because `claim` has the operation that this very run began.
            self._stop(claim, provider, lease)

    def _start(self, claim: Claim) -> bool:
        event = transitions.start(self.db, claim.run, self.user_concurrency)
        if event is None:
            self._hand_back(claim, RETRY_MS)
            return False
        self.teller.tell(event)
        return True

    def _submit_or_poll(self, claim: Claim, provider: Provider) -> Claim | None:
        """The claim at its next step; None when the job was handed back until its next poll."""
        if claim.step is Step.SUBMIT:
            submitted = provider.submit(claim.job, self._read_input)
            step = Step.FETCH if submitted.done else Step.POLL
            return self._record(claim, step, submitted.operation)
        pending = provider.poll(claim.job, claim.operation)
        if isinstance(pending, Pending):
            self._hand_back(claim, pending.delay_ms)
            return None
        return self._record(claim, Step.FETCH, claim.operation)

    def _record(self, claim: Claim, step: Step, operation: str) -> Claim:
        if not claims.record_step(self.db, claim.run, step, operation):
            raise LeaseLost
        job = replace(claim.job, provider_operation=operation)
        return replace(claim, step=step, operation=operation, job=job)

    def _fetch(self, claim: Claim, provider: Provider, lease: Lease) -> None:
        count = claim.job.spec.output_count
        done = {output.output_index for output in claim.job.outputs}
        missing = [index for index in range(count) if index not in done]
        for index in missing:
            lease.begin_output(index)
            with _full_disk_told(), tempfile.TemporaryDirectory(dir=self.work_folder) as folder:
                item = self._fetch_one(claim, provider, lease, index, Path(folder) / "output")
            finish = transitions.succeed if index == missing[-1] else transitions.add_output
            self.teller.tell(finish(self.db, claim.run, item))

    def _fetch_one(
        self, claim: Claim, provider: Provider, lease: Lease, index: int, path: Path
    ) -> Media:
        if lease.stopping() or claim.job.cancel_request_time is not None:
            raise RunStopped
        job, begun = claim.job, self.db.now_ms()
        output = provider.fetch(job, claim.operation, index, path, self._read_input, lease)
        lease.report(Stage.POST_PROCESSING, 1.0, "Storing the result")
        return store_output(self.blobs, job, index, path, output, self.db.now_ms(), begun)

    def _stop(self, claim: Claim, provider: Provider, lease: Lease) -> None:
        if lease.lost:
            log.warning("run_lost", job_id=claim.run.job_id, user_id=claim.run.user_id)
        elif lease.stop_asked or claim.job.cancel_request_time is not None:
            self._cancel_operation(claim, provider)
            self._end(lambda: transitions.end_cancelled(self.db, claim.run))
        else:
            self._hand_back(claim, 0)
            self.teller.wake(claim.job.kind)

    def _cancel_operation(self, claim: Claim, provider: Provider) -> None:
        if not claim.operation:
            return
        try:
            provider.cancel(claim.job, claim.operation)
        except Exception as error:  # noqa: BLE001 - the job ends, whatever the provider can do
            context = {"job_id": claim.run.job_id, "user_id": claim.run.user_id}
            log.warning("operation_cancel_failed", **context, error=type(error).__name__)

    def _fail(self, claim: Claim, failure: JobFailure) -> None:
        self._end(lambda: transitions.fail(self.db, claim.run, failure))

    def _end(self, transition: Callable[[], Event]) -> None:
        """Makes the last transition; if it can't, the lease runs out and the next run does."""
        try:
            self.teller.tell(transition())
        except (LeaseLost, DependencyUnavailable, StorageFull) as error:
            log.warning("run_end_failed", error=type(error).__name__)

    def _hand_back(self, claim: Claim, delay_ms: int) -> None:
        try:
            claims.hand_back(self.db, claim.run, delay_ms)
        except RushesError as error:
            log.warning("hand_back_failed", job_id=claim.run.job_id, error=type(error).__name__)

    def _provider(self, job: Job) -> Provider:
        try:
            return self.providers[job.provider]
        except KeyError:
            message = f"The provider {job.provider} is not configured here."
            failure = JobFailure(reason=Reason.PROVIDER_NOT_CONFIGURED, message=message)
            raise ProviderFailed(failure) from None

    def _read_input(self, media_id: str) -> bytes:
        item = media.find(self.db, media_id)
        try:
            if item is not None:
                return self.blobs.read(item.blob_key)
        except BlobMissing:
            # Erased since: rows go first, bytes second.
            pass
        message = "An input of the job was erased."
        raise ProviderFailed(JobFailure(reason=Reason.INPUT_MEDIA_INVALID, message=message))


@contextlib.contextmanager
def _full_disk_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageFull from error
        raise


def _worker_lost(attempts: int) -> JobFailure:
    message = f"The job's worker was lost {attempts} times."
    return JobFailure(
        reason=Reason.WORKER_LOST, message=message, metadata={"attempts": str(attempts)}
    )


def _internal(error_id: str) -> JobFailure:
    return JobFailure(
        reason=Reason.INTERNAL_ERROR,
        message="Something went wrong here; the log has it under the error id.",
        metadata={"error_id": error_id},
    )
