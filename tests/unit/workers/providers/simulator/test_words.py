"""The words, and the page that lists them."""

import re
from pathlib import Path

import pytest

from core.catalog.simulated import Word, unknown_words, words_in
from core.errors import Reason
from core.jobs import State
from rushes.v1.error_reason_pb2 import ErrorReason
from workers.providers.simulator.words import EFFECTS, Effect, Moment, failure

PAGE = Path(__file__).resolve().parents[5] / "docs" / "simulator.md"
# What ends a job without any word, by time or by the installation.
WITHOUT_A_WORD = {Reason.START_DEADLINE_EXCEEDED, Reason.FINISH_DEADLINE_EXCEEDED}


def row(word: Word, effect: Effect) -> str:
    details = " ".join(f"{name}={value}" for name, value in (effect.metadata or {}).items())
    reason = f"`{effect.reason}` {details}".strip() if effect.reason else ""
    return f"| `{word}` | {effect.does} | {effect.state} | {reason} | {effect.cost} |"


def test_the_page_lists_every_word_with_its_effect_and_no_other() -> None:
    rows = re.findall(r"^\| `sim:.*$", PAGE.read_text(), re.MULTILINE)
    assert rows == [row(word, effect) for word, effect in EFFECTS.items()]


def test_every_reason_that_a_job_can_fail_with_has_a_word_or_a_deadline() -> None:
    numbered = {name for name, number in ErrorReason.items() if number >= 40}
    by_words = {str(effect.reason) for effect in EFFECTS.values() if effect.reason}
    planned = {"REPORT_FAILED", "SOURCE_UNAVAILABLE"}
    assert numbered - by_words - planned == {str(reason) for reason in WITHOUT_A_WORD}


def test_the_page_says_of_every_reason_how_to_try_it() -> None:
    page = PAGE.read_text()
    reasons = {name for name, number in ErrorReason.items() if number}
    assert {name for name in reasons if f"`{name}`" not in page} == set()


def test_every_word_has_an_effect() -> None:
    assert list(EFFECTS) == list(Word)
    for effect in EFFECTS.values():
        assert (effect.reason is None) is (effect.state is State.SUCCEEDED)
    assert {effect.at for effect in EFFECTS.values()} == set(Moment)


@pytest.mark.parametrize("word", list(Word))
def test_a_prompt_may_hold_any_word(word: Word) -> None:
    assert words_in(f"a boat, {word.upper()}. At sea") == {word}


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "sim",
        "sim:",
        "sim:boat",
        "sim: slow",
        "sim:slows",
        "sim:slow2",
        "sim:slow_",
        "xsim:slow",
        "a-sim:slow",
        "sim:sim:slow",
        "sim:slow-",
        "sim:filtered-x",
        "sim:slowé",
    ],
)
def test_what_only_looks_like_a_word_means_nothing(prompt: str) -> None:
    assert words_in(prompt) == frozenset()


def test_what_looks_like_a_word_and_is_none_is_found_once() -> None:
    assert unknown_words("sim:slow SIM:Boat, sim:boat xsim:no sim: sim:slow2") == [
        "sim:boat",
        "sim:slow2",
    ]


def test_words_are_combined() -> None:
    assert words_in("(sim:slow)\nsim:no-cancel,sim:slow") == {Word.SLOW, Word.NO_CANCEL}


def test_a_failure_says_its_word_and_its_metadata() -> None:
    told = failure(Word.VANISH, operation="simulated-1")
    assert told.reason is Reason.PROVIDER_OPERATION_LOST
    assert "sim:vanish" in told.message
    assert told.metadata == {"operation": "simulated-1"}
    with pytest.raises(ValueError, match="no job fail"):
        failure(Word.SLOW)
