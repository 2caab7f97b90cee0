"""`rushes generate video` and `rushes generate image`."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from rushes import Client
from rushes.cli.commands import command, new_group
from rushes.cli.exits import INTERRUPTED, JOB_FAILED, Refusal
from rushes.cli.inputs import (
    check_out,
    out_option,
    out_paths,
    parse_amount,
    parse_labels,
    parse_media,
    parse_span,
)
from rushes.cli.output import money, note, say, say_json
from rushes.cli.session import Session
from rushes.cli.watching import follow
from rushes.download import extension
from rushes.errors import RushesWarning, UnsupportedByModel, job_ended
from rushes.fields import ImageFields, ImageJob, JobFields, VideoFields, VideoJob
from rushes.v1.job_pb2 import Job
from rushes.v1.media_pb2 import Media

app = new_group("Submit a job, watch it, and fetch what it made.")

Prompt = Annotated[
    str,
    typer.Argument(metavar="PROMPT", help="What to make; put -- before one that starts with -."),
]


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


_SUFFIXES = {".jpg": Format.JPEG, ".jpeg": Format.JPEG, ".webp": Format.WEBP, ".png": Format.PNG}


# What a message can hold; the server's own limits are much lower.
MAX_SECONDS = 1e9


@dataclass(frozen=True)
class CommonSpec:
    """What images and videos share."""

    # A list, because of an option that is given twice a plain one keeps only the last.
    model: Annotated[list[str], typer.Option(help="Model, from `rushes models`.")] = field(
        default_factory=list
    )
    quality: Annotated[Quality | None, typer.Option(help="Picks a model by its quality.")] = None
    negative_prompt: Annotated[str | None, typer.Option(help="What to leave out.")] = None
    aspect_ratio: Annotated[str | None, typer.Option(help="For example 16:9.")] = None
    seed: Annotated[
        int | None,
        typer.Option(min=-(2**63), max=2**63 - 1, help="The same seed makes the same result."),
    ] = None
    count: Annotated[
        int | None, typer.Option(min=-(2**31), max=2**31 - 1, help="How many results.")
    ] = None
    style_pack: Annotated[str | None, typer.Option(help="Template of a style.")] = None
    mood: Annotated[str | None, typer.Option(help="Template of a mood.")] = None

    def common(self) -> dict[str, Any]:
        """The fields of the spec that are given.

        Raises:
            Refusal: when several models are named.
        """
        if len(self.model) > 1:
            raise Refusal("--model: a job has one model; compare several with rushes estimate.")
        fields = {
            "model": self.model[0] if self.model else None,
            "quality": self.quality.name if self.quality else None,
            "negative_prompt": self.negative_prompt,
            "aspect_ratio": self.aspect_ratio,
            "seed": self.seed,
            "output_count": self.count,
            "style_pack": self.style_pack,
            "mood": self.mood,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True)
class VideoOptions(CommonSpec):
    """What to render, for videos."""

    duration: Annotated[
        float | None, typer.Option(min=-MAX_SECONDS, max=MAX_SECONDS, help="Seconds.")
    ] = None
    resolution: Annotated[str | None, typer.Option(help="For example 720p.")] = None
    audio: Annotated[bool | None, typer.Option(help="Whether it has sound.")] = None
    first_frame: Annotated[str | None, typer.Option(help="Picture: a file or a media id.")] = None
    last_frame: Annotated[str | None, typer.Option(help="Picture: a file or a media id.")] = None
    reference: Annotated[
        list[str], typer.Option(help="Picture of a subject or a style: a file or a media id.")
    ] = field(default_factory=list)
    source_video: Annotated[
        str | None, typer.Option(help="Video to extend: a file or a media id.")
    ] = None
    cinematography: Annotated[str | None, typer.Option(help="Template of a camera.")] = None

    def fields(self) -> VideoFields:
        """The fields of the spec that are given."""
        plain = ("duration", "resolution", "audio", "cinematography")
        inputs = ("first_frame", "last_frame", "source_video")
        given: dict[str, Any] = {name: getattr(self, name) for name in plain}
        for name in inputs:
            if (text := getattr(self, name)) is not None:
                given[name] = parse_media(f"--{name.replace('_', '-')}", text)
        if self.reference:
            given["references"] = [parse_media("--reference", text) for text in self.reference]
        fields: VideoFields = {
            **self.common(),  # type: ignore[typeddict-item]
            **{name: value for name, value in given.items() if value is not None},
        }
        return fields


@dataclass(frozen=True)
class ImageOptions(CommonSpec):
    """What to render, for images."""

    size: Annotated[str | None, typer.Option(help="For example 1024x1024.")] = None
    reference: Annotated[
        list[str], typer.Option(help="Picture to restyle or repaint: a file or a media id.")
    ] = field(default_factory=list)
    mask: Annotated[
        str | None, typer.Option(help="Where to paint (white): a file or a media id.")
    ] = None
    format: Annotated[
        Format | None,
        typer.Option(help="File type; else that of --out, if the model has a choice."),
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
        chosen = self.format or (_SUFFIXES.get(out.suffix.lower()) if out else None)
        if chosen is not None:
            fields["output_mime_type"] = f"image/{chosen}"
        return fields


@dataclass(frozen=True)
class HowOptions:
    """How to run the job."""

    label: Annotated[list[str], typer.Option(help="Tag, as key=value; may be repeated.")] = field(
        default_factory=list
    )
    request_id: Annotated[
        str | None, typer.Option(help="The same id never makes a second job.")
    ] = None
    max_cost: Annotated[
        str | None, typer.Option(help="Refuse it when it costs more, for example 0.50.")
    ] = None
    start_within: Annotated[
        str | None, typer.Option(help="Let it fail when it has not started by then, like 10m.")
    ] = None
    finish_within: Annotated[
        str | None, typer.Option(help="Let it fail when it has not ended by then, like 1h.")
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


@command(app, "video")
def video(
    session: Session, prompt: Prompt, spec: VideoOptions, how: HowOptions, run: RunOptions
) -> None:
    """Make a video."""
    fields: VideoJob = {**spec.fields(), **how.fields(), "validate_only": run.validate_only}
    _generate(session, run, lambda client: client.generate_video(prompt, **fields))


@command(app, "image")
def image(
    session: Session, prompt: Prompt, spec: ImageOptions, how: HowOptions, run: RunOptions
) -> None:
    """Make an image, or edit one."""
    given = spec.fields(run.out)
    fields: ImageJob = {**given, **how.fields(), "validate_only": run.validate_only}

    def submit(client: Client) -> Job:
        try:
            return client.generate_image(prompt, **fields)
        except UnsupportedByModel as error:
            if spec.format is not None or "spec.output_mime_type" not in dict(error.violations):
                raise
        # The ending of --out was a wish; this model chooses the type itself.
        del fields["output_mime_type"]
        return client.generate_image(prompt, **fields)

    _generate(session, run, submit)


def _generate(session: Session, run: RunOptions, submit: Callable[[Client], Job]) -> None:
    check_out(run.out)
    with session.client() as client:
        job = noting_warnings(lambda: submit(client))
        if run.validate_only:
            _say_valid(session, job)
        elif not run.wait:
            say_json(job) if session.json else say(job.job_id)
        else:
            finish(session, client, job, run.out)


def noting_warnings(send: Callable[[], Job]) -> Job:
    """What `send` gives; the server's warnings go to stderr, each as one sentence."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RushesWarning)
        try:
            job = send()
        except KeyboardInterrupt:
            note("Interrupted; the job may have been accepted: see rushes jobs")
            raise typer.Exit(INTERRUPTED) from None
    for warning in caught:
        if issubclass(warning.category, RushesWarning):
            note(f"Warning: {warning.message}")
    return job


def finish(session: Session, client: Client, job: Job, out: Path | None) -> None:
    """Watches a job to its end, then saves or names its results."""
    job = follow(session, client, job.job_id)
    if session.json:
        say_json(job)
    if job_ended(job):
        # `follow` has said how.
        raise typer.Exit(JOB_FAILED)
    if out is not None:
        for media, named in zip(job.outputs, out_paths(out, job), strict=True):
            path = _path_by_type(named, media)
            client.download(media, path)
            if not session.json:
                say(str(path))
    elif not session.json:
        for media in job.outputs:
            say(f"{media.media_id}\t{media.url}")


def _path_by_type(path: Path, media: Media) -> Path:
    """The path, with another ending if its own promises another type of image."""
    promised = _SUFFIXES.get(path.suffix.lower())
    if promised is None or media.mime_type == f"image/{promised}":
        return path
    renamed = path.with_suffix(f".{extension(media)}")
    if renamed.exists():
        # Nobody named that one, and it may be what this was made of.
        note(f"{path} is {media.mime_type}, as there is a {renamed} already")
        return path
    note(f"{path} would be {media.mime_type}; it is saved as {renamed}")
    return renamed


def _say_valid(session: Session, job: Job) -> None:
    if session.json:
        say_json(job)
    else:
        say(f"Valid; it would cost {money(job.cost.estimated)} on {job.model}.")
