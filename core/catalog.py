"""The models that this installation can run, read from models.toml: data, never code."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import SettingsInvalid
from core.specs import Kind, Spec, VideoSpec

# Providers that render here: what they do costs nothing, and may be done again.
LOCAL_PROVIDERS = frozenset({"builtin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one output costs, in micro-units. `text` says it for people."""

    text: str
    micros_per_second: int = 0
    micros_per_image: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """Limits and price of one model for one kind of job. Durations in seconds, sides in pixels.

    Without a price the model is listed, but never run.
    """

    aspect_ratios: tuple[str, ...]
    resolutions: tuple[str, ...]
    max_output_count: int
    max_references: int
    fields: tuple[str, ...]
    qualities: tuple[str, ...]
    cancellable: bool
    price: Price | None = None
    min_duration: int = 0
    max_duration: int = 0
    default_duration: int = 0
    min_side: int = 0
    max_side: int = 0

    @property
    def durations(self) -> range:
        """The whole seconds that a video may have."""
        return range(self.min_duration, self.max_duration + 1) if self.max_duration else range(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of the catalog."""

    model: str
    provider: str
    display_name: str
    price_revision: str
    # Never the model of a request that names none.
    by_name_only: bool = False
    # The setting without which its provider can't run here; empty when nothing is missing.
    missing_setting: str = ""
    video: Ability | None = None
    image: Ability | None = None

    def ability(self, kind: Kind) -> Ability | None:
        """What it can do for that kind of job; None when it can't do that kind."""
        return self.video if kind is Kind.VIDEO else self.image

    def estimate_micros(self, spec: Spec) -> int | None:
        """What the spec costs on this model, in micro-units, rounded up; None: nobody knows."""
        ability = self.ability(spec.kind)
        if ability is None:
            raise ValueError(f"{self.model} makes no {spec.kind}")
        if ability.price is None:
            return None
        if isinstance(spec, VideoSpec):
            each = -(-ability.price.micros_per_second * spec.duration_ms // 1000)
            return each * spec.output_count
        return ability.price.micros_per_image * spec.output_count


class Catalog:
    """All models, in the order of the file. The first that fits is the default of a quality."""

    def __init__(self, models: Iterable[Model]) -> None:
        self.models: Mapping[str, Model] = {model.model: model for model in models}

    def get(self, name: str) -> Model | None:
        """The model of that name."""
        return self.models.get(name)

    def names(self, kind: Kind) -> list[str]:
        """Names of the models that make that kind here."""
        return [
            name
            for name, model in self.models.items()
            if model.ability(kind) and not model.missing_setting
        ]

    def default(self, kind: Kind, quality: str) -> Model | None:
        """The model for a request that names none; `quality` may be empty."""
        for model in self.models.values():
            ability = model.ability(kind)
            if model.by_name_only or model.missing_setting:
                continue
            if ability and (not quality or quality in ability.qualities):
                return model
        return None


def read_catalog(path: Path | None, missing: Mapping[str, str] | None = None) -> Catalog:
    """The catalog in `path`, or the packaged one; `missing` maps providers to their setting that
    is not there.

    Raises:
        SettingsInvalid: when the file can't be read or an entry is wrong, naming it.
    """
    source = path or Path(__file__).with_name("models.toml")
    try:
        entries = tomllib.loads(source.read_text())
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"models file {source}: {error}") from None
    models = (_read_model(source, name, entry) for name, entry in entries.items())
    settings = missing or {}
    return Catalog(
        replace(model, missing_setting=settings.get(model.provider, "")) for model in models
    )


def _read_model(source: Path, name: str, entry: Any) -> Model:
    try:
        return _model(name, entry)
    except KeyError as error:
        raise SettingsInvalid(f"models file {source}: {name}: {error} is missing") from None
    except (AttributeError, TypeError) as error:
        raise SettingsInvalid(f"models file {source}: {name}: {error}") from None


def _model(name: str, entry: dict[str, Any]) -> Model:
    abilities: dict[str, Any] = {
        kind.value: _ability(entry[kind]) for kind in Kind if kind in entry
    }
    plain = {key: value for key, value in entry.items() if key not in abilities}
    return Model(model=name, **plain, **abilities)


def _ability(entry: dict[str, Any]) -> Ability:
    values: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()
    }
    if "price" in entry:
        values["price"] = Price(**entry["price"])
    return Ability(**values)
