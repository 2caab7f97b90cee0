"""WatchJobs through a real channel, also for a client that does not read."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from core.store import transitions
from rushes.v1 import error_reason_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import House, LoopThread, close_house, open_house, read_refusal
from tests.making import new_media, started
from tests.rpc.requests import video
from tests.rpc.watching import Watch
from tests.services import Valkey, wait_for


@pytest.fixture
def impatient(house_loop: LoopThread, valkey: Valkey, tmp_path: Path) -> Iterator[House]:
    """A server that gives up on a stuck watcher after half a second."""
    opened = open_house(
        house_loop,
        tmp_path / "data",
        valkey.url,
        watcher_stuck_seconds=0.5,
        user_request_burst=10_000,
        max_watches=2,
    )
    yield opened
    close_house(house_loop, opened)


def test_a_job_is_seen_from_its_acceptance_to_its_end(house: House) -> None:
    watch = Watch(house, until_done=False)
    watch.until("synced")
    job_id = house.caller("alice").call("GenerateVideo", video()).job.job_id
    run = started(house.db).run
    transitions.succeed(house.db, run, new_media(job_id=job_id))

    wait_for(lambda: len([e for e in watch.events if e.revision]) == 3, "three changes")
    changes = [event for event in watch.events if event.revision]
    assert [event.revision for event in changes] == [1, 2, 3]
    assert [event.job.type for event in changes] == [
        pb.JobEvent.QUEUED,
        pb.JobEvent.STARTED,
        pb.JobEvent.SUCCEEDED,
    ]
    output = changes[-1].job.job.outputs[0]
    assert output.url.startswith("http")
    watch.close()


def test_a_watch_goes_on_from_the_token_of_a_list(house: House) -> None:
    caller = house.caller("alice")
    caller.call("GenerateVideo", video())
    token = caller.call("ListJobs", pb.ListJobsRequest()).resume_token
    caller.call("GenerateVideo", video())

    watch = Watch(house, resume_token=token)
    watch.until("synced")
    assert [event.revision for event in watch.events] == [2, 0]
    watch.close()


def test_the_stream_of_a_token_ends_with_it(house: House) -> None:
    exp = int(time.time()) - house.settings.jwt_leeway_seconds + 2
    token = house.token("alice", exp=exp, iat=exp - 100)
    call = house.caller_with(f"Bearer {token}").stream(pb.WatchJobsRequest())
    with pytest.raises(grpc.RpcError) as caught:
        list(call)
    refusal = read_refusal(caught.value)
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "CREDENTIALS_EXPIRED",
    )


def test_a_drain_says_so_in_the_last_event_and_in_the_status(
    house_loop: LoopThread, valkey: Valkey, tmp_path: Path
) -> None:
    house = open_house(house_loop, tmp_path / "data", valkey.url)
    watch = Watch(house)
    watch.until("synced")
    house_loop.run(house.app.stop())
    watch.ended()
    house.channel.close()

    assert watch.events[-1].end.reason == error_reason_pb2.SERVER_DRAINING
    assert watch.error is not None
    refusal = read_refusal(watch.error)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING")
    assert refusal.retry_seconds is not None


def test_more_watches_than_allowed_are_refused(impatient: House) -> None:
    watches = [Watch(impatient) for _ in range(2)]
    for watch in watches:
        watch.until("synced")
    refusal = impatient.caller("alice").refused("WatchJobs", pb.WatchJobsRequest())
    assert (refusal.reason, refusal.metadata) == ("TOO_MANY_WATCHES", {"limit": "2"})
    other = Watch(impatient, "bob")
    other.until("synced")
    for watch in [*watches, other]:
        watch.close()


def test_a_client_that_does_not_read_is_ended_and_hurts_nobody(impatient: House) -> None:
    # Given one who opens a watch and reads nothing, and one who reads
    caller = impatient.caller("alice")
    stuck = caller.stream(pb.WatchJobsRequest())
    reading = Watch(impatient)
    reading.until("synced")

    # When much happens
    prompt = "waves " * 1300
    count = 600
    for _ in range(count):
        caller.call("GenerateVideo", video(prompt))

    # Then the reader has all of it, and the stuck one is let go
    wait_for(lambda: len([e for e in reading.events if e.revision]) == count, "all changes")
    wait_for(lambda: impatient.app.watch_count == 1, "the stuck watch to end")
    with pytest.raises(grpc.RpcError) as caught:
        for _ in stuck:
            pass
    assert read_refusal(caught.value).reason == "WATCHER_TOO_SLOW"
    reading.close()


def test_watches_that_left_leave_nothing_behind(house: House, house_loop: LoopThread) -> None:
    def task_count() -> int:
        return house_loop.call(lambda: len(asyncio.all_tasks()))

    Watch(house).close()
    wait_for(lambda: house.app.watch_count == 0, "the watch to end")
    before = task_count()
    watches = [Watch(house, f"user-{n}") for n in range(50)]
    for watch in watches:
        watch.until("synced")
    for watch in watches:
        watch.close()
    wait_for(lambda: house.app.watch_count == 0, "all watches to end")
    wait_for(lambda: task_count() <= before + 1, "their tasks to end")
