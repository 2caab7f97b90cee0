"""Python values become requests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from google.type.money_pb2 import Money

from rushes import InvalidArgument, image_spec, media_input, video_spec
from rushes.fields import JobFields
from rushes.requests import (
    batch_delete_request,
    estimate_request,
    image_request,
    job_options,
    jobs_request,
    library_request,
    next_page,
    retry_request,
    update_request,
    video_request,
    watch_request,
)
from rushes.v1.job_pb2 import Job, MediaInput
from rushes.v1.media_pb2 import Media
from rushes.v1.model_pb2 import Model
from rushes.values import to_duration, to_money
from tests.unit.clients.making import MEDIA_ID


def test_a_video_spec_takes_every_field() -> None:
    spec = video_spec("sea", duration=2.5, seed=0, quality="HIGH", first_frame=b"png", audio=False)
    assert spec.prompt == "sea"
    assert spec.duration.ToMilliseconds() == 2500
    assert spec.HasField("seed")
    assert spec.HasField("audio")
    assert spec.quality == Model.HIGH
    assert spec.first_frame.content == b"png"


def test_what_is_not_given_stays_unset() -> None:
    spec = video_spec("sea")
    assert not spec.HasField("seed")
    assert not spec.HasField("duration")
    assert not spec.HasField("first_frame")


def test_an_image_spec_takes_inputs() -> None:
    spec = image_spec("boat", references=[MEDIA_ID, b"x"], mask=b"m", output_mime_type="image/webp")
    assert [source.WhichOneof("source") for source in spec.references] == ["media_id", "content"]
    assert spec.mask.content == b"m"


def test_an_input_may_be_a_file_bytes_an_id_or_a_media_item(tmp_path: Path) -> None:
    file = tmp_path / "frame.png"
    file.write_bytes(b"picture")
    assert media_input(file).content == b"picture"
    assert media_input(b"picture").content == b"picture"
    assert media_input(MEDIA_ID).media_id == MEDIA_ID
    assert media_input(str(file)).content == b"picture"
    assert media_input(Media(media_id="an-id")).media_id == "an-id"
    ready = MediaInput(uri="https://example.com/a.png")
    assert media_input(ready) is ready


@pytest.mark.parametrize("field", ["first_frame", "last_frame", "source_video"])
def test_every_input_of_a_video_takes_a_path_as_text(tmp_path: Path, field: Any) -> None:
    file = tmp_path / "frame.png"
    file.write_bytes(b"picture")
    spec = video_spec("sea", **{field: str(file)}, references=[str(file), file])
    assert getattr(spec, field).content == b"picture"
    assert [source.content for source in spec.references] == [b"picture"] * 2


def test_a_text_that_is_neither_an_id_nor_a_file_is_refused_with_its_field() -> None:
    with pytest.raises(ValueError, match=r"^first_frame: 'no.png' is neither a media ID nor"):
        video_spec("sea", first_frame="no.png")
    with pytest.raises(ValueError, match=r"^references\[1\]: "):
        image_spec("sea", references=[b"x", "no.png"])
    with pytest.raises(
        InvalidArgument, match=r"^mask: takes a path, bytes, a media ID or a Media, not"
    ):
        image_spec("sea", mask=7)  # type: ignore[arg-type]


def test_an_address_is_sent_as_one() -> None:
    assert media_input("https://example.com/a.png").uri == "https://example.com/a.png"


@pytest.mark.parametrize("name", ["draft", "Draft", "DRAFT", Model.DRAFT])
def test_a_quality_is_named_in_any_case(name: Any) -> None:
    assert video_spec("sea", quality=name).quality == Model.DRAFT
    assert image_spec("sea", quality=name).quality == Model.DRAFT


def test_states_and_types_are_named_in_any_case() -> None:
    assert list(jobs_request(["running", "Failed"], None, 1).states) == [Job.RUNNING, Job.FAILED]
    assert library_request({"type": "video"}, None).type == Media.VIDEO


def test_an_unknown_name_is_refused_with_its_field_and_the_choices() -> None:
    with pytest.raises(ValueError, match=r"^quality: 'best' is not one of draft, standard, high$"):
        video_spec("sea", quality="best")
    with pytest.raises(ValueError, match=r"^states: 'done' is not one of queued, running, "):
        jobs_request(["done"], None, 1)
    with pytest.raises(ValueError, match=r"^type: 'gif' is not one of image, video$"):
        library_request({"type": "gif"}, None)


def test_an_input_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        media_input(tmp_path / "nothing.png")


def test_every_job_has_a_request_id_of_its_own() -> None:
    first, second = (job_options({}).request_id for _ in range(2))
    assert len(first) == 32
    assert first != second
    assert job_options({"request_id": "mine"}).request_id == "mine"


def test_options_name_what_they_are_given() -> None:
    fields: JobFields = {"max_cost": "0.50 USD", "start_within": 1.5, "labels": {"a": "b"}}
    options = job_options({**fields, "finish_within": timedelta(hours=1)})
    assert options.max_cost == Money(currency_code="USD", nanos=500_000_000)
    assert options.start_within.ToMilliseconds() == 1500
    assert options.finish_within.seconds == 3600
    assert options.labels == {"a": "b"}
    plain = job_options({})
    assert not any(map(plain.HasField, ("max_cost", "start_within", "finish_within")))


@pytest.mark.parametrize(
    ("given", "units", "nanos"),
    [("2", 2, 0), (Decimal("0.1"), 0, 10**8), ("-1.25", -1, -25 * 10**7), ("1e2", 100, 0)],
)
def test_an_amount_is_exact(given: str | Decimal, units: int, nanos: int) -> None:
    assert to_money(given, "max_cost") == Money(units=units, nanos=nanos)
    ready = Money(currency_code="EUR", units=1)
    assert to_money(ready, "max_cost") is ready


@pytest.mark.parametrize("given", ["", "much", "0.1234567891", "NaN", "Infinity"])
def test_what_is_no_amount_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        to_money(given, "max_cost")


def test_lists_name_labels_and_page_sizes() -> None:
    request = jobs_request(["RUNNING"], {"node": "7", "view": "a=b"}, 5000)
    assert list(request.labels) == ["node=7", "view=a=b"]
    assert request.page_size == 1000
    assert next_page(request, "more").page_token == "more"
    assert request.page_token == ""


def test_a_library_filter_takes_points_in_time() -> None:
    since = datetime(2026, 1, 2, tzinfo=UTC)
    request = library_request({"create_time_from": since, "url_ttl": 60, "type": "VIDEO"}, None)
    assert request.create_time_from.ToDatetime(UTC) == since
    assert request.url_ttl.seconds == 60
    assert request.type == Media.VIDEO


def test_only_what_changes_is_sent() -> None:
    request = update_request("id", None, False, {"node": ""})
    assert not request.HasField("title")
    assert request.HasField("starred")
    assert dict(request.labels) == {"node": ""}


def test_times_are_seconds_or_timedeltas() -> None:
    assert to_duration(None, "wait") is None
    assert to_duration(0.25, "wait") == to_duration(timedelta(milliseconds=250), "wait")


def request_of(where: str, fields: Any) -> object:
    makers = {
        "video": lambda: video_request("sea", fields),
        "image": lambda: image_request("sea", fields),
        "retry": lambda: retry_request("id", fields),
        "watch": lambda: watch_request(fields),
        "library": lambda: library_request(fields, None),
        "jobs": lambda: jobs_request((), fields["labels"], None),
        "update": lambda: update_request("id", None, None, fields["labels"]),
    }
    return makers[where]()


@pytest.mark.parametrize(
    ("where", "field", "value", "sentence"),
    [
        ("video", "duration", "8", "'8' is neither a number of seconds nor a timedelta; write"),
        ("video", "duration", float("nan"), "nan is neither a number of seconds nor"),
        ("video", "start_within", "soon", "'soon' is neither a number of seconds nor"),
        ("watch", "recent", "1h", "'1h' is neither a number of seconds nor"),
        ("library", "url_ttl", "1h", "'1h' is neither a number of seconds nor"),
        ("image", "max_cost", "abc", "'abc' is not an amount; write for example 0.50"),
        ("image", "max_cost", "1e30", "'1e30' is not an amount of at most nine decimals"),
        ("video", "seed", "a", "takes a whole number of at most 64 bits, not 'a'"),
        ("video", "seed", 10**20, "takes a whole number of at most 64 bits, not 1000"),
        ("image", "output_count", "2", "takes a whole number of at most 32 bits, not '2'"),
        ("video", "audio", "yes", "takes True or False, not 'yes'"),
        ("video", "model", 7, "takes a text, not 7"),
        ("video", "labels", ["a"], 'takes a mapping of texts such as {"node": "7"}, not list'),
        ("retry", "labels", {"a": 7}, "'a': 7 is not a pair of texts"),
        ("watch", "labels", "a=b", "takes a mapping of texts"),
        ("jobs", "labels", ["a"], "takes a mapping of texts"),
        ("update", "labels", ["a"], "takes a mapping of texts"),
        ("watch", "job_ids", [7], "takes a text, not [7]"),
        ("library", "create_time_from", "2026", "'2026' is not a datetime; write for example"),
        ("video", "duraton", 8, "there is no such argument; did you mean duration?"),
        ("image", "max_costs", "1", "there is no such argument; did you mean max_cost?"),
        (
            "retry",
            "zzz",
            8,
            "there is no such argument; there are apply_to_view, finish_within, labels, ",
        ),
        ("watch", "recnt", 8, "there is no such argument; did you mean recent?"),
        ("library", "stared", True, "there is no such argument; did you mean starred?"),
    ],
)
def test_a_wrong_argument_is_named_with_what_would_be_right(
    where: str, field: str, value: Any, sentence: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        request_of(where, {field: value})
    assert str(caught.value).startswith(f"{field}: {sentence}")
    assert [name for name, _ in caught.value.violations] == [field]
    assert isinstance(caught.value, ValueError)


def test_a_lone_item_counts_as_a_list_of_one(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"picture")
    for lone in (str(file), file, b"picture"):
        spec = video_spec("sea", references=lone)  # type: ignore[arg-type]
        assert [source.content for source in spec.references] == [b"picture"]
    assert list(jobs_request("running", None, 1).states) == [Job.RUNNING]
    assert list(jobs_request(Job.RUNNING, None, 1).states) == [Job.RUNNING]
    assert list(watch_request({"job_ids": "one"}).job_ids) == ["one"]
    assert list(batch_delete_request("one", False).media_ids) == ["one"]
    assert list(estimate_request(video_spec("sea"), "one").models) == ["one"]


def test_a_wrong_lone_item_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"^references\[0\]: 'no.png' is neither a media ID"):
        video_spec("sea", references="no.png")
    with pytest.raises(InvalidArgument, match=r"^states: 'done' is not one of queued, "):
        jobs_request("done", None, 1)
