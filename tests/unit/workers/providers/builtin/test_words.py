"""Prompts: which place, hour, elements, colours and style are read from their words."""

import pytest

from workers.providers.builtin.words import describe


@pytest.mark.parametrize(
    ("prompt", "place", "hour"),
    [
        ("calm ocean waves at sunset", "sea", "sunset"),
        ("a misty pine forest in the morning", "forest", "dawn"),
        ("city skyline at night", "city", "night"),
        ("snowy mountains at dawn", "mountain", "dawn"),
        ("hot air balloons over mountains at sunrise", "mountain", "dawn"),
        ("campfire in the woods", "fire", "night"),
        ("a planet in a far galaxy", "space", "night"),
        ("sand dunes, golden hour", "desert", "sunset"),
        ("coral reef under water, underwater", "underwater", "day"),
        ("night sky with stars and moon", "sky", "night"),
    ],
)
def test_words_choose_place_and_hour(prompt: str, place: str, hour: str) -> None:
    description = describe(prompt)

    assert (description.place, description.hour) == (place, hour)


@pytest.mark.parametrize(
    ("prompt", "element"),
    [
        ("a paper boat", "boat"),
        ("two cats by the sea", "cat"),
        ("rain in the city", "rain"),
        ("northern lights over a lake", "aurora"),
        ("fireflies in the forest", "fireflies"),
        ("cherries and people at the beach", "person"),
    ],
)
def test_named_things_are_shown(prompt: str, element: str) -> None:
    assert element in describe(prompt).elements


@pytest.mark.parametrize("dropped", ["sun", "clouds", "birds", "boat"])
def test_a_negative_prompt_drops_elements(dropped: str) -> None:
    prompt = "a boat and birds on the sea at sunset, clouds"
    assert dropped in describe(prompt).elements

    left = describe(prompt, f"{dropped}, something unheard of").elements

    assert left == describe(prompt).elements - {dropped}


def test_a_negative_prompt_drops_a_place() -> None:
    assert describe("city by the sea", "city").place == "sea"


def test_colours_and_style_are_read() -> None:
    description = describe("a red and golden desert, watercolor")

    assert description.colours == ("red", "golden")
    assert description.style == "watercolour"


def test_an_unheard_of_prompt_always_means_the_same() -> None:
    one, same = describe("Zxq frobnicate"), describe("zxq, frobnicate!")

    assert one == same
    assert {describe(f"qwrt{chr(97 + n)}").place for n in range(26)} > {"abstract"}


@pytest.mark.parametrize("prompt", ["", "🌊🌊", "海の波", "123", "a" * 5000])
def test_every_prompt_has_a_scene(prompt: str) -> None:
    assert describe(prompt).place
