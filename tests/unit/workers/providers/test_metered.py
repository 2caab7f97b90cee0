"""Each call of a provider is counted once, by what came of it, and comes through unchanged."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import Reason
from core.jobs import CostState, JobFailure
from tests.counting import growth
from tests.making import job_value
from workers.providers import (
    Done,
    OutcomeUnknown,
    Output,
    Pending,
    Provider,
    ProviderFailed,
    RunStopped,
    Submitted,
    TryLater,
    paid,
)
from workers.providers.metered import metered

JOB = job_value()
FAILURE = JobFailure(reason=Reason.PROVIDER_UNAVAILABLE, message="Not there.")
FAILED = ProviderFailed(FAILURE)
LATER = TryLater(FAILURE)
REFUSED = TryLater(FAILURE, sent=True)


class Answers:
    """A local provider that gives, or raises, what a test wants."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def fetch(self, *_: Any) -> Any:
        return self._give()

    def _give(self) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class PaidAnswers(Answers):
    """The same as a paid provider."""

    can_look_up = True

    def submit(self, *_: Any) -> Any:
        return self._give()

    async def poll(self, *_: Any) -> Any:
        return self._give()

    def cancel(self, *_: Any) -> Any:
        return self._give()

    def look_up(self, _: str) -> Any:
        return self._give()


def call(provider: Provider, name: str) -> Any:
    calls: dict[str, Callable[[], Any]] = {
        "submit": lambda: provider.submit(JOB, "key", None),
        "poll": lambda: asyncio.run(provider.poll(JOB, "operation")),
        "fetch": lambda: provider.fetch(JOB, "operation", 0, Path("x"), lambda _: b"", None),  # type: ignore[arg-type]
        "cancel": lambda: provider.cancel(JOB, "operation"),
        "look_up": lambda: provider.look_up("key"),
    }
    return calls[name]()


@pytest.mark.parametrize(
    ("name", "answer", "outcome"),
    [
        ("submit", Submitted("operation", done=False), "ACCEPTED"),
        ("submit", FAILED, "REJECTED"),
        ("submit", REFUSED, "REJECTED"),
        ("submit", LATER, "NOT_SENT"),
        ("submit", OutcomeUnknown(), "UNKNOWN"),
        ("submit", ZeroDivisionError(), "UNKNOWN"),
        ("poll", Pending(1), "PENDING"),
        ("poll", Done(), "DONE"),
        ("poll", FAILED, "FAILED"),
        ("poll", LATER, "TRY_LATER"),
        ("poll", asyncio.CancelledError(), "ERROR"),
        ("fetch", Output(), "DONE"),
        ("fetch", FAILED, "FAILED"),
        ("fetch", LATER, "TRY_LATER"),
        ("fetch", RunStopped(), "STOPPED"),
        ("fetch", OSError(), "ERROR"),
        ("cancel", CostState.RELEASED, "RELEASED"),
        ("cancel", OSError(), "ERROR"),
        ("look_up", "operation", "FOUND"),
        ("look_up", None, "NOT_FOUND"),
        ("look_up", LATER, "TRY_LATER"),
    ],
)
def test_a_call_is_counted_by_what_came_of_it(name: str, answer: Any, outcome: str) -> None:
    provider = paid(metered({"some": PaidAnswers(answer)})["some"])
    assert provider is not None
    labels = {"provider": "some", "call": name}
    mine = growth("rushes_provider_calls_total", **labels, outcome=outcome)

    if isinstance(answer, BaseException):
        with pytest.raises(type(answer)) as caught:
            call(provider, name)
        assert caught.value is answer or name == "poll"
    else:
        assert call(provider, name) is answer

    assert mine() == 1


def test_one_that_renders_here_stays_one_that_renders_here() -> None:
    provider = metered({"some": Answers(Output())})["some"]
    done = growth("rushes_provider_calls_total", provider="some", call="fetch", outcome="DONE")

    assert paid(provider) is None
    provider.fetch(JOB, "", 0, Path("x"), lambda _: b"", None)  # type: ignore[arg-type]
    assert done() == 1


def test_what_a_provider_can_is_not_lost() -> None:
    provider = paid(metered({"some": PaidAnswers(None)})["some"])
    assert provider is not None
    assert provider.can_look_up
