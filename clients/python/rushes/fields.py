"""The keyword arguments of the client's methods: names, types, and what each one means."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias, TypedDict, TypeVar, get_type_hints

from google.type.money_pb2 import Money

from rushes.v1.job_pb2 import MediaInput
from rushes.v1.media_pb2 import Media
from rushes.v1.model_pb2 import Model

# Bytes or the path of a file give the picture or video itself; a media ID or a media item names
# one of the caller's library.
MediaSource: TypeAlias = bytes | os.PathLike[str] | str | Media | MediaInput
Seconds: TypeAlias = float | timedelta
# "0.50" or Decimal("0.50") in the server's currency, "0.50 USD", or a message; never a float.
Amount: TypeAlias = str | Decimal | Money

Method = TypeVar("Method", bound=Callable[..., Any])


class JobFields(TypedDict, total=False):
    """How to run a job.

    request_id: the same one with the same request returns the first job; made when not given.
    labels: tags, copied to the outputs.
    max_cost: the job is refused when its estimate is higher, for example "0.50".
    start_within: seconds; the job fails when it has not started by then.
    finish_within: seconds; the job fails when it has not ended by then.
    validate_only: checks and prices the job; nothing is stored.
    apply_to_view: on success the first output is applied to this view, for example "card/42".
    """

    request_id: str | None
    labels: Mapping[str, str] | None
    max_cost: Amount | None
    start_within: Seconds | None
    finish_within: Seconds | None
    validate_only: bool | None
    apply_to_view: str | None


class VideoFields(TypedDict, total=False):
    """What to render, besides the prompt. An input is a path, bytes, a media ID or a Media; what is
    too large for a request is uploaded first.

    model: one of `list_models()`; None takes the default for `quality`.
    quality: "draft", "standard" or "high"; picks a model.
    negative_prompt: what to leave out.
    duration: seconds.
    aspect_ratio: for example "16:9".
    resolution: for example "720p".
    output_count: how many results.
    seed: the same seed makes the same result.
    audio: whether it has sound.
    first_frame: input, a picture.
    last_frame: input, a picture.
    references: inputs, pictures of a subject or a style.
    source_video: input, a video to extend.
    loop: whether the first frame follows on the last one as the next would.
    style_pack: a prompt template; `list_prompt_templates()` has them.
    mood: a prompt template.
    cinematography: a prompt template.
    """

    model: str | None
    quality: Model.Quality | str | None
    negative_prompt: str | None
    duration: Seconds | None
    aspect_ratio: str | None
    resolution: str | None
    output_count: int | None
    seed: int | None
    audio: bool | None
    first_frame: MediaSource | None
    last_frame: MediaSource | None
    references: Sequence[MediaSource] | None
    source_video: MediaSource | None
    loop: bool | None
    style_pack: str | None
    mood: str | None
    cinematography: str | None


class ImageFields(TypedDict, total=False):
    """What to render, besides the prompt. An input is a path, bytes, a media ID or a Media; what is
    too large for a request is uploaded first.

    model: one of `list_models()`; None takes the default for `quality`.
    quality: "draft", "standard" or "high"; picks a model.
    negative_prompt: what to leave out.
    aspect_ratio: for example "16:9".
    size: for example "1024x1024".
    output_count: how many results.
    seed: the same seed makes the same result.
    references: inputs, pictures to edit or to take style or subject from.
    mask: input, a picture; where it is white, the first reference is painted anew.
    output_mime_type: "image/png", "image/jpeg" or "image/webp".
    style_pack: a prompt template; `list_prompt_templates()` has them.
    mood: a prompt template.
    """

    model: str | None
    quality: Model.Quality | str | None
    negative_prompt: str | None
    aspect_ratio: str | None
    size: str | None
    output_count: int | None
    seed: int | None
    references: Sequence[MediaSource] | None
    mask: MediaSource | None
    output_mime_type: str | None
    style_pack: str | None
    mood: str | None


class SpecChanges(VideoFields, ImageFields, total=False):
    """What to replace in the spec of a job, by the fields of its kind; None clears one."""

    prompt: str | None


class VideoJob(VideoFields, JobFields, total=False):
    """All that a call for a video takes besides the prompt."""


class ImageJob(ImageFields, JobFields, total=False):
    """All that a call for an image takes besides the prompt."""


class LibraryFilter(TypedDict, total=False):
    """Which media items to list.

    type: "image" or "video".
    labels: all of them must match.
    query: words to find in prompt and title.
    starred: only those with a star.
    create_time_from: the first point in time.
    create_time_until: the point in time before which they were made.
    deleted: the bin instead of the library.
    url_ttl: seconds for which the signed addresses are valid.
    """

    type: Media.Type | str | None
    labels: Mapping[str, str] | None
    query: str | None
    starred: bool | None
    create_time_from: datetime | None
    create_time_until: datetime | None
    deleted: bool | None
    url_ttl: Seconds | None


class WatchFilter(TypedDict, total=False):
    """What to watch, as in rushes.v1.WatchJobsRequest.

    job_ids: only these jobs.
    labels: only jobs with all of these labels.
    batch_id: only the jobs of this batch.
    recent: seconds; also shows jobs that ended within this time.
    until_done: ends once no matching job is unfinished.
    resume_token: goes on where an earlier watch was.
    progress_interval: seconds; at most one progress event per job in this time.
    checkpoint_interval: seconds without events after which the server sends a checkpoint.
    include: what comes beside jobs: "NOTIFICATIONS" (and announcements), "VIEWS".
    """

    job_ids: Sequence[str] | None
    labels: Mapping[str, str] | None
    batch_id: str | None
    recent: Seconds | None
    until_done: bool | None
    resume_token: str | None
    progress_interval: Seconds | None
    checkpoint_interval: Seconds | None
    include: Sequence[str] | None


def shows_fields(*groups: type) -> Callable[[Method], Method]:
    """Spells out for `help()` what a method's `**fields` stands for: the fields of the groups."""

    def show(method: Method) -> Method:
        signature = inspect.signature(method)
        named = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        fields = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)
            for group in groups
            for name, hint in get_type_hints(group).items()
        ]
        method.__signature__ = signature.replace(parameters=[*named, *fields])  # type: ignore[attr-defined]
        described = "\n".join(_described(group) for group in groups)
        method.__doc__ = f"{inspect.getdoc(method)}\n\n{described}"
        return method

    return show


def _described(group: type) -> str:
    """The lines of a group's docstring that say what its fields are."""
    return (inspect.getdoc(group) or "").partition("\n\n")[2]
