"""Prices, charges and rules of a model, as data."""

import dataclasses
from typing import Any

import pytest

from core.catalog.ability import Ability, Price, Rule
from core.specs import ImageSpec, VideoSpec
from tests.making import IMAGE, VIDEO

ABILITY = Ability(
    aspect_ratios=("16:9",),
    resolutions=("720p", "1080p", "4K"),
    durations=(4, 6, 8),
    default_duration=8,
    max_output_count=4,
    max_references=3,
    fields=("audio", "first_frame", "last_frame", "references"),
    qualities=("DRAFT", "HIGH"),
    cancellable=False,
    prices=(
        Price(text="hd", resolutions=("720p", "1080p"), audio=True, micros_per_second=400_000),
        Price(text="hd, no sound", resolutions=("720p", "1080p"), micros_per_second=200_000),
        Price(text="4K draft", qualities=("DRAFT",), micros_per_second=1),
    ),
    rules=(
        Rule(field="resolution", values=("1080p", "4K"), durations=(8,)),
        Rule(field="references", durations=(8,), excludes=("first_frame",)),
        Rule(field="last_frame", needs=("first_frame",), durations=(4, 6)),
    ),
)


def video(**fields: Any) -> VideoSpec:
    return dataclasses.replace(VIDEO, **{"duration_ms": 8000, "resolution": "720p", **fields})


@pytest.mark.parametrize(
    ("fields", "micros"),
    [
        # What the caller leaves open, the provider does: with sound.
        ({}, 3_200_000),
        ({"audio": True}, 3_200_000),
        ({"audio": False}, 1_600_000),
        ({"resolution": "1080p", "output_count": 2}, 6_400_000),
        ({"resolution": "4K", "quality": "DRAFT"}, 8),
        ({"resolution": "4K", "quality": "HIGH"}, None),
        ({"resolution": "4K"}, None),
    ],
)
def test_the_first_line_that_fits_is_the_price(fields: dict[str, Any], micros: int | None) -> None:
    line = ABILITY.price(video(**fields))
    assert (line.micros(video(**fields)) if line else None) == micros


def test_an_image_is_priced_by_its_size() -> None:
    lines = (
        Price(text="1K", resolutions=("1K",), micros_per_image=67_000),
        Price(text="else", micros_per_image=151_000),
    )
    image = dataclasses.replace(IMAGE, output_count=3)

    def micros(spec: ImageSpec) -> int:
        return next(line for line in lines if line.fits(spec)).micros(spec)

    assert micros(dataclasses.replace(image, size="1K")) == 201_000
    assert micros(dataclasses.replace(image, size="4K")) == 453_000


def test_a_price_is_rounded_up_never_down() -> None:
    line = Price(text="", micros_per_second=1)
    assert line.micros(video(duration_ms=1001, output_count=3)) == 6


def test_inputs_and_long_prompts_cost_more_for_each_output() -> None:
    # Given a model whose inputs and prompts are priced too
    priced = dataclasses.replace(ABILITY, micros_per_input=1000, micros_per_1000_characters=50)
    spec = video(output_count=2, first_frame="f", references=("r1", "r2"))

    # Then a begun thousand of characters counts whole
    assert priced.cost_lines(spec, "x" * 1001) == [
        ("2 x 8 s, hd", 6_400_000),
        ("2 x 3 inputs", 6000),
        ("2 x up to 2,000 characters of prompt", 200),
    ]
    # And what is not there is no line
    assert priced.cost_lines(video(), "") == [("8 s, hd", 3_200_000)]
    assert [text for text, _ in priced.cost_lines(video(first_frame="f"), "sea")] == [
        "8 s, hd",
        "1 input",
        "up to 1,000 characters of prompt",
    ]
    assert priced.cost_lines(video(resolution="4K"), "sea") == []


def test_the_price_list_names_what_comes_on_top() -> None:
    priced = dataclasses.replace(ABILITY, micros_per_input=1000, micros_per_1000_characters=50)
    assert ABILITY.price_list == [("hd", 400_000), ("hd, no sound", 200_000), ("4K draft", 1)]
    assert priced.price_list[3:] == [
        ("more for each input", 1000),
        ("more for each 1,000 characters of prompt", 50),
    ]
    # A model without a price has none of it
    assert dataclasses.replace(priced, prices=()).price_list == []


@pytest.mark.parametrize(
    ("tokens", "micros"),
    [
        ({"text_input": 50, "image_output": 1290}, 38_950),
        ({"image_output": 1}, 30),
        ({"text_input": 1}, 5),
        ({"text_input": 1, "text_output": 900}, 5),
        ({"text_input": 1, "video_output": 0}, 5),
        # Nobody knows what these cost here.
        ({"text_input": 1, "video_output": 1}, None),
        ({}, None),
    ],
)
def test_a_charge_is_counted_from_tokens(tokens: dict[str, int], micros: int | None) -> None:
    prices = {"text_input": 5_000_000, "text_output": 0, "image_output": 30_000_000}
    assert dataclasses.replace(ABILITY, token_prices=prices).charge_micros(tokens) == micros
    assert ABILITY.charge_micros(tokens) is None


def test_a_part_of_a_micro_unit_is_charged_as_one() -> None:
    cheap = dataclasses.replace(ABILITY, token_prices={"text_input": 1})
    assert cheap.charge_micros({"text_input": 1}) == 1


@pytest.mark.parametrize(
    ("fields", "durations", "text"),
    [
        ({}, (4, 6, 8), "4, 6 or 8 s"),
        ({"resolution": "1080p"}, (8,), "8 s with resolution 1080p or 4K"),
        ({"references": ("r",)}, (8,), "8 s with references"),
        ({"last_frame": "f"}, (4, 6), "4 or 6 s with last_frame"),
        (
            {"references": ("r",), "resolution": "4K"},
            (8,),
            "8 s with resolution 1080p or 4K with references",
        ),
        (
            {"references": ("r",), "last_frame": "f"},
            (),
            "no duration with references with last_frame",
        ),
    ],
)
def test_other_fields_rule_the_durations(
    fields: dict[str, Any], durations: tuple[int, ...], text: str
) -> None:
    assert ABILITY.durations_for(video(**fields)) == durations
    assert ABILITY.durations_text(video(**fields)) == text


def test_a_span_of_durations_is_said_as_one() -> None:
    spans = dataclasses.replace(ABILITY, durations=tuple(range(3, 11)), rules=())
    assert spans.durations_text(video()) == "whole seconds, 3 to 10"
