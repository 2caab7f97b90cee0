"""Outcomes of calls of providers, as values.

Adapters raise `ProviderFailed`, `TryLater` and `OutcomeUnknown`. The caller of an adapter
turns the exception into one of these values at once, and passes the value on.
"""

from concurrent.futures import Future
from dataclasses import dataclass

from core.jobs import CostState, JobFailure
from workers.providers import (
    Done,
    OutcomeUnknown,
    Pending,
    ProviderFailed,
    Submitted,
    TryLater,
)


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider can't do it, so the job fails. Fields as in `ProviderFailed`."""

    failure: JobFailure
    cost: CostState | None = None
    charged_micros: int | None = None

    @classmethod
    def of(cls, error: ProviderFailed) -> "Failed":
        """What the exception says."""
        return cls(error.failure, error.cost, error.charged_micros)


@dataclass(frozen=True, slots=True)
class NotNow:
    """Nothing was accepted or charged, so the step is repeated later. Fields as in `TryLater`."""

    failure: JobFailure
    delay_ms: int | None = None
    sent: bool = False

    @classmethod
    def of(cls, error: TryLater) -> "NotNow":
        """What the exception says."""
        return cls(error.failure, error.delay_ms, error.sent)


@dataclass(frozen=True, slots=True)
class Unknown:
    """The submit may have been accepted.

    `error` is the name of the exception. `learnable` says whether anybody can still find out, and
    `late` gives the operation if the answer is still on its way.
    """

    error: str
    learnable: bool
    late: "Future[str] | None" = None

    @classmethod
    def of(cls, error: Exception) -> "Unknown":
        """What an exception of a submit says, whichever it is."""
        name = type(error).__name__
        if isinstance(error, OutcomeUnknown):
            return cls(name, not error.lost, error.late)
        # A bug, or a result that waits in the spool of this machine.
        return cls(name, learnable=True)


SubmitOutcome = Submitted | Failed | NotNow | Unknown
PollOutcome = Pending | Done | Failed | NotNow
