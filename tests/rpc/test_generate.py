"""Submitting jobs through a real channel."""

from typing import Any

import grpc
import pytest

from core.ids import new_id
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import House
from tests.rpc.requests import image, png, store_picture, video


def test_an_accepted_job_has_every_default_filled_in(house: House) -> None:
    alice = house.caller("alice")
    job = alice.call("GenerateVideo", video(labels={"node": "n1"})).job
    assert job.state == job_pb2.Job.QUEUED
    assert (job.provider, job.model) == ("builtin", "builtin-video")
    assert (job.video.resolution, job.video.aspect_ratio) == ("720p", "16:9")
    assert job.video.duration.seconds == 5
    assert job.video.output_count == 1
    assert job.queue.position == 1
    assert job.revision == 1
    assert job.labels == {"node": "n1"}
    assert job.cost.state == job_pb2.Cost.RESERVED
    assert job.finish_deadline.seconds - job.create_time.seconds == 1800
    assert alice.call("GetJob", pb.GetJobRequest(job_id=job.job_id)).job == job


def test_the_same_request_id_gives_the_first_job(house: House) -> None:
    alice = house.caller("alice")
    first = alice.call("GenerateVideo", video(request_id="r1"))
    again = alice.call("GenerateVideo", video(request_id="r1"))
    assert not first.deduplicated
    assert again.deduplicated
    assert again.job == first.job
    assert house.count_rows()["job"] == 1


def test_a_new_request_id_costs_no_look_before_the_transaction(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    send = house.db.peewee.execute_sql

    def keep(sql: str, *values: Any) -> Any:
        sent.append(sql)
        return send(sql, *values)

    monkeypatch.setattr(house.db.peewee, "execute_sql", keep)
    house.caller("alice").call("GenerateVideo", video(request_id="r1"))

    assert any("INSERT INTO request_key" in sql for sql in sent)
    assert not [sql for sql in sent if "FROM request_key JOIN job" in sql]


def test_the_same_request_id_for_something_else_is_refused(house: House) -> None:
    alice = house.caller("alice")
    first = alice.call("GenerateVideo", video(request_id="r1")).job
    refusal = alice.refused("GenerateVideo", video("another prompt", request_id="r1"))
    assert refusal.code is grpc.StatusCode.ALREADY_EXISTS
    assert refusal.reason == "REQUEST_ID_CONFLICT"
    assert refusal.metadata == {"job_id": first.job_id}


def test_a_request_id_is_each_user_s_own(house: House) -> None:
    first = house.caller("alice").call("GenerateVideo", video(request_id="r1"))
    other = house.caller("bob").call("GenerateVideo", video(request_id="r1"))
    assert not other.deduplicated
    assert other.job.job_id != first.job.job_id


def test_validate_only_answers_with_the_job_and_stores_nothing(house: House) -> None:
    request = video(validate_only=True)
    request.spec.first_frame.content = png()
    job = house.caller("alice").call("GenerateVideo", request).job
    assert job.job_id == ""
    assert job.state == job_pb2.Job.QUEUED
    assert job.video.resolution == "720p"
    assert job.queue.position == 1
    assert job.video.HasField("first_frame")
    assert job.video.first_frame.media_id == ""
    assert set(house.count_rows().values()) == {0}
    assert house.blob_files() == []


def test_validate_only_shows_no_id_for_bytes_but_those_of_items_that_exist(house: House) -> None:
    alice = house.caller("alice")
    known = store_picture(alice)
    request = image()
    request.options.validate_only = True
    request.spec.references.add(content=png())
    request.spec.references.add(media_id=known)
    job = alice.call("GenerateImage", request).job
    assert [item.media_id for item in job.image.references] == ["", known]
    assert house.count_rows()["media"] == 1


def test_validate_only_shows_the_place_that_the_job_would_get(house: House) -> None:
    alice = house.caller("alice")
    for _ in range(2):
        alice.call("GenerateVideo", video())
    would_be = alice.call("GenerateVideo", video(validate_only=True)).job
    assert would_be.queue.position == 3
    assert alice.call("GenerateVideo", video()).job.queue == would_be.queue


def test_validate_only_is_refused_by_a_full_queue_like_the_real_call(house: House) -> None:
    alice = house.caller("alice")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(house.settings.__dict__, "max_queued_jobs", 1)
        job_id = alice.call("GenerateVideo", video()).job.job_id
        real = alice.refused("GenerateVideo", video())
        assert real.reason == "QUEUE_FULL"
        assert alice.refused("GenerateVideo", video(validate_only=True)) == real
        alice.call("CancelJob", pb.CancelJobRequest(job_id=job_id))
        again = pb.RetryJobRequest(job_id=job_id, options={"validate_only": True})
        assert alice.call("RetryJob", again).job.queue.position == 1
        alice.call("GenerateVideo", video())
        assert alice.refused("RetryJob", again) == real
    assert house.count_rows()["job"] == 2


def test_inline_bytes_become_an_item_of_the_library(house: House) -> None:
    alice = house.caller("alice")
    data, request = png(), video()
    request.spec.first_frame.content = data
    job = alice.call("GenerateVideo", request).job
    assert job.video.first_frame.WhichOneof("source") == "media_id"
    media_id = job.video.first_frame.media_id
    media = alice.call("GetMedia", pb.GetMediaRequest(media_id=media_id)).media
    assert (media.mime_type, media.width, media.height) == ("image/png", 64, 36)
    assert media.size_bytes == len(data)
    assert media.job_id == ""
    assert media.url.startswith("http://localhost:8080/media/")
    assert media.thumbnail_url
    assert (house.settings.data_dir / "blobs" / "media" / media_id).read_bytes() == data


def test_a_library_item_can_be_given_as_input(house: House) -> None:
    alice, request = house.caller("alice"), video()
    request.spec.first_frame.content = png()
    first = alice.call("GenerateVideo", request).job.video.first_frame.media_id
    again = video("", labels={})
    again.spec.first_frame.media_id = first
    job = alice.call("GenerateVideo", again).job
    assert job.video.first_frame.media_id == first
    assert house.count_rows()["media"] == 1


def test_the_same_bytes_with_the_same_request_id_are_stored_once(house: House) -> None:
    alice, request = house.caller("alice"), video(request_id="with-bytes")
    request.spec.first_frame.content = png()
    first, again = (alice.call("GenerateVideo", request) for _ in range(2))
    assert again.deduplicated
    assert again.job == first.job
    assert house.count_rows()["media"] == 1
    request.spec.first_frame.content = png(colour="red")
    assert alice.refused("GenerateVideo", request).reason == "REQUEST_ID_CONFLICT"
    assert len(house.blob_files()) == 2  # the item and its thumbnail


def test_an_image_gets_its_size_from_its_ratio(house: House) -> None:
    spec = job_pb2.ImageSpec(prompt="a paper boat", aspect_ratio="16:9")
    job = house.caller("alice").call("GenerateImage", pb.GenerateImageRequest(spec=spec)).job
    assert job.image.size == "1024x576"
    assert job.image.output_mime_type == "image/png"


def test_an_ended_job_can_be_retried_with_its_labels(house: House) -> None:
    alice = house.caller("alice")
    job = alice.call("GenerateVideo", video(labels={"node": "n1"})).job
    early = alice.refused("RetryJob", pb.RetryJobRequest(job_id=job.job_id))
    assert (early.reason, early.metadata) == ("JOB_STATE_INVALID", {"state": "QUEUED"})
    ended = alice.call("CancelJob", pb.CancelJobRequest(job_id=job.job_id, reason="no")).job
    assert ended.state == job_pb2.Job.CANCELLED
    again = alice.call("RetryJob", pb.RetryJobRequest(job_id=job.job_id)).job
    assert again.retry_of == job.job_id
    assert again.video == job.video
    assert again.labels == {"node": "n1"}


def test_a_cancelled_job_stays_cancelled(house: House) -> None:
    alice = house.caller("alice")
    job_id = alice.call("GenerateVideo", video()).job.job_id
    first = alice.call("CancelJob", pb.CancelJobRequest(job_id=job_id, reason="changed my mind"))
    again = alice.call("CancelJob", pb.CancelJobRequest(job_id=job_id, reason="another"))
    assert first.job.state == job_pb2.Job.CANCELLED
    assert first.job.cancel_reason == "changed my mind"
    assert again.job == first.job


def test_a_full_queue_refuses_and_keeps_no_bytes(house: House) -> None:
    request = video()
    request.spec.first_frame.content = png()
    alice = house.caller("alice")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(house.settings.__dict__, "max_queued_jobs", 1)
        alice.call("GenerateVideo", video())
        refusal = alice.refused("GenerateVideo", request)
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (refusal.reason, refusal.metadata) == ("QUEUE_FULL", {"limit": "1"})
    assert house.blob_files() == []


def test_lists_go_page_by_page_newest_first(house: House) -> None:
    alice = house.caller("alice")
    made = [alice.call("GenerateVideo", video(labels={"n": str(i)})).job.job_id for i in range(5)]
    seen, token, first = [], "", True
    while first or token:
        page = alice.call("ListJobs", pb.ListJobsRequest(page_size=2, page_token=token))
        assert bool(page.resume_token) == first
        seen += [job.job_id for job in page.jobs]
        token, first = page.next_page_token, False
    assert seen == made[::-1]


def test_a_page_of_long_prompts_fits_into_one_message(house: House) -> None:
    alice = house.caller("alice")
    made = [alice.call("GenerateVideo", video("🎬" * 8000)).job.job_id for _ in range(60)]
    seen, token = [], None
    while token != "":
        page = alice.call("ListJobs", pb.ListJobsRequest(page_size=1000, page_token=token))
        assert page.ByteSize() < 4 * 1024 * 1024
        seen += [job.job_id for job in page.jobs]
        token = page.next_page_token
    assert seen == made[::-1]


def test_lists_find_by_state_and_label(house: House) -> None:
    alice = house.caller("alice")
    jobs = [alice.call("GenerateVideo", video(labels={"n": str(i)})).job for i in range(2)]
    alice.call("CancelJob", pb.CancelJobRequest(job_id=jobs[0].job_id))
    request = pb.ListJobsRequest(states=[job_pb2.Job.CANCELLED])
    assert [job.job_id for job in alice.call("ListJobs", request).jobs] == [jobs[0].job_id]
    request = pb.ListJobsRequest(labels=["n=1"])
    [found] = alice.call("ListJobs", request).jobs
    assert found.job_id == jobs[1].job_id
    assert found.queue.position == 1


def test_a_list_shows_the_place_of_each_waiting_job(house: House) -> None:
    alice = house.caller("alice")
    for _ in range(3):
        alice.call("GenerateVideo", video())
    jobs = alice.call("ListJobs", pb.ListJobsRequest()).jobs
    assert [job.queue.position for job in jobs] == [3, 2, 1]


def test_the_events_of_a_job_come_oldest_first_in_pages(house: House) -> None:
    alice = house.caller("alice")
    job_id = alice.call("GenerateVideo", video()).job.job_id
    alice.call("CancelJob", pb.CancelJobRequest(job_id=job_id))
    request = pb.ListJobEventsRequest(job_id=job_id, page_size=1)
    first = alice.call("ListJobEvents", request)
    request.page_token = first.next_page_token
    second = alice.call("ListJobEvents", request)
    events = [*first.events, *second.events]
    assert [event.job.type for event in events] == [pb.JobEvent.QUEUED, pb.JobEvent.CANCELLED]
    assert [event.revision for event in events] == [1, 2]
    assert second.next_page_token == ""


def test_a_wait_ends_with_its_time_when_the_job_does_not(house: House) -> None:
    alice = house.caller("alice")
    job_id = alice.call("GenerateVideo", video()).job.job_id
    request = pb.GetJobRequest(job_id=job_id)
    request.wait.FromMilliseconds(50)
    assert alice.call("GetJob", request).job.state == job_pb2.Job.QUEUED


def test_a_wait_ends_when_the_job_does(house: House) -> None:
    alice = house.caller("alice")
    job_id = alice.call("GenerateVideo", video()).job.job_id
    request = pb.GetJobRequest(job_id=job_id)
    request.wait.FromSeconds(15)
    waiting = alice.start("GetJob", request)
    alice.call("CancelJob", pb.CancelJobRequest(job_id=job_id))
    assert waiting.result().job.state == job_pb2.Job.CANCELLED


def test_models_say_what_they_can_do(house: House) -> None:
    models = house.caller("alice").call("ListModels", pb.ListModelsRequest()).models
    assert [model.model for model in models][:2] == ["builtin-video", "builtin-image"]
    video_model = models[0]
    assert video_model.available
    assert [d.seconds for d in video_model.video.durations] == list(range(1, 11))
    assert not video_model.HasField("image")


def test_an_estimate_names_what_a_model_would_not_honour(house: House) -> None:
    frame = job_pb2.MediaInput(media_id=new_id())
    spec = job_pb2.VideoSpec(prompt="waves", audio=True, last_frame=frame)
    request = pb.EstimateCostRequest(video=spec, models=["builtin-video"])
    [estimate] = house.caller("alice").call("EstimateCost", request).estimates
    assert estimate.model == "builtin-video"
    assert sorted(estimate.unsupported_fields) == ["audio", "last_frame"]
    assert estimate.affordable
    assert estimate.cost.currency_code == "USD"
    assert estimate.queue.position == 1
    assert set(house.count_rows().values()) == {0}
