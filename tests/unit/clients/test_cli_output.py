"""What is printed is harmless and exact."""

import io
import sys

import pytest
from google.protobuf.duration_pb2 import Duration
from google.type.money_pb2 import Money

from rushes.cli import output
from rushes.cli.exits import exit_code, sentence
from rushes.cli.inputs import out_paths
from rushes.cli.progress import Bars
from rushes.cli.words import (
    amount_text,
    cost_text,
    describe,
    doing,
    queue_text,
    span_text,
    state_name,
)
from rushes.errors import InternalError, InvalidRequest, LimitReached, Unavailable
from rushes.v1.job_pb2 import Cost, Job, Progress, QueueInfo
from tests.unit.clients.making import a_clip, a_cost, a_job, change, progress, reset, synced, usd


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("plain é 海 👩‍🚀", "plain é 海 👩‍🚀"),
        ("\x1b[2Jgone", "\ufffd[2Jgone"),
        ("\x9b31mred\x7f", "\ufffd31mred\ufffd"),
        ("a\r\nb\tc", "a  b c"),
        ("\u202egpj.exe\u2069", "\ufffdgpj.exe\ufffd"),
        ("\u2028next\x00", "\ufffdnext\ufffd"),
    ],
)
def test_control_characters_are_neutralised(text: str, harmless: str) -> None:
    assert output.clean(text) == harmless


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Money(currency_code="USD"), "0.00 USD"),
        (Money(currency_code="USD", units=3, nanos=500_000_000), "3.50 USD"),
        (Money(currency_code="EUR", nanos=1_250_000), "0.00125 EUR"),
        (Money(currency_code="USD", units=-1, nanos=-50_000_000), "-1.05 USD"),
    ],
)
def test_money_is_never_rounded(amount: Money, text: str) -> None:
    assert output.money(amount) == text


def test_a_terminal_without_utf8_gets_question_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    output.say("海 boat")
    stream.seek(0)
    assert stream.read() == "? boat\n"


@pytest.mark.parametrize(
    ("terminal", "columns", "room"), [(True, "110", True), (True, "109", False), (False, "9", True)]
)
def test_a_narrow_terminal_has_less_room_than_a_script(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, columns: str, room: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    assert output.has_room(110) is room


def test_fields_that_the_message_leaves_out_are_named() -> None:
    error = InvalidRequest("spec.seed: odd", violations=(("spec.seed", "odd"), ("labels", "bad")))
    assert sentence(error, "here") == "spec.seed: odd; labels: bad"


@pytest.mark.parametrize(
    ("reason", "metadata", "told"),
    [
        (
            "COST_ABOVE_LIMIT",
            {"max_cost": "0.10", "estimated": "0.25"},
            "Refused: estimated 0.25, max_cost 0.10.",
        ),
        (
            "BUDGET_EXCEEDED",
            {"reset_time": "2026-11-22T00:00:00Z", "limit": "1.00", "required": "0.25"},
            "Refused: required 0.25, limit 1.00, reset_time 2026-11-22T00:00:00Z.",
        ),
        ("QUEUE_FULL", {"limit": "50"}, "Refused: limit 50."),
        (
            "PROVIDER_NOT_CONFIGURED",
            {"provider": "gemini", "setting": "RUSHES_X"},
            "Refused: provider gemini, setting RUSHES_X.",
        ),
        ("QUEUE_FULL", {}, "Refused."),
        ("JOB_STATE_INVALID", {"state": "RUNNING"}, "Refused."),
    ],
)
def test_a_refusal_tells_its_figures(reason: str, metadata: dict[str, str], told: str) -> None:
    assert sentence(LimitReached("Refused.", reason=reason, metadata=metadata), "here") == told


def test_a_figure_that_the_message_has_is_not_repeated() -> None:
    error = LimitReached("The day's budget.", reason="BUDGET_EXCEEDED", metadata={"period": "day"})
    assert sentence(error, "here") == "The day's budget."


def test_an_outage_that_rushes_itself_explains_is_told_in_its_words() -> None:
    told = Unavailable("The database can't be reached now.", reason="DEPENDENCY_UNAVAILABLE")
    assert sentence(told, "here") == "The database can't be reached now."
    assert exit_code(told) == exit_code(InternalError("x")) == 4


def test_states_and_stages_newer_than_this_client_are_shown_as_numbers() -> None:
    assert state_name(Job(state=99)) == "99"  # type: ignore[arg-type]
    assert doing(Progress(stage=99, message="almost")) == "running: almost"  # type: ignore[arg-type]


def test_a_queued_job_tells_its_place_and_why_it_waits() -> None:
    assert describe(a_job(queue=QueueInfo(position=3))) == "queued, place 3"
    waiting = QueueInfo(position=1)
    waiting.estimated_wait.seconds = 12
    assert queue_text(waiting) == "queued, place 1, starts in about 12 s"
    blocked = QueueInfo(position=1, blocked_reason="no worker")
    assert queue_text(blocked) == "queued, place 1 (no worker)"


@pytest.mark.parametrize(
    ("cost", "text", "amount"),
    [
        (a_cost("CHARGED", actual="0.015"), "charged 0.015 USD", "0.015 USD"),
        (a_cost("CHARGED", actual="0.00"), "nothing charged", "0.00 USD"),
        (a_cost("RELEASED"), "nothing charged", "0.00 USD"),
        (a_cost("UNCERTAIN"), "may have cost up to 0.02 USD", "up to 0.02 USD"),
        (a_cost("RESERVED"), "0.02 USD reserved", "up to 0.02 USD"),
        (a_cost("RESERVED", "0.00"), "0.00 USD reserved", "0.00 USD"),
        (Cost(state=99, estimated=usd("0.02")), "0.02 USD estimated", "up to 0.02 USD"),  # type: ignore[arg-type]
        (Cost(), "", ""),
    ],
)
def test_money_is_told_by_its_state(cost: Cost, text: str, amount: str) -> None:
    assert (cost_text(cost), amount_text(cost)) == (text, amount)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "under 1 s"), (119, "119 s"), (200, "3 min"), (7199, "120 min"), (9000, "2 h")],
)
def test_times_are_as_exact_as_people_need_them(seconds: int, text: str) -> None:
    assert span_text(Duration(seconds=seconds, nanos=5)) == text


def test_results_in_a_folder_keep_their_ids_and_nothing_else(tmp_path) -> None:  # type: ignore[no-untyped-def]
    job = a_job("SUCCEEDED", outputs=[a_clip(media_id="../evil"), a_clip(media_id="b")])
    assert out_paths(tmp_path, job) == [tmp_path / "evil.mp4", tmp_path / "b.mp4"]


def test_bars_say_that_they_wait_for_the_first_job(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars() as bars:
        bars.show(synced())
        bars.show(synced())
    assert capsys.readouterr().err.count("Nothing is running") == 1


def test_bars_take_markup_of_a_prompt_as_text() -> None:
    with Bars() as bars:
        bars.show(progress(5, "[bold]not markup[/]"))
        bars.show(change(a_job("RUNNING")))
        bars.trouble(Unavailable("gone"), 1.0)
        bars.show(reset())
        bars.show(change(a_job("FAILED", revision=2)))
