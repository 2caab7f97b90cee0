"""BatchGenerate, the jobs of a batch in lists and watches, and the word of its end."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.type.money_pb2 import Money
from grpc import StatusCode as Code

import rushes
from core.errors import Reason
from core.ids import new_id
from core.jobs import JobFailure
from core.store import transitions
from rushes.v1 import job_pb2, notification_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import House, LoopThread, close_house, open_house
from tests.making import new_media, started
from tests.rpc.requests import png, store_picture
from tests.rpc.watching import Watch
from tests.services import Valkey, wait_for

Request = pb.BatchGenerateRequest.Request
DEADLINE_SECONDS = 60


def film(prompt: str = "waves", **options: Any) -> Request:
    return Request(video=job_pb2.VideoSpec(prompt=prompt), options=pb.JobOptions(**options))


def picture(prompt: str = "a boat", **options: Any) -> Request:
    return Request(image=job_pb2.ImageSpec(prompt=prompt), options=pb.JobOptions(**options))


def generate(house: House, *requests: Request, **fields: Any) -> pb.BatchGenerateResponse:
    request = pb.BatchGenerateRequest(requests=requests, **fields)
    answer: pb.BatchGenerateResponse = house.caller("alice").call("BatchGenerate", request)
    return answer


def refused(house: House, *requests: Request, **fields: Any) -> Any:
    request = pb.BatchGenerateRequest(requests=requests, **fields)
    return house.caller("alice").refused("BatchGenerate", request)


def listed(house: House, user_id: str = "alice", **fields: Any) -> list[str]:
    found = house.caller(user_id).call("ListJobs", pb.ListJobsRequest(**fields)).jobs
    return [job.job_id for job in found]


def test_a_batch_is_jobs_of_several_kinds_in_the_order_of_the_requests(house: House) -> None:
    answer = generate(house, film("one"), picture("two"), film("three"), labels={"set": "a"})

    assert answer.batch_id
    assert {job.batch_id for job in answer.jobs} == {answer.batch_id}
    assert [job.WhichOneof("spec") for job in answer.jobs] == ["video", "image", "video"]
    assert [job.video.prompt or job.image.prompt for job in answer.jobs] == ["one", "two", "three"]
    assert all(job.state == job_pb2.Job.QUEUED for job in answer.jobs)
    assert all(dict(job.labels) == {"set": "a"} for job in answer.jobs)
    assert answer.deduplicated is False
    assert answer.estimated == Money(currency_code="USD")


def test_a_request_s_own_label_wins(house: House) -> None:
    answer = generate(
        house, film(labels={"set": "b", "x": "1"}), film(), labels={"set": "a", "y": "2"}
    )
    first, second = (dict(job.labels) for job in answer.jobs)
    assert first == {"set": "b", "x": "1", "y": "2"}
    assert second == {"set": "a", "y": "2"}


def test_a_request_id_makes_one_batch(house: House) -> None:
    first = generate(house, film(), picture(), request_id="r")
    again = generate(house, film(), picture(), request_id="r")
    assert again.batch_id == first.batch_id
    assert [job.job_id for job in again.jobs] == [job.job_id for job in first.jobs]
    assert again.deduplicated is True

    refusal = refused(house, film(), request_id="r")
    assert (refusal.code, refusal.reason) == (Code.ALREADY_EXISTS, "REQUEST_ID_CONFLICT")
    assert len(listed(house)) == 2


def test_validating_stores_nothing(house: House) -> None:
    answer = generate(house, film(), picture(), validate_only=True)
    assert answer.batch_id == ""
    assert [job.job_id for job in answer.jobs] == ["", ""]
    assert len(answer.jobs) == 2
    assert listed(house) == []


WRONG: dict[str, tuple[list[Request], dict[str, Any], tuple[str, ...]]] = {
    "nothing": ([], {}, ("requests",)),
    "no spec": ([film(), Request()], {}, ("requests[1].spec",)),
    "no prompt": ([film(), film("")], {}, ("requests[1].spec.prompt",)),
    "a label": (
        [film(labels={"Bad Key!": "x"})],
        {},
        ("requests[0].options.labels",),
    ),
    "its own request_id": ([film(request_id="x")], {}, ("requests[0].options.request_id",)),
    "its own validating": (
        [film(validate_only=True)],
        {},
        ("requests[0].options.validate_only",),
    ),
    "too many": ([film()] * 101, {}, ("requests",)),
}


@pytest.mark.parametrize(("requests", "more", "fields"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_its_request_and_nothing_is_stored(
    house: House, requests: list[Request], more: dict[str, Any], fields: tuple[str, ...]
) -> None:
    refusal = refused(house, *requests, **more)
    assert refusal.code == Code.INVALID_ARGUMENT
    assert all(found.startswith(field) for found, field in zip(refusal.fields, fields, strict=True))
    assert house.count_rows()["job"] == 0


def test_what_has_no_field_says_its_request_in_the_metadata(house: House) -> None:
    unknown = Request(video=job_pb2.VideoSpec(prompt="waves", model="simulator-video"))
    unknown.options.max_cost.CopyFrom(Money(currency_code="USD", nanos=1))
    refusal = refused(house, film(), unknown)
    assert refusal.metadata.get("index") == "1" or refusal.fields[0].startswith("requests[1].")
    assert house.count_rows()["job"] == 0


def test_all_together_may_cost_so_much(paid_house: House) -> None:
    house = paid_house
    one = generate(house, film(), validate_only=True).estimated
    micros = one.units * 1_000_000 + one.nanos // 1000
    assert micros > 0
    least = Money(
        currency_code="USD", units=micros * 2 // 1_000_000, nanos=micros * 2 % 1_000_000 * 1000
    )
    refusal = refused(house, film(), film(), film(), max_cost=least)
    assert (refusal.code, refusal.reason) == (Code.FAILED_PRECONDITION, "COST_ABOVE_LIMIT")
    assert house.count_rows()["job"] == 0
    answer = generate(house, film(), film(), max_cost=least)
    assert answer.estimated == least


def test_a_batch_that_does_not_fit_into_the_queue_stores_nothing(
    house_loop: LoopThread, valkey: Valkey, tmp_path: Path
) -> None:
    house = open_house(house_loop, tmp_path, valkey.url, max_queued_jobs=3)
    generate(house, film(), film())
    refusal = refused(house, film(), film())
    assert (refusal.code, refusal.reason) == (Code.RESOURCE_EXHAUSTED, "QUEUE_FULL")
    assert house.count_rows()["job"] == 2
    close_house(house_loop, house)


def test_inline_inputs_of_all_together_are_bounded(house: House) -> None:
    content = png(8, 8) + bytes(1_200_000)
    request = film()
    request.video.first_frame.content = content
    refusal = refused(house, request, request)
    assert refusal.fields == ("requests[1].spec.first_frame.content",)
    small = film()
    small.video.first_frame.content = png()
    other = film()
    other.video.first_frame.media_id = store_picture(house.caller("alice"), "red")
    answer = generate(house, small, other)
    assert all(job.video.first_frame.media_id for job in answer.jobs)


def test_lists_have_the_jobs_of_a_batch(house: House) -> None:
    batch = generate(house, film(), picture())
    generate(house, film())
    assert set(listed(house, batch_id=batch.batch_id)) == {job.job_id for job in batch.jobs}
    assert listed(house, "bob", batch_id=batch.batch_id) == []
    assert listed(house, batch_id=new_id()) == []
    refusal = house.caller("alice").refused("ListJobs", pb.ListJobsRequest(batch_id="x"))
    assert refusal.fields == ("batch_id",)


def test_a_watch_of_a_batch_has_its_jobs_also_those_that_ended(house: House) -> None:
    batch = generate(house, film(), film())
    generate(house, film("another"))
    ids = [job.job_id for job in batch.jobs]
    transitions.succeed(house.db, started(house.db).run, new_media(job_id=ids[0]))

    watch = Watch(house, batch_id=batch.batch_id)
    watch.until("synced")
    shown = {event.job.job.job_id for event in watch.events if event.HasField("job")}
    assert shown == set(ids)
    alice = house.caller("alice")
    alice.call("CancelJob", pb.CancelJobRequest(job_id=ids[1]))
    wait_for(lambda: any(e.job.job.state == job_pb2.Job.CANCELLED for e in watch.events), "the end")
    watch.close()

    for user_id, batch_id in (("alice", new_id()), ("bob", batch.batch_id)):
        request = pb.WatchJobsRequest(batch_id=batch_id)
        refusal = house.caller(user_id).refused("WatchJobs", request)
        assert (refusal.code, refusal.reason) == (Code.NOT_FOUND, "RESOURCE_NOT_FOUND")


def test_the_end_of_a_batch_is_told_once_instead_of_each_job(house: House) -> None:
    watch = Watch(house, include=[pb.WatchJobsRequest.NOTIFICATIONS])
    watch.until("synced")
    batch = generate(house, film(), film())

    first, second = (started(house.db).run for _ in range(2))
    transitions.succeed(house.db, first, new_media(job_id=first.job_id))
    failure = JobFailure(reason=Reason.PROVIDER_REJECTED, message="no")
    event = transitions.fail(house.db, second, failure)

    def told() -> list[notification_pb2.Notification]:
        return [one.notification for event in watch.events for one in event.notifications]

    wait_for(lambda: bool(told()), "the end of the batch")
    [one] = told()
    assert one.kind == notification_pb2.Notification.BATCH_ENDED
    assert one.batch_id == one.action.batch_id == batch.batch_id
    assert one.text == "1 ready, 1 failed."
    assert event is not None
    watch.close()


def client(house: House) -> rushes.Client:
    return rushes.Client(f"localhost:{house.app.port}", token=house.token("alice"))


def test_both_clients_make_batches(house: House) -> None:
    jobs = [rushes.image_job("a boat"), rushes.video_job("waves", labels={"x": "1"})]
    with client(house) as alice:
        batch = alice.generate_batch(jobs, labels={"set": "a"}, request_id="r")
        assert [job.WhichOneof("spec") for job in batch.jobs] == ["image", "video"]
        assert {job.job_id for job in alice.jobs(batch_id=batch.batch_id)} == {
            job.job_id for job in batch.jobs
        }
        assert alice.generate_batch(jobs, labels={"set": "a"}, request_id="r").deduplicated
        with pytest.raises(rushes.InvalidArgument):
            rushes.image_job("a boat", request_id="x")

    async def use() -> int:
        server = f"localhost:{house.app.port}"
        async with rushes.AsyncClient(server, token=house.token("alice")) as alice:
            return len((await alice.generate_batch(jobs, validate_only=True)).jobs)

    assert asyncio.run(use()) == 2


def run(house: House, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    known = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    ours = {
        "RUSHES_SERVER": f"localhost:{house.app.port}",
        "RUSHES_TOKEN": house.token("alice"),
        "PYTHONUTF8": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "rushes.cli", *arguments],
        cwd=folder,
        env=known | ours,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def test_several_models_on_the_command_line_are_one_batch(house: House, tmp_path: Path) -> None:
    models = ("--model", "builtin-image", "--model", "builtin-image", "--count", "2")
    done = run(house, tmp_path, "generate", "image", "a boat", *models, "--no-wait", "--json")
    assert done.returncode == 0, done.stderr
    jobs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [job["model"] for job in jobs] == ["builtin-image", "builtin-image"]
    assert len({job["batchId"] for job in jobs}) == 1

    shown = run(house, tmp_path, "jobs", "--batch", jobs[0]["batchId"], "--json")
    assert len(shown.stdout.splitlines()) == 2

    valid = run(house, tmp_path, "generate", "image", "a boat", *models, "--validate-only")
    assert "All 2 jobs would cost" in valid.stdout
    assert len(listed(house)) == 2

    for refused_option in (("--apply-to", "desk"), ("--out", "x.png")):
        done = run(house, tmp_path, "generate", "image", "a boat", *models, *refused_option)
        assert (done.returncode, refused_option[0] in done.stderr) == (2, True)
