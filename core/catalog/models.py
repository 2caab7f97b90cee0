"""The models that this installation knows, read from models.toml: data, never code."""

import json
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import NonNegativeFloat, PositiveFloat, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from core.catalog.ability import CHECKED, Ability
from core.errors import FieldViolation, ModelRetired, SettingsInvalid
from core.kinds import KINDS, queues
from core.specs import QUEUE_NAME, Spec, media_spec

# The providers that this version of the workers has.
SIMULATOR = "simulator"
PROVIDERS = ("builtin", SIMULATOR, "gemini", "vertex", "openai")
# Providers that render on this machine: a run costs nothing and may be repeated.
LOCAL_PROVIDERS = frozenset({"builtin"})
DAY_MS = 24 * 3600 * 1000
WARNING_DAYS = 30


def wall_ms() -> int:
    """The clock of this machine, in ms of the epoch: good enough for dates."""
    return int(time.time() * 1000)


@dataclass(config=CHECKED, frozen=True, slots=True, kw_only=True)
class Model:
    """One model of the catalog.

    `provider_model` is its name at the provider, if that is not `model`. `typical_seconds` is how
    long a run takes (0: not known), until runs were measured here. `poll_seconds` is the least time
    between two polls. `queue` is where its jobs wait, if not in the queue of their kind. It is
    retired from the start of the day `shutdown_time` (UTC).
    """

    model: str
    provider: str
    display_name: str
    price_revision: str
    provider_model: str = ""
    typical_seconds: NonNegativeFloat = 0
    poll_seconds: PositiveFloat = 30
    queue: str = ""
    # Whether only requests that name it get it.
    by_name_only: bool = False
    shutdown_time: date | None = None
    replacement: str = ""
    # The setting that its provider needs and does not have; empty when nothing is missing.
    missing_setting: str = ""
    # One for each kind that it makes: `ability` finds them by the name of the kind.
    video: Ability | None = None
    image: Ability | None = None

    @model_validator(mode="after")
    def _check(self) -> "Model":
        if self.queue and not QUEUE_NAME.fullmatch(self.queue):
            raise ValueError("queue must be of a-z, 0-9 and -, and start with a letter")
        if self.shutdown_time and not self.replacement:
            raise ValueError("replacement is missing: a model that is shut down needs one")
        if not self.kinds:
            rendered = [kind.name for kind in KINDS.values() if kind.rendering]
            raise ValueError(f"{' or '.join(rendered)} is missing")
        object.__setattr__(self, "provider_model", self.provider_model or self.model)
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of job that it makes."""
        return tuple(kind for kind in KINDS if self.ability(kind))

    def ability(self, kind: str) -> Ability | None:
        """What it can do for that kind of job; None when it can't do that kind."""
        ability: Ability | None = getattr(self, kind) if KINDS[kind].rendering else None
        return ability

    @property
    def priced(self) -> bool:
        """Whether there is a price for all that it makes."""
        abilities = map(self.ability, self.kinds)
        return all(ability.prices for ability in abilities if ability)

    def queue_of(self, kind: str) -> str:
        """Where its jobs of that kind wait."""
        return self.queue or KINDS[kind].queue

    def cost_lines(self, spec: Spec, final_prompt: str = "") -> list[tuple[str, int]]:
        """The parts of what the spec costs on this model (`Ability.cost_lines`). `final_prompt` is
        the prompt that its provider gets, if that is not the prompt of the spec."""
        ability = self.ability(spec.kind)
        if ability is None:
            raise ValueError(f"{self.model} makes no {spec.kind}")
        return ability.cost_lines(media_spec(spec), final_prompt or spec.prompt)

    def estimate_micros(self, spec: Spec, final_prompt: str = "") -> int | None:
        """The sum of those parts; None if the model has no price for the spec."""
        lines = self.cost_lines(spec, final_prompt)
        return sum(micros for _, micros in lines) if lines else None

    @property
    def shutdown_ms(self) -> int | None:
        """When it is shut down, in ms of the epoch; None when no end is known."""
        day = self.shutdown_time
        if day is None:
            return None
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000

    def retired(self, now_ms: int) -> bool:
        """Whether it is shut down."""
        return self.shutdown_ms is not None and self.shutdown_ms <= now_ms

    def warnings(self, now_ms: int) -> tuple[str, ...]:
        """What its users are told now: that it is retired, or will be soon."""
        end = self.shutdown_ms
        if end is None or end - now_ms > WARNING_DAYS * DAY_MS:
            return ()
        verb = "was" if end <= now_ms else "will be"
        text = f"{self.model} {verb} shut down on {self.shutdown_time}; use {self.replacement}"
        return (text,)

    def unavailable_reason(self, now_ms: int) -> str:
        """Why it takes no jobs here; empty when it does."""
        if self.retired(now_ms):
            return f"retired on {self.shutdown_time}; use {self.replacement}"
        return f"needs {self.missing_setting}" if self.missing_setting else ""


class Catalog:
    """All models, in the order of the file. The first model that has a quality is its default.

    `clock` gives the time in ms at which models are judged retired or not.
    """

    def __init__(self, models: Iterable[Model], clock: Callable[[], int] = wall_ms) -> None:
        self.models: Mapping[str, Model] = {model.model: model for model in models}
        self.clock = clock

    def get(self, name: str) -> Model | None:
        """The model of that name."""
        return self.models.get(name)

    def still(self, name: str, kind: str) -> Model:
        """The model that a job of that kind was made with.

        Raises:
            ModelRetired: when it is not in the catalog any more.
        """
        model = self.get(name)
        if model is None or model.ability(kind) is None:
            text = f"This server no longer has the model {name}; use another."
            raise ModelRetired(text, model=name, replacement="")
        return model

    def names(self, kind: str) -> list[str]:
        """Names of the models that make that kind here and now."""
        now = self.clock()
        return [
            name
            for name, model in self.models.items()
            if model.ability(kind) and not model.unavailable_reason(now)
        ]

    def default(self, kind: str, quality: str) -> Model | None:
        """The model for a request that names none; `quality` may be empty."""
        for name in self.names(kind):
            model = self.models[name]
            ability = model.ability(kind)
            if model.by_name_only or ability is None:
                continue
            if not quality or quality in ability.qualities:
                return model
        return None

    def refuse_retired(self, model: Model, field: str = "") -> None:
        """`field` is the field of the request that named the model, if a caller wants to know it.

        Raises:
            ModelRetired: when the model is shut down.
        """
        now = self.clock()
        if not model.retired(now):
            return
        text = f"{model.model} was {model.unavailable_reason(now)}"
        raise ModelRetired(
            f"{text}.",
            violations=(FieldViolation(field, text),) if field else (),
            model=model.model,
            replacement=model.replacement,
        )

    def warnings(self, name: str) -> tuple[str, ...]:
        """What users of that model are told now."""
        model = self.get(name)
        return model.warnings(self.clock()) if model else ()

    def unpriced_defaults(self) -> list[Model]:
        """The models without a price that a request could get without naming a model."""
        now = self.clock()
        return [
            model
            for model in self.models.values()
            if not (model.by_name_only or model.unavailable_reason(now) or model.priced)
        ]

    @property
    def queues(self) -> tuple[str, ...]:
        """Every queue in which a job can wait: the queues of the kinds, then those of models."""
        of_models = [m.queue_of(kind) for m in self.models.values() for kind in m.kinds]
        return tuple(dict.fromkeys([*queues(), *of_models]))


def models_path(path: Path | None) -> Path:
    """The file that the models are read from: `path`, or the packaged one."""
    return path or Path(__file__).with_name("models.toml")


def read_catalog(
    path: Path | None,
    missing: Mapping[str, str] | None = None,
    clock: Callable[[], int] = wall_ms,
) -> Catalog:
    """The catalog in `path`, or the packaged one. `missing` maps a provider to the setting that it
    needs and does not have.

    Raises:
        SettingsInvalid: when the file can't be read or an entry is wrong, naming file, model and
            field.
    """
    source = models_path(path)
    try:
        entries = tomllib.loads(source.read_text())
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"models file {source}: {error}") from None
    settings = missing or {}
    models = [
        replace(model, missing_setting=settings.get(model.provider, ""))
        for model in (_read_model(source, name, entry) for name, entry in entries.items())
    ]
    catalog = Catalog(models, clock)
    for model in models:
        _check_replacement(source, catalog, model)
    return catalog


_ENTRY = TypeAdapter(Model)


def _read_model(source: Path, name: str, entry: Any) -> Model:
    where = f"models file {source}: {name}"
    if not isinstance(entry, dict):
        raise SettingsInvalid(f"{where}: must be a table")
    if own := sorted({"model", "missing_setting"} & entry.keys()):
        raise SettingsInvalid(f"{where}.{own[0]}: is not a field")
    try:
        # Pydantic is strict about JSON's plain values, and takes its lists for tuples.
        model = _ENTRY.validate_json(
            json.dumps({**_spelled_out(entry), "model": name}, default=str)
        )
    except ValidationError as error:
        raise SettingsInvalid("; ".join(_complaints(where, error))) from None
    if model.provider not in PROVIDERS:
        raise SettingsInvalid(f"{where}.provider: must be one of {', '.join(PROVIDERS)}")
    for kind in model.kinds:
        ability = model.ability(kind)
        try:
            if ability:
                ability.check_kind(kind)
        except ValueError as error:
            raise SettingsInvalid(f"{where}.{kind}: {error}") from None
    return model


def _spelled_out(value: Any) -> Any:
    """The value, with each `{ from = 1, to = 10 }` in it replaced by its list."""
    if isinstance(value, list):
        return [_spelled_out(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"from", "to"} and all(type(end) is int for end in value.values()):
        return list(range(value["from"], value["to"] + 1))
    return {key: _spelled_out(item) for key, item in value.items()}


def _complaints(where: str, error: ValidationError) -> Iterable[str]:
    for item in error.errors(include_url=False, include_input=False):
        place = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]
        )
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "unexpected_keyword_argument":
            message = "is not a field"
        elif item["type"] in ("missing", "missing_keyword_only_argument"):
            message = "is missing"
        yield f"{where}{place}: {message}"


def _check_replacement(source: Path, catalog: Catalog, model: Model) -> None:
    if not model.replacement:
        return
    where = f"models file {source}: {model.model}.replacement"
    other = catalog.get(model.replacement)
    if other is None or other is model:
        raise SettingsInvalid(f"{where}: {model.replacement} is no other model of the file")
    if not set(model.kinds) <= set(other.kinds):
        raise SettingsInvalid(f"{where}: {other.model} makes no {' and '.join(model.kinds)}")
    if model.shutdown_ms and other.shutdown_ms and other.shutdown_ms <= model.shutdown_ms:
        raise SettingsInvalid(f"{where}: {other.model} is shut down no later")
