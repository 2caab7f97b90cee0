"""What the words of a text are. `tests/contract/test_media_lists.py` says what a query finds."""

import pytest

from core.words import beginnings, terms, wanted_terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A 50% blue Sea_horse", "a 50 blue sea horse"),
        ("Größe ÉTÉ Жёлтый", "grosse ete желтыи"),
        ("夜の東京", "夜の東 の東京 東京 京"),
        ("4K画質", "4k 画質 質"),
        ("👩‍🚀👍🏽", "👩 🚀 👍"),
        ("x" * 30, "x" * 24),
        ("%_'\"\\", ""),
    ],
)
def test_a_text_becomes_terms_without_case_and_accents(text: str, expected: str) -> None:
    assert terms(text) == set(expected.split())


def test_a_query_wants_only_what_says_most() -> None:
    assert wanted_terms("a an ant bee") == {"ant", "bee"}
    assert wanted_terms("夜の東京タワー") == {"夜の東", "京タワ", "タワー"}


def test_every_term_of_a_text_is_found_by_each_of_its_beginnings() -> None:
    assert beginnings({"ant", "b"}) == {"a", "an", "ant", "b"}
