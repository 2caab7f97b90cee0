"""Polls on SQLite and on PostgreSQL: claimed and given back many at a time."""

from typing import Any

import pytest

from core.jobs import Progress, Stage
from core.store import Database, jobs, polls, submits, transitions
from core.store.claims import Claim
from core.store.durations import Durations
from core.store.engine.sql import Statement
from core.store.polls import Postponed
from tests.making import begun, new_media, paid, started

RUN_OUT = Statement("UPDATE job SET lease_expire_time = 0 WHERE job_id = :job_id")
LEFT = Statement("SELECT next_run_time - {now}, tries FROM job WHERE job_id = :job_id")
TOOK = Statement(
    "UPDATE job SET create_time = 1000, start_time = 1000 + :wait_ms,"
    " end_time = 1000 + :wait_ms + :run_ms WHERE job_id = :job_id"
)
SUBMITTED = Statement("UPDATE job SET submit_time = start_time + 600 WHERE job_id = :job_id")


def operation(db: Database, **changes: Any) -> str:
    job_id = paid(db, **changes)
    begun(db)
    submits.accepted(db, job_id, 1, f"operation of {job_id}")
    return job_id


def due(db: Database, lease_ms: int = 60_000, **options: Any) -> list[Claim]:
    options = {"most": 100} | options
    return polls.claim_polls(db, ["video"], "poller", lease_ms, **options)


def left(db: Database, job_id: str) -> tuple[int, int]:
    row = db.row(LEFT, job_id=job_id)
    assert row is not None
    return int(row[0]), int(row[1])


def progress(db: Database, job_id: str) -> Progress:
    return jobs.get(db, "alice", job_id).progress


def test_only_what_its_worker_serves_is_claimed(db: Database) -> None:
    job_id = operation(db)
    assert polls.next_poll_ms(db, ["image"]) is None
    assert polls.claim_polls(db, ["image"], "poller", 60_000, 10) == []
    assert [claim.run.job_id for claim in due(db)] == [job_id]


def test_many_polls_are_postponed_at_once_each_in_its_way(db: Database) -> None:
    first, second, third = (operation(db) for _ in range(3))
    runs = {claim.run.job_id: claim.run for claim in due(db)}

    postponed = [
        Postponed(run=runs[first], delay_ms=60_000, percent=40, estimated=True),
        Postponed(run=runs[second], delay_ms=120_000, tries=3),
    ]
    assert polls.postpone(db, postponed) == 2

    assert 30_000 < left(db, first)[0] <= 60_000
    assert progress(db, first) == Progress(stage=Stage.GENERATING, percent=40, estimated=True)
    assert 90_000 < left(db, second)[0] <= 120_000
    assert left(db, second)[1] == 3
    assert progress(db, second).percent == 0
    # The one that was not named is still claimed.
    assert due(db) == []
    assert polls.postpone(db, [Postponed(run=runs[third], delay_ms=0)]) == 1
    [again] = due(db)
    assert (again.run.job_id, again.job.attempt) == (third, 1)


def test_what_another_worker_has_claimed_since_stays_its_own(db: Database) -> None:
    lost, kept = operation(db), operation(db)
    runs = [claim.run for claim in due(db)]
    db.write(lambda session: session.run(RUN_OUT, job_id=lost))
    [taken] = due(db)

    assert polls.postpone(db, [Postponed(run=run, delay_ms=60_000) for run in runs]) == 1

    assert left(db, lost)[0] <= 0
    assert left(db, kept)[0] > 30_000
    assert polls.postpone(db, [Postponed(run=taken.run, delay_ms=0)]) == 1
    # And twice is not at all.
    assert polls.postpone(db, [Postponed(run=taken.run, delay_ms=0)]) == 0


def test_one_whose_cancel_was_asked_for_meanwhile_is_polled_soon(db: Database) -> None:
    job_id = operation(db)
    [claim] = due(db)
    transitions.cancel(db, "alice", job_id, "")
    polls.postpone(db, [Postponed(run=claim.run, delay_ms=600_000)])
    assert left(db, job_id)[0] <= 1000


@pytest.mark.parametrize(
    ("then", "percent", "estimated"),
    [
        ((30, True), 40, True),
        ((30, False), 40, True),
        ((40, False), 40, False),
        ((0, False), 40, True),
    ],
)
def test_the_percent_never_falls_and_what_the_provider_says_is_no_estimate(
    db: Database, then: tuple[int, bool], percent: int, estimated: bool
) -> None:
    job_id = operation(db)
    for said in ((40, True), then):
        [claim] = due(db)
        poll = Postponed(run=claim.run, delay_ms=0, percent=said[0], estimated=said[1])
        polls.postpone(db, [poll])
    assert (progress(db, job_id).percent, progress(db, job_id).estimated) == (percent, estimated)


def test_a_finished_job_is_no_estimate(db: Database) -> None:
    job_id = operation(db)
    [claim] = due(db)
    polls.postpone(db, [Postponed(run=claim.run, delay_ms=0, percent=80, estimated=True)])
    [claim] = due(db)
    event = transitions.succeed(db, claim.run, new_media(job_id=job_id))
    assert (event.job.progress.percent, event.job.progress.estimated) == (100, False)


def test_providers_that_rest_are_not_polled_but_for_a_cancel(db: Database) -> None:
    resting, other = operation(db), operation(db, provider="other")
    assert [claim.run.job_id for claim in due(db, but=["paid"])] == [other]
    assert polls.next_poll_ms(db, ["video"], ["paid"]) is None

    transitions.cancel(db, "alice", resting, "")
    assert [claim.run.job_id for claim in due(db, but=["paid"])] == [resting]


def test_the_next_poll_is_the_first_that_nobody_makes_now(db: Database) -> None:
    assert polls.next_poll_ms(db, ["video"]) is None
    operation(db), operation(db)
    first, second = due(db)
    assert polls.next_poll_ms(db, ["video"]) is None

    polls.postpone(db, [Postponed(run=first.run, delay_ms=60_000)])
    polls.postpone(db, [Postponed(run=second.run, delay_ms=120_000)])
    soon = polls.next_poll_ms(db, ["video"])
    assert soon is not None
    assert 30_000 < soon <= 60_000
    assert polls.next_poll_ms(db, ["image"]) is None


def test_durations_are_those_of_the_model_s_last_runs(db: Database) -> None:
    durations = Durations(db, fresh_seconds=-1)
    assert durations.of("builtin-video") is None
    for run_ms in range(100, 2100, 100):
        job_id = paid(db)
        transitions.succeed(db, started(db).run, new_media(job_id=job_id))
        values = {"job_id": job_id, "wait_ms": 7, "run_ms": run_ms}
        db.write(lambda session, values=values: session.run(TOOK, **values))

    runs = durations.of("builtin-video")
    assert runs is not None
    assert (runs.count, runs.wait_ms, runs.early_ms, runs.run_ms) == (20, 7, 300, 1000)


def test_an_operation_took_as_long_as_it_was_at_the_provider(db: Database) -> None:
    # Given a job that was refused for 600 ms after its start
    job_id = paid(db)
    transitions.succeed(db, started(db).run, new_media(job_id=job_id))
    values = {"job_id": job_id, "wait_ms": 7, "run_ms": 900}
    db.write(lambda session: session.run(TOOK, **values))
    db.write(lambda session: session.run(SUBMITTED, job_id=job_id))

    runs = Durations(db).of("builtin-video")
    assert runs is not None
    assert (runs.wait_ms, runs.run_ms) == (7, 300)
