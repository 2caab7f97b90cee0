"""Who makes the pictures: one Protocol, and a registry of what is configured.

A job runs in short steps, each of which can be repeated: submit once, poll until it is done, fetch
each output. Between two steps only the database knows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.errors import RushesError
from core.jobs import Job, JobFailure, Stage


class ProviderFailed(RushesError):
    """The provider can't make it: the job fails for the reason given."""

    def __init__(self, failure: JobFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class RunStopped(Exception):
    """The run was asked to stop, and did."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """The provider took the job: the name of its operation, and whether that must be polled."""

    operation: str
    done: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """The operation is not done; ask again after `delay_ms`."""

    delay_ms: int
    percent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What the provider says of one output besides its bytes."""

    seed: int | None = None
    revised_prompt: str = ""


class Monitor(Protocol):
    """A run as its provider sees it."""

    def stopping(self) -> bool:
        """Whether the run shall stop; look at least once a second."""

    def report(self, stage: Stage, share: float, message: str) -> None:
        """Says how far this output is: `share` from 0 to 1."""


ReadInput = Callable[[str], bytes]


class Provider(Protocol):
    """One provider. Every method may raise ProviderFailed."""

    def submit(self, job: Job, read_input: ReadInput) -> Submitted:
        """Starts the work. Called at most once per job unless nothing was sent."""

    def poll(self, job: Job, operation: str) -> Pending | None:
        """Looks whether the operation is done (None)."""

    def fetch(
        self, job: Job, operation: str, index: int, path: Path, read_input: ReadInput, run: Monitor
    ) -> Output:
        """Writes output `index` to `path`; a renderer of our own makes it here.

        Raises:
            RunStopped: when `run.stopping()` became true.
        """

    def cancel(self, job: Job, operation: str) -> None:
        """Stops the operation at the provider, if it can."""


Providers = Mapping[str, Provider]
