"""Reads jobs and their events, and estimates what a job would cost."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from core.catalog.models import Model
from core.errors import ProviderNotConfigured, RequestError
from core.events import QueueInfo, UserChange
from core.jobs import Job, State
from core.store import Database, budgets
from core.store import events as event_store
from core.store import jobs as job_store
from core.store.budgets import Budget
from core.store.durations import Durations
from core.store.places import Queues
from core.times import utc
from core.tokens import Tokens
from server.commands.ends import Ends
from server.commands.pages import cut, event_bytes, job_bytes
from server.commands.requests import Candidate, JobEventList, JobList, Unpriced
from server.fair_executor import FairExecutor

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Jobs, newest first, with the places of those that wait. The resume token is on page one."""

    jobs: list[Job]
    places: Mapping[str, QueueInfo]
    next_page_token: str = ""
    resume_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The price of a spec with one model, and where its job would wait.

    `lines` are the parts of the price with their micro-units, `affordable` says whether the
    caller's budgets have room for them now, `queue` is where the job would wait. `error` is why
    Generate would refuse the model; of a provider that is not configured the price is known all
    the same.
    """

    candidate: Candidate
    lines: list[tuple[str, int]]
    affordable: bool
    queue: QueueInfo
    error: RequestError | None = None

    @property
    def cost_micros(self) -> int:
        """The sum of the lines."""
        return sum(micros for _, micros in self.lines)


class Read:
    """Reads, and changes nothing."""

    def __init__(
        self, db: Database, queues: Queues, tokens: Tokens, pool: FairExecutor, max_waits: int
    ) -> None:
        self._db = db
        self._queues = queues
        self._tokens = tokens
        self._pool = pool
        self._durations = Durations(db)
        self._ends = Ends(db, pool, max_waits)

    def drain(self) -> None:
        """Answers every call that waits for a job's end now."""
        self._ends.drain()

    def job(self, user_id: str, job_id: str) -> tuple[Job, QueueInfo | None]:
        """The job, and its place while it waits.

        Raises:
            NotFound: when the user has no such job.
        """
        job = job_store.get(self._db, user_id, job_id)
        waits = job.state is State.QUEUED
        place = self._queues.place(job_id) if waits else None
        [job] = self._durations.as_of_now([job])
        return job, place

    async def job_at_end(
        self, user_id: str, job_id: str, wait_ms: int, show: Callable[[Job, QueueInfo | None], T]
    ) -> T:
        """What `show` makes of the job once it has ended, or as it is after `wait_ms`.

        It holds no thread while it waits. `show` runs in the thread that has read the job.

        Raises:
            NotFound: when the user has no such job.
            RateLimited: when too many of the user's calls wait.
        """
        loop = asyncio.get_running_loop()
        deadline, share = loop.time() + wait_ms / 1000, self._pool.of(user_id)

        def read() -> tuple[bool, T]:
            job, place = self.job(user_id, job_id)
            return job.state.terminal, show(job, place)

        if not wait_ms:
            return (await loop.run_in_executor(share, read))[1]
        with self._ends.place(user_id):
            has_ended, shown = await loop.run_in_executor(share, read)
            left = deadline - loop.time()
            if has_ended or left <= 0 or self._ends.draining:
                return shown
            await self._ends.wait(job_id, left)
            return (await loop.run_in_executor(share, read))[1]

    def jobs(self, user_id: str, wanted: JobList) -> JobPage:
        """A page of jobs.

        Raises:
            PageTokenInvalid: when the token is not one of this list.
        """
        listing = "jobs:" + json.dumps(
            [wanted.states, sorted(wanted.labels.items()), wanted.batch_id]
        )
        after = self._position(user_id, listing, wanted.page_token)
        found, point = job_store.list_page(
            self._db,
            user_id,
            states=wanted.states,
            labels=wanted.labels,
            batch_id=wanted.batch_id,
            after=(after[0], after[1]) if after else None,
            limit=wanted.page_size + 1,
        )
        jobs = cut(found, wanted.page_size, job_bytes)
        token = resume = ""
        if len(found) > len(jobs):
            token = self._page(user_id, listing, [jobs[-1].create_time, jobs[-1].job_id])
        if not wanted.page_token:
            resume = self._tokens.resume(user_id, point)
        waiting = [job.job_id for job in jobs if job.state is State.QUEUED]
        places = self._queues.places(waiting)
        jobs = self._durations.as_of_now(jobs)
        return JobPage(jobs=jobs, places=places, next_page_token=token, resume_token=resume)

    def events(self, user_id: str, wanted: JobEventList) -> tuple[list[UserChange], str]:
        """A page of a job's events, oldest first, and the token of the next.

        Raises:
            NotFound: when the user has no such job.
            PageTokenInvalid: when the token is not one of this list.
        """
        listing = f"events:{wanted.job_id}"
        after = self._position(user_id, listing, wanted.page_token)
        found = event_store.job_events(
            self._db, user_id, wanted.job_id, after[0] if after else 0, wanted.page_size + 1
        )
        events = cut(found, wanted.page_size, event_bytes)
        more = len(found) > len(events)
        return events, self._page(user_id, listing, [events[-1].revision]) if more else ""

    def estimates(
        self, user_id: str, asked: list[Candidate | Unpriced]
    ) -> list[Estimate | Unpriced]:
        """The price of each candidate, and where in the queue its job would start."""
        bound = budgets.show(self._db, user_id)
        return [
            one if isinstance(one, Unpriced) else self._estimate(user_id, one, bound)
            for one in asked
        ]

    def _estimate(self, user_id: str, candidate: Candidate, bound: list[Budget]) -> Estimate:
        model, place = candidate.model, self._next_place(user_id, candidate)
        lines = model.cost_lines(candidate.spec, candidate.final_prompt)
        cost = sum(micros for _, micros in lines)
        short = next((budget for budget in bound if not budget.has_room(cost)), None)
        if short is not None:
            reason = _why_short(short, cost)
            place = replace(place, blocked_reason=reason, estimated_wait_ms=None)
        return Estimate(
            candidate=candidate,
            lines=lines,
            affordable=short is None,
            queue=place,
            error=_unconfigured(model),
        )

    def _next_place(self, user_id: str, candidate: Candidate) -> QueueInfo:
        model = candidate.model
        queue = model.queue_of(candidate.spec.kind)
        place = self._queues.next_place(user_id, queue, model.provider, model.model)
        if not model.missing_setting:
            return place
        reason = f"the provider {model.provider} needs {model.missing_setting}"
        return replace(place, blocked_reason=reason, estimated_wait_ms=None)

    def _position(self, user_id: str, listing: str, token: str) -> list[Any]:
        return self._tokens.read_page(user_id, listing, token, _now_ms()) if token else []

    def _page(self, user_id: str, listing: str, position: list[Any]) -> str:
        return self._tokens.page(user_id, listing, position, _now_ms())


def _now_ms() -> int:
    return int(time.time() * 1000)


def _unconfigured(model: Model) -> ProviderNotConfigured | None:
    if not model.missing_setting:
        return None
    return ProviderNotConfigured(provider=model.provider, setting=model.missing_setting)


def _why_short(budget: Budget, cost_micros: int) -> str:
    if budget.limit_micros is not None and cost_micros > budget.limit_micros:
        return f"it costs more than the whole {budget.period.adjective} budget"
    reset = utc(budget.reset_time)
    return f"the {budget.period.adjective} budget resets at {reset:%Y-%m-%d %H:%M} UTC"
