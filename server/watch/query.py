"""The parsed request of a watch: filters, intervals, and where to go on."""

from dataclasses import dataclass
from typing import Any, Protocol

from core.jobs import State
from server.watch.lines import JOBS

CHECKPOINT_MS = (1_000, 15_000, 60_000)  # least, usual, most
PROGRESS_MS = (50, 250, 60_000)
# The least of a watch over all users.
ALL_PROGRESS_MS = 250


class Filtered(Protocol):
    """A job, as far as the filters look at it."""

    @property
    def job_id(self) -> str:
        """The job's id."""

    @property
    def labels(self) -> dict[str, str]:
        """The job's labels."""

    @property
    def batch_id(self) -> str:
        """The batch that it is of, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchQuery:
    """A parsed WatchJobsRequest. Times in milliseconds."""

    resume_token: str
    job_ids: frozenset[str]
    labels: frozenset[tuple[str, str]]
    recent_ms: int
    checkpoint_ms: int
    progress_ms: int
    until_done: bool
    batch_id: str = ""
    # The parts of changes that the watch sends, as a sum of those in `lines`.
    parts: int = JOBS

    @property
    def follows_jobs(self) -> bool:
        """Whether the watch has to know which of its jobs have not ended."""
        return self.filtered or self.until_done

    @property
    def filtered(self) -> bool:
        """Whether the watch asks for some of the jobs only."""
        return bool(self.job_ids or self.labels or self.batch_id)

    def wants(self, job: Filtered) -> bool:
        """Whether the job passes the filters."""
        if self.job_ids and job.job_id not in self.job_ids:
            return False
        if self.batch_id and job.batch_id != self.batch_id:
            return False
        return not self.labels or self.labels <= job.labels.items()


@dataclass(frozen=True, slots=True, kw_only=True)
class AllQuery:
    """A parsed WatchAllJobsRequest. Times in milliseconds; an empty filter lets all jobs pass."""

    states: frozenset[State]
    user_ids: frozenset[str]
    models: frozenset[str]
    progress_ms: int | None
    checkpoint_ms: int
    prompts: bool

    @property
    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {"states": self.states, "user_ids": self.user_ids, "models": self.models}

    def wants(self, user_id: str, model: str, state: State) -> bool:
        """Whether a job passes the filters."""
        return (
            state in self.states
            and (not self.user_ids or user_id in self.user_ids)
            and (not self.models or model in self.models)
        )
