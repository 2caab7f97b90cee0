"""`rushes models` and `rushes estimate`."""

from collections.abc import Sequence
from typing import Annotated

import typer

from rushes.cli.commands import command, new_group
from rushes.cli.generate import ImageOptions, Prompt, VideoOptions
from rushes.cli.output import money, say_json, say_table
from rushes.cli.session import Session
from rushes.requests import image_spec, video_spec
from rushes.v1.job_pb2 import ImageSpec, VideoSpec
from rushes.v1.media_service_pb2 import EstimateCostResponse
from rushes.v1.model_pb2 import Ability, Model

estimates = new_group("Price a request on one or several models; nothing is stored.")

On = Annotated[list[str] | None, typer.Option("--on", help="Price on this model too.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    command(app, "models")(models)
    app.add_typer(estimates, name="estimate")


def models(session: Session) -> None:
    """List the models that this installation knows."""
    with session.client() as client:
        found = client.list_models()
    if session.json:
        for model in found:
            say_json(model)
        return
    rows = (row for model in found for row in _rows(model))
    say_table(("MODEL", "MAKES", "AVAILABLE", "PRICE", "SIZES", "RATIOS"), rows)


@command(estimates, "video")
def estimate_video(session: Session, prompt: Prompt, spec: VideoOptions, on: On = None) -> None:
    """Price a video."""
    _estimate(session, video_spec(prompt, **spec.fields()), on or ())


@command(estimates, "image")
def estimate_image(session: Session, prompt: Prompt, spec: ImageOptions, on: On = None) -> None:
    """Price an image."""
    _estimate(session, image_spec(prompt, **spec.fields(None)), on or ())


def _estimate(session: Session, spec: VideoSpec | ImageSpec, on: Sequence[str]) -> None:
    with session.client() as client:
        found = client.estimate_cost(spec, on)
    if session.json:
        for estimate in found:
            say_json(estimate)
        return
    rows = (
        (
            estimate.model,
            money(estimate.cost) if estimate.HasField("cost") else "unknown",
            "; ".join(line.text for line in estimate.lines),
            _note(estimate),
        )
        for estimate in found
    )
    say_table(("MODEL", "COST", "FOR", "NOTE"), rows)


def _note(estimate: EstimateCostResponse.Estimate) -> str:
    if not estimate.HasField("cost"):
        return "has no price here, so it can't be run"
    return estimate.queue.blocked_reason or ("" if estimate.affordable else "above the budget")


def _rows(model: Model) -> list[tuple[str, ...]]:
    available = "yes" if model.available else f"no: {model.unavailable_reason}"
    abilities = [
        (kind, getattr(model, kind)) for kind in ("video", "image") if model.HasField(kind)
    ]
    return [(model.model, kind, available, *_limits(ability)) for kind, ability in abilities]


def _limits(ability: Ability) -> tuple[str, str, str]:
    price = "; ".join(f"{money(line.amount)} {line.text}" for line in ability.prices)
    return price, " ".join(ability.resolutions), " ".join(ability.aspect_ratios)
