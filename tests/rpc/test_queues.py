"""Workers that serve some queues only, as callers see it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import Caller, House
from tests.rpc.requests import image
from tests.services import wait_for

NOBODY = "no worker serves this queue"


@contextmanager
def worker(house: House, queues: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker process for the queues."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    ours = {
        "RUSHES_DATA_DIR": str(house.settings.data_dir),
        "RUSHES_REDIS_URL": house.settings.redis_url,
        "RUSHES_RESCUE_SECONDS": "0.1",
        "RUSHES_LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-m", "workers", "--queues", queues]
    process = subprocess.Popen(command, env={**known, **ours})
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(20) == 0


def job_of(caller: Caller, job_id: str) -> job_pb2.Job:
    found: job_pb2.Job = caller.call("GetJob", pb.GetJobRequest(job_id=job_id)).job
    return found


def estimated(caller: Caller, spec: job_pb2.ImageSpec) -> job_pb2.QueueInfo | None:
    """How an image would wait, once a run was measured."""
    [estimate] = caller.call("EstimateCost", pb.EstimateCostRequest(image=spec)).estimates
    return estimate.queue if estimate.queue.sample_count else None


def film() -> pb.GenerateVideoRequest:
    request = pb.GenerateVideoRequest()
    request.spec.prompt = "sea"
    request.spec.resolution = "360p"
    request.spec.duration.seconds = 1
    return request


def test_a_worker_leaves_the_jobs_of_other_queues_to_others(house: House) -> None:
    # Given an image and a video that nobody serves
    alice = house.caller("alice")
    picture = alice.call("GenerateImage", image(size="256x256")).job
    video = alice.call("GenerateVideo", film()).job
    assert (picture.queue.blocked_reason, video.queue.blocked_reason) == (NOBODY, NOBODY)

    # When a worker for images comes, it makes the image, and the video says why it waits
    with worker(house, "image"):
        done = lambda: job_of(alice, picture.job_id).state == job_pb2.Job.SUCCEEDED  # noqa: E731
        wait_for(done, "the image")
        waiting = job_of(alice, video.job_id)
        assert waiting.state == job_pb2.Job.QUEUED
        assert (waiting.queue.position, waiting.queue.blocked_reason) == (1, NOBODY)
        measured = wait_for(lambda: estimated(alice, picture.image), "an estimate")
        assert (measured.position, measured.sample_count, measured.blocked_reason) == (1, 1, "")
        assert measured.HasField("estimated_run")
        assert measured.HasField("estimated_wait")

        # Until one for videos joins
        with worker(house, "video"):
            filmed = lambda: job_of(alice, video.job_id).state == job_pb2.Job.SUCCEEDED  # noqa: E731
            wait_for(filmed, "the video")


def test_a_watcher_is_told_why_its_job_does_not_move_and_when_it_does(house: House) -> None:
    # Given a watched job that nobody serves
    alice = house.caller("alice")
    watch = alice.stream(pb.WatchJobsRequest(progress_interval={"nanos": 50_000_000}))
    events = (event for response in watch for event in response.events)
    assert next(event for event in events if event.HasField("synced"))
    alice.call("GenerateVideo", film())

    # Then its place comes as progress, with the reason and without a revision
    told = next(event for event in events if event.progress.HasField("queue"))
    assert (told.revision, told.progress.queue.blocked_reason) == (0, NOBODY)
    assert told.progress.queue.position == 1

    # Until a worker comes
    with worker(house, "video"):
        assert next(event for event in events if event.job.type == pb.JobEvent.SUCCEEDED)
    watch.cancel()


def test_queues_that_do_not_exist_are_refused_in_one_sentence() -> None:
    command = [sys.executable, "-m", "workers", "--queues", "image,films"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "use one or more of video, image" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_worker_says_how_it_is_used() -> None:
    command = [sys.executable, "-m", "workers", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--queues" in done.stdout
