"""`rushes models` and `rushes estimate`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import typer

from rushes.cli.commands import command, new_group
from rushes.cli.generate import ImageOptions, Prompt, VideoOptions
from rushes.cli.output import money, say_json, say_table
from rushes.cli.session import Session
from rushes.cli.words import span_text
from rushes.requests import image_spec, video_spec
from rushes.v1.job_pb2 import ImageSpec, VideoSpec
from rushes.v1.media_service_pb2 import EstimateCostResponse
from rushes.v1.model_pb2 import Ability, Model

Estimate = EstimateCostResponse.Estimate

estimates = new_group("Price a request on one or several models; nothing is stored.")


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
    heads = ("MODEL", "MAKES", "AVAILABLE", "SHUTDOWN", "TYPICAL", "PRICE", "SIZES", "RATIOS")
    say_table(heads, rows)


@command(estimates, "video")
def estimate_video(session: Session, prompt: Prompt, spec: VideoOptions) -> None:
    """Price a video; name --model again for each model to compare."""
    fields = replace(spec, model=[]).fields()
    _estimate(session, video_spec(prompt, **fields), spec.model)


@command(estimates, "image")
def estimate_image(session: Session, prompt: Prompt, spec: ImageOptions) -> None:
    """Price an image; name --model again for each model to compare."""
    fields = replace(spec, model=[]).fields(None)
    _estimate(session, image_spec(prompt, **fields), spec.model)


def _estimate(session: Session, spec: VideoSpec | ImageSpec, models: Sequence[str]) -> None:
    with session.client() as client:
        found = client.estimate_cost(spec, models)
    if session.json:
        for estimate in found:
            say_json(estimate)
        return
    rows = (_estimate_row(estimate) for estimate in found)
    say_table(("MODEL", "COST", "WAIT", "RUN", "RUNS SEEN", "FOR", "NOTE"), rows)


def _estimate_row(estimate: Estimate) -> tuple[str, ...]:
    queue = estimate.queue
    return (
        estimate.model,
        money(estimate.cost) if estimate.HasField("cost") else "unknown",
        span_text(queue.estimated_wait) if queue.HasField("estimated_wait") else "unknown",
        span_text(queue.estimated_run) if queue.HasField("estimated_run") else "unknown",
        str(queue.sample_count),
        "; ".join(line.text for line in estimate.lines),
        "; ".join(_notes(estimate)),
    )


def _notes(estimate: Estimate) -> Iterator[str]:
    """What stands in the way of running it so."""
    if not estimate.HasField("cost"):
        yield "has no price here, so it can't be run"
    if estimate.queue.blocked_reason:
        yield estimate.queue.blocked_reason
    elif estimate.HasField("cost") and not estimate.affordable:
        yield "above the budget"
    if estimate.unsupported_fields:
        yield f"does not support {', '.join(estimate.unsupported_fields)}"


def _rows(model: Model) -> list[tuple[str, ...]]:
    available = "yes" if model.available else f"no: {model.unavailable_reason}"
    abilities = [
        (kind, getattr(model, kind)) for kind in ("video", "image") if model.HasField(kind)
    ]
    takes = span_text(model.typical_duration) if model.HasField("typical_duration") else ""
    known = available, _end(model), takes
    return [(model.model, kind, *known, *_limits(ability)) for kind, ability in abilities]


def _end(model: Model) -> str:
    """When it is shut down and what to use then; empty when no end is known."""
    if not model.HasField("shutdown_time"):
        return ""
    day = model.shutdown_time.ToDatetime().date()
    return f"{day}, then {model.replacement}"


def _limits(ability: Ability) -> tuple[str, str, str]:
    price = "; ".join(f"{money(line.amount)} {line.text}" for line in ability.prices)
    return price, " ".join(ability.resolutions), " ".join(ability.aspect_ratios)
