"""What is forgotten, and who leads, on SQLite and on PostgreSQL alike."""

from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from core.errors import Reason
from core.jobs import JobFailure, Outcome
from core.store import Database, budgets, jobs, retention, submits, transitions, workers
from core.store import media as library
from core.store.budgets import Period
from core.store.engine.database import Session
from core.store.engine.sql import Dialect, Statement
from tests.making import accepted, begun, claimed, continuable, new_media, paid, started
from tests.services import wait_for

DAY_MS = 24 * 3600 * 1000
NO = JobFailure(reason=Reason.PROVIDER_REJECTED, message="no")
EXPIRE = Statement("UPDATE request_key SET expire_time = {now} - 1 WHERE request_id = :request_id")
CHANGES = Statement("SELECT count(*) FROM job_event")
SPANS = Statement("SELECT span FROM spending")
LOCK_JOB = Statement("UPDATE job SET percent = percent WHERE job_id = :job_id")
LOCK_INTENTS = Statement("SELECT number FROM intent WHERE job_id = :job_id FOR UPDATE NOWAIT")
BLOCKED = Statement(
    "SELECT count(*) FROM pg_locks WHERE NOT granted"
    " AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
)


def test_what_was_forgotten_can_not_be_continued(db: Database) -> None:
    for _ in range(3):
        accepted(db)
    assert continuable(db, "alice", 0) == 3
    assert continuable(db, "alice", 3) == 3
    assert continuable(db, "alice", 4) is None

    retention.forget(db, keep_ms=-60_000)
    assert continuable(db, "alice", 3) == 3
    assert continuable(db, "alice", 2) is None


def test_retention_keeps_what_runs_and_the_library(db: Database) -> None:
    for _ in range(2):
        accepted(db)
    claim = started(db)
    media = new_media(job_id=claim.run.job_id)
    transitions.succeed(db, claim.run, media)
    retention.forget(db, keep_ms=-60_000)

    left = jobs.list_page(db, "alice", limit=10)[0]
    assert len(left) == 1
    assert left[0].job_id != claim.run.job_id
    assert library.get(db, "alice", media.media_id).job_id == claim.run.job_id


def test_a_job_of_uncertain_cost_is_kept_until_that_is_settled(db: Database) -> None:
    # Given a job that may have been charged, older than what is kept
    job_id = paid(db, labels={"a": "b"})
    assert submits.unknown(db, begun(db).run) is not None
    submits.give_up(db, claimed(db).run)
    retention.forget(db, keep_ms=-60_000)

    # Then an administrator still finds it, and can settle it
    assert [item.intent.job_id for item in submits.unsettled(db)] == [job_id]
    assert jobs.list_page(db, "alice", labels={"a": "b"}, limit=1)[0][0].job_id == job_id
    submits.resolve(db, job_id, charged=False)

    # And after that nothing is left of it
    retention.forget(db, keep_ms=-60_000)
    assert jobs.list_page(db, "alice", limit=1)[0] == []
    assert submits.of_job(db, job_id) == []


def test_a_job_is_kept_as_long_as_its_request_id(db: Database) -> None:
    # Given two ended jobs, one of which has a request_id that is still remembered
    for request_id in ("old", "new"):
        made = accepted(db, request_id=request_id, fingerprint="f")
        transitions.cancel(db, "alice", made.job.job_id, "")
    db.write(lambda session: session.run(EXPIRE, request_id="old"))

    # When both are older than what is kept
    retention.forget(db, keep_ms=-60_000)

    # Then that one is left, and a repeated call finds it
    assert [job.request_id for job in jobs.list_page(db, "alice", limit=9)[0]] == ["new"]
    assert accepted(db, request_id="new", fingerprint="f").deduplicated
    assert not accepted(db, request_id="old", fingerprint="f").deduplicated


def test_what_is_too_much_for_one_round_is_removed_by_the_next(db: Database) -> None:
    # Given more old jobs and changes than one transaction removes
    for _ in range(120):
        transitions.cancel(db, "alice", accepted(db).job.job_id, "")

    def left() -> tuple[int, int]:
        [[kept]] = db.rows(CHANGES)
        return kept, len(jobs.list_page(db, "alice", limit=200)[0])

    # When a round ends after some steps
    steps = iter(range(4))

    def rest() -> None:
        if next(steps, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retention.forget(db, -60_000, rest)

    # Then something of each kind is gone, and the next round removes what is left
    assert 0 < left()[0] < 240
    assert 0 < left()[1] < 120
    retention.forget(db, -60_000)
    assert left() == (0, 0)


def test_old_days_and_months_of_spending_are_forgotten(db: Database) -> None:
    # Given spending of many days
    now = db.now_ms()
    for days in (0, 58, 62, 365, 440):
        at = now - days * DAY_MS
        db.write(lambda session, at=at: budgets.settle(session, "alice", at, 0, 1))  # type: ignore[misc]

    # When a round has passed
    retention.forget(db, keep_ms=DAY_MS)

    # Then two months of days are left, and a year of months
    def spans(period: Period, *days: int) -> set[str]:
        return {budgets.span(period, now - day * DAY_MS) for day in days}

    left = {row[0] for row in db.rows(SPANS)}
    assert left == spans(Period.DAY, 0, 58) | spans(Period.MONTH, 0, 58, 62, 365)


def test_a_job_is_locked_before_its_intents_as_by_everyone_else(db: Database) -> None:
    if db.dialect is Dialect.SQLITE:
        pytest.skip("it has one writer")
    job_id = paid(db)
    submits.refused(db, begun(db).run, 1, Outcome.REJECTED, NO)

    def work(session: Session) -> Future[None]:
        # Given a transaction that has the job, and a round that waits for it
        session.run(LOCK_JOB, job_id=job_id)
        forgetting = pool.submit(retention.forget, db, -60_000)
        wait_for(lambda: session.row(BLOCKED) != (0,), "the round to wait")

        # Then it can have the intents too: nobody waits in a circle
        assert len(session.rows(LOCK_INTENTS, job_id=job_id)) == 1
        return forgetting

    with ThreadPoolExecutor(1) as pool:
        db.write(work).result()
    assert submits.of_job(db, job_id) == []


def test_a_dead_worker_serves_nothing(db: Database) -> None:
    workers.beat(db, "w1", ["video", "image"])
    assert workers.served_queues(db) == {"video", "image"}
    workers.leave(db, "w1")
    assert workers.served_queues(db) == set()


def test_a_duty_has_one_leader_until_its_lease_ends(db: Database) -> None:
    assert workers.lead(db, "purge", "a", 60_000)
    assert workers.lead(db, "purge", "a", 1)
    wait_for(lambda: workers.lead(db, "purge", "b", 60_000), "the lease to end")
    assert not workers.lead(db, "purge", "a", 60_000)
