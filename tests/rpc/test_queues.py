"""Workers that serve some queues only, as callers see it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.catalog.models import models_path
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import Caller, House, LoopThread, close_house, open_house
from tests.rpc.requests import image
from tests.rpc.working import worker
from tests.services import Valkey, wait_for

NOBODY = "no worker serves this queue"


def job_of(caller: Caller, job_id: str) -> job_pb2.Job:
    found: job_pb2.Job = caller.call("GetJob", pb.GetJobRequest(job_id=job_id)).job
    return found


def estimated(caller: Caller, spec: job_pb2.ImageSpec) -> job_pb2.QueueInfo | None:
    """How an image would wait, once a run was measured."""
    [estimate] = caller.call("EstimateCost", pb.EstimateCostRequest(image=spec)).estimates
    return estimate.queue if estimate.queue.sample_count else None


def estimated_now(caller: Caller, kind: str) -> str:
    """Why a job of that kind would not start now."""
    request = pb.EstimateCostRequest(**{kind: {"prompt": "sea"}})
    [estimate] = caller.call("EstimateCost", request).estimates
    return str(estimate.queue.blocked_reason)


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


@pytest.fixture
def slow_house(house_loop: LoopThread, valkey: Valkey, tmp_path: Path) -> Iterator[House]:
    """A server whose videos wait in a queue of their own."""
    models = tmp_path / "models.toml"
    packaged = models_path(None).read_text()
    models.write_text(packaged.replace("[builtin-video]", '[builtin-video]\nqueue = "slow-1"', 1))
    opened = open_house(house_loop, tmp_path / "data", valkey.url, models_file=models)
    yield opened
    close_house(house_loop, opened)


def test_a_model_may_have_a_queue_of_its_own(slow_house: House) -> None:
    # Given a video of such a model, while somebody serves the queues of the kinds
    alice = slow_house.caller("alice")
    with worker(slow_house, "video,image"):
        wait_for(lambda: not estimated_now(alice, "image"), "a worker for images")
        video = alice.call("GenerateVideo", film()).job
        assert video.queue.blocked_reason == NOBODY
        assert estimated_now(alice, "video") == NOBODY

        # When a worker comes that was told no queue, it serves all that the models have
        with worker(slow_house):
            done = lambda: job_of(alice, video.job_id).state == job_pb2.Job.SUCCEEDED  # noqa: E731
            wait_for(done, "the video")
            # What many ask for is a second old at most.
            wait_for(lambda: not estimated_now(alice, "video"), "a worker for the queue")


def test_queues_of_no_form_are_refused_in_one_sentence() -> None:
    command = [sys.executable, "-m", "workers", "--queues", "image,Films"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "use names of a-z, 0-9 and -" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_worker_says_how_it_is_used() -> None:
    command = [sys.executable, "-m", "workers", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--queues" in done.stdout
