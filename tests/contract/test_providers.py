"""What every paid provider does, each against a server that answers as the real one does.

`tests/fakes/adapters.py` lists them. What a service can't do at all is left out there, by name.
"""

import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from core.errors import ImageRefused, Reason, RushesError, VideoRefused
from core.jobs import CostState, JobFailure
from tests.contract.provider_runs import (
    Run,
    fetch,
    poll,
    read_input,
    run_to_end,
    submit,
    wait_until_done,
)
from tests.fakes.adapters import ADAPTERS, PROMPT, Stand
from tests.fakes.faults import RETRY_AFTER_SECONDS
from tests.services import wait_for
from workers.providers import (
    Done,
    OutcomeUnknown,
    Pending,
    ProviderFailed,
    RunStopped,
    TryLater,
)
from workers.providers.http.connections import tls_context
from workers.providers.http.transport import CONNECT_SECONDS
from workers.runs.results.media import probe_result

SHORT_SECONDS = 0.5


def where(*needs: str) -> pytest.MarkDecorator:
    """The adapters whose service can do all of that."""
    able = [adapter for adapter in ADAPTERS if not adapter.lacks & set(needs)]
    return pytest.mark.parametrize("stand", able, indirect=True, ids=lambda a: a.name)


def where_each(*words: str) -> pytest.MarkDecorator:
    """Each word, with the adapters whose service can do it."""
    pairs = [(a, word) for a in ADAPTERS for word in words if word not in a.lacks]
    ids = [f"{adapter.name}-{word}" for adapter, word in pairs]
    return pytest.mark.parametrize(("stand", "word"), pairs, indirect=["stand"], ids=ids)


@pytest.fixture
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    with request.param.open(tmp_path) as stand:
        yield stand


def raised(kind: type[Any] | tuple[type[Any], ...], call: Callable[[], object]) -> Any:
    with pytest.raises(kind) as error:
        call()
    return error.value


@where()
def test_a_submit_is_accepted_once_under_its_key(stand: Stand) -> None:
    job = stand.job()
    submitted = submit(stand.make(), job)
    assert submitted.done is stand.synchronous
    assert submitted.operation
    assert stand.paid() == [f"{job.job_id}.1"]
    assert stand.posts() == 1


@where()
def test_any_process_asks_and_fetches_what_another_submitted(stand: Stand, tmp_path: Path) -> None:
    job = stand.job()
    operation = submit(stand.make(), job).operation
    other = stand.make()
    wait_for(lambda: isinstance(poll(other, job, operation), Done), "the end")
    [path] = fetch(other, job, operation, tmp_path)
    assert probe_result(path).width > 0
    assert stand.posts() == 1


@where()
def test_a_result_can_be_fetched_again(stand: Stand, tmp_path: Path) -> None:
    provider, job = stand.make(), stand.job()
    submitted = submit(provider, job)
    wait_until_done(provider, job, submitted)
    [path] = fetch(provider, job, submitted.operation, tmp_path)
    first = path.read_bytes()
    [path] = fetch(stand.make(), job, submitted.operation, tmp_path)
    assert path.read_bytes() == first


@where()
def test_a_job_with_an_input_runs_to_its_end(stand: Stand, tmp_path: Path) -> None:
    [path] = run_to_end(stand.make(), stand.job(inputs=True), tmp_path)
    assert probe_result(path).width > 0
    assert stand.posts() == 1


@where("two-outputs")
def test_two_outputs_are_two_files_of_one_submit(stand: Stand, tmp_path: Path) -> None:
    paths = run_to_end(stand.make(), stand.job(outputs=2), tmp_path)
    assert all(probe_result(path).width > 0 for path in paths)
    assert len(stand.paid()) == 1


@where_each("500-before", "cut-before")
def test_a_failure_before_it_was_accepted_leaves_one_call_and_no_charge(
    stand: Stand, word: str
) -> None:
    raised(OutcomeUnknown, lambda: submit(stand.make(), stand.job(word)))
    assert stand.posts() == 1
    assert stand.paid() == []


@where_each("503-after", "cut-after", "cut-within")
def test_a_failure_after_it_was_accepted_leaves_one_call(stand: Stand, word: str) -> None:
    raised(OutcomeUnknown, lambda: submit(stand.make(), stand.job(word)))
    assert stand.posts() == 1
    assert len(stand.paid()) == 1


@where("late")
def test_an_answer_that_comes_too_late_leaves_one_call(stand: Stand) -> None:
    raised(OutcomeUnknown, lambda: submit(stand.make(SHORT_SECONDS), stand.job("late")))
    assert stand.posts() == 1
    assert len(stand.paid()) == 1


@where("unreachable")
def test_a_provider_that_can_not_be_reached_was_sent_nothing(stand: Stand) -> None:
    # Given a port at which nobody listens, and that nobody else can take meanwhile
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        error = raised(TryLater, lambda: submit(stand.make(url=url), stand.job()))
    assert not error.sent
    assert error.failure.reason is Reason.PROVIDER_UNAVAILABLE


@where("unreachable")
def test_a_provider_that_is_away_shows_before_its_answer_is_late(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[dict[str, float]] = []
    send = httpx2.HTTPTransport.handle_request

    def look(self: httpx2.HTTPTransport, request: httpx2.Request) -> httpx2.Response:
        limits.append(request.extensions["timeout"])
        return send(self, request)

    monkeypatch.setattr(httpx2.HTTPTransport, "handle_request", look)
    submit(stand.make(3 * CONNECT_SECONDS), stand.job())
    assert limits[-1]["read"] == 3 * CONNECT_SECONDS
    assert {limit["connect"] for limit in limits} == {CONNECT_SECONDS}


@where("unreachable")
def test_the_authorities_are_read_once_for_all_that_it_opens(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls_context()
    read: list[object] = []
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *a, **_: read.append(a))
    run_to_end(stand.make(), stand.job(), tmp_path)
    assert read == []


@where("429")
def test_a_busy_provider_is_asked_later(stand: Stand) -> None:
    error = raised(TryLater, lambda: submit(stand.make(), stand.job("429")))
    assert error.sent
    assert error.delay_ms is None
    assert error.failure.reason is Reason.PROVIDER_QUOTA_EXHAUSTED
    assert (stand.posts(), stand.paid()) == (1, [])


@where("429-retry-after")
def test_a_provider_that_names_a_time_is_asked_then(stand: Stand) -> None:
    error = raised(TryLater, lambda: submit(stand.make(), stand.job("429-retry-after")))
    assert error.sent
    assert error.delay_ms == RETRY_AFTER_SECONDS * 1000
    assert (stand.posts(), stand.paid()) == (1, [])


@where("quota")
def test_a_quota_that_is_used_up_ends_the_job(stand: Stand) -> None:
    error = raised(ProviderFailed, lambda: submit(stand.make(), stand.job("quota")))
    assert error.failure.reason is Reason.PROVIDER_QUOTA_EXHAUSTED
    assert error.cost in (None, CostState.RELEASED)
    assert stand.paid() == []


@where("401")
def test_a_key_that_is_refused_names_its_setting(stand: Stand) -> None:
    error = raised(ProviderFailed, lambda: submit(stand.make(), stand.job("401")))
    assert error.failure.reason is Reason.PROVIDER_AUTH_FAILED
    assert error.failure.metadata["setting"].startswith("RUSHES_")
    assert stand.paid() == []


@where_each("filtered-prompt", "filtered-input", "filtered-output")
def test_what_a_filter_refuses_is_free_and_names_its_phase(
    stand: Stand, word: str, tmp_path: Path
) -> None:
    job = stand.job(word, inputs=word == "filtered-input")
    error = raised(ProviderFailed, lambda: run_to_end(stand.make(), job, tmp_path))
    assert error.failure.reason is Reason.CONTENT_FILTERED
    assert error.failure.metadata["phase"] == word.removeprefix("filtered-")
    # Before anything was accepted, None says the same.
    assert error.cost is CostState.RELEASED or not stand.paid()
    assert stand.posts() <= 1


@where("vanish")
def test_an_operation_that_vanished_is_lost_at_an_uncertain_cost(
    stand: Stand, tmp_path: Path
) -> None:
    error = raised(ProviderFailed, lambda: run_to_end(stand.make(), stand.job("vanish"), tmp_path))
    assert error.failure.reason is Reason.PROVIDER_OPERATION_LOST
    assert error.cost in (None, CostState.UNCERTAIN)


@where("never-ends")
def test_an_operation_that_does_not_end_stays_pending(stand: Stand) -> None:
    provider, job = stand.make(), stand.job("never-ends")
    operation = submit(provider, job).operation
    for _ in range(3):
        assert isinstance(poll(provider, job, operation), Pending)


@where("fails")
def test_an_operation_that_failed_ends_the_job(stand: Stand, tmp_path: Path) -> None:
    error = raised(ProviderFailed, lambda: run_to_end(stand.make(), stand.job("fails"), tmp_path))
    assert error.failure.reason in (Reason.PROVIDER_REJECTED, Reason.PROVIDER_UNAVAILABLE)


@where_each("poll-503", "poll-429")
def test_a_question_that_is_not_answered_is_asked_later(stand: Stand, word: str) -> None:
    provider, job = stand.make(), stand.job(word)
    operation = submit(provider, job).operation
    error = raised(TryLater, lambda: poll(provider, job, operation))
    assert error.delay_ms == (RETRY_AFTER_SECONDS * 1000 if word == "poll-429" else None)
    assert stand.posts() == 1


@where("download-503")
def test_a_download_that_fails_is_tried_later(stand: Stand, tmp_path: Path) -> None:
    provider, job = stand.make(), stand.job("download-503")
    submitted = submit(provider, job)
    wait_until_done(provider, job, submitted)
    raised(TryLater, lambda: fetch(provider, job, submitted.operation, tmp_path))


@where_each("truncated", "wrong-type", "big")
def test_a_result_that_is_not_whole_or_no_result_is_never_taken_for_one(
    stand: Stand, word: str, tmp_path: Path
) -> None:
    provider, job = stand.make(), stand.job(word)
    submitted = submit(provider, job)
    wait_until_done(provider, job, submitted)

    def look() -> None:
        [path] = fetch(provider, job, submitted.operation, tmp_path)
        probe_result(path)

    error = raised((TryLater, ProviderFailed, ImageRefused, VideoRefused), look)
    if isinstance(error, ProviderFailed):
        assert error.failure.reason is Reason.RESULT_INVALID
        assert error.cost in (None, CostState.CHARGED)
    else:
        # A connection that broke can be tried again; a file that is no media can be seen.
        assert word != "big"
    assert stand.posts() == 1


@where()
def test_cancelling_says_what_is_charged(stand: Stand) -> None:
    provider, job = stand.make(), stand.job()
    operation = submit(provider, job).operation
    cost = provider.cancel(job, operation)
    assert cost in (CostState.CHARGED, CostState.RELEASED, CostState.UNCERTAIN)
    assert cost is CostState.CHARGED or not stand.synchronous
    assert stand.posts() == 1


@where("look-up")
def test_a_provider_that_looks_up_finds_what_it_accepted(stand: Stand) -> None:
    provider, job = stand.make(), stand.job()
    operation = submit(provider, job).operation
    assert provider.can_look_up
    assert stand.make().look_up(f"{job.job_id}.1") == operation


@where("look-up")
def test_of_a_submit_that_it_does_not_know_it_has_no_operation(stand: Stand) -> None:
    # TryLater: it may have been accepted all the same, so it is not sent again.
    with suppress(TryLater):
        assert stand.make().look_up(f"{stand.job().job_id}.1") is None


@where()
def test_many_jobs_at_once_are_one_call_each(stand: Stand) -> None:
    provider, jobs = stand.make(), [stand.job() for _ in range(4)]
    with ThreadPoolExecutor(len(jobs)) as pool:
        operations = {done.operation for done in pool.map(partial(submit, provider), jobs)}
    assert len(operations) == stand.posts() == len(jobs)
    assert sorted(stand.paid()) == sorted(f"{job.job_id}.1" for job in jobs)


@where()
def test_a_run_that_shall_stop_fetches_nothing(stand: Stand, tmp_path: Path) -> None:
    provider, job = stand.make(), stand.job()
    submitted = submit(provider, job)
    wait_until_done(provider, job, submitted)
    sent = (job, submitted.operation, 0, tmp_path / "output", read_input, Run(stops=True))
    raised(RunStopped, lambda: provider.fetch(*sent))


@where()
def test_planning_sends_nothing(stand: Stand) -> None:
    provider, job = stand.make(), stand.job(inputs=True)
    provider.plan(job, read_input)
    provider.plan(job, read_input)
    assert (stand.posts(), stand.paid()) == (0, [])


@where()
def test_an_input_that_is_gone_fails_the_plan(stand: Stand) -> None:
    failure = JobFailure(reason=Reason.INPUT_MEDIA_INVALID, message="It was erased.")
    gone = ProviderFailed(failure)

    def read(media_id: str) -> bytes:
        raise gone

    error = raised(ProviderFailed, lambda: stand.make().plan(stand.job(inputs=True), read))
    assert error is gone


TROUBLE = ("", "500-before", "cut-after", "401", "429", "filtered-prompt", "wrong-type")


@where("key")
def test_neither_key_nor_prompt_is_in_what_is_logged_or_raised(
    stand: Stand, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    told, provider = [], stand.make()
    for word in TROUBLE:
        try:
            run_to_end(provider, stand.job(word), tmp_path)
        except RushesError as error:
            told += [str(error), repr(error), repr(getattr(error, "failure", ""))]
    text = "\n".join([*told, caplog.text])
    assert told
    assert stand.key not in text
    assert PROMPT not in text
