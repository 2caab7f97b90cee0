"""The circuit breakers: when a provider is left alone, and for how long.

All workers of an installation share the circuits in the database (`core.store.circuits`). Failures
in a row open a provider's circuit. While it is open, nothing is submitted to the provider and none
of its operations is polled. An answer closes it.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from core.errors import DependencyUnavailable, StorageFull
from core.store import Database, circuits
from workers.outcomes import NotNow

log = structlog.get_logger()

T = TypeVar("T")

# A provider that asks for a longer pause means the one job, not all of them.
MOST_REST_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuits:
    """Writes down which calls a provider answered. `failures` in a row open its circuit for
    `open_ms`."""

    db: Database
    failures: int
    open_ms: int

    def submit_failed(self, provider: str) -> int:
        """Counts a submit without an answer; for how many milliseconds the provider is left alone.

        Call it before the outcome of the submit is written: while a job tries whether the provider
        works again, the trial keeps all other jobs waiting until its outcome is known.
        """
        left_ms = self._if_possible(
            lambda: circuits.failed(self.db, provider, self.failures, self.open_ms)
        )
        return self._told(provider, left_ms or 0)

    def submit_put_off(self, provider: str, answer: NotNow) -> NotNow:
        """Counts a submit that was not accepted for now; the answer with the circuit's pause."""
        if not answer.sent:
            left_ms = self.submit_failed(provider)
            return replace(answer, delay_ms=max(answer.delay_ms or 0, left_ms) or None)
        if answer.delay_ms is not None:
            pause_ms = rest_ms(answer.delay_ms)
            self._if_possible(lambda: circuits.rest(self.db, provider, pause_ms))
        return answer

    def polls_ended(self, polls: "PollCounts") -> dict[str, int]:
        """Counts polls; which providers are left alone from now on, and for how many milliseconds.

        An answered poll takes back the failures of polls, but not those of submits.

        Raises:
            DependencyUnavailable, StorageFull: when it can't be written.
        """
        left: dict[str, int] = {}
        for provider, count in polls.failed.items():
            for _ in range(count if provider not in polls.answered else 0):
                pause_ms = circuits.failed(
                    self.db, provider, self.failures, self.open_ms, polling=True
                )
                if self._told(provider, pause_ms):
                    left[provider] = pause_ms
                    break
        if polls.answered:
            well = circuits.failing_polls(self.db).intersection(polls.answered)
            if well:
                circuits.polled(self.db, well)
        return left

    def _told(self, provider: str, pause_ms: int) -> int:
        if pause_ms:
            log.warning("provider_left_alone", provider=provider, pause_ms=pause_ms)
        return pause_ms

    def _if_possible(self, change: Callable[[], T]) -> T | None:
        """Writes to the circuit if the database is there: the job's outcome matters more."""
        try:
            return change()
        except (DependencyUnavailable, StorageFull) as error:
            log.warning("circuit_not_written", error=type(error).__name__)
            return None


@dataclass(frozen=True, slots=True)
class PollCounts:
    """The providers that answered a poll, and how many polls of each provider did not reach it."""

    answered: Collection[str] = ()
    failed: Mapping[str, int] = field(default_factory=dict)


class PolledProviders:
    """What one process's polls say about providers, and which providers it does not ask now.

    Used in the poller's event loop only.
    """

    def __init__(self) -> None:
        self._answered: set[str] = set()
        self._failed: Counter[str] = Counter()
        self._rests_until: dict[str, float] = {}

    def answered(self, provider: str) -> None:
        """Notes that the provider answered a poll."""
        self._answered.add(provider)

    def failed(self, provider: str) -> None:
        """Notes that a poll did not reach the provider."""
        self._failed[provider] += 1

    def put_off(self, provider: str, answer: NotNow) -> None:
        """Notes a poll that has to be repeated."""
        if not answer.sent:
            self.failed(provider)
        elif answer.delay_ms is not None:
            # The provider's limit is for all calls, not for this operation alone.
            self.rest(provider, rest_ms(answer.delay_ms))

    def rest(self, provider: str, pause_ms: int) -> None:
        """Leaves the provider alone for at least that long."""
        until = time.monotonic() + pause_ms / 1000
        self._rests_until[provider] = max(until, self._rests_until.get(provider, until))

    def resting(self) -> set[str]:
        """The providers that are left alone now."""
        now = time.monotonic()
        self._rests_until = {name: end for name, end in self._rests_until.items() if end > now}
        return set(self._rests_until)

    def take_counts(self) -> PollCounts:
        """The counts since the last call."""
        counts = PollCounts(self._answered, self._failed)
        self._answered, self._failed = set(), Counter()
        return counts


def rest_ms(delay_ms: int) -> int:
    """For how long a pause that a provider asks for holds for all of its jobs."""
    return min(delay_ms, MOST_REST_MS)
