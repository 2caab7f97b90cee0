"""A provider that does what a test wants, and a clock-free way to lose a lease."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from core.jobs import Job
from core.store import Database
from core.store.sql import Statement
from workers.providers import Monitor, Output, Pending, ReadInput, Submitted

Fetch = Callable[[Job, int, Path, ReadInput, Monitor], Output]
_STEAL = Statement(
    "UPDATE job SET fence = fence + 1, lease_expire_time = {now} + 60000 WHERE job_id = :job_id"
)


def picture(side: int = 32) -> bytes:
    """A small PNG."""
    data = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(data, "PNG")
    return data.getvalue()


def make_picture(job: Job, index: int, path: Path, read_input: ReadInput, run: Monitor) -> Output:
    """What a provider does when all goes well."""
    path.write_bytes(picture())
    return Output(seed=100 + index, revised_prompt="a better boat")


def steal(db: Database, job_id: str) -> None:
    """Another run claims the job, as if the lease had run out."""
    db.write(lambda session: session.run(_STEAL, job_id=job_id))


@dataclass
class ScriptedProvider:
    """Implements workers.providers.Provider; keeps what it was asked."""

    fetching: Fetch = make_picture
    submitting: Callable[[Job, ReadInput], None] = lambda job, read_input: None
    cancelling: Callable[[Job], None] = lambda job: None
    done: bool = True
    pending: list[Pending] = field(default_factory=list)
    submitted: list[str] = field(default_factory=list)
    polled: list[str] = field(default_factory=list)
    fetched: list[tuple[str, int]] = field(default_factory=list)
    cancelled: list[tuple[str, str]] = field(default_factory=list)

    def submit(self, job: Job, read_input: ReadInput) -> Submitted:
        self.submitted.append(job.job_id)
        self.submitting(job, read_input)
        return Submitted(f"operation {len(self.submitted)}", done=self.done)

    def poll(self, job: Job, operation: str) -> Pending | None:
        self.polled.append(operation)
        return self.pending.pop(0) if self.pending else None

    def fetch(
        self, job: Job, operation: str, index: int, path: Path, read_input: ReadInput, run: Monitor
    ) -> Output:
        self.fetched.append((operation, index))
        return self.fetching(job, index, path, read_input, run)

    def cancel(self, job: Job, operation: str) -> None:
        self.cancelled.append((job.job_id, operation))
        self.cancelling(job)
