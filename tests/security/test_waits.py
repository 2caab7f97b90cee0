"""Calls that wait for a job's end cost one query together, and one user has so many of them."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.store.engine.database import Database, Session
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import Caller, House
from tests.services import wait_for

StartHouse = Callable[..., House]
WAITERS = 60


def made(alice: Caller) -> str:
    request = pb.GenerateImageRequest(spec=job_pb2.ImageSpec(prompt="a boat"))
    job_id: str = alice.call("GenerateImage", request).job.job_id
    return job_id


def waiting_for(job_id: str) -> pb.GetJobRequest:
    return pb.GetJobRequest(job_id=job_id, wait={"seconds": 15})


@contextlib.contextmanager
def reads() -> Iterator[list[str]]:
    """The statements that ran meanwhile."""
    seen: list[str] = []

    def watched(run: Callable[..., Any]) -> Callable[..., Any]:
        def rows(self: Any, statement: Any, **values: Any) -> Any:
            seen.append(statement.text)
            return run(self, statement, **values)

        return rows

    with pytest.MonkeyPatch.context() as patch:
        for place in (Database, Session):
            patch.setattr(place, "rows", watched(place.rows))
        yield seen


def test_all_that_wait_are_told_when_their_job_ends(start: StartHouse) -> None:
    alice = start().caller("alice")
    jobs = [made(alice) for _ in range(3)]
    waiting = [alice.start("GetJob", waiting_for(jobs[n % 3])) for n in range(WAITERS)]

    for job_id in jobs:
        alice.call("CancelJob", pb.CancelJobRequest(job_id=job_id))

    assert {answer.result().job.state for answer in waiting} == {job_pb2.Job.CANCELLED}


def test_a_user_has_so_many_calls_that_wait(start: StartHouse) -> None:
    # Given as many calls that wait as one user may have
    house = start(max_waits=3)
    alice, bob = house.caller("alice"), house.caller("bob")
    job_id, theirs = made(alice), made(bob)
    waiting = [alice.start("GetJob", waiting_for(job_id)) for _ in range(3)]
    ends = house.app._read._ends
    wait_for(lambda: len(ends._waiting.get(job_id, ())) == 3, "the calls to wait")

    # When another one comes, then it is refused by the number, and a call without a wait is not
    refusal = alice.refused("GetJob", waiting_for(job_id))
    assert (refusal.reason, refusal.metadata["limit"]) == ("RATE_LIMITED", "3")
    assert "3 of your calls" in refusal.message
    assert alice.call("GetJob", pb.GetJobRequest(job_id=job_id)).job.job_id == job_id

    # And another user waits all the same, and the places are free when the calls have ended
    other = bob.start("GetJob", waiting_for(theirs))
    for caller, ended in ((bob, theirs), (alice, job_id)):
        caller.call("CancelJob", pb.CancelJobRequest(job_id=ended))
    for answer in (other, *waiting):
        assert answer.result().job.state == job_pb2.Job.CANCELLED
    assert alice.call("GetJob", waiting_for(job_id)).job.job_id == job_id


def test_those_who_wait_ask_the_database_together(start: StartHouse) -> None:
    house = start()
    alice = house.caller("alice")
    job_id = made(alice)
    ends = house.app._read._ends
    waiting = [alice.start("GetJob", waiting_for(job_id)) for _ in range(WAITERS)]
    wait_for(lambda: len(ends._waiting.get(job_id, ())) == WAITERS, "the calls to wait")

    with reads() as seen:
        wait_for(lambda: sum("end_time IS NOT NULL" in text for text in seen) >= 2, "two looks")

    assert len(seen) < WAITERS
    assert not any("job_id = :job_id AND user_id" in text for text in seen)
    alice.call("CancelJob", pb.CancelJobRequest(job_id=job_id))
    for answer in waiting:
        answer.result()
