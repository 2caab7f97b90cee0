"""Providers make the results of jobs: the Protocols that they implement.

A job runs in short steps: plan and submit once, poll until the operation is done, fetch each
output. Any worker may repeat a poll or a fetch. A submit is repeated only if it is certain that the
provider accepted nothing. Between two steps the database alone knows how far the job is.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from core.errors import RushesError
from core.jobs import CostState, Job, JobFailure, Stage


class ProviderFailed(RushesError):
    """The provider can't make the result: the job fails with `failure`.

    Raised by a submit, it means that the provider accepted nothing (REJECTED). `cost` is what the
    provider charges. None stands for RELEASED before an operation was accepted, else UNCERTAIN.
    """

    def __init__(
        self, failure: JobFailure, cost: CostState | None = None, charged_micros: int | None = None
    ) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.cost = cost
        self.charged_micros = charged_micros


class TryLater(RushesError):
    """This call was not accepted and costs nothing: the step is repeated later.

    The job ends with `failure` if its deadline leaves no time for another try. `delay_ms` is the
    pause that the provider asks for (Retry-After). `sent` is True if the provider refused the call
    (429), and False if it could not be reached (connect, DNS or TLS error).
    """

    def __init__(
        self, failure: JobFailure, *, delay_ms: int | None = None, sent: bool = False
    ) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.delay_ms = delay_ms
        self.sent = sent


class OutcomeUnknown(RushesError):
    """A submit was sent, and its answer does not say whether it was accepted (timeout, reset, 408,
    409, 5xx).

    `late` gives the operation if an answer still comes. `lost` says that nobody can ever tell: the
    answer was the result itself, and neither the provider nor this machine has kept anything under
    a name. Then the job ends at once. Else it waits for its operation to turn up.
    """

    def __init__(
        self, message: str = "", late: "Future[str] | None" = None, *, lost: bool = False
    ) -> None:
        super().__init__(message)
        self.late = late
        self.lost = lost


class RunStopped(Exception):
    """The run was asked to stop, and has stopped."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """The provider accepted the job: the name of its operation, and whether that is done already.

    An operation that is not done is polled, first after `delay_ms`; None derives the delay from the
    model's past durations. `charged_micros` is the provider's charge if it is done, as in `Done`.
    """

    operation: str
    done: bool
    delay_ms: int | None = None
    charged_micros: int | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """The operation is not done. The next poll comes after `delay_ms`, as the provider wishes; None
    derives it from the model's past durations. `percent` is the provider's own figure."""

    delay_ms: int | None = None
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The operation is done and can be fetched. `charged_micros` is the provider's own figure."""

    charged_micros: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What the provider tells of one output besides its bytes.

    `made_here` says that code of this process encoded the file: nobody else chose its bytes.
    """

    seed: int | None = None
    revised_prompt: str = ""
    made_here: bool = False


class Monitor(Protocol):
    """The run of a job, as its provider sees it."""

    def stopping(self) -> bool:
        """Whether the run shall stop; a provider asks at least once a second."""

    def report(self, stage: Stage, share: float, message: str) -> None:
        """Tells watchers how far this output is: `share` is 0 to 1."""


ReadInput = Callable[[str], bytes]


class LocalProvider(Protocol):
    """Renders in this process. That is free and repeatable, so there is no submit and no intent."""

    def fetch(
        self, job: Job, operation: str, index: int, path: Path, read_input: ReadInput, run: Monitor
    ) -> Output:
        """Writes output `index` to `path`.

        Raises:
            ProviderFailed: when it can't be made.
            TryLater: when it can't be made or downloaded now.
            RunStopped: when `run.stopping()` became true.
        """


class Provider(LocalProvider, Protocol):
    """A paid provider. Every method but `look_up` and `cancel` may raise ProviderFailed."""

    # Whether `look_up` answers. The policy resubmit_after_lookup needs it.
    can_look_up: bool

    def plan(self, job: Job, read_input: ReadInput) -> Any:
        """The request that `submit` will send. Nothing is sent yet, so a failure costs nothing, and
        the call may be repeated."""

    def submit(self, job: Job, key: str, plan: Any) -> Submitted:
        """Starts the work with one request, which is never repeated. `key` names the submission.

        Raises:
            ProviderFailed: when the provider refused it.
            TryLater: when it is certain that nothing was accepted and trying again makes sense.
            OutcomeUnknown: when it may have been accepted. Any other exception means the same.
        """

    async def poll(self, job: Job, operation: str) -> Pending | Done:
        """Asks whether the operation is done. A poll is free and may be repeated.

        Raises:
            ProviderFailed: when the operation failed.
            TryLater: when the provider can't be asked now.
        """

    def cancel(self, job: Job, operation: str) -> CostState:
        """Stops the operation if that is possible, and returns whether the provider charges for it:
        CHARGED, RELEASED or UNCERTAIN.

        May raise anything; an exception counts as UNCERTAIN.
        """

    def look_up(self, key: str) -> str | None:
        """The operation that the submission started, or None if there is none (yet).

        May raise TryLater.
        """


Providers = Mapping[str, LocalProvider | Provider]


def paid(provider: LocalProvider | Provider | None) -> Provider | None:
    """The provider if it is a paid one; None for one that renders in this process."""
    return cast(Provider, provider) if hasattr(provider, "submit") else None
