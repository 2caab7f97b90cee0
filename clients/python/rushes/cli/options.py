"""The options of the commands that make or price a job, as groups."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

import typer

from rushes.cli.exits import Refusal
from rushes.cli.inputs import (
    check_number,
    out_option,
    parse_amount,
    parse_labels,
    parse_media,
    parse_span,
)
from rushes.cli.saving import image_type
from rushes.fields import ImageFields, JobFields, SpecChanges, VideoFields

Prompt = Annotated[
    str,
    typer.Argument(metavar="PROMPT", help="What to make. Put -- before one that starts with -."),
]


class TypeName(StrEnum):
    """Types of media to ask for."""

    IMAGE = "image"
    VIDEO = "video"


class Quality(StrEnum):
    """Steps of quality that pick a model."""

    DRAFT = "draft"
    STANDARD = "standard"
    HIGH = "high"


class Format(StrEnum):
    """Image file types."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"


# What a message can hold; the server's own limits are much lower.
MAX_SECONDS = 1e9
MAX_SEED = 2**63 - 1
MAX_COUNT = 2**31 - 1


def text_option(metavar: str, help: str) -> Any:
    """An option that takes a text, called `metavar` in the help."""
    return typer.Option(metavar=metavar, help=help)


@dataclass(frozen=True)
class CommonSpec:
    """What images and videos share."""

    # A list, so that a second --model is noticed: a plain option would keep only the last one.
    model: Annotated[list[str], text_option("MODEL", "From `rushes models`; several: a batch.")] = (
        field(default_factory=list)
    )
    quality: Annotated[
        Quality | None, text_option("LEVEL", "draft, standard or high: picks a model.")
    ] = None
    negative_prompt: Annotated[str | None, text_option("TEXT", "What to leave out.")] = None
    aspect_ratio: Annotated[str | None, text_option("RATIO", "For example 16:9.")] = None
    seed: Annotated[int | None, text_option("NUMBER", "The same seed makes the same result.")] = (
        None
    )
    count: Annotated[int | None, text_option("NUMBER", "How many results.")] = None
    style_pack: Annotated[
        str | None, text_option("NAME", "Style preset, from `rushes templates`.")
    ] = None
    mood: Annotated[str | None, text_option("NAME", "Mood preset, from `rushes templates`.")] = None

    def common(self) -> dict[str, Any]:
        """The fields of the spec that are given.

        Raises:
            Refusal: when several models are named, or a number is too large for any request.
        """
        if len(self.model) > 1:
            raise Refusal("--model: a job has one model; compare several with rushes estimate.")
        check_number("--seed", self.seed, -MAX_SEED - 1, MAX_SEED)
        check_number("--count", self.count, -MAX_COUNT - 1, MAX_COUNT)
        fields = {
            "model": self.model[0] if self.model else None,
            "quality": self.quality,
            "negative_prompt": self.negative_prompt,
            "aspect_ratio": self.aspect_ratio,
            "seed": self.seed,
            "output_count": self.count,
            "style_pack": self.style_pack,
            "mood": self.mood,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def each(self) -> list[Self]:
        """The same for each of the models by itself."""
        return [replace(self, model=[model]) for model in self.model]


@dataclass(frozen=True)
class VideoOptions(CommonSpec):
    """What to render, for videos."""

    duration: Annotated[float | None, text_option("SECONDS", "How long the video is.")] = None
    resolution: Annotated[str | None, text_option("SIZE", "For example 720p.")] = None
    audio: Annotated[bool | None, typer.Option(help="With or without sound.")] = None
    first_frame: Annotated[str | None, text_option("FILE|ID", "Picture: a file or a media ID.")] = (
        None
    )
    last_frame: Annotated[str | None, text_option("FILE|ID", "Picture: a file or a media ID.")] = (
        None
    )
    reference: Annotated[
        list[str],
        text_option("FILE|ID", "Picture of a subject or a style; may be repeated."),
    ] = field(default_factory=list)
    source_video: Annotated[
        str | None, text_option("FILE|ID", "Video to extend: a file or a media ID.")
    ] = None
    cinematography: Annotated[
        str | None, text_option("NAME", "Camera preset, from `rushes templates`.")
    ] = None
    loop: Annotated[
        bool, typer.Option("--loop", help="A seamless loop: the end leads to the beginning.")
    ] = False

    def fields(self) -> VideoFields:
        """The fields of the spec that are given."""
        check_number("--duration", self.duration, -MAX_SECONDS, MAX_SECONDS)
        plain = ("duration", "resolution", "audio", "cinematography")
        inputs = ("first_frame", "last_frame", "source_video")
        given: dict[str, Any] = {name: getattr(self, name) for name in plain}
        for name in inputs:
            if (text := getattr(self, name)) is not None:
                given[name] = parse_media(f"--{name.replace('_', '-')}", text)
        if self.reference:
            given["references"] = [parse_media("--reference", text) for text in self.reference]
        if self.loop:
            given["loop"] = True
        fields: VideoFields = {
            **self.common(),  # type: ignore[typeddict-item]
            **{name: value for name, value in given.items() if value is not None},
        }
        return fields


@dataclass(frozen=True)
class ImageOptions(CommonSpec):
    """What to render, for images."""

    size: Annotated[str | None, text_option("SIZE", "For example 1024x1024.")] = None
    reference: Annotated[
        list[str],
        text_option("FILE|ID", "Picture to restyle or repaint; may be repeated."),
    ] = field(default_factory=list)
    mask: Annotated[str | None, text_option("FILE|ID", "Picture that is white where to paint.")] = (
        None
    )
    format: Annotated[
        Format | None,
        text_option("TYPE", "png, jpeg or webp; by default that of --out, if the model can."),
    ] = None

    def fields(self, out: Path | None) -> ImageFields:
        """The fields of the spec that are given."""
        fields: ImageFields = {**self.common()}  # type: ignore[typeddict-item]
        if self.size is not None:
            fields["size"] = self.size
        if self.reference:
            fields["references"] = [parse_media("--reference", text) for text in self.reference]
        if self.mask is not None:
            fields["mask"] = parse_media("--mask", self.mask)
        chosen = f"image/{self.format}" if self.format else image_type(out)
        if chosen is not None:
            fields["output_mime_type"] = chosen
        return fields


@dataclass(frozen=True)
class ChangeOptions:
    """What to change in the job that is repeated."""

    prompt: Annotated[str | None, text_option("TEXT", "Another prompt.")] = None
    model: Annotated[str | None, text_option("MODEL", "Another model, from `rushes models`.")] = (
        None
    )
    quality: Annotated[
        Quality | None, text_option("LEVEL", "draft, standard or high: picks another model.")
    ] = None
    seed: Annotated[int | None, text_option("NUMBER", "Another seed.")] = None
    seed_of: Annotated[
        str | None,
        text_option("MEDIA_ID", "Use the seed of this output, and make one unless --count says."),
    ] = None
    count: Annotated[int | None, text_option("NUMBER", "How many results.")] = None
    duration: Annotated[float | None, text_option("SECONDS", "Of a video.")] = None
    resolution: Annotated[str | None, text_option("SIZE", "Of a video, like 720p.")] = None
    size: Annotated[str | None, text_option("SIZE", "Of an image, like 1024x1024.")] = None
    aspect_ratio: Annotated[str | None, text_option("RATIO", "For example 16:9.")] = None
    clear: Annotated[
        list[str], text_option("FIELD", "Back to the default, like resolution; may be repeated.")
    ] = field(default_factory=list)

    def fields(self) -> SpecChanges:
        """The changes that are given.

        Raises:
            Refusal: when a field is both changed and cleared, or a number is too large.
        """
        check_number("--seed", self.seed, -MAX_SEED - 1, MAX_SEED)
        check_number("--count", self.count, -MAX_COUNT - 1, MAX_COUNT)
        check_number("--duration", self.duration, -MAX_SECONDS, MAX_SECONDS)
        # A winner is one picture of several.
        count = 1 if self.count is None and self.seed_of is not None else self.count
        names = ("prompt", "model", "quality", "seed", "duration", "resolution", "size")
        given = {name: getattr(self, name) for name in (*names, "aspect_ratio")}
        given = {n: v for n, v in {**given, "output_count": count}.items() if v is not None}
        for name in self.clear:
            plain = "output_count" if name == "count" else name.replace("-", "_")
            if plain in given:
                raise Refusal(f"--clear {name}: it is changed too.")
            given[plain] = None
        changes: SpecChanges = {**given}  # type: ignore[typeddict-item]
        return changes


@dataclass(frozen=True)
class HowOptions:
    """How to run the job."""

    label: Annotated[list[str], text_option("KEY=VALUE", "Tag; may be repeated.")] = field(
        default_factory=list
    )
    request_id: Annotated[
        str | None, text_option("ID", "The same ID never makes a second job.")
    ] = None
    max_cost: Annotated[
        str | None, text_option("AMOUNT", "Refuse the job when it costs more, for example 0.50.")
    ] = None
    start_within: Annotated[
        str | None, text_option("TIME", "Fail when it has not started by then, like 10m.")
    ] = None
    finish_within: Annotated[
        str | None, text_option("TIME", "Fail when it has not ended by then, like 1h.")
    ] = None
    apply_to: Annotated[
        str | None, text_option("VIEW", "Show the first result in this view of your app.")
    ] = None

    def fields(self) -> JobFields:
        """The options that are given."""
        fields: JobFields = {"request_id": self.request_id, "labels": parse_labels(self.label)}
        if self.max_cost is not None:
            fields["max_cost"] = parse_amount("--max-cost", self.max_cost)
        if self.start_within is not None:
            fields["start_within"] = parse_span("--start-within", self.start_within)
        if self.finish_within is not None:
            fields["finish_within"] = parse_span("--finish-within", self.finish_within)
        if self.apply_to is not None:
            fields["apply_to_view"] = self.apply_to
        return fields


@dataclass(frozen=True)
class RunOptions:
    """What to do with the job and its results."""

    out: Annotated[
        Path | None, out_option("File for the result; several become name-1, name-2 ...")
    ] = None
    wait: Annotated[bool, typer.Option(help="Watch the job until it ends.")] = True
    validate_only: Annotated[
        bool, typer.Option("--validate-only", help="Only check and price it.")
    ] = False
