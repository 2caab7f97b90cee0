"""Leases are renewed, noticed when they are lost, and tell how far a run is."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import pytest

from core.errors import DependencyUnavailable, StorageFull
from core.jobs import Job, Stage
from core.store import Database, claims, jobs, transitions
from core.store.claims import Claim
from core.store.engine.sql import Statement
from core.telling.changes import Teller
from tests.making import IMAGE, VIDEO, accepted, claimed, started
from tests.services import wait_for
from tests.unit.workers.conftest import Told
from tests.unit.workers.scripted import steal
from workers.runs.lease import KEEP_SECONDS, TICK_SECONDS, Lease, LeaseKeeper

LEASE = Statement("SELECT lease_expire_time - {now} FROM job WHERE job_id = :job_id")
TOOK = Statement(
    "UPDATE job SET state = 'SUCCEEDED', start_time = 0, end_time = :run_ms WHERE job_id = :job_id"
)
OUTPUTS = 4


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("workers.runs.lease.time", SimpleNamespace(monotonic=made.monotonic))
    return made


@pytest.fixture
def claim(db: Database) -> Claim:
    accepted(db)
    return started(db, lease_ms=1000)


@pytest.fixture
def lease(claim: Claim, clock: Clock, teller: Teller) -> Lease:
    job = replace(claim.job, spec=replace(VIDEO, output_count=OUTPUTS))
    return Lease(replace(claim, job=job), teller, 60)


def left_ms(db: Database, claim: Claim) -> int:
    row = db.row(LEASE, job_id=claim.run.job_id)
    assert row is not None
    return int(row[0])


def job_of(db: Database, claim: Claim) -> Job:
    return jobs.get(db, claim.run.user_id, claim.run.job_id)


def percents(told: Told) -> list[int]:
    return [tick.progress.percent for tick in told.ticks]


# The keeper


def test_a_lease_is_renewed_with_how_far_its_run_is(
    db: Database, keeper: LeaseKeeper, claim: Claim
) -> None:
    keeper.start()
    with keeper.hold(claim) as lease:
        lease.report(Stage.GENERATING, 0.4, "Frame 4 of 10")
        wait_for(lambda: left_ms(db, claim) > 50_000, "the renewal")
        wait_for(lambda: job_of(db, claim).progress.percent == 40, "the progress")
        assert not lease.stopping()
    assert job_of(db, claim).progress.message == "Frame 4 of 10"
    assert job_of(db, claim).revision == 2  # progress is no state


def test_a_reader_sees_how_far_a_run_is_long_before_its_heartbeat(
    db: Database, teller: Teller, claim: Claim, clock: Clock
) -> None:
    keeper = LeaseKeeper(db, teller, lease_seconds=600, heartbeat_seconds=300)
    keeper.start()
    try:
        with keeper.hold(claim) as lease:
            lease.report(Stage.GENERATING, 0.27, "")
            clock.now += KEEP_SECONDS
            wait_for(lambda: job_of(db, claim).progress.percent == 27, "the first progress")
            assert job_of(db, claim).progress.stage is Stage.GENERATING

            # And what hardly moved waits for the heartbeat
            wait_for(lambda: not lease.moved, "the keeper to note what it wrote")
            lease.report(Stage.GENERATING, 0.28, "")
            clock.now += KEEP_SECONDS
            assert not keeper._is_due(lease, KEEP_SECONDS)
    finally:
        keeper.close()


def test_a_tick_says_how_long_the_run_still_takes_if_past_runs_are_known(
    db: Database, keeper: LeaseKeeper, clock: Clock, told: Told
) -> None:
    for past_run_ms in (None, 20_000):
        if past_run_ms is not None:
            job_id = accepted(db).job.job_id
            db.write(lambda session, job_id=job_id: session.run(TOOK, job_id=job_id, run_ms=20_000))
        accepted(db)
        with keeper.hold(claimed(db)) as lease:
            clock.now += 5
            lease.report(Stage.GENERATING, 0.5, "")

    assert [tick.progress.remaining_ms for tick in told.ticks] == [None, 15_000]


def test_a_lease_is_not_renewed_once_its_block_has_ended(
    db: Database, keeper: LeaseKeeper, claim: Claim
) -> None:
    with keeper.hold(claim):
        pass
    accepted(db, "bob")
    other = claimed(db, lease_ms=1000)
    keeper.start()
    with keeper.hold(other):
        wait_for(lambda: left_ms(db, other) > 50_000, "the other's renewal")
    assert left_ms(db, claim) < 1000


def test_a_cancel_is_noticed(db: Database, keeper: LeaseKeeper, claim: Claim) -> None:
    keeper.start()
    with keeper.hold(claim) as lease:
        transitions.cancel(db, "alice", claim.run.job_id, "")
        wait_for(lease.stopping, "the cancel to be noticed")
        assert (lease.stop_asked, lease.lost) == (True, False)


def test_a_job_that_ended_elsewhere_is_noticed(
    db: Database, keeper: LeaseKeeper, claim: Claim
) -> None:
    keeper.start()
    with keeper.hold(claim) as lease:
        transitions.end_cancelled(db, claim.run)
        wait_for(lease.stopping, "the end to be noticed")


def test_a_job_that_another_run_claimed_is_lost(
    db: Database, keeper: LeaseKeeper, claim: Claim
) -> None:
    keeper.start()
    with keeper.hold(claim) as lease:
        steal(db, claim.run.job_id)
        wait_for(lambda: lease.lost, "the loss to be noticed")
        assert lease.stopping()
        assert not lease.stop_asked


@pytest.mark.parametrize("error", [DependencyUnavailable("database"), StorageFull()])
def test_without_the_database_a_lease_is_kept_for_its_time_and_then_lost(
    db: Database,
    teller: Teller,
    claim: Claim,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    # Given a database that is gone
    asked: list[float] = []

    def away(*_: object) -> bool:
        asked.append(clock.now)
        raise error

    monkeypatch.setattr(claims, "renew", away)
    keeper = LeaseKeeper(db, teller, lease_seconds=0.8, heartbeat_seconds=0.04)
    keeper.start()
    try:
        with keeper.hold(claim) as lease:
            # Then the lease holds as long as nobody else can have claimed the job
            clock.now += 0.7
            wait_for(lambda: len(asked) > 2, "the keeper to try")
            assert not lease.lost

            # And no longer
            clock.now += 0.2
            wait_for(lambda: lease.lost, "the lease to be given up")
            tries = len(asked)
            wait_for(lambda: lease.stopping(), "the run to be told")
        assert len(asked) == tries
    finally:
        keeper.close()


def test_a_database_that_comes_back_in_time_saves_the_lease(
    db: Database, teller: Teller, claim: Claim, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = LeaseKeeper(db, teller, lease_seconds=0.8, heartbeat_seconds=0.04)
    keeper.start()
    try:
        with keeper.hold(claim) as lease:
            with monkeypatch.context() as patch:
                tries: list[object] = []

                def away(*_: object) -> bool:
                    tries.append(_)
                    raise DependencyUnavailable("database")

                patch.setattr(claims, "renew", away)
                clock.now += 0.7
                wait_for(lambda: tries, "the keeper to try")
            wait_for(lambda: lease.renewed_at == clock.now, "the renewal")
            assert not lease.lost
    finally:
        keeper.close()


def test_a_closing_worker_asks_all_its_runs_to_stop(
    db: Database, keeper: LeaseKeeper, claim: Claim
) -> None:
    accepted(db, "bob")
    late = claimed(db)
    with keeper.hold(claim) as lease:
        assert not lease.stopping()
        keeper.stop()
        assert lease.handing_back
    with keeper.hold(late) as lease:
        assert lease.stopping()


def test_a_keeper_that_never_started_can_be_closed(db: Database, teller: Teller) -> None:
    LeaseKeeper(db, teller, 15, 5).close()


def test_a_lease_in_milliseconds(db: Database, teller: Teller) -> None:
    assert LeaseKeeper(db, teller, 1.5, 0.5).lease_ms == 1500


# How far a run is


def test_the_percent_counts_all_outputs(lease: Lease, clock: Clock, told: Told) -> None:
    for index in range(OUTPUTS):
        lease.begin_output(index)
        clock.now += 1
        lease.report(Stage.GENERATING, 0.5, "")
    assert percents(told) == [12, 37, 62, 87]


def test_the_percent_never_falls_and_never_reaches_the_end_by_itself(
    lease: Lease, clock: Clock, told: Told
) -> None:
    for index, share in [(0, 0.0), (2, 0.5), (1, 0.0), (0, 1.0), (3, 1.0), (3, 0.1)]:
        lease.begin_output(index)
        clock.now += 1
        lease.report(Stage.GENERATING, share, "")
    assert percents(told) == sorted(percents(told))
    assert percents(told)[-1] == 99


def test_a_run_that_goes_on_begins_where_the_last_stood(
    db: Database, claim: Claim, teller: Teller
) -> None:
    claims.renew(db, claim.run, 1000, Lease(claim, teller, 60).progress)
    assert Lease(claim, teller, 60).progress == claim.job.progress


def test_ticks_are_told_at_most_ten_times_a_second(lease: Lease, clock: Clock, told: Told) -> None:
    times = []
    for percent in range(100):
        clock.now += 0.01
        before = len(told.ticks)
        lease.report(Stage.GENERATING, percent / 25, f"{percent}")
        if len(told.ticks) > before:
            times.append(clock.now)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert 5 <= len(times) <= 11
    assert min(gaps) >= TICK_SECONDS - 1e-6


def test_what_did_not_move_is_told_once_a_second(lease: Lease, clock: Clock, told: Told) -> None:
    lease.report(Stage.GENERATING, 0.1, "")
    told.ticks.clear()
    for _ in range(30):
        clock.now += 0.1
        lease.report(Stage.GENERATING, 0.1, "")
    assert 2 <= len(told.ticks) <= 3


def test_a_new_stage_is_told_though_the_percent_stays(
    lease: Lease, clock: Clock, told: Told
) -> None:
    clock.now += TICK_SECONDS + 0.01
    lease.report(Stage.GENERATING, 0.1, "")
    clock.now += TICK_SECONDS + 0.01
    lease.report(Stage.POST_PROCESSING, 0.1, "Storing")
    stages = [tick.progress.stage for tick in told.ticks]
    assert stages == [Stage.GENERATING, Stage.POST_PROCESSING]


def test_what_follows_the_start_at_once_is_not_told(lease: Lease, clock: Clock, told: Told) -> None:
    lease.report(Stage.GENERATING, 0.1, "")
    assert told.ticks == []


def test_a_tick_names_its_run(lease: Lease, clock: Clock, claim: Claim, told: Told) -> None:
    clock.now += TICK_SECONDS + 0.01
    lease.report(Stage.GENERATING, 0.5, "words")
    [tick] = told.ticks
    assert (tick.user_id, tick.job_id, tick.attempt) == ("alice", claim.run.job_id, 1)
    assert tick.progress.message == "words"


def test_specs_of_one_output_go_from_0_to_99(db: Database, keeper: LeaseKeeper) -> None:
    assert VIDEO.output_count == IMAGE.output_count == 1
    accepted(db)
    with keeper.hold(claimed(db)) as lease:
        lease.report(Stage.GENERATING, 0.0, "")
        assert lease.progress.percent == 0
        lease.report(Stage.GENERATING, 1.0, "")
        assert lease.progress.percent == 99
