"""Budgets as callers meet them."""

from datetime import UTC, datetime

import grpc

from core.money import MICROS
from core.store import budgets
from core.store.budgets import EACH_USER, INSTALLATION, Period
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import House, read_refusal
from tests.rpc.paid import COST
from tests.rpc.requests import png, video

ESTIMATE = pb.EstimateCostRequest(video=job_pb2.VideoSpec(prompt="waves"))


def used(house: House, owner: str) -> tuple[int, int]:
    """What the owner has reserved and spent today."""
    [day] = [b for b in budgets.show(house.db) if (b.owner, b.period) == (owner, Period.DAY)]
    return day.reserved_micros, day.spent_micros


def test_a_job_above_the_caller_s_own_budget_is_refused_with_its_figures(
    paid_house: House,
) -> None:
    budgets.set_limit(paid_house.db, EACH_USER, Period.DAY, 7 * MICROS // 10)
    alice = paid_house.caller("alice")
    alice.call("GenerateVideo", video())
    request = video()
    request.spec.first_frame.content = png()
    refusal = alice.refused("GenerateVideo", request)
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refusal.reason == "BUDGET_EXCEEDED"
    reset = datetime.fromisoformat(refusal.metadata.pop("reset_time"))
    assert reset > datetime.now(UTC)
    assert refusal.metadata == {
        "period": "day",
        "limit": "0.70",
        "spent": "0.00",
        "reserved": "0.50",
        "required": "0.50",
    }
    assert paid_house.count_rows()["job"] == 1
    assert paid_house.blob_files() == []
    assert used(paid_house, "user:alice") == (COST, 0)


def test_a_caller_does_not_learn_what_the_installation_spends(paid_house: House) -> None:
    budgets.set_limit(paid_house.db, INSTALLATION, Period.MONTH, COST)
    paid_house.caller("alice").call("GenerateVideo", video())
    refusal = paid_house.caller("bob").refused("GenerateVideo", video())
    assert refusal.reason == "BUDGET_EXCEEDED"
    assert set(refusal.metadata) == {"period", "required", "reset_time"}
    assert (refusal.metadata["period"], refusal.metadata["required"]) == ("month", "0.50")


def test_a_budget_that_refuses_says_so_to_a_request_that_is_only_validated(
    paid_house: House,
) -> None:
    budgets.set_limit(paid_house.db, budgets.owner_of("alice"), Period.MONTH, COST - 1)
    alice = paid_house.caller("alice")
    real = alice.refused("GenerateVideo", video())
    assert alice.refused("GenerateVideo", video(validate_only=True)) == real
    assert paid_house.caller("bob").call("GenerateVideo", video(validate_only=True))
    assert set(paid_house.count_rows().values()) == {0}


def test_validating_reserves_nothing(paid_house: House) -> None:
    budgets.set_limit(paid_house.db, EACH_USER, Period.DAY, COST)
    alice = paid_house.caller("alice")
    for _ in range(2):
        alice.call("GenerateVideo", video(validate_only=True))
    assert budgets.show(paid_house.db, "alice")[0].reserved_micros == 0
    alice.call("GenerateVideo", video())


def test_a_cancelled_job_gives_its_money_back(paid_house: House) -> None:
    budgets.set_limit(paid_house.db, EACH_USER, Period.DAY, COST)
    alice = paid_house.caller("alice")
    job_id = alice.call("GenerateVideo", video()).job.job_id
    assert alice.refused("GenerateVideo", video()).reason == "BUDGET_EXCEEDED"
    alice.call("CancelJob", pb.CancelJobRequest(job_id=job_id))
    assert used(paid_house, "user:alice") == (0, 0)
    alice.call("GenerateVideo", video())


def test_an_estimate_says_when_a_short_budget_is_full_again(paid_house: House) -> None:
    alice = paid_house.caller("alice")
    budgets.set_limit(paid_house.db, EACH_USER, Period.DAY, COST)
    [before] = alice.call("EstimateCost", ESTIMATE).estimates
    assert before.affordable
    assert "budget" not in before.queue.blocked_reason
    alice.call("GenerateVideo", video())
    [after] = alice.call("EstimateCost", ESTIMATE).estimates
    assert not after.affordable
    assert after.queue.blocked_reason.startswith("the daily budget resets at 20")
    assert not after.queue.HasField("estimated_wait")


def test_an_estimate_above_the_whole_budget_does_not_promise_a_reset(paid_house: House) -> None:
    budgets.set_limit(paid_house.db, EACH_USER, Period.MONTH, COST - 1)
    [estimate] = paid_house.caller("alice").call("EstimateCost", ESTIMATE).estimates
    assert not estimate.affordable
    assert estimate.queue.blocked_reason == "it costs more than the whole monthly budget"


def test_a_free_model_needs_no_budget(house: House) -> None:
    budgets.set_limit(house.db, INSTALLATION, Period.DAY, 0)
    alice = house.caller("alice")
    [estimate] = alice.call("EstimateCost", ESTIMATE).estimates
    assert estimate.affordable
    assert alice.call("GenerateVideo", video()).job.state == job_pb2.Job.QUEUED


def test_a_hundred_submits_at_once_never_overshoot_a_budget_for_three(paid_house: House) -> None:
    budgets.set_limit(paid_house.db, INSTALLATION, Period.DAY, 3 * COST)
    callers = [paid_house.caller(f"user-{number % 7}") for number in range(100)]
    answers = [caller.start("GenerateVideo", video()) for caller in callers]
    errors = [answer.exception() for answer in answers]
    assert errors.count(None) == 3
    assert {read_refusal(e).reason for e in errors if e is not None} == {"BUDGET_EXCEEDED"}
    assert used(paid_house, INSTALLATION) == (3 * COST, 0)
    assert paid_house.count_rows()["job"] == 3


def test_a_hundred_copies_of_one_request_reserve_once(paid_house: House) -> None:
    alice, request = paid_house.caller("alice"), video(request_id="r1")
    answers = [alice.start("GenerateVideo", request) for _ in range(100)]
    done = [answer.result() for answer in answers]
    assert len({answer.job.job_id for answer in done}) == 1
    assert sum(not answer.deduplicated for answer in done) == 1
    assert used(paid_house, "user:alice") == (COST, 0)
