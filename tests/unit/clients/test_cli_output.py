"""What is printed is harmless and exact."""

import io
import re
import sys
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from google.type.money_pb2 import Money

from rushes.cli import output
from rushes.cli.exits import Refusal, exit_code, sentence
from rushes.cli.field_names import in_options
from rushes.cli.progress import Bars
from rushes.cli.saving import check_out
from rushes.cli.words import (
    amount_text,
    cost_text,
    describe,
    doing,
    progress_text,
    queue_text,
    span_text,
    state_name,
)
from rushes.errors import InternalError, InvalidRequest, LimitReached, Unavailable
from rushes.v1.job_pb2 import Cost, Job, Progress, QueueInfo
from rushes.v1.media_service_pb2 import WatchEvent
from tests.unit.clients.making import a_cost, a_job, change, progress, reset, synced, usd


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
    ("terminal", "columns", "heads"),
    [
        (True, "27", ["NAME", "PRICE", "SIZES"]),
        (True, "26", ["NAME", "PRICE"]),
        (True, "9", ["NAME"]),
        (False, "9", []),
    ],
)
def test_a_narrow_terminal_is_spared_the_last_columns_and_a_script_is_not(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    terminal: bool,
    columns: str,
    heads: list[str],
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    row = ("a" * 8, "b" * 8, "c" * 7)
    output.say_table(("NAME", "PRICE", "SIZES"), [row], spare=("PRICE", "SIZES"))
    first, *_ = re.sub(r"\x1b\[\d+m", "", capsys.readouterr().out).splitlines()
    assert first.split() == (heads if terminal else list(row))


def test_fields_that_the_message_leaves_out_are_named() -> None:
    error = InvalidRequest("spec.seed: odd", violations=(("spec.seed", "odd"), ("labels", "bad")))
    assert sentence(error) == "--seed: odd; --label: bad"


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ("spec.duration", "--duration"),
        ("spec.negative_prompt", "--negative-prompt"),
        ("spec.output_count", "--count"),
        ("spec.output_mime_type", "--format"),
        ("spec.references[1].content", "--reference"),
        ("spec.first_frame.media_id", "--first-frame"),
        ("options.finish_within", "--finish-within"),
        ("options.labels", "--label"),
        ("video.resolution", "--resolution"),
        ("models[2]", "--model"),
        ("job_ids[0]", "JOB_ID"),
        ("media_id", "MEDIA_ID"),
        ("spec.prompt", "PROMPT"),
    ],
)
def test_a_field_of_the_contract_is_told_as_the_option(field: str, named: str) -> None:
    assert in_options(f"{field}: is odd; {field}: is even") == f"{named}: is odd; {named}: is even"


def test_words_that_only_look_like_fields_are_left_alone() -> None:
    text = "The models of the video.mp4 are labels and in my.spec.duration too."
    assert in_options(text) == text


@pytest.mark.parametrize(
    ("reason", "metadata", "told"),
    [
        (
            "COST_ABOVE_LIMIT",
            {"max_cost": "0.10", "estimated": "0.25"},
            "Refused: estimated 0.25, --max-cost 0.10.",
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
    assert sentence(LimitReached("Refused.", reason=reason, metadata=metadata)) == told


def test_a_figure_that_the_message_has_is_not_repeated() -> None:
    error = LimitReached("The day's budget.", reason="BUDGET_EXCEEDED", metadata={"period": "day"})
    assert sentence(error) == "The day's budget."


def test_an_outage_that_rushes_itself_explains_is_told_in_its_words() -> None:
    told = Unavailable("The database can't be reached now.", reason="DEPENDENCY_UNAVAILABLE")
    assert sentence(told) == "The database can't be reached now."
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


@pytest.mark.parametrize("name", ["boat.MP4", "boat.bmp", "boat.pdf", "boat.webm", "boat.tiff"])
def test_an_ending_that_no_image_has_is_refused(name: str) -> None:
    with pytest.raises(Refusal, match=r"\.png, \.jpg or \.webp"):
        check_out(Path(name), "image")


@pytest.mark.parametrize("name", ["boat.JPG", "boat.png", "boat.webp", "boat", "boat.v2"])
def test_an_ending_that_promises_nothing_wrong_is_taken(name: str) -> None:
    check_out(Path(name), "image")


def test_bars_say_that_they_wait_for_the_first_job(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars() as bars:
        bars.show(synced())
        bars.show(synced())
    assert capsys.readouterr().err.count("Nothing is running") == 1


def on_bars(monkeypatch: pytest.MonkeyPatch, *events: WatchEvent) -> str:
    """What a terminal shows of the events."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    bars = Bars()
    shown = io.StringIO()
    bars._console.file = shown
    with bars:
        for event in events:
            bars.show(event)
            bars._progress.refresh()
    return shown.getvalue()


def test_what_is_seen_last_of_a_success_is_100_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    done = change(a_job("SUCCEEDED", revision=2))
    shown = on_bars(monkeypatch, change(a_job("RUNNING")), progress(98), done)
    assert shown.index("98 %") < shown.index("100 %") < shown.index("succeeded")


def test_a_failure_does_not_look_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = change(a_job("FAILED", revision=2))
    assert "100 %" not in on_bars(monkeypatch, change(a_job("RUNNING")), progress(98), failed)


def test_a_reconciling_job_shows_that_and_no_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    job = a_job("RECONCILING", progress=Progress(stage="SUBMITTING"))
    shown = on_bars(monkeypatch, change(job), progress(27))
    assert "reconciling: the submit's outcome is not known yet" in shown
    assert "submitting" not in shown
    assert " %" not in shown


def test_a_job_that_runs_again_after_reconciling_shows_its_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    again = change(a_job("RUNNING", revision=2))
    assert "27 %" in on_bars(monkeypatch, change(a_job("RECONCILING")), again, progress(27))


def test_the_time_left_is_shown_where_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    event = progress(40)
    event.progress.progress.remaining.seconds = 90
    assert "about 90 s left" in on_bars(monkeypatch, event)
    assert progress_text(event.progress.progress) == "40 % generating, about 90 s left"
    assert progress_text(Progress(percent=4, message="Frame 1")) == "4 % running: Frame 1"


def test_bars_take_markup_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    marked = progress(5, "[bold]not markup[/]")
    events = (marked, change(a_job("RUNNING")), reset(), change(a_job("FAILED", revision=2)))
    assert "[bold]not markup[/]" in on_bars(monkeypatch, *events)
