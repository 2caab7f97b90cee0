"""What a caller may ask of a job besides its spec: its price, its deadlines, a free cancel."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.type.money_pb2 import Money

from core.ids import new_id
from core.store import claims, submits
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.error_reason_pb2 import ErrorReason
from tests.house import Caller, House, LoopThread, close_house, open_house
from tests.rpc.requests import png, video
from tests.services import Valkey

Code = grpc.StatusCode


def usd(units: int, nanos: int = 0) -> Money:
    return Money(currency_code="USD", units=units, nanos=nanos)


def span(seconds: int, nanos: int = 0) -> dict[str, int]:
    return {"seconds": seconds, "nanos": nanos}


def retry(job_id: str, **options: Any) -> pb.RetryJobRequest:
    return pb.RetryJobRequest(job_id=job_id, options=pb.JobOptions(**options))


def cancel(job_id: str, **more: Any) -> pb.CancelJobRequest:
    return pb.CancelJobRequest(job_id=job_id, **more)


def run_with_a_submit_at_risk(house: House) -> str:
    """The id of a job that a worker claimed and of which it wrote the intent."""
    claim = claims.claim(house.db, "video", "worker", 60_000, user_concurrency=9)
    assert claim is not None
    assert submits.begin(house.db, claim.run, "worker", user_concurrency=9) is not None
    return claim.job.job_id


def test_a_job_that_costs_no_more_than_its_caller_allows_is_accepted(paid_house: House) -> None:
    alice = paid_house.caller("alice")
    job = alice.call("GenerateVideo", video(max_cost=usd(0, 500_000_000))).job
    assert job.cost.estimated == usd(0, 500_000_000)
    assert job.cost.state == job_pb2.Cost.RESERVED


def test_an_amount_without_a_currency_is_in_the_installation_s(paid_house: House) -> None:
    refusal = paid_house.caller("alice").refused("GenerateVideo", video(max_cost={"nanos": 1000}))
    assert refusal.metadata == {"estimated": "0.50", "max_cost": "0.000001"}


@pytest.mark.parametrize("validate_only", [False, True])
def test_a_job_that_costs_more_is_refused_with_both_figures(
    paid_house: House, validate_only: bool
) -> None:
    request = video(max_cost=usd(0, 499_999_000), validate_only=validate_only)
    request.spec.first_frame.content = png()
    refusal = paid_house.caller("alice").refused("GenerateVideo", request)
    assert (refusal.code, refusal.reason) == (Code.FAILED_PRECONDITION, "COST_ABOVE_LIMIT")
    assert refusal.metadata == {"estimated": "0.50", "max_cost": "0.499999"}
    assert set(paid_house.count_rows().values()) == {0}
    assert paid_house.blob_files() == []


def test_a_limit_of_nothing_lets_free_models_run(house: House) -> None:
    job = house.caller("alice").call("GenerateVideo", video(max_cost=usd(0))).job
    assert job.state == job_pb2.Job.QUEUED


def test_a_retry_has_a_limit_of_its_own(paid_house: House) -> None:
    alice = paid_house.caller("alice")
    job_id = alice.call("GenerateVideo", video(max_cost=usd(1))).job.job_id
    alice.call("CancelJob", cancel(job_id))
    assert alice.refused("RetryJob", retry(job_id, max_cost=usd(0, 1000))).reason == (
        "COST_ABOVE_LIMIT"
    )
    assert alice.call("RetryJob", retry(job_id)).job.retry_of == job_id


def test_a_model_without_a_price_is_listed_and_never_run(paid_house: House) -> None:
    alice = paid_house.caller("alice")
    request = video()
    request.spec.model = "unpriced"
    for validate_only in (True, False):
        request.options.validate_only = validate_only
        refusal = alice.refused("GenerateVideo", request)
        assert (refusal.code, refusal.reason) == (Code.FAILED_PRECONDITION, "PRICE_UNKNOWN")
        assert refusal.metadata == {"model": "unpriced"}
    models = {m.model: m for m in alice.call("ListModels", pb.ListModelsRequest()).models}
    assert not models["unpriced"].video.prices
    assert models["paid"].video.prices[0].amount == usd(0, 100_000_000)


def test_an_estimate_without_a_price_shows_no_cost(paid_house: House) -> None:
    request = pb.EstimateCostRequest(
        video=job_pb2.VideoSpec(prompt="waves"), models=["unpriced", "paid"]
    )
    unpriced, paid = paid_house.caller("alice").call("EstimateCost", request).estimates
    assert ErrorReason.Name(unpriced.error.reason) == "PRICE_UNKNOWN"
    assert not unpriced.HasField("cost")
    assert not unpriced.affordable
    assert not unpriced.lines
    assert (paid.cost, paid.affordable) == (usd(0, 500_000_000), True)


def test_deadlines_are_points_in_time_after_the_accept(house: House) -> None:
    options = {"start_within": span(60, 500_000_000), "finish_within": span(7200)}
    alice = house.caller("alice")
    for answer in (
        alice.call("GenerateVideo", video(**options)),
        alice.call("GenerateVideo", video(**options, validate_only=True)),
    ):
        create = answer.job.create_time.ToMilliseconds()
        assert answer.job.start_deadline.ToMilliseconds() - create == 60_500
        assert answer.job.finish_deadline.ToMilliseconds() - create == 7_200_000


def test_a_deadline_may_be_shorter_than_the_usual_one(house: House) -> None:
    job = house.caller("alice").call("GenerateVideo", video(finish_within=span(1))).job
    assert job.finish_deadline.seconds - job.create_time.seconds == 1
    assert not job.HasField("start_deadline")


def test_the_deadlines_of_a_retry_are_its_own(house: House) -> None:
    alice = house.caller("alice")
    job_id = alice.call("GenerateVideo", video(start_within=span(60))).job.job_id
    alice.call("CancelJob", cancel(job_id))
    again = alice.call("RetryJob", retry(job_id)).job
    assert not again.HasField("start_deadline")
    refusal = alice.refused("RetryJob", retry(job_id, start_within=span(1801)))
    assert refusal.fields == ("options.start_within",)


@pytest.mark.parametrize(
    "other",
    [
        {"max_cost": usd(2)},
        {"start_within": span(20)},
        {"finish_within": span(200)},
        {"labels": {"a": "2"}},
    ],
    ids=lambda option: next(iter(option)),
)
def test_a_request_id_with_other_options_is_another_request(
    house: House, other: dict[str, Any]
) -> None:
    alice = house.caller("alice")
    options: dict[str, Any] = {
        "request_id": "r1",
        "max_cost": usd(1),
        "start_within": span(10),
        "finish_within": span(100),
        "labels": {"a": "1"},
    }
    first = alice.call("GenerateVideo", video(**options)).job
    assert alice.call("GenerateVideo", video(**options)).job == first
    assert alice.refused("GenerateVideo", video(**(options | other))).reason == (
        "REQUEST_ID_CONFLICT"
    )


def test_a_request_that_was_only_validated_can_be_sent_with_its_request_id(house: House) -> None:
    alice = house.caller("alice")
    alice.call("GenerateVideo", video(request_id="r1", validate_only=True))
    sent = alice.call("GenerateVideo", video(request_id="r1"))
    assert not sent.deduplicated
    checked = alice.call("GenerateVideo", video(request_id="r1", validate_only=True))
    assert checked.deduplicated


def test_a_free_cancel_ends_a_job_that_waits(paid_house: House) -> None:
    alice = paid_house.caller("alice")
    job = alice.call("GenerateVideo", video()).job
    assert job.cancel_saves_cost
    ended = alice.call("CancelJob", cancel(job.job_id, only_if_free=True)).job
    assert (ended.state, ended.cost.state) == (job_pb2.Job.CANCELLED, job_pb2.Cost.RELEASED)
    assert alice.call("CancelJob", cancel(job.job_id, only_if_free=True)).job == ended


def test_a_free_cancel_of_a_submitted_job_is_refused_and_changes_nothing(paid_house: House) -> None:
    # Given a job of which a paid submit may have been sent
    alice = paid_house.caller("alice")
    alice.call("GenerateVideo", video())
    job_id = run_with_a_submit_at_risk(paid_house)
    before = read(alice, job_id)
    assert not before.cancel_saves_cost

    # When its caller wants to cancel it only for nothing
    refusal = alice.refused("CancelJob", cancel(job_id, only_if_free=True))

    # Then nothing happens, and a plain cancel still asks for the end
    assert (refusal.code, refusal.reason) == (Code.FAILED_PRECONDITION, "JOB_STATE_INVALID")
    assert refusal.metadata == {"state": "RUNNING"}
    assert read(alice, job_id) == before
    assert alice.call("CancelJob", cancel(job_id)).job.HasField("cancel_request_time")


def test_a_free_cancel_of_an_unknown_job_is_not_found(house: House) -> None:
    refusal = house.caller("alice").refused("CancelJob", cancel(new_id(), only_if_free=True))
    assert refusal.code is Code.NOT_FOUND


@pytest.fixture
def full_house(house_loop: LoopThread, valkey: Valkey, tmp_path: Path) -> Iterator[House]:
    """A server that wants more room than any disk has."""
    opened = open_house(house_loop, tmp_path / "data", valkey.url, min_free_megabytes=10**9)
    yield opened
    close_house(house_loop, opened)


def test_a_full_disk_refuses_before_anything_is_stored(full_house: House) -> None:
    alice, request = full_house.caller("alice"), video()
    request.spec.first_frame.content = png()
    for validate_only in (True, False):
        request.options.validate_only = validate_only
        refusal = alice.refused("GenerateVideo", request)
        assert (refusal.code, refusal.reason) == (Code.RESOURCE_EXHAUSTED, "STORAGE_FULL")
        assert refusal.metadata == {"limit": "1000000000 MiB"}
    assert set(full_house.count_rows().values()) == {0}
    assert full_house.blob_files() == []


def read(caller: Caller, job_id: str) -> Any:
    return caller.call("GetJob", pb.GetJobRequest(job_id=job_id)).job
