"""The synchronous client on a fake channel, with fake time."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc_testing  # type: ignore[import-untyped]
import pytest

from rushes import Client, RushesWarning, errors
from rushes._sync.seam import Clock
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.model_pb2 import Model
from tests.unit.clients.making import (
    JOB_ID,
    MEDIA_ID,
    a_job,
    change,
    current,
    details,
    response,
    synced,
)
from tests.unit.clients.stand_in import DEADLINE_SECONDS

Code = grpc.StatusCode
SERVICE = pb.DESCRIPTOR.services_by_name["MediaService"]


@dataclass
class FakeClock(Clock):
    """Time that moves only when somebody waits."""

    time: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.time += seconds
        return event.is_set()


@dataclass
class Stage:
    """A client on a fake channel; the test plays the server."""

    channel: Any
    clock: FakeClock
    client: Client
    pool: ThreadPoolExecutor

    def start(self, call: Callable[[Client], Any]) -> "Future[Any]":
        return self.pool.submit(call, self.client)

    def answer(self, name: str, message: Any) -> Any:
        """Answers the next call of that name; its request."""
        _, request, rpc = self.channel.take_unary_unary(SERVICE.methods_by_name[name])
        rpc.terminate(message, (), Code.OK, "")
        return request

    def refuse(self, name: str, code: Code, reason: str = "", **fields: Any) -> Any:
        _, request, rpc = self.channel.take_unary_unary(SERVICE.methods_by_name[name])
        rpc.terminate(None, details(reason, code, **fields) if reason else (), code, "no")
        return request

    def watch(self) -> Any:
        return self.channel.take_unary_stream(SERVICE.methods_by_name["WatchJobs"])


def result(future: "Future[Any]") -> Any:
    return future.result(DEADLINE_SECONDS)


@pytest.fixture
def stage() -> Iterator[Stage]:
    channel = grpc_testing.channel([SERVICE], grpc_testing.strict_fake_time(0))
    clock = FakeClock()
    with ThreadPoolExecutor(1) as pool, Client(channel=channel, clock=clock) as client:
        yield Stage(channel, clock, client, pool)


def test_a_video_is_asked_for_with_a_request_id(stage: Stage) -> None:
    call = stage.start(lambda c: c.generate_video("sea", duration=8, labels={"node": "1"}))
    request = stage.answer("GenerateVideo", pb.GenerateVideoResponse(job=a_job()))
    assert result(call).job_id == JOB_ID
    assert request.spec.duration.seconds == 8
    assert request.options.labels == {"node": "1"}
    assert len(request.options.request_id) == 32


def test_a_repeated_call_keeps_its_request_id(stage: Stage) -> None:
    call = stage.start(lambda c: c.generate_image("boat"))
    first = stage.refuse("GenerateImage", Code.UNAVAILABLE)
    second = stage.refuse("GenerateImage", Code.INTERNAL)
    third = stage.answer("GenerateImage", pb.GenerateImageResponse(job=a_job()))
    assert result(call).job_id == JOB_ID
    ids = {request.options.request_id for request in (first, second, third)}
    assert len(ids) == 1
    assert len(stage.clock.waits) == 2


def test_it_gives_up_when_the_server_stays_away(stage: Stage) -> None:
    call = stage.start(lambda c: c.list_models())
    stage.refuse("ListModels", Code.UNAVAILABLE, "SERVER_DRAINING", retry_seconds=6)
    stage.refuse("ListModels", Code.UNAVAILABLE, "SERVER_DRAINING", retry_seconds=9)
    with pytest.raises(errors.Unavailable):
        result(call)
    assert len(stage.clock.waits) == 1
    assert stage.clock.waits[0] >= 6


def test_a_refusal_is_not_repeated(stage: Stage) -> None:
    call = stage.start(lambda c: c.generate_video(""))
    wrong = (("spec.prompt", "must not be empty"),)
    stage.refuse("GenerateVideo", Code.INVALID_ARGUMENT, "FIELD_INVALID", violations=wrong)
    with pytest.raises(errors.InvalidRequest) as caught:
        result(call)
    assert caught.value.violations == wrong
    assert stage.clock.waits == []


def test_a_warning_of_the_server_is_a_python_warning(stage: Stage) -> None:
    call = stage.start(lambda c: c.generate_video("sea"))
    answer = pb.GenerateVideoResponse(job=a_job(), warnings=["retired soon"])
    stage.answer("GenerateVideo", answer)
    with pytest.raises(RushesWarning, match="retired soon"):
        result(call)


def test_pages_are_read_as_they_are_needed(stage: Stage) -> None:
    call = stage.start(lambda c: [job.job_id for job in c.jobs(states=["FAILED"], limit=3)])
    page = [a_job(job_id="a"), a_job(job_id="b")]
    first = stage.answer("ListJobs", pb.ListJobsResponse(jobs=page, next_page_token="p2"))
    second = stage.answer("ListJobs", pb.ListJobsResponse(jobs=page, next_page_token="p3"))
    assert result(call) == ["a", "b", "a"]
    assert (first.page_token, second.page_token) == ("", "p2")
    assert list(second.states) == list(first.states)


@pytest.mark.parametrize(
    ("name", "call", "answer"),
    [
        ("GetJob", lambda c: c.get_job(JOB_ID, wait=1), pb.GetJobResponse(job=a_job())),
        ("CancelJob", lambda c: c.cancel(JOB_ID, "why"), pb.CancelJobResponse(job=a_job())),
        ("RetryJob", lambda c: c.retry(JOB_ID), pb.RetryJobResponse(job=a_job())),
    ],
)
def test_calls_about_one_job_return_it(stage: Stage, name: str, call: Any, answer: Any) -> None:
    running = stage.start(call)
    request = stage.answer(name, answer)
    assert request.job_id == JOB_ID
    assert result(running).job_id == JOB_ID


def test_the_library_is_managed(stage: Stage) -> None:
    steps: list[tuple[str, Any, Any]] = [
        ("GetMedia", lambda c: c.get_media(MEDIA_ID), pb.GetMediaResponse()),
        ("UpdateMedia", lambda c: c.update_media(MEDIA_ID, title="x"), pb.UpdateMediaResponse()),
        (
            "DeleteMedia",
            lambda c: c.delete_media(MEDIA_ID, permanent=True),
            pb.DeleteMediaResponse(),
        ),
        ("UndeleteMedia", lambda c: c.undelete_media(MEDIA_ID), pb.UndeleteMediaResponse()),
    ]
    for name, call, answer in steps:
        running = stage.start(call)
        assert stage.answer(name, answer).media_id == MEDIA_ID
        result(running)
    running = stage.start(lambda c: c.batch_delete([MEDIA_ID]))
    assert stage.answer("BatchDeleteMedia", pb.BatchDeleteMediaResponse()).media_ids == [MEDIA_ID]
    result(running)
    running = stage.start(lambda c: list(c.library(type="VIDEO", deleted=True)))
    assert stage.answer("ListMedia", pb.ListMediaResponse()).deleted
    assert result(running) == []


def test_prices_models_and_events_are_lists(stage: Stage) -> None:
    running = stage.start(lambda c: c.list_models())
    stage.answer("ListModels", pb.ListModelsResponse(models=[Model(model="m")]))
    assert result(running)[0].model == "m"
    running = stage.start(lambda c: list(c.job_events(JOB_ID)))
    stage.answer("ListJobEvents", pb.ListJobEventsResponse(events=[change(a_job())]))
    assert result(running)[0].revision == 1


def test_waiting_hands_on_every_event_and_returns_the_job(stage: Stage) -> None:
    seen: list[pb.WatchEvent] = []
    call = stage.start(lambda c: c.wait(JOB_ID, seen.append))
    _, request, rpc = stage.watch()
    rpc.send_response(response(current(a_job()), synced(), token="t1"))
    rpc.send_response(response(change(a_job("SUCCEEDED", revision=2)), token="t2"))
    rpc.terminate((), Code.OK, "")
    assert request.until_done
    assert list(request.job_ids) == [JOB_ID]
    assert result(call).revision == 2
    assert [event.WhichOneof("event") for event in seen] == ["job", "synced", "job"]


def test_waiting_goes_on_after_a_cut_and_raises_for_a_failure(stage: Stage) -> None:
    seen = threading.Event()
    call = stage.start(lambda c: c.wait(JOB_ID, lambda event: seen.set()))
    _, _, rpc = stage.watch()
    rpc.send_response(response(current(a_job()), token="t1"))
    # The fake channel forgets what was not read when it is terminated.
    assert seen.wait(DEADLINE_SECONDS)
    rpc.terminate((), Code.CANCELLED, "too many")
    _, request, rpc = stage.watch()
    rpc.send_response(response(change(a_job("FAILED", revision=2)), token="t2"))
    rpc.terminate((), Code.OK, "")
    with pytest.raises(errors.JobFailed) as caught:
        result(call)
    assert request.resume_token == "t1"
    assert caught.value.job.revision == 2


def test_a_closed_client_says_so(stage: Stage) -> None:
    stage.client.close()
    with pytest.raises(errors.Unavailable, match="closed"):
        stage.client.list_models()
