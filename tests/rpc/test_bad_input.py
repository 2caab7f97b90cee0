"""Bad input gets the contract's error naming the field, stores nothing, and the server lives."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from core.ids import new_id
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import House, read_refusal
from tests.rpc.requests import bomb, image, png, store_picture, video

Code = grpc.StatusCode
WRONG, CANNOT, NO_IMAGE = "FIELD_INVALID", "MODEL_CAPABILITY_UNSUPPORTED", "INPUT_MEDIA_INVALID"


def spec(**fields: Any) -> pb.GenerateVideoRequest:
    return pb.GenerateVideoRequest(spec=job_pb2.VideoSpec(**{"prompt": "waves", **fields}))


def span(seconds: int = 0, nanos: int = 0) -> dict[str, int]:
    return {"seconds": seconds, "nanos": nanos}


def money(currency: str, units: int, nanos: int = 0) -> dict[str, Any]:
    return {"currency_code": currency, "units": units, "nanos": nanos}


def given(**source: Any) -> job_pb2.MediaInput:
    return job_pb2.MediaInput(**source)


VIDEOS: list[tuple[str, str, str, Message]] = [
    ("an empty prompt", WRONG, "spec.prompt", spec(prompt="")),
    ("a prompt of spaces", WRONG, "spec.prompt", spec(prompt=" \n ")),
    ("no spec", WRONG, "spec.prompt", pb.GenerateVideoRequest()),
    ("a prompt too long", WRONG, "spec.prompt", spec(prompt="x" * 8001)),
    ("a NUL in the prompt", WRONG, "spec.prompt", spec(prompt="a\0b")),
    ("an escape in the prompt", WRONG, "spec.prompt", spec(prompt="a\x1b[31mb")),
    ("a C1 control in the prompt", WRONG, "spec.prompt", spec(prompt="a\x85b")),
    ("a negative too long", WRONG, "spec.negative_prompt", spec(negative_prompt="x" * 2001)),
    ("an unknown model", WRONG, "spec.model", spec(model="sora-9")),
    ("an image model", CANNOT, "spec.model", spec(model="builtin-image")),
    ("an unknown quality", WRONG, "spec.quality", spec(quality=77)),
    ("a ratio of no form", WRONG, "spec.aspect_ratio", spec(aspect_ratio="abc")),
    ("a ratio of nothing", WRONG, "spec.aspect_ratio", spec(aspect_ratio="0:9")),
    ("a ratio it lacks", CANNOT, "spec.aspect_ratio", spec(aspect_ratio="21:9")),
    ("a resolution of no form", WRONG, "spec.resolution", spec(resolution="big")),
    ("a resolution it lacks", CANNOT, "spec.resolution", spec(resolution="2160p")),
    ("a negative duration", WRONG, "spec.duration", spec(duration=span(-1))),
    ("negative nanos", WRONG, "spec.duration", spec(duration=span(0, -1))),
    ("mixed signs", WRONG, "spec.duration", spec(duration=span(1, -1))),
    ("no duration", WRONG, "spec.duration", spec(duration=span())),
    ("an endless duration", WRONG, "spec.duration", spec(duration=span(2**62))),
    ("half a second", CANNOT, "spec.duration", spec(duration=span(1, 500_000_000))),
    ("a minute", CANNOT, "spec.duration", spec(duration=span(60))),
    ("a count of -1", WRONG, "spec.output_count", spec(output_count=-1)),
    ("a count of 1000", WRONG, "spec.output_count", spec(output_count=1000)),
    ("a negative seed", WRONG, "spec.seed", spec(seed=-5)),
    ("audio", CANNOT, "spec.audio", spec(audio=True)),
    ("a style nobody knows", WRONG, "spec.style_pack", spec(style_pack="natur")),
    ("a mood nobody knows", WRONG, "spec.mood", spec(mood="Calm")),
    ("a camera nobody knows", WRONG, "spec.cinematography", spec(cinematography="calm")),
    ("a last frame", CANNOT, "spec.last_frame", spec(last_frame=given(media_id=new_id()))),
    ("a source video", CANNOT, "spec.source_video", spec(source_video=given(media_id=new_id()))),
    ("references", CANNOT, "spec.references", spec(references=[given(media_id=new_id())])),
    ("an input of nothing", WRONG, "spec.first_frame", spec(first_frame=given())),
    (
        "an address",
        WRONG,
        "spec.first_frame.uri",
        spec(first_frame=given(uri="https://example.com/a.png")),
    ),
    (
        "an input id that is none",
        WRONG,
        "spec.first_frame.media_id",
        spec(first_frame=given(media_id="../etc")),
    ),
    ("no bytes", WRONG, "spec.first_frame.content", spec(first_frame=given(content=b""))),
    (
        "bytes that are no image",
        NO_IMAGE,
        "spec.first_frame.content",
        spec(first_frame=given(content=b"<svg/>")),
    ),
    (
        "half an image",
        NO_IMAGE,
        "spec.first_frame.content",
        spec(first_frame=given(content=png()[:-30])),
    ),
    (
        "a hundred megapixels",
        NO_IMAGE,
        "spec.first_frame.content",
        spec(first_frame=given(content=bomb())),
    ),
    (
        "too many bytes",
        WRONG,
        "spec.first_frame.content",
        spec(first_frame=given(content=png() + b"\0" * 2 * 1024 * 1024)),
    ),
    ("a request id with spaces", WRONG, "options.request_id", video(request_id="a b")),
    ("a long request id", WRONG, "options.request_id", video(request_id="a" * 65)),
    ("a label in capitals", WRONG, "options.labels", video(labels={"Node": "1"})),
    ("a label of nothing", WRONG, "options.labels", video(labels={"node": ""})),
    ("a long label", WRONG, "options.labels.node", video(labels={"node": "x" * 257})),
    ("33 labels", WRONG, "options.labels", video(labels={f"k{i}": "v" for i in range(33)})),
    ("a cost in euros", WRONG, "options.max_cost", video(max_cost=money("EUR", 1))),
    ("a cost below 0", WRONG, "options.max_cost", video(max_cost=money("USD", -1))),
    ("nanos below 0", WRONG, "options.max_cost", video(max_cost=money("USD", 0, -1000))),
    ("a cost of mixed signs", WRONG, "options.max_cost", video(max_cost=money("USD", 1, -1000))),
    ("a billion nanos", WRONG, "options.max_cost", video(max_cost=money("USD", 0, 10**9))),
    ("a tenth of a micro", WRONG, "options.max_cost", video(max_cost=money("USD", 0, 100))),
    ("no time to start", WRONG, "options.start_within", video(start_within=span())),
    ("a start before now", WRONG, "options.start_within", video(start_within=span(-1))),
    ("a start in two days", WRONG, "options.start_within", video(start_within=span(2 * 86400))),
    ("half a ms to start", WRONG, "options.start_within", video(start_within=span(1, 500_000))),
    ("no time to end", WRONG, "options.finish_within", video(finish_within=span())),
    ("an end in two days", WRONG, "options.finish_within", video(finish_within=span(2 * 86400))),
    ("an endless end", WRONG, "options.finish_within", video(finish_within=span(2**62))),
    (
        "a start after the end",
        WRONG,
        "options.start_within",
        video(start_within=span(6), finish_within=span(5)),
    ),
    ("a start after the usual end", WRONG, "options.start_within", video(start_within=span(1801))),
]

IMAGES: list[tuple[str, str, str, Message]] = [
    ("an empty prompt", WRONG, "spec.prompt", image("")),
    ("a size of no form", WRONG, "spec.size", image(size="large")),
    ("a size it lacks", CANNOT, "spec.size", image(size="2K")),
    ("a side too small", CANNOT, "spec.size", image(size="255x1024")),
    ("a side too large", CANNOT, "spec.size", image(size="1024x2049")),
    ("another ratio", WRONG, "spec.size", image(size="1024x1024", aspect_ratio="16:9")),
    ("a type it lacks", WRONG, "spec.output_mime_type", image(output_mime_type="image/gif")),
    ("only a mask", WRONG, "spec.mask", image(mask=given(media_id=new_id()))),
    (
        "five references",
        CANNOT,
        "spec.references",
        image(references=[given(media_id=new_id())] * 5),
    ),
    (
        "a second reference that is none",
        WRONG,
        "spec.references[1].media_id",
        image(references=[given(media_id=new_id()), given(media_id="x")]),
    ),
]

OTHERS: list[tuple[str, str, Message]] = [
    ("GetJob", "job_id", pb.GetJobRequest(job_id="42")),
    ("GetJob", "job_id", pb.GetJobRequest(job_id="' OR 1=1 --")),
    ("GetJob", "job_id", pb.GetJobRequest()),
    ("GetJob", "wait", pb.GetJobRequest(job_id=new_id(), wait=span(-1))),
    ("CancelJob", "job_id", pb.CancelJobRequest(job_id="x")),
    ("CancelJob", "reason", pb.CancelJobRequest(job_id=new_id(), reason="x" * 501)),
    ("RetryJob", "job_id", pb.RetryJobRequest(job_id="x")),
    (
        "RetryJob",
        "options.labels",
        pb.RetryJobRequest(job_id=new_id(), options={"labels": {"": "1"}}),
    ),
    ("ListJobs", "page_size", pb.ListJobsRequest(page_size=-1)),
    ("ListJobs", "states[0]", pb.ListJobsRequest(states=[0])),
    ("ListJobs", "states[1]", pb.ListJobsRequest(states=[1, 99])),
    ("ListJobs", "labels[0]", pb.ListJobsRequest(labels=["node"])),
    ("ListJobs", "labels[0]", pb.ListJobsRequest(labels=["Node=1"])),
    ("ListJobs", "labels[1]", pb.ListJobsRequest(labels=["a=1", "a=2"])),
    ("ListJobs", "page_token", pb.ListJobsRequest(page_token="x" * 5000)),
    ("ListJobEvents", "job_id", pb.ListJobEventsRequest(job_id="x")),
    ("GetMedia", "media_id", pb.GetMediaRequest(media_id="..%2f")),
    ("GetMedia", "url_ttl", pb.GetMediaRequest(media_id=new_id(), url_ttl=span(-5))),
    ("ListMedia", "type", pb.ListMediaRequest(type=9)),
    ("ListMedia", "query", pb.ListMediaRequest(query="a\0")),
    ("ListMedia", "query", pb.ListMediaRequest(query="a" * 201)),
    ("ListMedia", "query", pb.ListMediaRequest(query="x" + "0" * 2**20)),
    ("ListMedia", "query", pb.ListMediaRequest(query="%_'")),
    ("ListMedia", "query", pb.ListMediaRequest(query=" ".join(f"{i}x" for i in range(40)))),
    ("ListMedia", "create_time_from", pb.ListMediaRequest(create_time_from=span(0, -1))),
    ("ListMedia", "create_time_until", pb.ListMediaRequest(create_time_until=span(2**60))),
    ("UpdateMedia", "media_id", pb.UpdateMediaRequest(media_id="x")),
    ("UpdateMedia", "title", pb.UpdateMediaRequest(media_id=new_id(), title="x" * 201)),
    ("UpdateMedia", "labels", pb.UpdateMediaRequest(media_id=new_id(), labels={"UP": "1"})),
    ("DeleteMedia", "media_id", pb.DeleteMediaRequest(media_id="x")),
    ("UndeleteMedia", "media_id", pb.UndeleteMediaRequest(media_id="x")),
    ("BatchDeleteMedia", "media_ids", pb.BatchDeleteMediaRequest()),
    ("BatchDeleteMedia", "media_ids[1]", pb.BatchDeleteMediaRequest(media_ids=[new_id(), "x"])),
    (
        "BatchDeleteMedia",
        "media_ids",
        pb.BatchDeleteMediaRequest(media_ids=[new_id() for _ in range(1001)]),
    ),
    ("EstimateCost", "spec", pb.EstimateCostRequest()),
    ("EstimateCost", "video.prompt", pb.EstimateCostRequest(video={"prompt": ""})),
    (
        "EstimateCost",
        "video.prompt",
        pb.EstimateCostRequest(video={"prompt": ""}, models=["builtin-video", "no"]),
    ),
    ("EstimateCost", "video.model", pb.EstimateCostRequest(video={"prompt": "x", "model": "no"})),
    ("EstimateCost", "image.mood", pb.EstimateCostRequest(image={"prompt": "x", "mood": "no"})),
    ("WatchJobs", "job_ids[0]", pb.WatchJobsRequest(job_ids=["x"])),
    ("WatchJobs", "labels[0]", pb.WatchJobsRequest(labels=["x"])),
    ("WatchJobs", "recent", pb.WatchJobsRequest(recent=span(-1))),
    ("WatchJobs", "checkpoint_interval", pb.WatchJobsRequest(checkpoint_interval=span(-1))),
    ("WatchJobs", "progress_interval", pb.WatchJobsRequest(progress_interval=span(0, 2**30))),
]


def refuse_and_store_nothing(house: House, method: str, request: Message) -> Any:
    alice = house.caller("alice")
    refusal = alice.refused(method, request)
    assert refusal.code is Code.INVALID_ARGUMENT
    assert refusal.domain == "rushes"
    assert set(house.count_rows().values()) == {0}
    assert house.blob_files() == []
    assert alice.call("ListModels", pb.ListModelsRequest()).models
    return refusal


@pytest.mark.parametrize(
    ("reason", "field", "request_"), [row[1:] for row in VIDEOS], ids=[row[0] for row in VIDEOS]
)
def test_a_wrong_video_is_refused(house: House, reason: str, field: str, request_: Message) -> None:
    refusal = refuse_and_store_nothing(house, "GenerateVideo", request_)
    assert (refusal.reason, refusal.fields) == (reason, (field,))


@pytest.mark.parametrize(
    ("reason", "field", "request_"), [row[1:] for row in IMAGES], ids=[row[0] for row in IMAGES]
)
def test_a_wrong_image_is_refused(house: House, reason: str, field: str, request_: Message) -> None:
    refusal = refuse_and_store_nothing(house, "GenerateImage", request_)
    assert (refusal.reason, refusal.fields) == (reason, (field,))


@pytest.mark.parametrize(("method", "field", "request_"), OTHERS)
def test_a_wrong_field_is_refused(house: House, method: str, field: str, request_: Message) -> None:
    refusal = refuse_and_store_nothing(house, method, request_)
    assert (refusal.reason, refusal.fields) == (WRONG, (field,))


def test_every_wrong_field_is_named_at_once(house: House) -> None:
    request = spec(prompt="", model="nope", output_count=-1, aspect_ratio="x", resolution="y")
    request.options.request_id = "a b"
    refusal = refuse_and_store_nothing(house, "GenerateVideo", request)
    assert set(refusal.fields) == {
        "spec.prompt",
        "spec.model",
        "spec.output_count",
        "spec.aspect_ratio",
        "spec.resolution",
        "options.request_id",
    }


def test_an_unknown_model_s_refusal_names_the_known_ones(house: House) -> None:
    refusal = refuse_and_store_nothing(house, "GenerateVideo", spec(model="nope"))
    assert "builtin-video" in refusal.message


def test_an_unsupported_value_s_refusal_says_what_is_supported(house: House) -> None:
    refusal = refuse_and_store_nothing(house, "GenerateVideo", spec(resolution="2160p"))
    assert refusal.metadata["model"] == "builtin-video"
    assert refusal.metadata["field"] == "spec.resolution"
    assert "1080p" in refusal.metadata["supported"]


def test_a_hundred_wrong_labels_still_fit_into_the_trailers(house: House) -> None:
    labels = {"🎞" * 50 + str(number): "x" * 300 for number in range(30)}
    refusal = refuse_and_store_nothing(house, "GenerateVideo", video(labels=labels))
    assert refusal.reason == WRONG


@pytest.mark.parametrize("raw", [b"\x0a\x05ab", b"\xff" * 40, b"\x0a\x04\x0a\x02\xff\xfe"])
def test_bytes_that_do_not_parse_are_refused_without_a_field(house: House, raw: bytes) -> None:
    send = house.channel.unary_unary("/rushes.v1.MediaService/GenerateVideo")
    with pytest.raises(grpc.RpcError) as caught:
        send(raw, metadata=(("authorization", f"Bearer {house.token('alice')}"),))
    refusal = read_refusal(caught.value)
    assert (refusal.code, refusal.reason) == (Code.INVALID_ARGUMENT, WRONG)
    assert refusal.fields == ()


def test_a_stream_s_bytes_that_do_not_parse_are_refused_too(house: House) -> None:
    send = house.channel.unary_stream("/rushes.v1.MediaService/WatchJobs")
    with pytest.raises(grpc.RpcError) as caught:
        list(send(b"\xff" * 9, metadata=(("authorization", f"Bearer {house.token('a')}"),)))
    assert read_refusal(caught.value).reason == WRONG


def test_a_message_over_the_limit_gets_grpc_s_own_refusal(house: House) -> None:
    refusal = house.caller("alice").refused("GenerateVideo", spec(prompt="x" * 5 * 1024 * 1024))
    assert (refusal.code, refusal.reason) == (Code.RESOURCE_EXHAUSTED, "")
    assert house.caller("alice").call("ListModels", pb.ListModelsRequest()).models


ODD_PROMPTS = ["x", "x" * 8000, "🎬" * 8000, "a" + "\u0301" * 5000, "\u202eabc\u202c", "a\n\tb"]


@pytest.mark.parametrize("prompt", ODD_PROMPTS, ids=range(len(ODD_PROMPTS)))
def test_an_odd_prompt_comes_back_as_it_was(house: House, prompt: str) -> None:
    alice = house.caller("alice")
    job_id = alice.call("GenerateVideo", video(prompt)).job.job_id
    job = alice.call("GetJob", pb.GetJobRequest(job_id=job_id)).job
    assert job.video.prompt == prompt


Broken = Callable[[str], str]
BREAKS: list[tuple[str, Broken]] = [
    ("cut", lambda token: token[:-1]),
    ("changed", lambda token: ("B" if token[0] != "B" else "C") + token[1:]),
    ("garbage", lambda _: "not a token"),
    ("empty when decoded", lambda _: "AA"),
    ("not ASCII", lambda token: token + "é"),
]


@pytest.mark.parametrize("spoil", [b[1] for b in BREAKS], ids=[b[0] for b in BREAKS])
def test_a_broken_page_token_is_refused(house: House, spoil: Broken) -> None:
    alice = house.caller("alice")
    for _ in range(2):
        store_picture(alice)
    page = alice.call("ListJobs", pb.ListJobsRequest(page_size=1))
    token = spoil(page.next_page_token)
    refusal = alice.refused("ListJobs", pb.ListJobsRequest(page_size=1, page_token=token))
    assert (refusal.code, refusal.reason) == (Code.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
    assert refusal.fields == ("page_token",)


def test_a_page_token_of_another_list_is_refused(house: House) -> None:
    alice = house.caller("alice")
    for _ in range(2):
        store_picture(alice)
    token = alice.call("ListJobs", pb.ListJobsRequest(page_size=1)).next_page_token
    others = [
        ("ListJobs", pb.ListJobsRequest(page_token=token, labels=["a=b"])),
        ("ListMedia", pb.ListMediaRequest(page_token=token)),
    ]
    for method, request in others:
        refusal = alice.refused(method, request)
        assert (refusal.reason, refusal.fields) == ("PAGE_TOKEN_INVALID", ("page_token",))


@pytest.mark.parametrize("spoil", [b[1] for b in BREAKS], ids=[b[0] for b in BREAKS])
def test_a_broken_resume_token_is_refused(house: House, spoil: Broken) -> None:
    alice = house.caller("alice")
    token = spoil(alice.call("ListJobs", pb.ListJobsRequest()).resume_token)
    refusal = alice.refused("WatchJobs", pb.WatchJobsRequest(resume_token=token))
    assert (refusal.code, refusal.reason) == (Code.INVALID_ARGUMENT, "RESUME_TOKEN_INVALID")
    assert refusal.fields == ("resume_token",)


def with_first_frame(known: str, other: str) -> tuple[str, Message]:
    return "GenerateVideo", spec(first_frame=given(media_id=other))


def with_second_reference(known: str, other: str) -> tuple[str, Message]:
    return "GenerateImage", image(references=[given(media_id=known), given(media_id=other)])


def with_mask(known: str, other: str) -> tuple[str, Message]:
    return "GenerateImage", image(references=[given(media_id=known)], mask=given(media_id=other))


WithInput = Callable[[str, str], tuple[str, Message]]
INPUTS: list[tuple[str, WithInput]] = [
    ("spec.first_frame.media_id", with_first_frame),
    ("spec.references[1].media_id", with_second_reference),
    ("spec.mask.media_id", with_mask),
]


@pytest.mark.parametrize(("field", "make"), INPUTS, ids=[row[0] for row in INPUTS])
def test_an_input_that_is_not_there_is_named(house: House, field: str, make: WithInput) -> None:
    alice = house.caller("alice")
    mine, theirs = store_picture(alice), store_picture(house.caller("bob"))
    foreign = alice.refused(*make(mine, theirs))
    assert (foreign.code, foreign.reason) == (Code.NOT_FOUND, "RESOURCE_NOT_FOUND")
    assert (foreign.fields, foreign.metadata) == ((field,), {"resource": "media item"})
    assert alice.refused(*make(mine, new_id())) == foreign
    assert house.count_rows()["job"] == 2


@pytest.mark.parametrize(("field", "make"), INPUTS, ids=[row[0] for row in INPUTS])
def test_an_input_in_the_bin_is_named(house: House, field: str, make: WithInput) -> None:
    alice = house.caller("alice")
    mine, binned = store_picture(alice), store_picture(alice)
    alice.call("DeleteMedia", pb.DeleteMediaRequest(media_id=binned))
    refusal = alice.refused(*make(mine, binned))
    assert (refusal.reason, refusal.fields) == (NO_IMAGE, (field,))
