"""The catalog on the wire."""

from collections.abc import Iterable
from typing import Any

from core.catalog.ability import Ability
from core.catalog.models import Model
from core.catalog.prompts import Template
from rushes.v1 import model_pb2
from server.mapping.values import duration, enum_value, money, timestamp

Quality = model_pb2.Model.Quality


def template_to_proto(field: str, name: str, template: Template) -> model_pb2.PromptTemplate:
    """The template that a spec names by setting `field` to `name`."""
    return model_pb2.PromptTemplate(
        field=field, name=name, description=template.about, text=template.text
    )


def model_to_proto(model: Model, currency: str, max_outputs: int, now_ms: int) -> model_pb2.Model:
    """A model with its abilities here, and the reason if it takes no jobs now.

    `max_outputs` is the installation's limit, which holds for every model.
    """
    reason = model.unavailable_reason(now_ms)
    return model_pb2.Model(
        model=model.model,
        provider=model.provider,
        display_name=model.display_name,
        **_abilities(model, currency, max_outputs),
        price_revision=model.price_revision,
        available=not reason,
        unavailable_reason=reason,
        shutdown_time=timestamp(model.shutdown_ms),
        replacement=model.replacement,
        queue=model.queue,
        provider_model=model.provider_model,
        typical_duration=duration(int(model.typical_seconds * 1000) or None),
    )


def _abilities(model: Model, currency: str, max_outputs: int) -> dict[str, Any]:
    """The fields that say what the model can do, each by the name of its kind of job."""
    found = ((kind, model.ability(kind)) for kind in model.kinds)
    return {kind: _ability(ability, currency, max_outputs) for kind, ability in found if ability}


def _ability(ability: Ability, currency: str, max_outputs: int) -> model_pb2.Ability:
    return model_pb2.Ability(
        aspect_ratios=ability.aspect_ratios,
        resolutions=ability.resolutions,
        durations=[duration(seconds * 1000) for seconds in ability.durations],
        max_output_count=min(ability.max_output_count, max_outputs),
        max_references=ability.max_references,
        fields=ability.fields,
        qualities=[enum_value(Quality, name) for name in ability.qualities],
        prices=price_lines(ability.price_list, currency),
        cancellable=ability.cancellable,
    )


def price_lines(lines: Iterable[tuple[str, int]], currency: str) -> list[model_pb2.PriceLine]:
    """Texts with their micro-units, as lines of a price list or of an estimate."""
    return [
        model_pb2.PriceLine(text=text, amount=money(micros, currency)) for text, micros in lines
    ]
