"""What a server counts of its calls and watches."""

import contextlib

import grpc
import pytest

from core.process.metrics import REGISTRY
from core.store import Database, transitions
from rushes.v1 import media_service_pb2 as pb
from tests.counting import growth, sample
from tests.house import House
from tests.making import accepted, started
from tests.services import wait_for


def test_a_call_is_counted_by_method_and_code_with_its_time(house: House) -> None:
    fine = growth("rushes_calls_total", method="ListModels", code="OK")
    refused = growth("rushes_calls_total", method="GetJob", code="NOT_FOUND")
    timed = growth("rushes_call_seconds_count", method="ListModels")

    house.caller("alice").call("ListModels", pb.ListModelsRequest())
    house.caller("alice").refused(
        "GetJob", pb.GetJobRequest(job_id="01a1fe17-3370-72ac-9166-da89b5143e03")
    )

    wait_for(lambda: (fine(), refused(), timed()) == (1, 1, 1), "the calls to be counted")


def test_a_name_that_a_caller_made_up_is_no_label(house: House) -> None:
    unknown = growth("rushes_calls_total", method="unknown", code="UNIMPLEMENTED")
    call = house.channel.unary_unary("/rushes.v1.MediaService/MakeTea")
    metadata = (("authorization", f"Bearer {house.token('alice')}"),)

    with pytest.raises(grpc.RpcError):
        call(b"", metadata=metadata, timeout=10)

    wait_for(lambda: unknown() == 1, "the call to be counted")
    assert not sample("rushes_calls_total", method="MakeTea", code="UNIMPLEMENTED")


def test_a_watch_is_counted_while_it_is_open_and_its_lag_when_something_happens(
    house: House,
) -> None:
    before, sent = sample("rushes_watchers"), growth("rushes_watch_lag_seconds_count")
    timed = growth("rushes_call_seconds_count", method="WatchJobs")
    ended = growth("rushes_calls_total", method="WatchJobs", code="CANCELLED")
    watch = house.caller("alice").stream(pb.WatchJobsRequest())
    next(iter(watch))
    assert sample("rushes_watchers") == before + 1

    end_a_job(house.db)
    wait_for(lambda: sent() >= 1, "the lag")
    watch.cancel()

    wait_for(lambda: sample("rushes_watchers") == before, "the watch to end")
    wait_for(lambda: ended() == 1, "the call to be counted")
    assert timed() == 0


def test_what_the_stream_did_not_bring_is_counted_as_a_gap(house: House) -> None:
    filled = growth("rushes_gaps_filled_total")
    watch = house.caller("alice").stream(pb.WatchJobsRequest())
    next(iter(watch))

    # Nobody tells of it.
    end_a_job(house.db)

    wait_for(lambda: filled() >= 1, "the gap to be filled")
    watch.cancel()


def test_no_user_and_no_prompt_is_in_any_metric(house: House) -> None:
    accepted(house.db, "canary-user")
    with contextlib.suppress(grpc.RpcError):
        house.caller("canary-user").call("ListJobs", pb.ListJobsRequest())

    labels = {
        value
        for family in REGISTRY.collect()
        for s in family.samples
        for value in s.labels.values()
    }
    assert "canary-user" not in labels
    assert "sea" not in labels


def end_a_job(db: Database) -> None:
    accepted(db)
    transitions.end_cancelled(db, started(db).run)
