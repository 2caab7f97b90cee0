"""How far a job is, as its readers and watchers see it."""

from core.jobs import Progress, Stage, State
from core.store import Database, claims, submits, transitions
from core.store.engine.sql import Statement
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import Caller, House
from tests.making import accepted, claimed, new_media, paid, started

TOOK = Statement(
    "UPDATE job SET state = 'SUCCEEDED', start_time = 0, end_time = :run_ms WHERE job_id = :job_id"
)
OPERATION = Statement(
    "UPDATE job SET submit_time = {now} - :age_ms, stage = :stage WHERE job_id = :job_id"
)
MINUTE = 60_000


def a_past_run_of_ten_minutes(db: Database) -> None:
    job_id = accepted(db, "carol").job.job_id
    db.write(lambda session: session.run(TOOK, job_id=job_id, run_ms=10 * MINUTE))


def shown(caller: Caller, job_id: str) -> job_pb2.Progress:
    """The progress of GetJob, which is that of ListJobs."""
    progress = caller.call("GetJob", pb.GetJobRequest(job_id=job_id)).job.progress
    [listed] = caller.call("ListJobs", pb.ListJobsRequest()).jobs
    assert listed.progress.percent == progress.percent
    assert listed.progress.HasField("remaining") == progress.HasField("remaining")
    assert isinstance(progress, job_pb2.Progress)
    return progress


def test_a_running_job_says_how_long_it_still_takes_once_a_run_was_measured(house: House) -> None:
    alice, job = house.caller("alice"), accepted(house.db).job
    started(house.db)
    assert not shown(alice, job.job_id).HasField("remaining")


def test_what_remains_is_the_median_less_what_has_passed(house: House) -> None:
    a_past_run_of_ten_minutes(house.db)
    alice, job = house.caller("alice"), accepted(house.db).job
    assert not shown(alice, job.job_id).HasField("remaining")
    started(house.db)
    assert 9 * 60 < shown(alice, job.job_id).remaining.seconds <= 10 * 60


def test_an_operation_that_says_nothing_is_shown_by_the_clock(house: House) -> None:
    a_past_run_of_ten_minutes(house.db)
    job_id = paid(house.db)
    started(house.db)
    values = {"job_id": job_id, "age_ms": 5 * MINUTE, "stage": Stage.GENERATING}
    house.db.write(lambda session: session.run(OPERATION, **values))

    progress = shown(house.caller("alice"), job_id)
    assert (progress.percent, progress.estimated) == (40, True)
    assert 4 * 60 < progress.remaining.seconds <= 5 * 60


def test_a_snapshot_shows_the_progress_of_a_running_job_as_its_readers_do(house: House) -> None:
    # Given an operation that has run for half of the usual time
    a_past_run_of_ten_minutes(house.db)
    job_id = paid(house.db)
    started(house.db)
    values = {"job_id": job_id, "age_ms": 5 * MINUTE, "stage": Stage.GENERATING}
    house.db.write(lambda session: session.run(OPERATION, **values))
    alice = house.caller("alice")

    # When it is read before and after a watch begins
    before = shown(alice, job_id)
    [current] = (
        event.job.job.progress
        for event in next(alice.stream(pb.WatchJobsRequest())).events
        if event.job.type == pb.JobEvent.CURRENT
    )
    after = shown(alice, job_id)

    # Then its CURRENT event says the same, and no more remains than before
    remaining = [one.remaining.ToMilliseconds() for one in (before, current, after)]
    assert remaining[2] > 0
    assert remaining == sorted(remaining, reverse=True)
    assert (current.stage, current.percent, current.estimated) == (
        before.stage,
        before.percent,
        before.estimated,
    )


def test_the_last_progress_of_a_job_that_succeeds_is_all_of_it(house: House) -> None:
    # Given a run that stood at 40 %
    accepted(house.db)
    claim = started(house.db)
    progress = Progress(stage=Stage.GENERATING, percent=40)
    assert claims.renew(house.db, claim.run, 60_000, progress)
    alice = house.caller("alice")
    watch = alice.stream(pb.WatchJobsRequest(until_done=True))
    assert next(watch).events[0].job.job.progress.percent == 40
    transitions.succeed(house.db, claim.run, new_media(job_id=claim.run.job_id))

    # Then the last that a watcher sees of it is 100 %
    *_, last = (event for answer in watch for event in answer.events if event.HasField("job"))
    assert last.job.job.state == job_pb2.Job.SUCCEEDED
    assert (last.job.job.progress.percent, last.job.job.progress.stage) == (
        100,
        job_pb2.Progress.FINISHED,
    )
    assert shown(alice, claim.run.job_id).percent == 100


def test_a_job_in_doubt_has_a_stage_of_its_own(house: House) -> None:
    job_id = paid(house.db)
    run = claimed(house.db).run
    submits.begin(house.db, run, "worker", 9)
    submits.unknown(house.db, run)
    alice = house.caller("alice")
    assert shown(alice, job_id).stage == job_pb2.Progress.RECONCILING
    job = alice.call("GetJob", pb.GetJobRequest(job_id=job_id)).job
    assert job.state == getattr(job_pb2.Job, State.RECONCILING)
