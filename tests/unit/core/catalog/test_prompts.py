import dataclasses
from pathlib import Path

import pytest

from core.catalog.prompts import TABLES, read_prompts
from core.errors import SettingsInvalid
from tests.making import IMAGE, VIDEO

FILE = """
[style_packs.ink]
text = "Style: ink."
about = "Ink."
[moods.calm]
text = "Mood: calm."
about = "Calm."
[cinematography.pan]
text = "Camera: pan."
about = "Pan."
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "my prompts.toml"
    file.write_text(FILE)
    return file


def test_fragments_follow_the_prompt_in_their_order(path: Path) -> None:
    prompts = read_prompts(path)
    spec = dataclasses.replace(VIDEO, cinematography="pan", mood="calm", style_pack="ink")

    assert prompts.unknown(spec) == []
    assert prompts.join(spec) == "sea\nStyle: ink.\nMood: calm.\nCamera: pan."


def test_without_templates_the_prompt_is_as_it_was(path: Path) -> None:
    assert read_prompts(path).join(dataclasses.replace(IMAGE, prompt=" a  b\n")) == " a  b\n"


def test_a_spec_without_a_prompt_has_only_its_fragments(path: Path) -> None:
    assert read_prompts(path).join(dataclasses.replace(VIDEO, prompt="", mood="calm")) == (
        "Mood: calm."
    )


def test_unknown_names_are_found_by_their_field(path: Path) -> None:
    prompts = read_prompts(path)
    spec = dataclasses.replace(VIDEO, style_pack="calm", mood="calm", cinematography="Pan")

    assert prompts.unknown(spec) == ["style_pack", "cinematography"]
    assert [prompts.names(field) for field in TABLES] == [["ink"], ["calm"], ["pan"]]


def test_the_packaged_templates_can_be_read() -> None:
    prompts = read_prompts(None)
    assert all(prompts.names(field) for field in TABLES)


def test_a_file_of_ones_own_takes_the_place_of_the_packaged_one(tmp_path: Path) -> None:
    empty = tmp_path / "prompts.toml"
    empty.write_text("")
    assert [read_prompts(empty).names(field) for field in TABLES] == [[], [], []]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("[style_packs.ink]", "[styles.ink]", "styles is none of"),
        ("[style_packs.ink]", "[style_packs.Ink]", "style_packs.Ink: the name"),
        ('text = "Style: ink."', "", "style_packs.ink: must have text and about"),
        ('about = "Ink."', 'about = "Ink."\nmore = 1', "style_packs.ink: must have text"),
        ('"Style: ink."', "3", "style_packs.ink.text: must be a text"),
        ('"Style: ink."', '" "', "style_packs.ink.text: must be a text"),
        ('"Style: ink."', '"a\\nb"', "style_packs.ink.text: must have at most"),
        ('"Style: ink."', f'"{"x" * 1001}"', "style_packs.ink.text: must have at most"),
        (FILE, "moods = 3", "moods: must be a table"),
        ("[moods.calm]", "[moods", ""),
    ],
)
def test_a_wrong_entry_is_named(path: Path, old: str, new: str, place: str) -> None:
    path.write_text(FILE.replace(old, new, 1))

    with pytest.raises(SettingsInvalid) as caught:
        read_prompts(path)
    assert f"prompts file {path}: {place}" in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"none\.toml"):
        read_prompts(tmp_path / "none.toml")
