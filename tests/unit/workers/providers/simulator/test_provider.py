"""What the simulator answers, step by step, and what its ledger says of it."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.catalog.simulated import Word
from core.errors import Reason
from core.jobs import CostState, Job, Stage
from tests.unit.workers.providers.simulator.conftest import (
    PRICE,
    Clock,
    image_job,
    no_input,
    video_job,
)
from workers.providers import (
    Done,
    OutcomeUnknown,
    Output,
    Pending,
    ProviderFailed,
    RunStopped,
    TryLater,
    paid,
)
from workers.providers.simulator import SimulatorProvider
from workers.providers.simulator.words import EFFECTS, Moment
from workers.runs.results.media import probe_result

REFUSALS = [word for word, effect in EFFECTS.items() if effect.at is Moment.REFUSE]
FAILURES = [w for w, e in EFFECTS.items() if e.at is Moment.WORK and e.reason]
SLOW_MS = 10_000


class Watching:
    """A run that may be asked to stop."""

    def __init__(self, *, stopping: bool = False) -> None:
        self._stopping = stopping

    def stopping(self) -> bool:
        return self._stopping

    def report(self, stage: Stage, share: float, message: str) -> None:
        """Nobody looks."""


def submit(simulator: SimulatorProvider, job: Job, number: int = 1) -> str:
    return simulator.submit(job, f"{job.job_id}.{number}", {}).operation


def poll(simulator: SimulatorProvider, job: Job, operation: str) -> Pending | Done:
    return asyncio.run(simulator.poll(job, operation))


def fetch(simulator: SimulatorProvider, job: Job, operation: str, path: Path) -> Output:
    return simulator.fetch(job, operation, 0, path, no_input, Watching())


def lines(folder: Path, event: str = "accepted") -> list[dict[str, Any]]:
    text = (folder / "ledger.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, text) if line["event"] == event]


def test_it_is_a_paid_provider_that_can_look_up(simulator: SimulatorProvider) -> None:
    assert paid(simulator) is simulator
    assert simulator.can_look_up


def test_a_submit_is_in_the_ledger_with_what_it_costs(
    simulator: SimulatorProvider, folder: Path, clock: Clock
) -> None:
    job = video_job("sim:slow")
    operation = submit(simulator, job)

    [line] = lines(folder)
    assert (line["key"], line["job_id"]) == (f"{job.job_id}.1", job.job_id)
    assert (line["operation"], line["model"]) == (operation, "simulator-video")
    assert (line["micros"], line["time"]) == (PRICE, clock.ms)


def test_each_submit_is_paid_even_of_the_same_key(
    simulator: SimulatorProvider, folder: Path
) -> None:
    job = video_job()
    assert submit(simulator, job) != submit(simulator, job)
    assert len(lines(folder)) == 2


@pytest.mark.parametrize(
    ("job", "ms"), [(image_job(), 100), (video_job(), 500), (image_job("SIM:SLOW"), SLOW_MS)]
)
def test_an_operation_is_done_when_its_time_is_over(
    simulator: SimulatorProvider, clock: Clock, job: Job, ms: int
) -> None:
    submitted = simulator.submit(job, "key", {})
    assert not submitted.done
    assert submitted.delay_ms == min(ms, 500)

    clock.ms += ms // 2
    half = poll(simulator, job, submitted.operation)
    clock.ms += ms // 2
    assert half == Pending(delay_ms=min(ms // 2, 500), percent=50)
    assert poll(simulator, job, submitted.operation) == Done(PRICE)


def test_any_process_can_go_on_with_an_operation(
    simulator: SimulatorProvider,
    other_process: Callable[[], SimulatorProvider],
    clock: Clock,
    tmp_path: Path,
) -> None:
    other, job = other_process(), image_job()
    operation = submit(simulator, job)
    assert isinstance(poll(other, job, operation), Pending)
    clock.ms += 100

    assert poll(other, job, operation) == Done(PRICE)
    here = fetch(simulator, job, operation, tmp_path / "here")
    assert fetch(other, job, operation, tmp_path / "there") == here
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


def test_a_result_has_the_seed_of_the_spec_or_one_of_its_own(
    simulator: SimulatorProvider, tmp_path: Path
) -> None:
    chosen, drawn = image_job(seed=7), image_job()
    operation = submit(simulator, chosen)
    run, path = Watching(), tmp_path / "file"

    assert simulator.fetch(chosen, operation, 2, path, no_input, run).seed == 9
    assert fetch(simulator, drawn, submit(simulator, drawn), path).seed not in (None, 7)
    assert probe_result(path).width == 256


@pytest.mark.parametrize("word", REFUSALS)
def test_a_refusal_is_free(simulator: SimulatorProvider, folder: Path, word: Word) -> None:
    with pytest.raises(ProviderFailed) as refused:
        submit(simulator, video_job(word))

    effect = EFFECTS[word]
    assert refused.value.failure.reason is effect.reason
    assert (effect.metadata or {}).items() <= refused.value.failure.metadata.items()
    assert refused.value.cost is CostState.RELEASED
    assert lines(folder) == []


def test_a_used_up_quota_says_when_to_try_again(simulator: SimulatorProvider) -> None:
    with pytest.raises(ProviderFailed) as refused:
        submit(simulator, video_job("sim:quota"))
    assert refused.value.failure.metadata == {"retry_time": "1970-01-01T01:16:40.000Z"}


def test_an_unreachable_simulator_was_never_sent_anything(
    simulator: SimulatorProvider, folder: Path
) -> None:
    job = video_job("sim:unreachable")
    for _ in range(3):
        with pytest.raises(TryLater) as error:
            submit(simulator, job)
        assert not error.value.sent
        assert error.value.failure.reason is Reason.PROVIDER_UNAVAILABLE
    assert lines(folder) == []


@pytest.mark.parametrize(
    ("word", "sent", "delay_ms"),
    [("sim:unreachable-once", False, None), ("sim:busy-once", True, 1000)],
)
def test_what_happens_once_happens_once_to_each_job_in_any_process(
    simulator: SimulatorProvider,
    other_process: Callable[[], SimulatorProvider],
    folder: Path,
    word: str,
    sent: bool,
    delay_ms: int | None,
) -> None:
    for job in (video_job(word), video_job(word)):
        with pytest.raises(TryLater) as error:
            submit(simulator, job)
        assert (error.value.sent, error.value.delay_ms) == (sent, delay_ms)
        assert submit(other_process(), job, 2)
    assert len(lines(folder)) == 2
    assert [line["word"] for line in lines(folder, "happened")] == [word, word]


def test_words_that_happen_once_are_worked_off_one_after_the_other(
    simulator: SimulatorProvider,
) -> None:
    job = video_job("sim:busy-once sim:unreachable-once sim:lost-request-once")
    for expected in (TryLater, TryLater, OutcomeUnknown):
        with pytest.raises(expected):
            submit(simulator, job)
    assert submit(simulator, job)


def test_a_lost_answer_is_paid_and_can_t_be_looked_up(
    simulator: SimulatorProvider, folder: Path, clock: Clock
) -> None:
    job = video_job("sim:lost-answer")
    with pytest.raises(OutcomeUnknown) as unknown:
        submit(simulator, job)
    clock.ms += 3_600_000

    assert unknown.value.late is None
    assert len(lines(folder)) == 1
    # None would say that nothing was accepted, and the job would be paid for again.
    with pytest.raises(TryLater):
        simulator.look_up(f"{job.job_id}.1")


def test_a_lost_answer_that_is_listed_is_found(simulator: SimulatorProvider, folder: Path) -> None:
    job = video_job("sim:lost-answer-listed")
    with pytest.raises(OutcomeUnknown):
        submit(simulator, job)
    assert simulator.look_up(f"{job.job_id}.1") == lines(folder)[0]["operation"]
    assert simulator.look_up(f"{job.job_id}.2") is None


def test_a_lost_request_is_not_paid(simulator: SimulatorProvider, folder: Path) -> None:
    job = video_job("sim:lost-request-once")
    with pytest.raises(OutcomeUnknown):
        submit(simulator, job)
    assert simulator.look_up(f"{job.job_id}.1") is None
    assert lines(folder) == []
    assert submit(simulator, job, 2)


def test_a_late_answer_comes_and_leaves_no_thread(
    simulator: SimulatorProvider, folder: Path, clock: Clock
) -> None:
    before, job = set(threading.enumerate()), video_job("sim:late-answer")
    with pytest.raises(OutcomeUnknown) as unknown:
        submit(simulator, job)
    with pytest.raises(TryLater):
        simulator.look_up(f"{job.job_id}.1")
    timers = set(threading.enumerate()) - before

    assert unknown.value.late is not None
    [line] = lines(folder)
    assert unknown.value.late.result(timeout=10) == line["operation"]
    for timer in timers:
        timer.join(10)
        assert not timer.is_alive()
    clock.ms += 50
    assert simulator.look_up(f"{job.job_id}.1") == line["operation"]


@pytest.mark.parametrize("word", FAILURES)
def test_an_operation_fails_when_its_time_is_over(
    simulator: SimulatorProvider, folder: Path, clock: Clock, word: Word
) -> None:
    job = video_job(word)
    operation = submit(simulator, job)
    assert isinstance(poll(simulator, job, operation), Pending)
    clock.ms += 500

    with pytest.raises(ProviderFailed) as failed:
        poll(simulator, job, operation)
    assert failed.value.failure.reason is EFFECTS[word].reason
    assert failed.value.cost is EFFECTS[word].cost
    # What is not surely free is charged.
    free = EFFECTS[word].cost is CostState.RELEASED
    assert lines(folder)[0]["micros"] == (0 if free else PRICE)
    if word in (Word.TIMEOUT, Word.VANISH):
        assert failed.value.failure.metadata == {"operation": operation}


def test_a_cancelled_operation_is_given_back_once(
    simulator: SimulatorProvider, folder: Path, clock: Clock
) -> None:
    job = video_job()
    operation = submit(simulator, job)
    clock.ms += 499

    assert simulator.cancel(job, operation) is CostState.RELEASED
    clock.ms += 1
    assert simulator.cancel(job, operation) is CostState.RELEASED
    [line] = lines(folder, "cancelled")
    assert (line["operation"], line["micros"]) == (operation, 0)
    with pytest.raises(ProviderFailed) as lost:
        poll(simulator, job, operation)
    assert lost.value.cost is CostState.RELEASED


@pytest.mark.parametrize(("words", "ms"), [("", 500), ("sim:no-cancel", 0)])
def test_what_can_t_be_cancelled_stays_charged(
    simulator: SimulatorProvider, folder: Path, clock: Clock, words: str, ms: int
) -> None:
    job = video_job(words)
    operation = submit(simulator, job)
    clock.ms += ms

    assert simulator.cancel(job, operation) is CostState.CHARGED
    assert lines(folder, "cancelled") == []
    clock.ms += 500
    assert poll(simulator, job, operation) == Done(PRICE)


def test_what_was_filtered_for_free_costs_nothing_when_it_is_cancelled_too_late(
    simulator: SimulatorProvider, clock: Clock
) -> None:
    job = video_job("sim:filtered")
    operation = submit(simulator, job)
    clock.ms += 500
    assert simulator.cancel(job, operation) is CostState.RELEASED


def test_an_operation_that_nobody_knows_is_lost(simulator: SimulatorProvider) -> None:
    job = video_job()
    for ask in (
        lambda: poll(simulator, job, "nobody's"),
        lambda: simulator.cancel(job, "nobody's"),
    ):
        with pytest.raises(ProviderFailed) as lost:
            ask()
        assert lost.value.failure.reason is Reason.PROVIDER_OPERATION_LOST
        assert lost.value.failure.metadata == {"operation": "nobody's"}


def test_a_download_may_fail_once(simulator: SimulatorProvider, tmp_path: Path) -> None:
    job = image_job("sim:download-fails-once")
    operation = submit(simulator, job)
    with pytest.raises(TryLater):
        fetch(simulator, job, operation, tmp_path / "file")
    fetch(simulator, job, operation, tmp_path / "file")
    assert probe_result(tmp_path / "file")


@pytest.mark.parametrize(
    ("word", "error"), [("sim:storage-fails", ProviderFailed), ("sim:crash", ArithmeticError)]
)
def test_a_download_may_fail_for_good(
    simulator: SimulatorProvider, tmp_path: Path, word: str, error: type[Exception]
) -> None:
    job = image_job(word)
    operation = submit(simulator, job)
    for _ in range(2):
        with pytest.raises(error):
            fetch(simulator, job, operation, tmp_path / "file")


def test_a_run_that_shall_stop_downloads_nothing(
    simulator: SimulatorProvider, tmp_path: Path
) -> None:
    job = image_job()
    operation, path = submit(simulator, job), tmp_path / "file"
    with pytest.raises(RunStopped):
        simulator.fetch(job, operation, 0, path, no_input, Watching(stopping=True))
    assert not path.exists()


FETCHER = """
import sys
from pathlib import Path
from tests.unit.workers.providers.simulator.conftest import image_job
from tests.unit.workers.providers.simulator.test_provider import fetch
from workers.providers.simulator import SimulatorProvider
job = image_job(sys.argv[2])
object.__setattr__(job, "job_id", sys.argv[3])
simulator = SimulatorProvider(Path(sys.argv[1]), may_kill=sys.argv[6:] != ["tame"])
fetch(simulator, job, sys.argv[4], Path(sys.argv[5]))
"""


@pytest.mark.parametrize(
    ("word", "codes"), [("sim:kill-worker-once", [-9, 0]), ("sim:kill-worker", [-9, -9])]
)
def test_a_download_may_kill_its_process(
    simulator: SimulatorProvider, folder: Path, tmp_path: Path, word: str, codes: list[int]
) -> None:
    job = image_job(word)
    operation, path = submit(simulator, job), tmp_path / "file"
    command = [sys.executable, "-c", FETCHER, str(folder), word, job.job_id, operation, str(path)]

    assert [subprocess.run(command, check=False).returncode for _ in codes] == codes
    assert path.exists() is (codes[-1] == 0)


@pytest.mark.parametrize("word", ["sim:kill-worker-once", "sim:kill-worker"])
def test_a_download_kills_nothing_where_that_is_not_allowed(
    simulator: SimulatorProvider, folder: Path, tmp_path: Path, word: str
) -> None:
    job = image_job(word)
    operation, path = submit(simulator, job), tmp_path / "file"
    command = [sys.executable, "-c", FETCHER, str(folder), word, job.job_id, operation, str(path)]

    assert subprocess.run([*command, "tame"], check=False).returncode == 0
    assert path.exists()


def test_a_prompt_is_not_in_the_ledger(simulator: SimulatorProvider, folder: Path) -> None:
    job = video_job("sim:slow")
    submit(simulator, replace(job, final_prompt="a boat"))
    assert "boat" not in (folder / "ledger.jsonl").read_text()
