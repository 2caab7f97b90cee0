"""`rushes-admin reconcile`."""

import json

import pytest

from core.jobs import CostState, Outcome, State
from core.store import claims, jobs, submits, transitions
from tests.unit.admin.running import Place


@pytest.fixture
def job_id(place: Place) -> str:
    """A job whose submit's outcome is unknown."""
    with place.database() as db:
        claim = claims.claim(db, "video", "worker", 60_000, 9)
        assert claim is not None
        assert submits.begin(db, claim.run, "worker", 9) is not None
        assert submits.unknown(db, claim.run) is not None
        return claim.job.job_id


def cost_and_state(place: Place, job_id: str) -> tuple[CostState, State]:
    with place.database() as db:
        job = jobs.get(db, "alice", job_id)
    return job.cost.state, job.state


def test_it_lists_what_to_look_for(place: Place, job_id: str) -> None:
    said = place.run("reconcile", "list")
    [line] = said.out.splitlines()[1:]
    assert line.startswith(f"{job_id}  RECONCILING  alice  builtin-video  paid")
    assert f"{job_id}.1" in line
    assert "0.25" in line
    assert "an operation of builtin-video from 20" in line
    [item] = json.loads(place.run("reconcile", "list", "--json").out)
    assert (item["job_id"], item["key"]) == (job_id, f"{job_id}.1")
    assert (item["amount"], item["currency"], item["operation"]) == ("0.25", "USD", "")


def test_with_nothing_uncertain_it_says_so(place: Place) -> None:
    assert place.run("reconcile", "list").out == "Nothing is uncertain.\n"
    assert place.run("reconcile", "list", "--json").out == "[]\n"


def test_an_operation_that_was_found_is_adopted(place: Place, job_id: str) -> None:
    said = place.run("reconcile", "resolve", job_id, "--operation", "op-7")
    assert (said.code, said.out) == (0, "The job goes on with op-7.\n")
    assert cost_and_state(place, job_id) == (CostState.RESERVED, State.RUNNING)
    again = place.run("reconcile", "resolve", job_id, "--operation", "op-7")
    assert again.code == 5


def test_a_submit_that_is_under_way_is_left_to_its_worker(place: Place) -> None:
    # Given a worker in the call to the provider
    with place.database() as db:
        claim = claims.claim(db, "video", "worker", 60_000, 9)
        assert claim is not None
        assert submits.begin(db, claim.run, "worker", 9) is not None
    job_id = claim.job.job_id

    # When an administrator names an operation
    said = place.run("reconcile", "resolve", job_id, "--operation", "op-7")

    # Then it is refused, and nothing was written
    assert (said.code, said.out) == (5, "")
    assert said.err == "The job is RUNNING and its submit may be under way: wait for its outcome.\n"
    with place.database() as db:
        [intent] = submits.of_job(db, job_id)
    assert (intent.outcome, intent.operation) == (Outcome.OPEN, "")


def test_an_operation_of_a_job_that_has_ended_is_recorded(place: Place, job_id: str) -> None:
    with place.database() as db:
        transitions.cancel(db, "alice", job_id, "")
    said = place.run("reconcile", "resolve", job_id, "--operation", "op-7")
    assert said.code == 0
    assert said.out == "The operation was recorded, but the job does not wait for it any more.\n"
    [item] = json.loads(place.run("reconcile", "list", "--json").out)
    assert item["operation"] == "op-7"


@pytest.mark.parametrize("option", ["--not-charged", "--not-accepted"])
def test_a_job_that_was_not_taken_is_sent_again(place: Place, job_id: str, option: str) -> None:
    assert place.run("reconcile", "resolve", job_id, option).code == 0
    assert cost_and_state(place, job_id) == (CostState.RESERVED, State.RUNNING)
    assert place.run("reconcile", "list").out == "Nothing is uncertain.\n"


def test_a_job_that_was_charged_ends(place: Place, job_id: str) -> None:
    said = place.run("reconcile", "resolve", job_id, "--charged")
    assert said.out == "The job is FAILED, its cost CHARGED.\n"
    assert place.run("reconcile", "resolve", job_id, "--charged").out.startswith(
        "There was nothing"
    )


def test_the_cost_of_an_ended_job_can_be_settled(place: Place, job_id: str) -> None:
    with place.database() as db:
        claim = claims.claim(db, "video", "worker", 60_000, 9)
        assert claim is not None
        submits.give_up(db, claim.run)
    assert place.run("reconcile", "list").out.splitlines()[1].split()[1] == "FAILED"
    assert place.run("reconcile", "resolve", job_id, "--not-charged").code == 0
    assert cost_and_state(place, job_id) == (CostState.RELEASED, State.FAILED)


@pytest.mark.parametrize("options", [(), ("--charged", "--not-charged")])
def test_exactly_one_answer_is_wanted(place: Place, job_id: str, options: tuple[str, ...]) -> None:
    said = place.run("reconcile", "resolve", job_id, *options)
    assert said.code == 2
    assert cost_and_state(place, job_id)[0] is CostState.UNCERTAIN


def test_an_unknown_job_is_a_usage_error(place: Place) -> None:
    assert place.run("reconcile", "resolve", "nothing", "--charged").code == 2
