"""Counts the calls of a provider by their outcomes. The provider itself does not know."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.jobs import CostState, Job, Outcome
from core.process.metrics import PROVIDER_CALLS
from workers.providers import (
    Done,
    LocalProvider,
    Monitor,
    Output,
    Pending,
    Provider,
    ProviderFailed,
    Providers,
    ReadInput,
    RunStopped,
    Submitted,
    TryLater,
    paid,
)

FAILED, TRY_LATER, STOPPED, ERROR = "FAILED", "TRY_LATER", "STOPPED", "ERROR"


def metered(providers: Providers) -> Providers:
    """The same providers, with every call counted."""
    return {name: _meter(name, provider) for name, provider in providers.items()}


def _meter(name: str, provider: LocalProvider | Provider) -> LocalProvider | Provider:
    paying = paid(provider)
    return _Metered(name, paying) if paying else _MeteredLocal(name, provider)


class _MeteredLocal:
    """See `workers.providers.LocalProvider`."""

    def __init__(self, name: str, provider: LocalProvider) -> None:
        self._name = name
        self._local = provider

    def fetch(
        self, job: Job, operation: str, index: int, path: Path, read_input: ReadInput, run: Monitor
    ) -> Output:
        """Counts DONE, FAILED, TRY_LATER, STOPPED, ERROR."""
        with _counted(self._name, "fetch") as count:
            output = self._local.fetch(job, operation, index, path, read_input, run)
            count.outcome = "DONE"
            return output


class _Metered(_MeteredLocal):
    """See `workers.providers.Provider`."""

    def __init__(self, name: str, provider: Provider) -> None:
        super().__init__(name, provider)
        self._provider = provider
        self.can_look_up = provider.can_look_up

    def plan(self, job: Job, read_input: ReadInput) -> Any:
        """Counts nothing, since the provider calls nobody."""
        return self._provider.plan(job, read_input)

    def submit(self, job: Job, key: str, plan: Any) -> Submitted:
        """Counts the outcomes of `core.jobs.Outcome`."""
        with _counted(self._name, "submit", Outcome.UNKNOWN) as count:
            try:
                submitted = self._provider.submit(job, key, plan)
            except ProviderFailed:
                count.outcome = Outcome.REJECTED
                raise
            except TryLater as error:
                count.outcome = Outcome.REJECTED if error.sent else Outcome.NOT_SENT
                raise
            count.outcome = Outcome.ACCEPTED
            return submitted

    async def poll(self, job: Job, operation: str) -> Pending | Done:
        """Counts PENDING, DONE, FAILED, TRY_LATER, ERROR. A poll that was given up is an ERROR."""
        with _counted(self._name, "poll") as count:
            result = await self._provider.poll(job, operation)
            count.outcome = "DONE" if isinstance(result, Done) else "PENDING"
            return result

    def cancel(self, job: Job, operation: str) -> CostState:
        """Counts the cost after the cancel: CHARGED, RELEASED, UNCERTAIN; or ERROR."""
        with _counted(self._name, "cancel") as count:
            cost = self._provider.cancel(job, operation)
            count.outcome = cost
            return cost

    def look_up(self, key: str) -> str | None:
        """Counts FOUND, NOT_FOUND, TRY_LATER, ERROR."""
        with _counted(self._name, "look_up") as count:
            operation = self._provider.look_up(key)
            count.outcome = "NOT_FOUND" if operation is None else "FOUND"
            return operation


class _Count:
    """The outcome of one call."""

    def __init__(self, outcome: str) -> None:
        self.outcome = outcome


@contextlib.contextmanager
def _counted(provider: str, call: str, otherwise: str = ERROR) -> Iterator[_Count]:
    count = _Count(otherwise)
    try:
        yield count
    except (ProviderFailed, TryLater, RunStopped) as error:
        if count.outcome == ERROR:
            count.outcome = _name(error)
        raise
    finally:
        PROVIDER_CALLS.labels(provider, call, count.outcome).inc()


def _name(error: ProviderFailed | TryLater | RunStopped) -> str:
    if isinstance(error, ProviderFailed):
        return FAILED
    return TRY_LATER if isinstance(error, TryLater) else STOPPED
