"""The catalog on the wire."""

from google.protobuf.duration_pb2 import Duration

from core.catalog import Ability, Model
from rushes.v1 import model_pb2
from server.mapping.values import enum_value, money

Quality = model_pb2.Model.Quality


def model_to_proto(model: Model, currency: str) -> model_pb2.Model:
    """A model with what it can do, and why it can't run here if it can't."""
    return model_pb2.Model(
        model=model.model,
        provider=model.provider,
        display_name=model.display_name,
        video=_ability(model.video, currency) if model.video else None,
        image=_ability(model.image, currency) if model.image else None,
        price_revision=model.price_revision,
        available=not model.missing_setting,
        unavailable_reason=f"needs {model.missing_setting}" if model.missing_setting else "",
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
        prices=price_lines(ability, currency),
        cancellable=ability.cancellable,
    )


def price_lines(
    ability: Ability, currency: str, amount_micros: int | None = None
) -> list[model_pb2.PriceLine]:
    """The price list, or with `amount_micros` that of an estimate; empty without a price."""
    price = ability.price
    if price is None:
        return []
    listed = price.micros_per_second or price.micros_per_image
    amount = listed if amount_micros is None else amount_micros
    return [model_pb2.PriceLine(text=price.text, amount=money(amount, currency))]
