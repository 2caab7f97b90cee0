"""The models that this installation can run, read from models.toml: data, never code."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import SettingsInvalid
from core.specs import Kind, Spec, VideoSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one output costs, in micro-units. `text` says it for people."""

    text: str
    micros_per_second: int = 0
    micros_per_image: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """Limits and price of one model for one kind of job. Durations in seconds, sides in pixels."""

    aspect_ratios: tuple[str, ...]
    resolutions: tuple[str, ...]
    max_output_count: int
    max_references: int
    fields: tuple[str, ...]
    qualities: tuple[str, ...]
    cancellable: bool
    price: Price
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
    video: Ability | None = None
    image: Ability | None = None

    def ability(self, kind: Kind) -> Ability | None:
        """What it can do for that kind of job; None when it can't do that kind."""
        return self.video if kind is Kind.VIDEO else self.image

    def estimate_micros(self, spec: Spec) -> int:
        """What the spec costs on this model, in micro-units."""
        ability = self.ability(spec.kind)
        if ability is None:
            raise ValueError(f"{self.model} makes no {spec.kind}")
        if isinstance(spec, VideoSpec):
            return ability.price.micros_per_second * spec.duration_ms * spec.output_count // 1000
        return ability.price.micros_per_image * spec.output_count


class Catalog:
    """All models, in the order of the file; the first that fits a quality is its default."""

    def __init__(self, models: Iterable[Model]) -> None:
        self.models: Mapping[str, Model] = {model.model: model for model in models}

    def get(self, name: str) -> Model | None:
        """The model of that name."""
        return self.models.get(name)

    def names(self, kind: Kind) -> list[str]:
        """Names of the models that make that kind."""
        return [name for name, model in self.models.items() if model.ability(kind)]

    def default(self, kind: Kind, quality: str) -> Model | None:
        """The model for a request that names none; `quality` may be empty."""
        for model in self.models.values():
            ability = model.ability(kind)
            if ability and (not quality or quality in ability.qualities):
                return model
        return None


def read_catalog(path: Path | None) -> Catalog:
    """The catalog in `path`, or the packaged one.

    Raises:
        SettingsInvalid: when the file can't be read or an entry is wrong, naming it.
    """
    source = path or Path(__file__).with_name("models.toml")
    try:
        entries = tomllib.loads(source.read_text())
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"models file {source}: {error}") from None
    return Catalog(_read_model(source, name, entry) for name, entry in entries.items())


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
    values["price"] = Price(**entry["price"])
    return Ability(**values)
