"""`rushes models` and `rushes estimate`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import typer

from rushes import Estimate, image_spec, video_spec
from rushes.cli.commands import command, new_group
from rushes.cli.exits import Refusal
from rushes.cli.field_names import option
from rushes.cli.options import ImageOptions, Prompt, VideoOptions
from rushes.cli.output import money, say, say_json, say_table, shorten
from rushes.cli.session import Session
from rushes.cli.words import error_text, span_text
from rushes.v1.job_pb2 import ImageSpec, VideoSpec
from rushes.v1.model_pb2 import Ability, Model

estimates = new_group("Price a request on one or several models; nothing is stored.")


# The longest reason that names a setting fits; `rushes models MODEL` shows the whole text.
SHOWN_LENGTH = 31
COLUMNS = ("MODEL", "MAKES", "AVAILABLE", "SHUTDOWN", "TYPICAL", "PRICE", "SIZES", "RATIOS")


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    command(app, "models")(models)
    app.add_typer(estimates, name="estimate")


def models(
    session: Session,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Show all about this model.")] = "",
) -> None:
    """List the models, or show all about one."""
    with session.client() as client:
        found = [known for known in client.list_models() if model in ("", known.model)]
    if model and not found:
        raise Refusal(f"There is no model {model}. `rushes models` lists them.")
    if session.json:
        for known in found:
            say_json(known)
    elif model:
        _say_all(found[0])
    else:
        rows = (row for known in found for row in _rows(known))
        say_table(COLUMNS, rows, spare=("PRICE", "TYPICAL", "SHUTDOWN", "RATIOS", "SIZES"))


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
    columns = ("MODEL", "COST", "WAIT", "RUN", "RUNS SEEN", "FOR", "NOTE")
    say_table(columns, rows, spare=("WAIT", "RUN", "FOR", "RUNS SEEN"))


def _estimate_row(estimate: Estimate) -> tuple[str, ...]:
    if estimate.HasField("error"):
        return (estimate.model, "", "", "", "", "", error_text(estimate.error))
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
    """Why Generate would refuse this request on the model."""
    if not estimate.HasField("cost"):
        yield "has no price here, so it can't be run"
    if estimate.queue.blocked_reason:
        yield estimate.queue.blocked_reason
    elif estimate.HasField("cost") and not estimate.affordable:
        yield "above the budget"
    if estimate.unsupported_fields:
        named = (option(f"spec.{field}") for field in estimate.unsupported_fields)
        yield f"does not support {', '.join(named)}"


def _rows(model: Model) -> list[tuple[str, ...]]:
    known = shorten(_available(model), SHOWN_LENGTH), _end(model), _takes(model)
    return [
        (model.model, kind, *known, shorten(_prices(ability), SHOWN_LENGTH), *_limits(ability))
        for kind, ability in _abilities(model)
    ]


def _say_all(model: Model) -> None:
    """One model, a line for each thing; a line for each price."""
    _say_lines(("model", model.model), ("available", _available(model)), ("shutdown", _end(model)))
    _say_lines(("typical", _takes(model)))
    for kind, ability in _abilities(model):
        sizes, ratios = _limits(ability)
        lengths = _lengths([length.ToTimedelta().total_seconds() for length in ability.durations])
        _say_lines(("makes", kind), ("sizes", sizes), ("ratios", ratios), ("lengths", lengths))
        _say_lines(("options", " ".join(option(f"spec.{field}") for field in ability.fields)))
        _say_lines(*(("price", f"{money(line.amount)} {line.text}") for line in ability.prices))


def _lengths(seconds: list[float]) -> str:
    """The lengths of videos; a whole range by its ends."""
    if len(seconds) > 2 and seconds == [seconds[0] + n for n in range(len(seconds))]:
        return f"{seconds[0]:g} to {seconds[-1]:g} s"
    return " ".join(f"{length:g} s" for length in seconds)


def _say_lines(*lines: tuple[str, str]) -> None:
    for name, value in lines:
        if value:
            say(f"{name + ':':<11}{value}")


def _abilities(model: Model) -> list[tuple[str, Ability]]:
    return [(kind, getattr(model, kind)) for kind in ("video", "image") if model.HasField(kind)]


def _available(model: Model) -> str:
    return "yes" if model.available else f"no: {model.unavailable_reason}"


def _takes(model: Model) -> str:
    return span_text(model.typical_duration) if model.HasField("typical_duration") else ""


def _end(model: Model) -> str:
    """When it is shut down and what to use then; empty when no end is known."""
    if not model.HasField("shutdown_time"):
        return ""
    day = model.shutdown_time.ToDatetime().date()
    return f"{day}, then {model.replacement}" if model.replacement else str(day)


def _prices(ability: Ability) -> str:
    return "; ".join(f"{money(line.amount)} {line.text}" for line in ability.prices)


def _limits(ability: Ability) -> tuple[str, str]:
    return " ".join(ability.resolutions), " ".join(ability.aspect_ratios)
