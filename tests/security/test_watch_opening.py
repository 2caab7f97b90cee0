"""Opening a watch: a long history comes in parts, and a user opens so many watches in a time."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.store import events, transitions
from core.store.events import Snapshot
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from server.watch import watcher
from tests.house import Caller, House
from tests.making import IMAGE, accepted

StartHouse = Callable[..., House]
NEW_JOBS = 20
LARGE = "x" * 8000
JOBS = 4 * events.SNAPSHOT_JOBS + 7
# A response ends with the job that makes it large enough.
MOST_BYTES = watcher.RESPONSE_BYTES + 64 * 1024


@pytest.fixture
def in_pages(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many jobs each read of a snapshot brings."""
    sizes: list[int] = []
    first, later = events.snapshot, events.snapshot_page

    def snapshot(*args: Any, **options: Any) -> Snapshot:
        found = first(*args, **options)
        sizes.append(len(found.jobs))
        return found

    def snapshot_page(*args: Any) -> Any:
        found = later(*args)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(events, "snapshot", snapshot)
    monkeypatch.setattr(events, "snapshot_page", snapshot_page)
    return sizes


def with_history(house: House) -> list[str]:
    """Jobs with long prompts that have ended."""
    made = []
    for _ in range(JOBS):
        job_id = accepted(house.db, spec=replace(IMAGE, prompt=LARGE)).job.job_id
        transitions.cancel(house.db, "alice", job_id, "")
        made.append(job_id)
    return made


def test_a_long_history_comes_in_parts_and_misses_nothing(
    start: StartHouse, in_pages: list[int]
) -> None:
    # Given a user with a long history of large jobs
    house = start()
    alice = house.caller("alice")
    old = with_history(house)
    ready = threading.Event()

    # When jobs are made and ended while a watch of all of it opens
    def go_on() -> None:
        for _ in range(NEW_JOBS):
            made_and_ended(alice)
            ready.set()

    working = threading.Thread(target=go_on)
    working.start()
    ready.wait()
    watch = alice.stream(pb.WatchJobsRequest(recent={"seconds": 3600}))
    told, last = [], ""
    for response in watch:
        assert response.ByteSize() < MOST_BYTES
        told += [event for event in response.events if event.HasField("job")]
        if any(event.HasField("synced") for event in response.events):
            working.join()
            last = made_and_ended(alice)
        if last and ended(told[-1], last):
            break
    watch.cancel()

    # Then no read of it was large, each job is there once, and what follows has no gap
    assert len(in_pages) > JOBS // events.SNAPSHOT_JOBS
    assert max(in_pages) <= events.SNAPSHOT_JOBS
    current = [event.job.job.job_id for event in told if not event.revision]
    assert set(old) <= set(current)
    assert len(set(current)) == len(current)
    live = [event.revision for event in told if event.revision]
    head = 2 * (JOBS + NEW_JOBS + 1)
    assert live == list(range(head - len(live) + 1, head + 1))
    states = {event.job.job.job_id: event.job.job.state for event in told}
    assert set(states.values()) == {job_pb2.Job.CANCELLED}
    assert len(states) == JOBS + NEW_JOBS + 1


def made_and_ended(alice: Caller) -> str:
    request = pb.GenerateImageRequest(spec=job_pb2.ImageSpec(prompt="a boat"))
    job_id: str = alice.call("GenerateImage", request).job.job_id
    alice.call("CancelJob", pb.CancelJobRequest(job_id=job_id))
    return job_id


def ended(event: pb.WatchEvent, job_id: str) -> bool:
    job = event.job.job
    return job.job_id == job_id and job.state == job_pb2.Job.CANCELLED


def test_watches_are_opened_at_a_rate(start: StartHouse) -> None:
    house = start(user_watch_open_burst=3, user_watch_opens_per_second=1)
    alice, bob = house.caller("alice"), house.caller("bob")

    def opened(caller: Caller) -> None:
        watch = caller.stream(pb.WatchJobsRequest())
        next(watch)
        watch.cancel()

    # Given a user who opens and leaves watches as fast as the server lets him
    for _ in range(3):
        opened(alice)

    # When he opens another one, then it is refused, and other calls and users are not
    refusal = alice.refused("WatchJobs", pb.WatchJobsRequest())
    assert refusal.reason == "RATE_LIMITED"
    assert refusal.retry_seconds == 1.0
    alice.call("ListJobs", pb.ListJobsRequest())
    opened(bob)
