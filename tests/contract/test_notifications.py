"""Notifications: one for each job, moved on by its transitions, with counters that are true."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from core.announcements import Announcement
from core.errors import Reason, RequestIdConflict
from core.events import Beside, Event, UserChange
from core.ids import new_id
from core.jobs import Cost, CostState, JobFailure
from core.notifications import Kind, Notification, NotificationSettings, Severity
from core.store import (
    Database,
    accept,
    announcements,
    budgets,
    events,
    inbox,
    retention,
    transitions,
)
from core.store.accept import Accepted
from core.store.budgets import Period
from core.store.change import append_beside, lock_user
from core.store.engine.sql import Statement
from core.store.inbox import Asked
from core.store.notifications import Writer
from tests.making import accepted, new_job, new_media, started

COUNTED = Statement("""
    SELECT count(*), count(*) - count(read_time) FROM notification WHERE user_id = :user_id
""")
KEPT = Statement("SELECT notification_count, unread FROM user_stream WHERE user_id = :user_id")
AGE = Statement("UPDATE notification SET create_time = 0 WHERE notification_id = ANY(:ids)")
JOBS = Statement("SELECT job_id FROM job")
FAR = Statement("UPDATE user_stream SET watched_time = :time WHERE user_id = 'alice'")
FAILED = JobFailure(reason=Reason.CONTENT_FILTERED, message="The provider refused it.")


def page(db: Database, user_id: str = "alice", **wanted: Any) -> list[Notification]:
    return inbox.notifications(db, user_id, limit=100, **wanted).notifications


def kinds(db: Database, user_id: str = "alice") -> list[Kind]:
    return [one.kind for one in page(db, user_id)]


def said(change: UserChange | None) -> list[dict[str, Any]]:
    """What a change says of notifications."""
    assert change is not None
    found: list[dict[str, Any]] = json.loads(change.payload).get("notifications", [])
    return found


def told(event: Event | None) -> list[tuple[str, str, int]]:
    """What an event says of notifications: the type, the kind, how many are unread then."""
    assert event is not None
    return [
        (one["type"], one.get("notification", {}).get("kind", ""), one["unread_count"])
        for one in said(event.change)
    ]


def assert_counted(db: Database, user_id: str = "alice") -> None:
    """The counters of the user's row say what the rows say."""
    counted, kept = db.row(COUNTED, user_id=user_id), db.row(KEPT, user_id=user_id)
    assert tuple(kept or (0, 0)) == tuple(counted or (0, 0))


def message(
    db: Database,
    user_id: str = "alice",
    request_id: str = "",
    title: str = "Hello",
    keep_ms: int = 60_000,
) -> Any:
    made = Notification(
        notification_id=new_id(),
        kind=Kind.MESSAGE,
        severity=Severity.INFO,
        title=title,
        sender="billing",
        create_time=0,
    )
    return inbox.create(db, user_id, made, Asked(request_id, title, keep_ms))


def want(db: Database, **settings: Any) -> None:
    inbox.change_settings(db, "alice", lambda kept: replace(kept, **settings))


def test_a_job_has_one_notification_that_moves_on_unread_again(db: Database) -> None:
    # Given a job that has started, and its notification, which is read
    accepted(db)
    claim = started(db)
    [first] = page(db)
    inbox.mark_read(db, "alice", notification_ids=[first.notification_id])

    # When it succeeds
    event = transitions.succeed(db, claim.run, new_media(job_id=claim.run.job_id))

    # Then the same notification says so, and is unread again
    [second] = page(db)
    assert (second.kind, second.read_time) == (Kind.JOB_SUCCEEDED, None)
    assert second.notification_id == first.notification_id
    assert second.create_time >= first.create_time
    assert told(event) == [("UPDATED", "JOB_SUCCEEDED", 1)]
    assert_counted(db)


def test_a_job_that_waits_makes_none(db: Database) -> None:
    made = accepted(db)
    assert told(made.event) == []
    assert page(db) == []


def test_a_failure_is_told_with_its_message_and_never_with_a_prompt(db: Database) -> None:
    accepted(db)
    transitions.fail(db, started(db).run, FAILED)

    [one] = page(db)
    assert (one.kind, one.severity, one.text) == (
        Kind.JOB_FAILED,
        Severity.ERROR,
        "The provider refused it.",
    )
    assert "sea" not in json.dumps(one.to_json())


def test_a_job_that_is_cancelled_before_its_start_is_told_once(db: Database) -> None:
    made = accepted(db)
    cancelled = transitions.cancel(db, "alice", made.job.job_id, "")
    assert told(cancelled.event) == [("CREATED", "JOB_CANCELLED", 1)]
    assert kinds(db) == [Kind.JOB_CANCELLED]


def test_a_kind_that_the_user_does_not_want_is_not_made(db: Database) -> None:
    want(db, kinds=(Kind.JOB_SUCCEEDED,))
    accepted(db)
    claim = started(db)
    assert page(db) == []

    transitions.succeed(db, claim.run, new_media(job_id=claim.run.job_id))

    assert kinds(db) == [Kind.JOB_SUCCEEDED]
    assert_counted(db)


def test_a_message_is_made_whatever_the_user_wants(db: Database) -> None:
    want(db, kinds=())
    message(db)
    assert kinds(db) == [Kind.MESSAGE]


def test_after_an_absence_a_digest_gathers_what_happened(db: Database) -> None:
    # Given a user who wants a digest after a minute, and who saw a job start
    want(db, digest_after_ms=60_000)
    accepted(db)
    claim = started(db)
    assert kinds(db) == [Kind.JOB_STARTED]

    # When the job ends an hour after the last watch
    db.write(lambda s: s.run(FAR, time=s.now_ms() - 3_600_000))
    event = transitions.succeed(db, claim.run, new_media(job_id=claim.run.job_id))

    # Then the digest says it in the place of what the job had
    assert told(event) == [("DELETED", "", 0), ("CREATED", "DIGEST", 1)]
    [digest] = page(db)
    assert digest.counts == {"JOB_SUCCEEDED": 1}

    # And what happens next is counted into it
    accepted(db)
    event = transitions.fail(db, started(db).run, FAILED)
    [digest] = page(db)
    assert digest.counts == {"JOB_SUCCEEDED": 1, "JOB_STARTED": 1, "JOB_FAILED": 1}
    assert told(event) == [("UPDATED", "DIGEST", 1)]
    assert_counted(db)

    # And with a watch there are single ones again
    inbox.watched(db, ["alice"])
    accepted(db)
    started(db)
    assert kinds(db) == [Kind.JOB_STARTED, Kind.DIGEST]


def test_who_wants_no_digest_is_not_noted_as_watching(db: Database) -> None:
    accepted(db)
    inbox.watched(db, ["alice", "nobody"])
    accepted(db)
    started(db)
    assert kinds(db) == [Kind.JOB_STARTED]


@pytest.mark.parametrize("by", ["ids", "time"])
def test_reading_takes_one_revision_and_again_none(db: Database, by: str) -> None:
    # Given three messages
    ids = [message(db).notification.notification_id for _ in range(3)]
    until = max(one.create_time for one in page(db))
    named: dict[str, Any] = {"notification_ids": ids[:2]} if by == "ids" else {"until_time": until}

    # When some are read, twice
    first, second = (inbox.mark_read(db, "alice", **named) for _ in range(2))

    # Then the first call made one change, and the second none
    left = 1 if by == "ids" else 0
    assert (first.unread_count, second.unread_count) == (left, left)
    assert first.change is not None
    assert first.change.revision == 4
    assert second.change is None
    assert events.revisions(db, ["alice"]) == {"alice": 4}
    [one] = said(first.change)
    assert (one["type"], one["unread_count"]) == ("READ", left)
    assert one.get("notification_ids", ids[:2]) == ids[:2]
    assert_counted(db)


@pytest.mark.parametrize("by", ["ids", "time"])
def test_deleting_takes_one_revision_and_again_none(db: Database, by: str) -> None:
    ids = [message(db).notification.notification_id for _ in range(3)]
    until = max(one.create_time for one in page(db))
    named: dict[str, Any] = {"notification_ids": ids} if by == "ids" else {"until_time": until}
    inbox.mark_read(db, "alice", notification_ids=ids[:1])

    first, second = (inbox.delete(db, "alice", **named) for _ in range(2))

    assert (first.unread_count, second.unread_count) == (0, 0)
    assert first.change is not None
    assert second.change is None
    assert page(db) == []
    assert_counted(db)


def test_unknown_and_others_ids_are_skipped(db: Database) -> None:
    theirs = message(db, "bob").notification.notification_id
    named = {"notification_ids": [theirs, new_id()]}

    assert inbox.mark_read(db, "alice", **named).change is None
    assert inbox.delete(db, "alice", **named).change is None
    assert [one.read_time for one in page(db, "bob")] == [None]


def test_a_request_id_makes_one_message(db: Database) -> None:
    first = message(db, request_id="once")
    again = message(db, request_id="once")

    assert again.notification == first.notification
    assert again.change is None
    assert len(page(db)) == 1
    assert events.revisions(db, ["alice"]) == {"alice": 1}
    with pytest.raises(RequestIdConflict):
        message(db, request_id="once", title="Another")


def test_a_request_id_is_remembered_for_its_time(db: Database) -> None:
    first = message(db, request_id="once", keep_ms=-1)
    second = message(db, request_id="once", title="Another")

    assert len(page(db)) == 2
    assert message(db, request_id="once", title="Another").notification == second.notification
    assert first.notification != second.notification


def test_a_request_id_that_is_sent_several_times_at_once_makes_one(db: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        announced = list(pool.map(lambda _: announce(db, request_id="once"), range(8)))
        told = list(pool.map(lambda _: message(db, request_id="once").notification, range(8)))

    assert len({one.announcement_id for one in announced}) == 1
    assert len(announcements.page(db, "alice", limit=9)) == 1
    assert len({one.notification_id for one in told}) == 1
    assert len(page(db)) == 1


def test_lists_are_cut_into_pages_and_filtered(db: Database) -> None:
    for number in range(5):
        message(db, title=f"{number}")
    accepted(db)
    started(db)
    newest = page(db)
    inbox.mark_read(db, "alice", notification_ids=[newest[1].notification_id])

    assert [one.title for one in newest[1:]] == ["4", "3", "2", "1", "0"]
    below = (newest[2].revision, newest[2].notification_id)
    assert page(db, below=below) == newest[3:]
    assert [one.kind for one in page(db, kinds=[Kind.JOB_STARTED])] == [Kind.JOB_STARTED]
    assert [one.title for one in page(db, only_unread=True)][1:] == ["3", "2", "1", "0"]
    assert page(db, only_unread=True, kinds=[Kind.JOB_FAILED]) == []


def test_the_newest_thousand_are_kept_for_ninety_days(db: Database) -> None:
    # Given 1003 messages, the oldest from long ago, and one that is too old alone
    def fill(session: Any) -> None:
        locked = lock_user(session, "alice")
        writer = Writer(session, "alice", locked.inbox, locked.revision)
        for number, notification_id in enumerate(sorted(new_id() for _ in range(1003))):
            writer.put(
                Notification(
                    notification_id=notification_id,
                    kind=Kind.MESSAGE,
                    severity=Severity.INFO,
                    title=f"{number}",
                    create_time=locked.now_ms - 10_000 + number,
                )
            )
        append_beside(session, locked, Beside(notifications=writer.done()[:1]))

    db.write(fill)
    revision = events.revisions(db, ["alice"])
    message(db, "bob")
    old = message(db, "bob").notification.notification_id
    db.write(lambda session: session.run(AGE, ids=[old]))

    # When what is too old or too much is forgotten
    generous = retention.Kept(max_notifications=1100)
    retention.forget(db, keep_ms=60_000_000, kept=generous)
    assert len(inbox.notifications(db, "alice", limit=2000).notifications) == 1003
    retention.forget(db, keep_ms=60_000_000)

    # Then the newest are left, the counters are true, and no revision was taken
    found = inbox.notifications(db, "alice", limit=2000).notifications
    assert [one.title for one in found] == [f"{number}" for number in range(1002, 2, -1)]
    assert len(page(db, "bob")) == 1
    for user_id in ("alice", "bob"):
        assert_counted(db, user_id)
    assert events.revisions(db, ["alice"]) == revision


def test_a_snapshot_has_the_newest_unread_ones_of_its_moment(db: Database) -> None:
    for number in range(103):
        message(db, title=f"{number}")
    read = page(db)[0]
    inbox.mark_read(db, "alice", notification_ids=[read.notification_id])

    found = events.snapshot(db, "alice", with_notifications=True)

    assert [one.title for one in found.unread] == [f"{number}" for number in range(2, 102)]
    assert (found.unread_count, found.revision) == (102, 104)
    assert events.snapshot(db, "alice").unread == []


def test_an_announcement_is_read_by_each_user_alone(db: Database) -> None:
    # Given an announcement, and one that has expired
    made = [announce(db, title="News"), announce(db, title="Old news", expire_time=1)]

    # When alice reads it
    first = inbox.mark_read(db, "alice", announcement_ids=[one.announcement_id for one in made[:1]])
    second = inbox.mark_read(db, "alice", announcement_ids=[made[0].announcement_id, new_id()])

    # Then it took one revision of hers, and bob has not read it
    assert first.change is not None
    assert first.change.revision == 1
    assert json.loads(first.change.payload)["read_announcements"] == [made[0].announcement_id]
    assert second.change is None
    [hers], [his] = (announcements.page(db, user, limit=9) for user in ("alice", "bob"))
    assert hers.read_time is not None
    assert his.read_time is None
    assert announcements.page(db, "alice", limit=9, only_unread=True) == []


def test_a_deleted_announcement_is_gone_at_once_and_forgotten_later(db: Database) -> None:
    made = announce(db)
    inbox.mark_read(db, "alice", announcement_ids=[made.announcement_id])

    for _ in range(2):
        announcements.delete(db, made.announcement_id)

    assert announcements.page(db, "alice", limit=9) == []
    [change] = announcements.changed_since(db, 0)
    assert change.is_deleted
    old = Statement("UPDATE announcement SET change_time = 0")
    db.write(lambda session: session.run(old))
    retention.forget(db, keep_ms=60_000)
    assert announcements.changed_since(db, 0) == []


def announce(db: Database, request_id: str = "", **fields: Any) -> Announcement:
    values: dict[str, Any] = {"title": "News", "create_time": 0, "severity": Severity.INFO}
    made = Announcement(announcement_id=new_id(), **{**values, **fields})
    found, _ = inbox.announce(db, "operator", made, Asked(request_id, made.title, 60_000))
    assert found is not None
    return found


def test_settings_are_kept_and_cost_no_revision(db: Database) -> None:
    assert inbox.settings(db, "alice") == NotificationSettings()

    want(db, digest_after_ms=60_000)
    want(db, budget_alert_percents=(90,))

    kept = inbox.settings(db, "alice")
    assert (kept.digest_after_ms, kept.budget_alert_percents) == (60_000, (90,))
    assert kept.kinds == tuple(Kind)
    assert events.revisions(db, ["alice"]).get("alice", 0) == 0


def spend(db: Database, micros: int) -> list[str]:
    """The titles of the alerts that a job of that price makes."""
    made = accepted(db, cost=Cost(state=CostState.ESTIMATED, estimated_micros=micros))
    assert made.event is not None
    return [one["notification"]["title"] for one in said(made.event.change)]


def test_each_share_of_a_budget_is_told_once_in_its_period(db: Database) -> None:
    # Given a daily budget of 1.00 and a monthly one of 4.00
    owner = budgets.owner_of("alice")
    budgets.set_limit(db, owner, Period.DAY, 1_000_000)
    budgets.set_limit(db, owner, Period.MONTH, 4_000_000)

    # Then each share is told by the job that comes to it, and the highest of several
    assert spend(db, 490_000) == []
    assert spend(db, 10_000) == ["50 % of your daily budget is used"]
    assert spend(db, 10_000) == []
    assert spend(db, 490_000) == ["100 % of your daily budget is used"]
    assert_counted(db)

    # And what was given back and is used again is told no more
    for (job_id,) in db.rows(JOBS):
        transitions.cancel(db, "alice", job_id, "")
    assert spend(db, 990_000) == []


def test_a_user_is_warned_at_the_shares_that_it_wants(db: Database) -> None:
    budgets.set_limit(db, budgets.owner_of("alice"), Period.DAY, 1_000_000)
    want(db, budget_alert_percents=(10, 90))
    assert spend(db, 100_000) == ["10 % of your daily budget is used"]
    assert spend(db, 700_000) == []

    want(db, kinds=(Kind.JOB_FAILED,))
    assert spend(db, 150_000) == []


def test_jobs_that_come_together_tell_each_share_once(db: Database) -> None:
    # Given a budget for ten jobs, and eight that are accepted in one transaction
    budgets.set_limit(db, budgets.owner_of("alice"), Period.DAY, 1_000_000)
    price = Cost(state=CostState.ESTIMATED, estimated_micros=100_000)

    made = accept.accept_all(db, [new_job("alice", cost=price) for _ in range(8)])

    # Then two of their events tell, each with its own count
    changes = [one.event.change for one in made if isinstance(one, Accepted) and one.event]
    alerts = [alert for change in changes for alert in said(change)]
    told_ = [(one["notification"]["title"], one["unread_count"]) for one in alerts]
    assert told_ == [
        ("50 % of your daily budget is used", 1),
        ("80 % of your daily budget is used", 2),
    ]
    assert_counted(db)
