"""What one model can do for one kind of job, within which limits, and what that costs: data of
models.toml, checked as it is made.
"""

import re
from collections.abc import Iterable, Mapping

from pydantic import ConfigDict, NonNegativeInt, PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from core.specs import Kind, Spec, VideoSpec

# Wrong types and unknown names are mistakes of whoever wrote the file.
CHECKED = ConfigDict(strict=True, extra="forbid")
QUALITIES = ("DRAFT", "STANDARD", "HIGH")
# The fields of a spec that not every model honours. Prompt templates are not among them: they are
# joined to the prompt here, so every model honours them.
FIELDS: Mapping[Kind, tuple[str, ...]] = {
    Kind.VIDEO: (
        "seed",
        "negative_prompt",
        "audio",
        "first_frame",
        "last_frame",
        "references",
        "source_video",
    ),
    Kind.IMAGE: ("seed", "negative_prompt", "references", "mask", "output_mime_type"),
}
# What providers count their tokens by.
TOKENS = ("text_input", "image_input", "text_output", "image_output", "video_output")
MILLION = 1_000_000
MAX_SEED = 2**63 - 1
_RATIO = re.compile(r"[1-9][0-9]{0,3}:[1-9][0-9]{0,3}")
_RESOLUTION: Mapping[Kind, re.Pattern[str]] = {
    Kind.VIDEO: re.compile(r"[1-9][0-9]{1,4}p|[1-9][0-9]?K"),
    Kind.IMAGE: re.compile(r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}|[1-9][0-9]?K"),
}


def resolution_of(spec: Spec) -> str:
    """The resolution of a video or the size of an image."""
    return spec.resolution if isinstance(spec, VideoSpec) else spec.size


@dataclass(config=CHECKED, frozen=True, slots=True, kw_only=True)
class Price:
    """One line of a price list: what one output costs, in micro-units, where its conditions hold.

    `text` says it for people. A condition that is empty holds always.
    """

    text: str
    micros_per_second: NonNegativeInt | None = None
    micros_per_image: NonNegativeInt | None = None
    resolutions: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    audio: bool | None = None

    def fits(self, spec: Spec) -> bool:
        """Whether its conditions hold. What the spec leaves open, the provider does: sound."""
        if self.resolutions and resolution_of(spec) not in self.resolutions:
            return False
        if self.qualities and spec.quality not in self.qualities:
            return False
        sound = not isinstance(spec, VideoSpec) or spec.audio is not False
        return self.audio is None or self.audio is sound

    def micros(self, spec: Spec) -> int:
        """What all outputs of the spec cost, each rounded up."""
        if isinstance(spec, VideoSpec):
            return -(-(self.micros_per_second or 0) * spec.duration_ms // 1000) * spec.output_count
        return (self.micros_per_image or 0) * spec.output_count

    @property
    def listed_micros(self) -> int:
        """The amount that the line names."""
        return self.micros_per_second or self.micros_per_image or 0


@dataclass(config=CHECKED, frozen=True, slots=True, kw_only=True)
class Rule:
    """What one field demands of the others, where it is given (with one of `values`, if there are
    some): other durations (in seconds) than usual, fewer resolutions, fields that must be given
    and fields that must not.
    """

    field: str
    values: tuple[str, ...] = ()
    durations: tuple[PositiveInt, ...] = ()
    resolutions: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    def holds(self, spec: Spec) -> bool:
        """Whether the spec has what it is about."""
        shaped = self.field in ("resolution", "size")
        value = resolution_of(spec) if shaped else getattr(spec, self.field)
        return str(value) in self.values if self.values else is_given(value)

    @property
    def cause(self) -> str:
        """When it holds, for people."""
        return f"with {self.field} {' or '.join(self.values)}".rstrip()


@dataclass(config=CHECKED, frozen=True, slots=True, kw_only=True)
class Ability:
    """Limits and prices of one model for one kind of job. Durations in seconds, sides in pixels.

    The first ratio, and the first resolution or size, are the defaults; so is the first line of
    `prices` that fits the price. Without one the model is listed, but not run.
    What a spec gives (frames, references, a mask, a video) costs `micros_per_input` each, and its
    prompt `micros_per_1000_characters` for each thousand that is begun, both on top and for every
    output. `token_prices` are micro-units per million tokens: what a job is charged where the
    provider says how many tokens it took. An estimate shall not be below that.
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

    def durations_for(self, spec: Spec) -> tuple[int, ...]:
        """The durations that the spec may choose from, in seconds; none where rules contradict."""
        rules = self._duration_rules(spec)
        if not rules:
            return self.durations
        return tuple(s for s in rules[0].durations if all(s in rule.durations for rule in rules))

    def durations_text(self, spec: Spec) -> str:
        """Those durations for people: "4, 6 or 8 s", or "8 s with references"."""
        causes = "".join(f" {rule.cause}" for rule in self._duration_rules(spec))
        return f"{_seconds_text(self.durations_for(spec))}{causes}"

    def _duration_rules(self, spec: Spec) -> list[Rule]:
        return [rule for rule in self.rules if rule.durations and rule.holds(spec)]

    def price(self, spec: Spec) -> Price | None:
        """The line that the spec is priced by; None when nobody knows its price."""
        return next((line for line in self.prices if line.fits(spec)), None)

    def cost_lines(self, spec: Spec, final_prompt: str) -> list[tuple[str, int]]:
        """What the cost of the spec is made of: what for, for people, and micro-units, rounded up.
        Empty when nobody knows its price."""
        line, count = self.price(spec), spec.output_count
        if line is None:
            return []
        times = f"{count} x " if count > 1 else ""
        outputs = _counted(count, "image")
        if isinstance(spec, VideoSpec):
            outputs = f"{times}{spec.duration_ms / 1000:g} s"
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
        """What so many tokens (by the names of TOKENS) cost, rounded up; None when nobody knows."""
        prices = self.token_prices or {}
        if not tokens or any(kind not in prices for kind, count in tokens.items() if count):
            return None
        cost = sum(prices[kind] * count for kind, count in tokens.items() if count)
        return -(-cost // MILLION)

    def check_kind(self, kind: Kind) -> None:
        """
        Raises:
            ValueError: when something in it makes no sense for that kind of job.
        """
        _known("fields", self.fields, FIELDS[kind])
        example = "720p" if kind is Kind.VIDEO else "1024x1024"
        _form("resolutions", self.resolutions, _RESOLUTION[kind], f'{example}" or "2K')
        unit = "micros_per_second" if kind is Kind.VIDEO else "micros_per_image"
        for number, line in enumerate(self.prices):
            given = [
                n for n in ("micros_per_second", "micros_per_image") if getattr(line, n) is not None
            ]
            if given != [unit]:
                raise ValueError(f"prices[{number}] needs {unit} and no other amount")
        if kind is Kind.VIDEO and not self.durations:
            raise ValueError("durations is missing")
        if kind is Kind.IMAGE and self.durations:
            raise ValueError("durations is not for images")
        self._check_rules(kind)

    def _check_rules(self, kind: Kind) -> None:
        for number, rule in enumerate(self.rules):
            place = f"rules[{number}]"
            shape = ("resolution" if kind is Kind.VIDEO else "size", "aspect_ratio")
            _known(f"{place}: field", [rule.field], (*self.fields, *shape))
            _known(f"{place}: needs", rule.needs, self.fields)
            _known(f"{place}: excludes", rule.excludes, self.fields)
            _known(f"{place}: resolutions", rule.resolutions, self.resolutions)
            if rule.durations and kind is not Kind.VIDEO:
                raise ValueError(f"{place}: durations is not for images")


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
