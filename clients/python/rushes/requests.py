"""Request messages from Python values: what both clients send. Only input files are read."""

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, TypeVar, Unpack

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from rushes.v1.job_pb2 import ImageSpec, Job, MediaInput, VideoSpec
from rushes.v1.media_pb2 import Media
from rushes.v1.media_service_pb2 import (
    EstimateCostRequest,
    GenerateImageRequest,
    GenerateVideoRequest,
    JobOptions,
    ListJobEventsRequest,
    ListJobsRequest,
    ListMediaRequest,
    UpdateMediaRequest,
)
from rushes.v1.model_pb2 import Model

# Bytes or a path give the picture itself; text names a media item of the caller by its media_id.
MediaSource = bytes | os.PathLike[str] | str | Media | MediaInput
Seconds = float | timedelta
# "0.50" or Decimal("0.50") in the server's currency, "0.50 USD", or a message; never a float.
Amount: TypeAlias = str | Decimal | Money


class JobFields(TypedDict, total=False):
    """How to run a job.

    request_id: the same one with the same request returns the first job; without one, one is made.
    max_cost: the job is refused when it would cost more.
    start_within, finish_within: it fails when it has not started, or ended, by then.
    validate_only: only check and price it; nothing is stored.
    """

    request_id: str | None
    labels: Mapping[str, str] | None
    max_cost: Amount | None
    start_within: Seconds | None
    finish_within: Seconds | None
    validate_only: bool


class VideoFields(TypedDict, total=False):
    """Fields of a video's spec besides the prompt; `duration` in seconds."""

    model: str
    quality: Model.Quality | str
    negative_prompt: str
    duration: Seconds
    aspect_ratio: str
    resolution: str
    output_count: int
    seed: int
    audio: bool
    first_frame: MediaSource
    last_frame: MediaSource
    references: Sequence[MediaSource]
    source_video: MediaSource
    style_pack: str
    mood: str
    cinematography: str


class ImageFields(TypedDict, total=False):
    """Fields of an image's spec besides the prompt; `size` for example "1024x1024"."""

    model: str
    quality: Model.Quality | str
    negative_prompt: str
    aspect_ratio: str
    size: str
    output_count: int
    seed: int
    references: Sequence[MediaSource]
    mask: MediaSource
    output_mime_type: str
    style_pack: str
    mood: str


class VideoJob(VideoFields, JobFields, total=False):
    """All that a call for a video may name besides the prompt."""


class ImageJob(ImageFields, JobFields, total=False):
    """All that a call for an image may name besides the prompt."""


class LibraryFilter(TypedDict, total=False):
    """What of the library to list; `deleted` lists the bin instead."""

    type: Media.Type | str
    labels: Mapping[str, str]
    query: str
    starred: bool
    create_time_from: datetime
    create_time_until: datetime
    deleted: bool
    url_ttl: Seconds


Listing = TypeVar("Listing", ListJobsRequest, ListMediaRequest, ListJobEventsRequest)
PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
_JOB_NAMES = frozenset(JobFields.__annotations__)
_SOURCES = ("first_frame", "last_frame", "source_video", "mask")


def new_request_id() -> str:
    """A new idempotency key."""
    return uuid.uuid4().hex


def video_spec(prompt: str, **fields: Unpack[VideoFields]) -> VideoSpec:
    """The spec of a video."""
    return VideoSpec(prompt=prompt, **_spec_fields(fields))


def image_spec(prompt: str, **fields: Unpack[ImageFields]) -> ImageSpec:
    """The spec of an image."""
    return ImageSpec(prompt=prompt, **_spec_fields(fields))


def media_input(source: MediaSource) -> MediaInput:
    """An input from bytes, a file's path, a media_id, a media item, or as it is.

    Raises:
        OSError: when the file can't be read.
    """
    if isinstance(source, MediaInput):
        return source
    if isinstance(source, Media):
        return MediaInput(media_id=source.media_id)
    if isinstance(source, bytes):
        return MediaInput(content=source)
    if isinstance(source, str):
        return MediaInput(media_id=source)
    return MediaInput(content=Path(source).read_bytes())


def video_request(prompt: str, fields: VideoJob) -> GenerateVideoRequest:
    """The call for a video."""
    spec, options = _parted(fields)
    return GenerateVideoRequest(spec=video_spec(prompt, **spec), options=job_options(**options))


def image_request(prompt: str, fields: ImageJob) -> GenerateImageRequest:
    """The call for an image."""
    spec, options = _parted(fields)
    return GenerateImageRequest(spec=image_spec(prompt, **spec), options=job_options(**options))


def job_options(**fields: Unpack[JobFields]) -> JobOptions:
    """Options that always name a request_id, so that the call may be repeated."""
    return JobOptions(
        request_id=fields.get("request_id") or new_request_id(),
        labels=fields.get("labels"),
        max_cost=to_money(fields.get("max_cost")),
        start_within=to_duration(fields.get("start_within")),
        finish_within=to_duration(fields.get("finish_within")),
        validate_only=fields.get("validate_only", False),
    )


def estimate_request(spec: VideoSpec | ImageSpec, models: Sequence[str]) -> EstimateCostRequest:
    """Prices `spec` on `models`, or on its own."""
    if isinstance(spec, VideoSpec):
        return EstimateCostRequest(video=spec, models=models)
    return EstimateCostRequest(image=spec, models=models)


def jobs_request(
    states: Iterable[Job.State | str], labels: Mapping[str, str] | None, limit: int | None
) -> ListJobsRequest:
    """The first page of jobs; every label and any of the states must match."""
    return ListJobsRequest(states=states, labels=label_filter(labels), page_size=_page_size(limit))


def library_request(fields: LibraryFilter, limit: int | None) -> ListMediaRequest:
    """The first page of the library."""
    values: dict[str, Any] = dict(fields)
    values["labels"] = label_filter(fields.get("labels"))
    for name in ("create_time_from", "create_time_until"):
        if name in values:
            values[name] = _to_timestamp(values[name])
    if "url_ttl" in values:
        values["url_ttl"] = to_duration(values["url_ttl"])
    return ListMediaRequest(page_size=_page_size(limit), **values)


def update_request(
    media_id: str,
    title: str | None,
    starred: bool | None,
    labels: Mapping[str, str] | None,
) -> UpdateMediaRequest:
    """Changes what is not None; a label with an empty value is removed."""
    request = UpdateMediaRequest(media_id=media_id, labels=labels)
    if title is not None:
        request.title = title
    if starred is not None:
        request.starred = starred
    return request


def next_page(request: Listing, token: str) -> Listing:
    """The same listing, from `token` on."""
    following = type(request)()
    following.CopyFrom(request)
    following.page_token = token
    return following


def label_filter(labels: Mapping[str, str] | None) -> list[str]:
    """Labels as a list filter names them."""
    return [f"{key}={value}" for key, value in (labels or {}).items()]


def to_duration(value: Seconds | None) -> Duration | None:
    """Seconds as a message; None stays unset."""
    if value is None:
        return None
    duration = Duration()
    duration.FromTimedelta(value if isinstance(value, timedelta) else timedelta(seconds=value))
    return duration


def to_money(value: Amount | None) -> Money | None:
    """An amount as a message; without a currency it is in the server's. None stays unset.

    Raises:
        ValueError: when it is no amount, or has more than nine decimals.
    """
    if value is None or isinstance(value, Money):
        return value
    text, _, currency = str(value).strip().partition(" ")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{value!r} is no amount; write for example 0.50 or 0.50 USD") from None
    nanos = amount.scaleb(9)
    if not amount.is_finite() or nanos != int(nanos):
        raise ValueError(f"{value!r} is no amount of at most nine decimals")
    units, rest = divmod(abs(int(nanos)), 10**9)
    sign = -1 if amount < 0 else 1
    return Money(currency_code=currency.strip(), units=sign * units, nanos=sign * rest)


def _page_size(limit: int | None) -> int:
    return PAGE_SIZE if limit is None else max(1, min(limit, MAX_PAGE_SIZE))


def _to_timestamp(value: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(value)
    return timestamp


def _parted(fields: VideoJob | ImageJob) -> tuple[Any, Any]:
    """What of the fields is the spec's, and what the job's."""
    options = {name: value for name, value in fields.items() if name in _JOB_NAMES}
    return {name: value for name, value in fields.items() if name not in options}, options


def _spec_fields(fields: VideoFields | ImageFields) -> dict[str, Any]:
    values: dict[str, Any] = dict(fields)
    if "duration" in values:
        values["duration"] = to_duration(values["duration"])
    for name in _SOURCES:
        if values.get(name) is not None:
            values[name] = media_input(values[name])
    values["references"] = [media_input(source) for source in values.get("references", ())]
    return {name: value for name, value in values.items() if value is not None}
