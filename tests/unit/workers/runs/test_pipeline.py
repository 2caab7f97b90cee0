"""A job's run, step by step, with a provider that does what each test wants."""

from pathlib import Path

import pytest

from core.blobs import Blobs
from core.errors import BlobMissing, DependencyUnavailable, Reason, StorageFull
from core.jobs import EventType, Job, JobFailure, Stage, State
from core.store import Database, claims, media, starts, transitions
from tests.making import IMAGE, accepted, new_media
from tests.unit.workers.conftest import Told
from tests.unit.workers.running import (
    DUE,
    RUN_OUT,
    execute,
    failing,
    failure_of,
    image,
    job_of,
    keys,
    types,
)
from tests.unit.workers.scripted import ScriptedLocal, make_picture, picture
from workers.providers import (
    Monitor,
    Output,
    ProviderFailed,
    ReadInput,
)
from workers.runs.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_scratch_is_left")


def test_with_nothing_to_do_nothing_happens(pipeline: Pipeline, told: Told) -> None:
    assert not pipeline.run_next("image")
    assert told == Told()


def test_a_job_runs_to_its_end(
    pipeline: Pipeline, db: Database, blobs: Blobs, provider: ScriptedLocal, told: Told
) -> None:
    job_id = image(db)

    assert pipeline.run_next("image")

    job = job_of(db, job_id)
    assert (job.state, job.attempt, job.progress.percent) == (State.SUCCEEDED, 1, 100)
    [output] = job.outputs
    assert blobs.read(output.blob_key) == picture()
    assert (output.seed, output.revised_prompt) == (100, "a better boat")
    assert types(db, job_id) == ["QUEUED", "STARTED", "SUCCEEDED"]
    assert [event.type for event in told.events] == [EventType.STARTED, EventType.SUCCEEDED]
    assert provider.fetched == [("", 0)]
    assert not pipeline.run_next("image")


def test_one_wake_up_runs_all_that_waits(
    pipeline: Pipeline, db: Database, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given that however slow the machine is, it does not take so long that others must go on
    monkeypatch.setattr("workers.runs.pipeline.QUEUE_SECONDS", 600.0)
    job_ids = [image(db) for _ in range(3)]

    pipeline.run_queue("image")

    assert {job_of(db, job_id).state for job_id in job_ids} == {State.SUCCEEDED}
    assert told.woken == []


def test_who_has_run_jobs_of_a_queue_for_long_hands_it_on(
    pipeline: Pipeline, db: Database, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.runs.pipeline.QUEUE_SECONDS", 0.0)
    first, second = image(db), image(db)

    pipeline.run_queue("image")

    assert [job_of(db, job_id).state for job_id in (first, second)] == [
        State.SUCCEEDED,
        State.QUEUED,
    ]
    assert told.woken == ["image"]


def test_a_worker_that_ends_lets_others_go_on(
    pipeline: Pipeline, db: Database, provider: ScriptedLocal, told: Told
) -> None:
    def end(job: Job, index: int, path: Path, read: ReadInput, run: Monitor) -> Output:
        pipeline.keeper.closing = True
        return make_picture(job, index, path, read, run)

    provider.fetching = end
    first, second = image(db), image(db)

    pipeline.run_queue("image")

    assert job_of(db, first).state is State.SUCCEEDED
    assert job_of(db, second).state is State.QUEUED
    assert told.woken == ["image"]


def test_several_outputs_are_shown_one_by_one(pipeline: Pipeline, db: Database, told: Told) -> None:
    job_id = image(db, output_count=3)
    pipeline.run_next("image")

    assert types(db, job_id) == ["QUEUED", "STARTED", "UPDATED", "UPDATED", "SUCCEEDED"]
    assert [len(event.job.outputs) for event in told.events] == [0, 1, 2, 3]
    assert [output.seed for output in job_of(db, job_id).outputs] == [100, 101, 102]


def test_after_a_crash_the_next_run_makes_only_what_is_missing(
    pipeline: Pipeline, db: Database, provider: ScriptedLocal
) -> None:
    # Given a worker that was killed at the second of three outputs
    def die(job: Job, index: int, path: Path, read: ReadInput, run: Monitor) -> Output:
        if index == 1:
            raise SystemExit  # no handler of a run catches it
        return make_picture(job, index, path, read, run)

    provider.fetching = die
    job_id = image(db, output_count=3)
    with pytest.raises(SystemExit):
        pipeline.run_next("image")
    first = job_of(db, job_id).outputs

    # When its lease has run out
    assert not pipeline.run_next("image")
    execute(db, RUN_OUT, job_id)
    provider.fetching = make_picture
    assert pipeline.run_next("image")

    # Then nothing was made twice
    job = job_of(db, job_id)
    assert (job.state, job.attempt) == (State.SUCCEEDED, 2)
    assert job.outputs[:1] == first
    assert [output.output_index for output in job.outputs] == [0, 1, 2]
    assert [index for _, index in provider.fetched] == [0, 1, 1, 2]


def test_what_the_provider_refuses_ends_the_job_with_its_reason(
    pipeline: Pipeline, db: Database, provider: ScriptedLocal
) -> None:
    failure = JobFailure(reason=Reason.CONTENT_FILTERED, message="No.", metadata={"rule": "x"})
    provider.fetching = failing(ProviderFailed(failure))
    job_id = image(db)
    pipeline.run_next("image")
    assert failure_of(db, job_id) == failure


def test_a_bug_in_a_provider_ends_the_job_and_not_the_worker(
    pipeline: Pipeline, db: Database, provider: ScriptedLocal
) -> None:
    # Given a provider that breaks, with a prompt in what it says
    provider.fetching = failing(ZeroDivisionError("secret prompt"))
    broken = image(db)
    pipeline.run_next("image")

    # Then the job has an id to be found by, and nothing else
    failure = failure_of(db, broken)
    assert failure.reason is Reason.INTERNAL_ERROR
    assert failure.metadata.keys() == {"error_id"}
    assert "secret" not in str(failure)

    # And the next one runs
    provider.fetching = make_picture
    fine = image(db)
    pipeline.run_next("image")
    assert job_of(db, fine).state is State.SUCCEEDED


def test_a_job_of_a_provider_that_is_not_configured_fails(pipeline: Pipeline, db: Database) -> None:
    job_id = accepted(db, spec=IMAGE, provider="elsewhere").job.job_id
    pipeline.run_next("image")
    assert failure_of(db, job_id).reason is Reason.PROVIDER_NOT_CONFIGURED


@pytest.mark.parametrize("error", [StorageFull(), DependencyUnavailable("blob store")])
def test_a_blob_store_that_takes_nothing_makes_the_job_wait(
    pipeline: Pipeline,
    db: Database,
    blobs: Blobs,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    job_id = image(db)
    with monkeypatch.context() as patch:
        patch.setattr(blobs, "put_file", failing(error))
        pipeline.run_next("image")

    # Then it is handed back, which is no failed attempt, and runs again later
    assert job_of(db, job_id).state is State.RUNNING
    assert not pipeline.run_next("image")
    execute(db, DUE, job_id)
    assert pipeline.run_next("image")
    job = job_of(db, job_id)
    assert (job.state, job.attempt) == (State.SUCCEEDED, 1)


def test_a_job_that_was_lost_too_often_fails(
    pipeline: Pipeline, db: Database, provider: ScriptedLocal
) -> None:
    provider.fetching = failing(SystemExit())
    job_id = image(db)
    for _ in range(pipeline.max_attempts):
        with pytest.raises(SystemExit):
            pipeline.run_next("image")
        execute(db, RUN_OUT, job_id)

    assert pipeline.run_next("image")

    failure = failure_of(db, job_id)
    assert (failure.reason, failure.metadata) == (Reason.WORKER_LOST, {"attempts": "3"})
    assert len(provider.fetched) == 3


@pytest.mark.parametrize("content", [b"", b"no picture", picture()[:60]])
def test_a_broken_result_ends_the_job(
    pipeline: Pipeline, db: Database, blobs: Blobs, provider: ScriptedLocal, content: bytes
) -> None:
    def fetch(job: Job, index: int, path: Path, read: ReadInput, run: Monitor) -> Output:
        path.write_bytes(content)
        return Output()

    provider.fetching = fetch
    job_id = image(db)
    pipeline.run_next("image")

    assert failure_of(db, job_id).reason is Reason.RESULT_INVALID
    assert keys(blobs) == []


def with_input(db: Database, blobs: Blobs, provider: ScriptedLocal) -> tuple[str, str]:
    """A job that reads an image of its user, and that image."""
    item = new_media()
    blobs.put_bytes(item.blob_key, b"reference")
    media.add(db, item)

    def fetch(job: Job, index: int, path: Path, read: ReadInput, run: Monitor) -> Output:
        return make_picture(job, len(read(item.media_id)), path, read, run)

    provider.fetching = fetch
    return image(db, spec={"references": (item.media_id,)}), item.media_id


def test_a_provider_reads_its_inputs_also_from_the_bin(
    pipeline: Pipeline, db: Database, blobs: Blobs, provider: ScriptedLocal
) -> None:
    job_id, media_id = with_input(db, blobs, provider)
    media.bin(db, "alice", [media_id], 60_000)
    pipeline.run_next("image")
    [output] = job_of(db, job_id).outputs
    assert output.seed == 100 + len(b"reference")


@pytest.mark.parametrize("bytes_only", [False, True])
def test_an_input_that_was_erased_ends_the_job(
    pipeline: Pipeline, db: Database, blobs: Blobs, provider: ScriptedLocal, bytes_only: bool
) -> None:
    job_id, media_id = with_input(db, blobs, provider)
    found = media.find(db, media_id)
    assert found is not None
    blobs.delete([found.blob_key])
    with pytest.raises(BlobMissing):
        blobs.read(found.blob_key)
    if not bytes_only:
        media.erase(db, "alice", [media_id])

    pipeline.run_next("image")
    assert failure_of(db, job_id).reason is Reason.INPUT_MEDIA_INVALID


def test_a_user_who_runs_enough_already_waits(
    pipeline: Pipeline, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = image(db)
    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "_local", [])
        patch.setattr(transitions, "start", lambda *_: None)  # others started meanwhile
        assert pipeline.run_next("image")
    job = job_of(db, job_id)
    assert (job.state, job.attempt) == (State.QUEUED, 0)


def test_a_database_that_is_gone_is_told_to_who_asked_for_a_run(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "claim_and_start", failing(DependencyUnavailable("database")))
    with pytest.raises(DependencyUnavailable):
        pipeline.run_next("image")


def test_a_database_that_goes_in_mid_run_costs_the_run_only(
    pipeline: Pipeline, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = image(db)
    with monkeypatch.context() as patch:
        away = failing(DependencyUnavailable("database"))
        patch.setattr(transitions, "succeed", away)
        patch.setattr(claims, "hand_back", away)
        assert pipeline.run_next("image")

    execute(db, RUN_OUT, job_id)
    assert pipeline.run_next("image")
    job = job_of(db, job_id)
    assert (job.state, job.attempt) == (State.SUCCEEDED, 2)


def test_progress_is_told_and_the_result_is_announced(
    pipeline: Pipeline,
    db: Database,
    provider: ScriptedLocal,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workers.runs.lease.TICK_SECONDS", 0)

    def fetch(job: Job, index: int, path: Path, read: ReadInput, run: Monitor) -> Output:
        run.report(Stage.GENERATING, 0.5, "Halfway")
        return make_picture(job, index, path, read, run)

    provider.fetching = fetch
    job_id = image(db, output_count=2)
    pipeline.run_next("image")

    first = told.ticks[0]
    assert (first.job_id, first.attempt, first.progress.percent) == (job_id, 1, 25)
    assert first.progress.message == "Halfway"


def test_a_job_of_another_queue_is_left_alone(pipeline: Pipeline, db: Database) -> None:
    image(db)
    assert not pipeline.run_next("video")
