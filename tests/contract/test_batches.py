"""Batches: all of their jobs or none, on both databases; their end is told once."""

import pytest

from core.errors import BudgetExceeded, NotFound, QueueFull, Reason, RequestIdConflict
from core.ids import new_id
from core.jobs import Job, JobFailure, State
from core.notifications import Kind, Severity
from core.process import failpoints
from core.store import (
    Database,
    accept,
    budgets,
    events,
    flows,
    inbox,
    jobs,
    retention,
    transitions,
    usage_days,
)
from core.store.accept import Accepted, NewJob, accept_batch
from core.store.budgets import Period
from core.store.engine.sql import Statement
from tests.contract.test_notifications import assert_counted, kinds, page, want
from tests.making import IMAGE, MICROS, PRICE, accepted, money, new_job, new_media, started

EXPIRE = Statement("UPDATE request_key SET expire_time = 0")
FAILED = JobFailure(reason=Reason.CONTENT_FILTERED, message="The provider refused it.")


def new_batch(count: int = 3, **changes: object) -> list[NewJob]:
    values = {"batch_id": new_id(), **changes}
    return [new_job(**values) for _ in range(count)]


def made(db: Database, count: int = 3, **changes: object) -> list[Job]:
    return [one.job for one in accept_batch(db, new_batch(count, **changes))]


def row_count(db: Database) -> int:
    [[count]] = db.rows(Statement("SELECT count(*) FROM job"))
    return int(count)


def revision(db: Database, user_id: str = "alice") -> int:
    return events.revisions(db, [user_id]).get(user_id, 0)


def test_a_batch_is_jobs_in_their_order_each_at_a_revision(db: Database) -> None:
    accepted(db)
    found = made(db, labels={"a": "1"})

    assert [job.revision for job in found] == [2, 3, 4]
    assert len({job.batch_id for job in found}) == 1
    assert [one.job_id for one in events.events_after(db, "alice", 1, 9)] == [
        job.job_id for job in found
    ]
    assert [jobs.get(db, "alice", job.job_id) for job in found] == found
    assert jobs.list_page(db, "alice", labels={"a": "1"}, limit=9)[0] == found[::-1]
    assert not flows.different(db)


def test_a_batch_of_several_kinds_waits_in_the_queue_of_each(db: Database) -> None:
    batch_id = new_id()
    accept_batch(db, [new_job(batch_id=batch_id), new_job(spec=IMAGE, batch_id=batch_id)])
    found = jobs.list_page(db, "alice", batch_id=batch_id, limit=9)[0]
    assert [job.queue for job in found] == ["image", "video"]


def test_a_batch_that_does_not_fit_into_the_queue_stores_nothing(db: Database) -> None:
    accepted(db)

    with pytest.raises(QueueFull):
        accept_batch(db, new_batch(3, max_queued=3, request_id="r", fingerprint="f"))

    assert (row_count(db), revision(db)) == (1, 1)
    assert len(accept_batch(db, new_batch(2, max_queued=3))) == 2


def test_a_batch_is_reserved_as_one_sum_or_not_at_all(db: Database) -> None:
    budgets.set_limit(db, budgets.owner_of("alice"), Period.DAY, 3 * MICROS - 1)

    with pytest.raises(BudgetExceeded) as refusal:
        accept_batch(db, new_batch(3, provider="paid", cost=PRICE))

    assert refusal.value.metadata["required"] == "0.75"
    assert (money(db), row_count(db), revision(db)) == ((0, 0), 0, 0)
    accept_batch(db, new_batch(2, provider="paid", cost=PRICE))
    assert money(db) == (2 * MICROS, 0)
    assert usage_days.different(db, jobs_kept_days=30) == []


def test_a_death_before_the_commit_leaves_nothing_of_a_batch(db: Database) -> None:
    failpoints.arm("accept.before_commit=exception")
    try:
        with pytest.raises(failpoints.FailpointHit):
            accept_batch(db, new_batch(3, provider="paid", cost=PRICE, labels={"a": "1"}))
    finally:
        failpoints.arm("")
    assert (money(db), row_count(db), revision(db)) == ((0, 0), 0, 0)


def test_a_repeated_batch_is_the_first_one(db: Database) -> None:
    first = made(db, request_id="r", fingerprint="f", provider="paid", cost=PRICE)
    transitions.cancel(db, "alice", first[1].job_id, "")

    again = accept_batch(db, new_batch(request_id="r", fingerprint="f", max_queued=0))

    assert [one.deduplicated for one in again] == [True] * 3
    assert [one.job.job_id for one in again] == [job.job_id for job in first]
    assert again[1].job.state is State.CANCELLED
    assert accept.find_batch(db, "alice", "r", "f") == [one.job for one in again]
    assert accept.find_batch(db, "bob", "r", "f") == []
    assert money(db) == (2 * MICROS, 0)


def test_a_request_id_of_another_batch_is_refused_with_its_id(db: Database) -> None:
    [first, *_] = made(db, request_id="r", fingerprint="f")
    with pytest.raises(RequestIdConflict) as refusal:
        accept_batch(db, new_batch(request_id="r", fingerprint="another"))
    assert refusal.value.metadata == {"batch_id": first.batch_id}
    with pytest.raises(RequestIdConflict):
        accept.find_batch(db, "alice", "r", "another")


def test_batches_and_single_jobs_have_request_ids_of_their_own(db: Database) -> None:
    single = accepted(db, request_id="r", fingerprint="f").job
    batch = accept_batch(db, new_batch(request_id="r", fingerprint="f"))
    assert not any(one.deduplicated for one in batch)
    assert accept.accept(db, new_job(request_id="r", fingerprint="f")) == Accepted(
        single, None, deduplicated=True
    )


def test_a_batch_is_kept_as_long_as_its_request_id(db: Database) -> None:
    for job in made(db, request_id="r", fingerprint="f"):
        transitions.cancel(db, "alice", job.job_id, "")

    retention.forget(db, keep_ms=-60_000)
    assert len(accept.find_batch(db, "alice", "r", "f")) == 3

    db.write(lambda session: session.run(EXPIRE))
    retention.forget(db, keep_ms=-60_000)
    assert row_count(db) == 0


def test_a_list_has_the_jobs_of_a_batch_of_the_user_alone(db: Database) -> None:
    first, _ = made(db, labels={"a": "1"}), made(db)
    theirs = made(db, user_id="bob")
    accepted(db)
    transitions.cancel(db, "alice", first[0].job_id, "")

    def ids(**wanted: object) -> list[str]:
        found = jobs.list_page(db, "alice", limit=9, **wanted)[0]  # type: ignore[arg-type]
        return [job.job_id for job in found]

    newest = [job.job_id for job in reversed(first)]
    batch = {"batch_id": first[0].batch_id}
    assert ids(**batch) == newest
    assert ids(**batch, states=[State.QUEUED]) == newest[:2]
    assert ids(**batch, labels={"a": "1"}, after=(first[2].create_time, newest[0])) == newest[1:]
    assert ids(**batch, labels={"a": "2"}) == []
    assert ids(batch_id=theirs[0].batch_id) == []


def test_a_snapshot_has_the_jobs_of_a_batch_also_when_they_ended(db: Database) -> None:
    first = made(db)
    accepted(db)
    transitions.cancel(db, "alice", first[0].job_id, "")

    found = events.snapshot(db, "alice", batch_id=first[0].batch_id)
    assert [job.job_id for job in found.jobs] == [job.job_id for job in first]
    assert found.revision == revision(db)
    with pytest.raises(NotFound):
        events.snapshot(db, "bob", batch_id=first[0].batch_id)


def test_a_batch_makes_one_notification_when_its_last_job_ends(db: Database) -> None:
    # Given a batch of which one job ends in each way
    [_, last, _] = made(db)
    first, second = started(db), started(db)
    done = transitions.succeed(db, first.run, new_media(job_id=first.run.job_id))
    failed = transitions.fail(db, second.run, FAILED)
    assert (done.beside.notifications, failed.beside.notifications) == ((), ())
    assert page(db) == []

    # When the last one ends
    [waiting] = jobs.list_page(db, "alice", states=[State.QUEUED], limit=9)[0]
    event = transitions.cancel(db, "alice", waiting.job_id, "").event

    # Then one notification tells it, in the event of that end
    [one] = page(db)
    assert event is not None
    assert event.beside.notifications[0].notification is not None
    assert event.beside.notifications[0].notification.notification_id == one.notification_id
    assert (one.kind, one.severity, one.batch_id) == (
        Kind.BATCH_ENDED,
        Severity.WARNING,
        last.batch_id,
    )
    assert one.title == "Your batch of 3 jobs has ended"
    assert one.text == "1 ready, 1 failed, 1 cancelled."
    assert one.action is not None
    assert (one.action.target, one.action.value) == ("batch_id", last.batch_id)
    assert one.job_id == ""
    assert_counted(db)


@pytest.mark.parametrize(
    ("failed", "severity", "title"),
    [
        (False, Severity.SUCCESS, "Your batch of 1 job is ready"),
        (True, Severity.ERROR, "Your batch of 1 job has ended"),
    ],
)
def test_how_a_batch_ended_is_said(
    db: Database, failed: bool, severity: Severity, title: str
) -> None:
    made(db, 1)
    claim = started(db)
    if failed:
        transitions.fail(db, claim.run, FAILED)
    else:
        transitions.succeed(db, claim.run, new_media(job_id=claim.run.job_id))
    [one] = page(db)
    assert (one.severity, one.title) == (severity, title)


def test_a_user_who_wants_no_word_of_batches_gets_none(db: Database) -> None:
    want(db, kinds=(Kind.JOB_CANCELLED,))
    for job in made(db):
        transitions.cancel(db, "alice", job.job_id, "")
    assert kinds(db) == []


def test_the_end_of_a_batch_is_gathered_into_a_digest(db: Database) -> None:
    want(db, digest_after_ms=60_000)
    far = Statement("UPDATE user_stream SET watched_time = 0")
    db.write(lambda session: session.run(far))
    for job in [*made(db, 2), *made(db, 1)]:
        transitions.cancel(db, "alice", job.job_id, "")
    [one] = inbox.notifications(db, "alice", limit=9).notifications
    assert (one.kind, one.counts) == (Kind.DIGEST, {"BATCH_ENDED": 2})
    assert_counted(db)
