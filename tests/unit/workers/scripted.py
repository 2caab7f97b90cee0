"""Providers that do what a test wants, and a clock-free way to lose a lease."""

import io
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from core.jobs import CostState, Job
from core.store import Database
from core.store.engine.sql import Statement
from workers.providers import Done, Monitor, Output, Pending, ReadInput, Submitted

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
class ScriptedLocal:
    """Implements workers.providers.LocalProvider; keeps what it was asked."""

    fetching: Fetch = make_picture
    fetched: list[tuple[str, int]] = field(default_factory=list)

    def fetch(
        self, job: Job, operation: str, index: int, path: Path, read_input: ReadInput, run: Monitor
    ) -> Output:
        self.fetched.append((operation, index))
        return self.fetching(job, index, path, read_input, run)


@dataclass
class ScriptedPaid(ScriptedLocal):
    """Implements workers.providers.Provider; each submit that answers makes one operation.

    What the test puts into `answers` comes before `Done`; an exception there is raised.
    """

    can_look_up: bool = False
    submitting: Callable[[Job, ReadInput], object] = lambda job, read_input: None
    polling: Callable[[Job], Awaitable[object]] | None = None
    cancelling: Callable[[Job], CostState] = lambda job: CostState.RELEASED
    looking_up: Callable[[str], str | None] = lambda key: None
    done: bool = True
    delay_ms: int | None = 0
    charged_micros: int | None = None
    answers: deque[Pending | Done | Exception] = field(default_factory=deque)
    submitted: list[str] = field(default_factory=list)
    polled: list[str] = field(default_factory=list)
    cancelled: list[tuple[str, str]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)

    def plan(self, job: Job, read_input: ReadInput) -> ReadInput:
        inputs = {media_id: read_input(media_id) for media_id in job.spec.inputs}
        return inputs.__getitem__

    def submit(self, job: Job, key: str, plan: ReadInput) -> Submitted:
        self.submitted.append(key)
        number = len(self.submitted)
        self.submitting(job, plan)
        return Submitted(f"operation {number}", done=self.done, delay_ms=self.delay_ms)

    async def poll(self, job: Job, operation: str) -> Pending | Done:
        self.polled.append(operation)
        if self.polling is not None:
            await self.polling(job)
        answer = self.answers.popleft() if self.answers else Done(self.charged_micros)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def cancel(self, job: Job, operation: str) -> CostState:
        self.cancelled.append((job.job_id, operation))
        return self.cancelling(job)

    def look_up(self, key: str) -> str | None:
        self.looked_up.append(key)
        return self.looking_up(key)
