"""A handle of one job: what was answered to its submit, and the calls about it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rushes._async.event_stream import AsyncEventStream
from rushes._async.job_calls import AsyncJobCalls
from rushes.download import PathTarget, targets
from rushes.errors import RushesError
from rushes.fields import WatchFilter
from rushes.v1.job_pb2 import Job
from rushes.watch_protocol import EventHandler, is_done


class AsyncJobHandle:
    """One job of the caller.

    job: the job as it was last seen.
    deduplicated: the request_id was known, so this is the job of an earlier submit.
    warnings: what the server warned of at the submit, for example that the model ends soon.
    """

    def __init__(
        self,
        calls: AsyncJobCalls,
        job: Job,
        *,
        deduplicated: bool = False,
        warnings: Sequence[str] = (),
    ) -> None:
        self.job = job
        self.deduplicated = deduplicated
        self.warnings = tuple(warnings)
        self._calls = calls

    @property
    def job_id(self) -> str:
        """The job's ID."""
        return self.job.job_id

    async def refresh(self) -> Job:
        """The job as it is now."""
        self.job = await self._calls.get_job(self.job_id)
        return self.job

    def watch(
        self,
        *,
        timeout: float | None = None,
        outage: float | None = None,
        on_retry: Callable[[RushesError, float], None] | None = None,
    ) -> AsyncEventStream:
        """The job's events, live, until it has ended; the parameters are those of the client."""
        wanted: WatchFilter = {"job_ids": [self.job_id], "until_done": True}
        return self._calls.watch(timeout=timeout, outage=outage, on_retry=on_retry, **wanted)

    async def wait(self, on_event: EventHandler | None = None, timeout: float | None = None) -> Job:
        """The job once it has succeeded; raises as the client's `wait` does."""
        self.job = await self._calls.wait(self.job_id, on_event, timeout)
        return self.job

    async def cancel(self, reason: str = "", *, only_if_free: bool = False) -> Job:
        """Asks for the job's end; the answer says what happened."""
        self.job = await self._calls.cancel(self.job_id, reason, only_if_free=only_if_free)
        return self.job

    async def download(self, to: PathTarget) -> list[Path]:
        """Saves all outputs, once the job has succeeded; the paths, in output order.

        to: a folder, where each file takes its media's ID as its name, or a path: of several
            outputs the files are called name-1, name-2 and so on.
        """
        if not is_done(self.job):
            await self.wait()
        places = targets(to, self.job.outputs)
        for media, path in zip(self.job.outputs, places, strict=True):
            await self._calls.download(media, path)
        return places
