"""The ability of one model for one kind of job: its limits and its prices.

It is data of models.toml and checked when it is made. `core.kinds` says how the kinds differ.
"""

import re
from collections.abc import Iterable, Mapping

from pydantic import ConfigDict, NonNegativeInt, PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from core.kinds import Rendering, rendering_of
from core.specs import MediaSpec

# A wrong type or an unknown name is a mistake in the file.
CHECKED = ConfigDict(strict=True, extra="forbid")
QUALITIES = ("DRAFT", "STANDARD", "HIGH")
# The sorts of tokens that providers count.
TOKENS = ("text_input", "image_input", "text_output", "image_output", "video_output")
MILLION = 1_000_000
MAX_SEED = 2**63 - 1
_RATIO = re.compile(r"[1-9][0-9]{0,3}:[1-9][0-9]{0,3}")
_PRICE_FIELDS = ("micros_per_second", "micros_per_image")


def resolution_of(spec: MediaSpec) -> str:
    """The resolution of a video or the size of an image."""
    return str(getattr(spec, rendering_of(spec.kind).size_field))


@dataclass(config=CHECKED, frozen=True, slots=True, kw_only=True)
class Price:
    """One line of a price list: what one output costs, in micro-units, if its conditions hold.

    `text` names the line for people. An empty condition always holds.
    """

    text: str
    micros_per_second: NonNegativeInt | None = None
    micros_per_image: NonNegativeInt | None = None
    resolutions: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    audio: bool | None = None

    def fits(self, spec: MediaSpec) -> bool:
        """Whether its conditions hold. A provider adds sound unless the spec says no."""
        if self.resolutions and resolution_of(spec) not in self.resolutions:
            return False
        if self.qualities and spec.quality not in self.qualities:
            return False
        sound = getattr(spec, "audio", None) is not False
        return self.audio is None or self.audio is sound

    def micros(self, spec: MediaSpec) -> int:
        """What all outputs of the spec cost, each rounded up."""
        rendering = rendering_of(spec.kind)
        unit_micros = getattr(self, rendering.price_field) or 0
        return -(-unit_micros * rendering.thousandths(spec) // 1000) * spec.output_count

    @property
    def listed_micros(self) -> int:
        """The amount that the line names."""
        return self.micros_per_second or self.micros_per_image or 0


@dataclass(config=CHECKED, frozen=True, slots=True, kw_only=True)
class Rule:
    """The values that one field demands of the others.

    The rule holds when a spec gives the field; with `values`, only when it has one of them. Then
    the spec may have only these durations (in seconds) and resolutions, and it must give the fields
    of `needs` and none of `excludes`.
    """

    field: str
    values: tuple[str, ...] = ()
    durations: tuple[PositiveInt, ...] = ()
    resolutions: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    def holds(self, spec: MediaSpec) -> bool:
        """Whether the rule applies to the spec."""
        shaped = self.field in ("resolution", "size")
        value = resolution_of(spec) if shaped else getattr(spec, self.field)
        return str(value) in self.values if self.values else is_given(value)

    @property
    def cause(self) -> str:
        """When the rule holds, for people."""
        return f"with {self.field} {' or '.join(self.values)}".rstrip()


@dataclass(config=CHECKED, frozen=True, slots=True, kw_only=True)
class Ability:
    """Limits and prices of one model for one kind of job. Durations in seconds, sides in pixels.

    The first ratio and the first resolution or size are the defaults. The first line of `prices`
    that fits a spec is its price; a model without a price is listed, but not run.
    Every input of a spec (a frame, a reference, a mask, a video) adds `micros_per_input`, and every
    begun thousand characters of its prompt adds `micros_per_1000_characters`, both for each output.
    `token_prices` are micro-units per million tokens. They set the charge of a job if the provider
    counts its tokens, and an estimate shall not be below that charge.
    """

    aspect_ratios: tuple[str, ...]
    resolutions: tuple[str, ...]
    max_output_count: PositiveInt
    max_references: NonNegativeInt
    fields: tuple[str, ...]
    qualities: tuple[str, ...]
    cancellable: bool
    prices: tuple[Price, ...] = ()
    micros_per_input: NonNegativeInt = 0
    micros_per_1000_characters: NonNegativeInt = 0
    token_prices: dict[str, NonNegativeInt] | None = None
    rules: tuple[Rule, ...] = ()
    durations: tuple[PositiveInt, ...] = ()
    default_duration: NonNegativeInt = 0
    max_seed: PositiveInt = MAX_SEED
    min_side: NonNegativeInt = 0
    max_side: NonNegativeInt = 0

    @model_validator(mode="after")
    def _check(self) -> "Ability":
        _known("qualities", self.qualities, QUALITIES)
        _known("token_prices", self.token_prices or (), TOKENS)
        if self.durations and self.default_duration not in self.durations:
            raise ValueError("default_duration must be one of durations")
        if self.min_side > self.max_side:
            raise ValueError("min_side must not be above max_side")
        for name in ("aspect_ratios", "resolutions"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        _form("aspect_ratios", self.aspect_ratios, _RATIO, "16:9")
        for line in self.prices:
            _known("prices: qualities", line.qualities, self.qualities)
            if not self.max_side:
                _known("prices: resolutions", line.resolutions, self.resolutions)
        return self

    def durations_for(self, spec: MediaSpec) -> tuple[int, ...]:
        """The durations that the spec may choose from, in seconds; none if rules contradict."""
        rules = self._duration_rules(spec)
        if not rules:
            return self.durations
        return tuple(s for s in rules[0].durations if all(s in rule.durations for rule in rules))

    def durations_text(self, spec: MediaSpec) -> str:
        """Those durations for people: "4, 6 or 8 s", or "8 s with references"."""
        causes = "".join(f" {rule.cause}" for rule in self._duration_rules(spec))
        return f"{_seconds_text(self.durations_for(spec))}{causes}"

    def _duration_rules(self, spec: MediaSpec) -> list[Rule]:
        return [rule for rule in self.rules if rule.durations and rule.holds(spec)]

    def price(self, spec: MediaSpec) -> Price | None:
        """The line that prices the spec; None if no line does."""
        return next((line for line in self.prices if line.fits(spec)), None)

    def cost_lines(self, spec: MediaSpec, final_prompt: str) -> list[tuple[str, int]]:
        """The parts of the cost of the spec: a text for people, and micro-units, rounded up.
        Empty if no line prices the spec."""
        line, count = self.price(spec), spec.output_count
        if line is None:
            return []
        times = f"{count} x " if count > 1 else ""
        outputs = rendering_of(spec.kind).outputs_text(spec)
        inputs, thousands = len(spec.inputs), -(-len(final_prompt) // 1000)
        extras = (
            (_counted(inputs, "input"), inputs * self.micros_per_input),
            (
                f"up to {thousands},000 characters of prompt",
                thousands * self.micros_per_1000_characters,
            ),
        )
        return [(f"{outputs}, {line.text}", line.micros(spec))] + [
            (times + text, micros * count) for text, micros in extras if micros
        ]

    @property
    def price_list(self) -> list[tuple[str, int]]:
        """Each price with its text and its micro-units; empty without one."""
        if not self.prices:
            return []
        extras = (
            ("more for each input", self.micros_per_input),
            ("more for each 1,000 characters of prompt", self.micros_per_1000_characters),
        )
        return [(line.text, line.listed_micros) for line in self.prices] + [
            (text, micros) for text, micros in extras if micros
        ]

    def charge_micros(self, tokens: Mapping[str, int]) -> int | None:
        """What so many tokens (by the names of TOKENS) cost, rounded up; None if a price or the
        count is missing."""
        prices = self.token_prices or {}
        if not tokens or any(kind not in prices for kind, count in tokens.items() if count):
            return None
        cost = sum(prices[kind] * count for kind, count in tokens.items() if count)
        return -(-cost // MILLION)

    def check_kind(self, kind: str) -> None:
        """Compares it with how that kind of job is rendered.

        Raises:
            ValueError: when something in it makes no sense for that kind.
        """
        rendering = rendering_of(kind)
        _known("fields", self.fields, rendering.fields)
        first, second = rendering.size_examples
        _form("resolutions", self.resolutions, rendering.size_form, f'{first}" or "{second}')
        for number, line in enumerate(self.prices):
            given = [name for name in _PRICE_FIELDS if getattr(line, name) is not None]
            if given != [rendering.price_field]:
                needed = rendering.price_field
                raise ValueError(f"prices[{number}] needs {needed} and no other amount")
        if rendering.timed and not self.durations:
            raise ValueError("durations is missing")
        if self.durations and not rendering.timed:
            raise ValueError(f"durations is not for {kind}s")
        self._check_rules(kind, rendering)

    def _check_rules(self, kind: str, rendering: Rendering) -> None:
        for number, rule in enumerate(self.rules):
            place = f"rules[{number}]"
            ruling = (*self.fields, rendering.size_field, "aspect_ratio")
            _known(f"{place}: field", [rule.field], ruling)
            _known(f"{place}: needs", rule.needs, self.fields)
            _known(f"{place}: excludes", rule.excludes, self.fields)
            _known(f"{place}: resolutions", rule.resolutions, self.resolutions)
            if rule.durations and not rendering.timed:
                raise ValueError(f"{place}: durations is not for {kind}s")


def is_given(value: object) -> bool:
    """Whether a field of a spec has a value."""
    return value not in (None, "", ())


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _seconds_text(durations: tuple[int, ...]) -> str:
    """Durations for people: "4, 6 or 8 s", or "whole seconds, 1 to 10"."""
    if not durations:
        return "no duration"
    first, last = durations[0], durations[-1]
    if len(durations) > 2 and durations == tuple(range(first, last + 1)):
        return f"whole seconds, {first} to {last}"
    most = ", ".join(str(seconds) for seconds in durations[:-1])
    return f"{most} or {last} s" if most else f"{last} s"


def _known(name: str, values: Iterable[str], known: Iterable[str]) -> None:
    known = tuple(known)
    if unknown := [value for value in values if value not in known]:
        raise ValueError(f"{name}: {unknown[0]} is none of {', '.join(known) or 'none'}")


def _form(name: str, values: Iterable[str], form: re.Pattern[str], example: str) -> None:
    for value in values:
        if not form.fullmatch(value):
            raise ValueError(f'{name}: {value} must be like "{example}"')
