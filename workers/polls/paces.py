"""The paces of this installation's models: measured here, or else taken from the catalog."""

import random

from core import progress
from core.catalog.models import Catalog
from core.errors import DependencyUnavailable
from core.jobs import Job
from core.store.durations import Durations
from workers.polls.cadence import (
    Pace,
    first_poll_ms,
    next_poll_ms,
    retry_poll_ms,
    unmeasured,
)

# Fewer runs do not show what an early end is.
LEAST_RUNS = 5
# For a model that is no longer in the catalog.
DEFAULT_POLL_MS = 30_000
# How old the figures of past runs may be.
FRESH_SECONDS = 10.0


class Paces:
    """Says when to poll and how far an operation is, from any thread."""

    def __init__(self, catalog: Catalog, durations: Durations) -> None:
        self._catalog = catalog
        self._durations = durations

    def first_ms(self, job: Job) -> int:
        """The pause before the first poll of the job's operation, which has just begun."""
        return first_poll_ms(self.of(job.spec.model), random.random())

    def next_ms(self, job: Job, now_ms: int) -> int:
        """The pause after a poll that found the operation not done."""
        return next_poll_ms(self.of(job.spec.model), age_ms(job, now_ms), random.random())

    def retry_ms(self, job: Job, tries: int, most_ms: int) -> int:
        """The pause after a poll without an answer, when `tries` such polls came before it."""
        return retry_poll_ms(self.of(job.spec.model), tries, most_ms, random.random())

    def percent(self, job: Job, now_ms: int) -> int:
        """How far the operation is by the clock."""
        return progress.estimated_percent(self.of(job.spec.model).median_ms, age_ms(job, now_ms))

    def remaining_ms(self, model: str, age_ms: int) -> int | None:
        """How long a run of that age still takes; None when the model has no past runs, or when
        they can't be read."""
        try:
            runs = self._durations.of(model)
        except DependencyUnavailable:
            return None
        return progress.remaining_ms(runs.run_ms, age_ms) if runs else None

    def of(self, model: str) -> Pace:
        """The pace of the model now.

        Raises:
            DependencyUnavailable: when the past runs can't be read.
        """
        entry, runs = self._catalog.get(model), self._durations.of(model)
        poll_ms = int(entry.poll_seconds * 1000) if entry else DEFAULT_POLL_MS
        if runs and runs.count >= LEAST_RUNS:
            return Pace(early_ms=runs.early_ms, median_ms=runs.run_ms, poll_ms=poll_ms)
        if runs:
            return unmeasured(runs.run_ms, poll_ms)
        return unmeasured(int(entry.typical_seconds * 1000) if entry else 0, poll_ms)


def age_ms(job: Job, now_ms: int) -> int:
    """How long the job's operation has been at work, without the submits that were refused."""
    return now_ms - (now_ms if job.run_since is None else job.run_since)
