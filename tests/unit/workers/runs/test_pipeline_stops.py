"""Runs that are stopped: cancelled, lost to another run, or handed back."""

from pathlib import Path
from typing import Any

import pytest

from core.blobs import Blobs
from core.errors import Reason, StorageFull
from core.jobs import CostState, Job, JobFailure, State
from core.store import Database, claims, transitions
from tests.services import wait_for
from tests.unit.workers.conftest import Told
from tests.unit.workers.running import failing, image, job_of, keys, paid_image
from tests.unit.workers.scripted import ScriptedLocal, ScriptedPaid, make_picture, steal
from workers.providers import (
    Monitor,
    Output,
    ProviderFailed,
    ReadInput,
    RunStopped,
)
from workers.runs.lease import LeaseKeeper
from workers.runs.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_scratch_is_left")


def test_a_cancel_before_the_run_starts_costs_nothing(
    pipeline: Pipeline, db: Database, provider: ScriptedLocal
) -> None:
    job_id = image(db)
    transitions.cancel(db, "alice", job_id, "")
    assert not pipeline.run_next("image")
    assert job_of(db, job_id).state is State.CANCELLED
    assert provider.fetched == []


def test_a_cancel_of_a_job_that_was_not_submitted_yet_never_submits_it(
    pipeline: Pipeline, db: Database, provider: ScriptedLocal
) -> None:
    # Given a job that was started, and handed back before its first step
    job_id = image(db)
    claim = claims.claim(db, "image", "worker", 60_000, 4)
    assert claim is not None
    transitions.start(db, claim.run, 4)
    claims.hand_back(db, claim.run)

    transitions.cancel(db, "alice", job_id, "")
    assert pipeline.run_next("image")

    assert job_of(db, job_id).state is State.CANCELLED
    assert provider.fetched == []


def cancel_in_fetch(db: Database, provider: ScriptedLocal) -> None:
    """Makes the user cancel while the provider works; it notices, as it should."""

    def fetch(job: Job, index: int, path: Path, read: ReadInput, run: Monitor) -> Output:
        transitions.cancel(db, "alice", job.job_id, "")
        wait_for(run.stopping, "the cancel to be noticed")
        raise RunStopped

    provider.fetching = fetch


def test_a_cancel_in_mid_fetch_ends_the_run(
    pipeline: Pipeline, db: Database, provider: ScriptedLocal, keeper: LeaseKeeper, blobs: Blobs
) -> None:
    keeper.start()
    cancel_in_fetch(db, provider)
    job_id = image(db)
    pipeline.run_next("image")

    assert job_of(db, job_id).state is State.CANCELLED
    assert keys(blobs) == []


@pytest.mark.parametrize(
    ("cancelling", "cost"),
    [
        (lambda job: CostState.RELEASED, CostState.RELEASED),
        (lambda job: CostState.CHARGED, CostState.CHARGED),
        (failing(ZeroDivisionError()), CostState.UNCERTAIN),
    ],
)
def test_a_cancel_in_mid_fetch_stops_the_operation_of_this_very_run(
    pipeline: Pipeline,
    db: Database,
    payee: ScriptedPaid,
    keeper: LeaseKeeper,
    cancelling: Any,
    cost: CostState,
) -> None:
    keeper.start()
    cancel_in_fetch(db, payee)
    payee.cancelling = cancelling
    job_id = paid_image(db)
    pipeline.run_next("image")

    job = job_of(db, job_id)
    assert (job.state, job.cost.state) == (State.CANCELLED, cost)
    assert payee.cancelled == [(job_id, "operation 1")]


def test_a_cancel_that_comes_too_late_changes_nothing(
    pipeline: Pipeline, db: Database, provider: ScriptedLocal
) -> None:
    # Given a provider that is done before the cancel is noticed
    def fetch(job: Job, index: int, path: Path, read: ReadInput, run: Monitor) -> Output:
        transitions.cancel(db, "alice", job.job_id, "")
        return make_picture(job, index, path, read, run)

    provider.fetching = fetch
    job_id = image(db)
    pipeline.run_next("image")
    assert job_of(db, job_id).state is State.SUCCEEDED


@pytest.mark.parametrize(
    "end",
    [
        None,
        RunStopped(),
        ZeroDivisionError(),
        StorageFull(),
        ProviderFailed(JobFailure(reason=Reason.PROVIDER_REJECTED, message="No.")),
    ],
)
def test_a_run_whose_lease_was_lost_writes_nothing(
    pipeline: Pipeline, db: Database, provider: ScriptedLocal, end: Exception | None
) -> None:
    # Given a run whose job another run claims meanwhile
    def fetch(job: Job, index: int, path: Path, read: ReadInput, run: Monitor) -> Output:
        steal(db, job.job_id)
        if end is not None:
            run.lost = True  # type: ignore[attr-defined]
            raise end
        return make_picture(job, index, path, read, run)

    provider.fetching = fetch
    job_id = image(db)
    assert pipeline.run_next("image")

    # Then the job is the other run's, untouched, however this one ended
    job = job_of(db, job_id)
    assert (job.state, job.outputs, job.revision) == (State.RUNNING, (), 2)
    assert not pipeline.run_next("image")


def test_a_closing_worker_claims_nothing_and_hands_back_what_it_has(
    pipeline: Pipeline, db: Database, provider: ScriptedLocal, keeper: LeaseKeeper, told: Told
) -> None:
    def fetch(job: Job, index: int, path: Path, read: ReadInput, run: Monitor) -> Output:
        keeper.stop()
        assert run.stopping()
        raise RunStopped

    provider.fetching = fetch
    job_id = image(db)
    assert pipeline.run_next("image")
    assert not pipeline.run_next("image")

    assert claims.claimable(db, "image", 4, 10) == 1
    job = job_of(db, job_id)
    assert (job.state, job.attempt) == (State.RUNNING, 1)
    assert "image" in told.woken
