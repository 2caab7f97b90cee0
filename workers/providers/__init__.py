"""Who makes the pictures: one Protocol, and a registry of what is configured.

A job runs in short steps: plan and submit once, poll until the operation is done, fetch each
output. Poll and fetch can be repeated by anyone; a submit never is, unless it is certain that
nothing was accepted. Between two steps only the database knows.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from core.errors import RushesError
from core.jobs import CostState, Job, JobFailure, Stage


class ProviderFailed(RushesError):
    """The provider can't make it: the job fails for the reason given.

    Raised by a submit it says that nothing was accepted (REJECTED). `cost` is what the provider
    charges: None means nothing before an operation was accepted, and UNCERTAIN after.
    """

    def __init__(
        self, failure: JobFailure, cost: CostState | None = None, charged_micros: int | None = None
    ) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.cost = cost
        self.charged_micros = charged_micros


class TryLater(RushesError):
    """Not now, and nothing was accepted or charged by this call: the step is repeated later.

    `failure` is what the job ends with when its deadline leaves no time for another try;
    `delay_ms` is the provider's own wish (Retry-After); `sent` tells a refusal (429) from a
    provider that could not be reached (connect, DNS or TLS error).
    """

    def __init__(
        self, failure: JobFailure, *, delay_ms: int | None = None, sent: bool = False
    ) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.delay_ms = delay_ms
        self.sent = sent


class OutcomeUnknown(RushesError):
    """A submit was sent and nobody knows whether it was accepted (timeout, reset, 408, 409, 5xx).

    `late` gives the operation if an answer still comes.
    """

    def __init__(self, message: str = "", late: "Future[str] | None" = None) -> None:
        super().__init__(message)
        self.late = late


class RunStopped(Exception):
    """The run was asked to stop, and did."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """The provider took the job: the name of its operation, and whether that is done already.

    Else it is polled, first after `delay_ms`; None leaves that to the model's past durations.
    `charged_micros` is the provider's figure of what is done, as in `Done`.
    """

    operation: str
    done: bool
    delay_ms: int | None = None
    charged_micros: int | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """The operation is not done; ask again after `delay_ms` (Retry-After, or what the provider
    knows); None leaves that to the model's past durations. `percent` is the provider's own."""

    delay_ms: int | None = None
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The operation is done and can be fetched; `charged_micros` is the provider's figure."""

    charged_micros: int | None = None


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


class LocalProvider(Protocol):
    """Renders in this process, free and repeatable: no submit, no intent, only `fetch`."""

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

    # Whether `look_up` answers; the policy resubmit_after_lookup needs it.
    can_look_up: bool

    def plan(self, job: Job, read_input: ReadInput) -> Any:
        """What `submit` is to send, as whole as can be: nothing is sent yet, and what fails here
        costs nothing. May be called again."""

    def submit(self, job: Job, key: str, plan: Any) -> Submitted:
        """Starts the work: one request, never sent again by itself. `key` names the submission.

        Raises:
            ProviderFailed: when the provider refused it.
            TryLater: when it is certain that nothing was accepted and trying again makes sense.
            OutcomeUnknown: when it may have been accepted. Any other error counts as this one.
        """

    async def poll(self, job: Job, operation: str) -> Pending | Done:
        """Looks whether the operation is done; free, may be repeated.

        Raises:
            ProviderFailed: when the operation failed.
            TryLater: when the provider can't be asked now.
        """

    def cancel(self, job: Job, operation: str) -> CostState:
        """Stops the operation if it can; what the provider charges: CHARGED, RELEASED, UNCERTAIN.

        May raise anything; that counts as UNCERTAIN.
        """

    def look_up(self, key: str) -> str | None:
        """The operation that the submission made, or None when there is none (yet).

        May raise TryLater.
        """


Providers = Mapping[str, LocalProvider | Provider]


def paid(provider: LocalProvider | Provider | None) -> Provider | None:
    """The provider if it has submits; None for one that renders in this process."""
    return cast(Provider, provider) if hasattr(provider, "submit") else None
