"""What is another's looks like what does not exist, over every RPC."""

import grpc
import pytest
from google.protobuf.message import Message

from core.ids import new_id
from rushes.v1 import media_service_pb2 as pb
from tests.house import House
from tests.rpc.requests import image, store_picture, video


def with_input(media_id: str) -> pb.GenerateVideoRequest:
    request = video()
    request.spec.first_frame.media_id = media_id
    return request


def with_reference(media_id: str) -> pb.GenerateImageRequest:
    request = image()
    request.spec.references.add(media_id=media_id)
    return request


def job_requests(job_id: str) -> list[tuple[str, Message]]:
    return [
        ("GetJob", pb.GetJobRequest(job_id=job_id)),
        ("GetJob", pb.GetJobRequest(job_id=job_id, wait={"seconds": 5})),
        ("ListJobEvents", pb.ListJobEventsRequest(job_id=job_id)),
        ("CancelJob", pb.CancelJobRequest(job_id=job_id)),
        ("RetryJob", pb.RetryJobRequest(job_id=job_id)),
        ("WatchJobs", pb.WatchJobsRequest(job_ids=[job_id])),
    ]


def media_requests(media_id: str) -> list[tuple[str, Message]]:
    return [
        ("GetMedia", pb.GetMediaRequest(media_id=media_id)),
        ("UpdateMedia", pb.UpdateMediaRequest(media_id=media_id, title="mine now")),
        ("DeleteMedia", pb.DeleteMediaRequest(media_id=media_id)),
        ("DeleteMedia", pb.DeleteMediaRequest(media_id=media_id, permanent=True)),
        ("UndeleteMedia", pb.UndeleteMediaRequest(media_id=media_id)),
        ("BatchDeleteMedia", pb.BatchDeleteMediaRequest(media_ids=[media_id])),
        ("BatchDeleteMedia", pb.BatchDeleteMediaRequest(media_ids=[media_id], permanent=True)),
        ("GenerateVideo", with_input(media_id)),
        ("GenerateImage", with_reference(media_id)),
    ]


@pytest.mark.parametrize("number", range(len(job_requests(""))))
def test_another_s_job_looks_like_none(house: House, number: int) -> None:
    job_id = house.caller("alice").call("GenerateVideo", video()).job.job_id
    before = house.caller("alice").call("GetJob", pb.GetJobRequest(job_id=job_id))
    bob = house.caller("bob")
    theirs = bob.refused(*job_requests(job_id)[number])
    nobody_s = bob.refused(*job_requests(new_id())[number])
    assert theirs == nobody_s
    assert (theirs.code, theirs.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")
    assert house.caller("alice").call("GetJob", pb.GetJobRequest(job_id=job_id)) == before


@pytest.mark.parametrize("number", range(len(media_requests(""))))
def test_another_s_media_looks_like_none(house: House, number: int) -> None:
    alice, bob = house.caller("alice"), house.caller("bob")
    media_id = store_picture(alice)
    theirs = bob.refused(*media_requests(media_id)[number])
    nobody_s = bob.refused(*media_requests(new_id())[number])
    assert theirs == nobody_s
    assert (theirs.code, theirs.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")
    media = alice.call("GetMedia", pb.GetMediaRequest(media_id=media_id)).media
    assert media.title == ""
    assert not media.HasField("delete_time")


def test_lists_hold_only_one_s_own(house: House) -> None:
    alice, bob = house.caller("alice"), house.caller("bob")
    store_picture(alice)
    assert not bob.call("ListJobs", pb.ListJobsRequest()).jobs
    assert not bob.call("ListMedia", pb.ListMediaRequest()).media
    assert len(alice.call("ListJobs", pb.ListJobsRequest()).jobs) == 1


def test_another_s_page_tokens_are_refused(house: House) -> None:
    alice, bob = house.caller("alice"), house.caller("bob")
    for _ in range(2):
        store_picture(alice)
    jobs = alice.call("ListJobs", pb.ListJobsRequest(page_size=1)).next_page_token
    media = alice.call("ListMedia", pb.ListMediaRequest(page_size=1)).next_page_token
    assert jobs
    assert media
    stolen = [
        ("ListJobs", pb.ListJobsRequest(page_token=jobs)),
        ("ListMedia", pb.ListMediaRequest(page_token=media)),
    ]
    for method, request in stolen:
        refusal = bob.refused(method, request)
        assert (refusal.reason, refusal.fields) == ("PAGE_TOKEN_INVALID", ("page_token",))


def test_another_s_resume_token_is_refused(house: House) -> None:
    token = house.caller("alice").call("ListJobs", pb.ListJobsRequest()).resume_token
    refusal = house.caller("bob").refused("WatchJobs", pb.WatchJobsRequest(resume_token=token))
    assert (refusal.reason, refusal.fields) == ("RESUME_TOKEN_INVALID", ("resume_token",))


def test_a_batch_with_another_s_item_deletes_nothing(house: House) -> None:
    alice, bob = house.caller("alice"), house.caller("bob")
    mine, theirs = store_picture(bob), store_picture(alice)
    for permanent in (False, True):
        request = pb.BatchDeleteMediaRequest(media_ids=[mine, theirs], permanent=permanent)
        assert bob.refused("BatchDeleteMedia", request).reason == "RESOURCE_NOT_FOUND"
    media = bob.call("GetMedia", pb.GetMediaRequest(media_id=mine)).media
    assert not media.HasField("delete_time")


def test_metadata_can_not_name_a_user(house: House) -> None:
    store_picture(house.caller("alice"))
    send = house.channel.unary_unary(
        "/rushes.v1.MediaService/ListJobs",
        pb.ListJobsRequest.SerializeToString,
        pb.ListJobsResponse.FromString,
    )
    metadata = (("authorization", f"Bearer {house.token('bob')}"), ("x-user-id", "alice"))
    assert not send(pb.ListJobsRequest(), metadata=metadata).jobs
