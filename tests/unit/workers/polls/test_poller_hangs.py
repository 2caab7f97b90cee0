"""Providers that do not answer the poller keep nothing else from its polls."""

import asyncio
from typing import Any

import pytest

from core.jobs import State
from core.store import Database, polls
from tests.services import wait_for
from tests.unit.workers.polling import fetchable, handed_back, operation, polled
from tests.unit.workers.running import DUE, execute, job_of
from tests.unit.workers.scripted import ScriptedPaid
from workers.polls import poller as module
from workers.polls.poller import Poller
from workers.runs.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_failpoint_is_left")


@pytest.fixture(autouse=True)
def not_done_at_once(payee: ScriptedPaid) -> None:
    payee.done = False


def quick(poller: Poller, lease_ms: int) -> Poller:
    poller._lease_ms = lease_ms
    return poller


async def hang(_: object) -> None:
    await asyncio.Event().wait()


def test_a_poll_that_hangs_is_given_up_while_the_claim_is_still_its_own(
    pipeline: Pipeline, poller: Poller, db: Database, payee: ScriptedPaid
) -> None:
    payee.polling = hang
    job_id = operation(db, pipeline)
    quick(poller, 1000).start()
    polled(payee, 1)
    payee.polling = None
    handed_back(db, job_id, 5000)
    execute(db, DUE, job_id)
    fetchable(db)
    assert job_of(db, job_id).attempt == 1


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> int:
    """Of how many operations of a provider is asked at once."""
    monkeypatch.setattr(module, "AT_ONCE", 20)
    return 20


def test_a_provider_that_hangs_keeps_no_other_from_being_asked(
    pipeline: Pipeline,
    poller: Poller,
    db: Database,
    payee: ScriptedPaid,
    providers: Any,
    at_once: int,
) -> None:
    # Given more operations of a provider that hangs than are asked for at once
    given_up: list[object] = []

    async def hang_on(operation: object) -> None:
        try:
            await hang(operation)
        finally:
            given_up.append(operation)

    hanging = ScriptedPaid(done=False, polling=hang_on)
    providers["hanging"] = hanging
    for number in range(at_once + 5):
        operation(db, pipeline, provider="hanging", user_id=f"user-{number}")
    job_id = operation(db, pipeline)
    quick(poller, 40_000).start()

    # Then the other's is done before any of the hanging ones is given up
    fetchable(db)
    assert (len(hanging.polled), given_up) == (at_once, [])
    assert payee.polled == ["operation 1"]
    assert job_of(db, job_id).state is State.RUNNING
    # And closing ends them all.
    poller.close()
    assert len(given_up) == at_once


def test_a_batch_that_hangs_is_handed_back_whole_and_costs_no_attempt(
    pipeline: Pipeline, poller: Poller, db: Database, providers: Any, at_once: int
) -> None:
    hanging = ScriptedPaid(done=False, polling=hang)
    providers["paid"] = hanging
    made = [operation(db, pipeline, user_id=f"user-{n}") for n in range(at_once)]
    quick(poller, 2000).start()
    polled(hanging, at_once)
    wait_for(lambda: handed_back(db, made[0], 0), "the batch to be given up")
    poller.close()

    # Then each can be claimed at once, by anybody, as before
    for job_id in made:
        execute(db, DUE, job_id)
    taken = polls.claim_polls(db, ["image"], "other", 60_000, 500)
    assert {claim.run.job_id for claim in taken} == set(made)
    assert {claim.job.attempt for claim in taken} == {1}
