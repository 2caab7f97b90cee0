"""The catalog on the wire."""

from google.protobuf.duration_pb2 import Duration

from core.ability import Ability
from core.catalog import Model
from core.specs import Spec, VideoSpec
from rushes.v1 import model_pb2
from server.mapping.values import enum_value, money, timestamp

Quality = model_pb2.Model.Quality


def model_to_proto(model: Model, currency: str, now_ms: int) -> model_pb2.Model:
    """A model with what it can do, and why it can't run here and now if it can't."""
    reason = model.unavailable_reason(now_ms)
    return model_pb2.Model(
        model=model.model,
        provider=model.provider,
        display_name=model.display_name,
        video=_ability(model.video, currency) if model.video else None,
        image=_ability(model.image, currency) if model.image else None,
        price_revision=model.price_revision,
        available=not reason,
        unavailable_reason=reason,
        shutdown_time=timestamp(model.shutdown_ms),
        replacement=model.replacement,
    )


def _ability(ability: Ability, currency: str) -> model_pb2.Ability:
    return model_pb2.Ability(
        aspect_ratios=ability.aspect_ratios,
        resolutions=ability.resolutions,
        durations=[Duration(seconds=seconds) for seconds in ability.durations],
        max_output_count=ability.max_output_count,
        max_references=ability.max_references,
        fields=ability.fields,
        qualities=[enum_value(Quality, name) for name in ability.qualities],
        prices=[
            model_pb2.PriceLine(text=line.text, amount=money(line.listed_micros, currency))
            for line in ability.prices
        ],
        cancellable=ability.cancellable,
    )


def estimate_lines(ability: Ability, spec: Spec, currency: str) -> list[model_pb2.PriceLine]:
    """What an estimate is made of; empty without a price."""
    line = ability.price(spec)
    if line is None:
        return []
    count = spec.output_count
    if isinstance(spec, VideoSpec):
        times = f"{count} x " if count > 1 else ""
        what = f"{times}{spec.duration_ms / 1000:g} s"
    else:
        what = "1 image" if count == 1 else f"{count} images"
    amount = money(line.micros(spec), currency)
    return [model_pb2.PriceLine(text=f"{what}, {line.text}", amount=amount)]
