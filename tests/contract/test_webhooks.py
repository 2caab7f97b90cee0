"""The outbox of webhooks, on SQLite and on PostgreSQL alike."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from core.errors import NotFound, ResourceLimitReached
from core.ids import new_id
from core.jobs import EventType
from core.notifications import Kind as NotificationKind
from core.store import (
    Database,
    deliveries,
    events,
    inbox,
    media,
    retention,
    transitions,
    view_calls,
    webhooks,
)
from core.store.deliveries import Tried
from core.store.engine.sql import Statement
from core.webhooks import DAY_MS, Delivery, DeliveryState, Kind, Response, State, Webhook
from tests.making import accepted, claimed, new_media, started

ALL = tuple(kind for kind in Kind if kind is not Kind.PING)
OUTBOX = Statement("""
    SELECT webhook_id, kind, revision, job_id, state FROM delivery ORDER BY revision, kind
""")
AGE = Statement("UPDATE delivery SET create_time = create_time - :ms")
FAILING = Statement("UPDATE webhook SET failing_time = failing_time - :ms")
DUE = Statement("UPDATE delivery SET next_try_time = 0 WHERE state = 'PENDING'")
HOOKS = Statement("SELECT webhooks FROM user_stream WHERE user_id = :user_id")
TAKEN, REFUSED = Response(status=204, ms=3), Response(status=500, text="oh", ms=4)


def hooked(db: Database, user_id: str = "alice", most: int = 20, **changes: Any) -> Webhook:
    values: dict[str, Any] = {"url": "https://a.example/x", "kinds": ALL, "labels": {}, "salt": "1"}
    made = Webhook(webhook_id=new_id(), user_id=user_id, **(values | changes))
    return webhooks.create(db, made, most)


def outbox(db: Database) -> list[tuple[str, str, int, str, str]]:
    return [(row[0], row[1], int(row[2]), row[3], row[4]) for row in db.rows(OUTBOX)]


def take(db: Database, usual: int = 100, window: int = 1000, **known: dict[str, int]) -> Any:
    under_way, room = known.get("under_way", {}), known.get("room", {})
    ids, _ = deliveries.look(db, under_way, room, usual, window)
    return deliveries.claim(db, ids, lease_ms=60_000)


def test_each_change_writes_what_a_webhook_wants_of_it_at_its_revision(db: Database) -> None:
    # Given a webhook that wants everything, and one of somebody else
    hook = hooked(db)
    hooked(db, "bob")

    # When a job is accepted, starts and ends, and an item comes to a view and leaves it
    job = accepted(db, apply_to_view="desk").job
    run = started(db).run
    transitions.succeed(db, run, new_media(job_id=job.job_id, output_index=0))
    item = new_media()
    media.add(db, item)
    view_calls.apply(db, "alice", "wall", item.media_id, looping=False)
    view_calls.clear(db, "alice", "wall")

    # Then the outbox has one delivery for each kind of each change
    kinds = [(kind, revision) for hook_id, kind, revision, _, _ in outbox(db)]
    assert kinds == [
        ("JOB_QUEUED", 1),
        ("JOB_STARTED", 2),
        ("NOTIFICATION_CREATED", 2),
        ("JOB_SUCCEEDED", 3),
        ("VIEW_APPLIED", 3),
        ("VIEW_APPLIED", 4),
        ("VIEW_CLEARED", 5),
    ]
    assert {row[0] for row in outbox(db)} == {hook.webhook_id}
    assert {row[3] for row in outbox(db)} == {job.job_id, ""}


def test_kinds_and_labels_narrow_what_is_sent(db: Database) -> None:
    # Given one webhook for one kind, and one for jobs with two labels
    ends = hooked(db, kinds=(Kind.JOB_CANCELLED,))
    labelled = hooked(
        db, kinds=(Kind.JOB_QUEUED, Kind.NOTIFICATION_CREATED), labels={"a": "1", "b": "2"}
    )

    # When jobs with other labels, and one with these and more, are accepted and cancelled
    jobs = [
        accepted(db, labels=labels).job
        for labels in ({}, {"a": "1"}, {"a": "1", "b": "3"}, {"a": "1", "b": "2", "c": "3"})
    ]
    for job in jobs:
        transitions.cancel(db, "alice", job.job_id, "")

    # Then jobs are narrowed by all labels, and notifications are not
    sent = {(row[0], row[1]): 0 for row in outbox(db)}
    for row in outbox(db):
        sent[row[0], row[1]] += 1
    assert sent == {
        (ends.webhook_id, "JOB_CANCELLED"): 4,
        (labelled.webhook_id, "JOB_QUEUED"): 1,
        (labelled.webhook_id, "NOTIFICATION_CREATED"): 4,
    }


def test_what_is_undone_sends_nothing(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    hooked(db)
    claim = started_job(db)
    before = outbox(db)

    # When the transaction of an end fails right before its commit
    def fail(name: str) -> None:
        if name == "settle.before_commit":
            raise RuntimeError

    monkeypatch.setattr("core.process.failpoints.hit", fail)
    with pytest.raises(RuntimeError):
        transitions.succeed(db, claim, new_media(job_id=claim.job_id))

    # Then neither the end nor its delivery is there
    assert outbox(db) == before
    assert events.events_after(db, "alice", 2, 10) == []


def started_job(db: Database) -> Any:
    accepted(db)
    return started(db).run


def test_what_happens_while_a_webhook_is_off_is_never_sent(db: Database) -> None:
    hook = hooked(db, kinds=(Kind.JOB_QUEUED,))
    accepted(db)
    turn(db, hook, State.DISABLED)
    accepted(db)
    turn(db, hook, State.ENABLED)
    last = accepted(db).job

    # What was waiting when it was turned off is given up by whoever turned it off
    assert [row[3] for row in outbox(db)][-1] == last.job_id
    assert len(outbox(db)) == 2
    deliveries.give_up(db, hook.webhook_id)


def turn(db: Database, hook: Webhook, state: State) -> Webhook:
    return webhooks.update(db, "alice", hook.webhook_id, lambda one: replace(one, state=state))


def test_giving_up_ends_what_waits_and_says_why(db: Database) -> None:
    hook = hooked(db, kinds=(Kind.JOB_QUEUED,))
    for _ in range(3):
        accepted(db)

    deliveries.give_up(db, hook.webhook_id)

    found = deliveries.page(db, hook.webhook_id, states=DeliveryState, limit=10)
    assert {(one.state, one.error, one.next_try_time) for one in found} == {
        (DeliveryState.FAILED, "its webhook is off", None)
    }
    assert take(db) == []


def test_webhooks_are_listed_oldest_first_and_are_their_user_s(db: Database) -> None:
    made = [hooked(db, description=str(number)) for number in range(3)]
    hooked(db, "bob")

    # Those of one millisecond are in the order of their ids.
    made.sort(key=lambda one: (one.create_time, one.webhook_id))
    assert webhooks.all_of(db, "alice") == made
    assert webhooks.get(db, "alice", made[0].webhook_id) == made[0]
    for user_id, webhook_id in (("bob", made[0].webhook_id), ("alice", new_id())):
        with pytest.raises(NotFound):
            webhooks.get(db, user_id, webhook_id)
        with pytest.raises(NotFound):
            webhooks.rotate(db, user_id, webhook_id, "2")
        with pytest.raises(NotFound):
            webhooks.update(db, user_id, webhook_id, lambda one: one)
        assert not webhooks.delete(db, user_id, webhook_id)


def test_a_user_has_so_many_webhooks_however_many_are_made_at_once(db: Database) -> None:
    def make(_: int) -> bool:
        try:
            hooked(db, most=3)
        except ResourceLimitReached:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(make, range(12))) == 3
    # And that costs no revision
    assert events.revisions(db, ["alice"]) == {"alice": 0}


def test_a_webhook_that_is_deleted_leaves_nothing(db: Database) -> None:
    hook, other = hooked(db), hooked(db)
    accepted(db)

    assert webhooks.delete(db, "alice", hook.webhook_id)
    deliveries.erase(db, hook.webhook_id)
    accepted(db)

    assert {row[0] for row in outbox(db)} == {other.webhook_id}
    assert not webhooks.delete(db, "alice", hook.webhook_id)
    webhooks.delete(db, "alice", other.webhook_id)
    assert db.rows(HOOKS, user_id="alice") == [("",)]


def test_a_claim_is_exclusive_until_its_lease_is_over(db: Database) -> None:
    hook = hooked(db, kinds=(Kind.JOB_QUEUED,))
    job = accepted(db).job

    [claim] = take(db)
    assert (claim.delivery.job_id, claim.webhook) == (job.job_id, hook)
    assert claim.event.revision == 1
    assert json.loads(claim.event.payload)["type"] == EventType.QUEUED
    assert claim.epoch == db.epoch()
    assert take(db) == []
    assert deliveries.next_try_ms(db) > 50_000

    # When the lease is over, another worker takes it, with the same id
    db.write(lambda session: session.run(DUE))
    [again] = take(db)
    assert again.delivery.delivery_id == claim.delivery.delivery_id

    # Then the first one has no say any more
    deliveries.settle(db, [Tried(claim.delivery, DeliveryState.SUCCEEDED, TAKEN)])
    assert state_of(db, claim.delivery).state is DeliveryState.PENDING
    deliveries.settle(db, [Tried(again.delivery, DeliveryState.SUCCEEDED, TAKEN)])
    assert state_of(db, claim.delivery).state is DeliveryState.SUCCEEDED
    assert deliveries.next_try_ms(db) is None


def state_of(db: Database, delivery: Delivery) -> Delivery:
    found = deliveries.page(db, delivery.webhook_id, states=DeliveryState, limit=1000)
    return next(one for one in found if one.delivery_id == delivery.delivery_id)


def test_two_workers_never_claim_one_delivery(db: Database) -> None:
    hooked(db, kinds=(Kind.JOB_QUEUED,))
    for _ in range(30):
        accepted(db)

    with ThreadPoolExecutor(6) as pool:
        claims = [one for part in pool.map(lambda _: take(db), range(6)) for one in part]

    ids = [one.delivery.delivery_id for one in claims]
    assert len(ids) == len(set(ids)) == 30


def test_a_failed_try_waits_and_is_counted_and_a_taken_one_begins_anew(db: Database) -> None:
    hook = hooked(db, kinds=(Kind.JOB_QUEUED,))
    accepted(db)
    [claim] = take(db)

    # When a try fails
    tried = Tried(claim.delivery, DeliveryState.PENDING, REFUSED, pause_ms=5000)
    [fare] = deliveries.settle(db, [tried])

    # Then the delivery says what came of it and when it is tried again
    found = state_of(db, claim.delivery)
    assert (found.try_count, found.response_status, found.response_text) == (1, 500, "oh")
    assert found.response_ms == 4
    assert 0 < found.next_try_time - db.now_ms() <= 5000
    assert (fare.webhook_id, fare.user_id, fare.is_on) == (hook.webhook_id, "alice", True)
    now = webhooks.get(db, "alice", hook.webhook_id)
    assert (now.failure_count, now.success_time) == (1, None)
    assert now.failing_time is not None

    # And a try that is taken begins anew
    db.write(lambda session: session.run(DUE))
    [again] = take(db)
    [fare] = deliveries.settle(db, [Tried(again.delivery, DeliveryState.SUCCEEDED, TAKEN)])
    now = webhooks.get(db, "alice", hook.webhook_id)
    assert (now.failure_count, now.failing_time, fare.failing_ms) == (0, None, 0)
    assert abs(now.success_time - db.now_ms()) < 60_000
    assert state_of(db, claim.delivery).try_count == 2


def test_several_tries_of_a_webhook_count_in_their_order(db: Database) -> None:
    hook = hooked(db, kinds=(Kind.JOB_QUEUED,))
    for _ in range(4):
        accepted(db)
    claims = take(db)
    states = (DeliveryState.FAILED, DeliveryState.SUCCEEDED, *[DeliveryState.FAILED] * 2)
    tried = [
        Tried(claim.delivery, state, TAKEN if state is DeliveryState.SUCCEEDED else REFUSED)
        for claim, state in zip(claims, states, strict=True)
    ]

    deliveries.settle(db, tried)

    now = webhooks.get(db, "alice", hook.webhook_id)
    assert (now.failure_count, now.success_time is None) == (2, False)


def test_a_webhook_that_takes_nothing_is_disabled_once_and_its_user_is_told(db: Database) -> None:
    hook, other = hooked(db), hooked(db, kinds=(Kind.NOTIFICATION_CREATED,))
    accepted(db)
    claims = [one for one in take(db) if one.delivery.webhook_id == hook.webhook_id]
    deliveries.settle(db, [Tried(claims[0].delivery, DeliveryState.FAILED, REFUSED)])
    db.write(lambda session: session.run(FAILING, ms=DAY_MS + 1))
    before = len(outbox(db))

    # When it is disabled
    found = webhooks.disable(db, "alice", hook.webhook_id, "has taken nothing for 24 hours")

    # Then a notification says so, which goes to the other webhook
    assert webhooks.get(db, "alice", hook.webhook_id).state is State.DISABLED_AFTER_FAILURES
    [notification] = inbox.notifications(db, "alice", limit=10).notifications
    assert notification.kind is NotificationKind.WEBHOOK_DISABLED
    assert "has taken nothing for 24 hours" in notification.text
    assert found.change is not None
    [last] = outbox(db)[before:]
    assert last[:3] == (other.webhook_id, "NOTIFICATION_CREATED", found.change.revision)

    # And a second one changes nothing
    assert webhooks.disable(db, "alice", hook.webhook_id, "again").change is None
    accepted(db)
    assert [row[0] for row in outbox(db)[before + 1 :]] == []


def test_one_user_s_flood_takes_no_place_from_others(db: Database) -> None:
    # Given a webhook with more that is due than is looked at at once, and later one of another
    flooded = hooked(db, kinds=(Kind.JOB_QUEUED,))
    for _ in range(12):
        accepted(db)
    quiet = hooked(db, "bob", kinds=(Kind.JOB_QUEUED,))
    job = accepted(db, "bob").job

    # When a worker takes what there is, at most three of each webhook
    claims = take(db, usual=3, window=10)

    # Then the other one's is among it
    taken = [one.delivery.webhook_id for one in claims]
    assert (taken.count(flooded.webhook_id), taken.count(quiet.webhook_id)) == (3, 1)
    assert job.job_id in {one.delivery.job_id for one in claims}

    # And a webhook that fails, or has enough under way, gets less
    known = {"under_way": {flooded.webhook_id: 3}}
    assert take(db, usual=3, **known) == []
    assert len(take(db, usual=3, room={flooded.webhook_id: 1})) == 1


def test_deliveries_are_listed_newest_first_by_state_and_page(db: Database) -> None:
    hook = hooked(db, kinds=(Kind.JOB_QUEUED,))
    for _ in range(6):
        accepted(db)
    claims = take(db)[:4]
    tried = [
        Tried(claims[0].delivery, DeliveryState.SUCCEEDED, TAKEN),
        Tried(claims[1].delivery, DeliveryState.FAILED, REFUSED),
        Tried(claims[2].delivery, DeliveryState.SUCCEEDED, TAKEN),
    ]
    deliveries.settle(db, tried)

    def listed(*states: DeliveryState, limit: int = 4) -> list[Delivery]:
        found: list[Delivery] = []
        below = deliveries.FIRST
        while page := deliveries.page(
            db, hook.webhook_id, states=states or DeliveryState, below=below, limit=limit
        ):
            found += page
            below = page[-1].create_time, page[-1].delivery_id
        return found

    everything = listed()
    assert len(everything) == 6
    assert everything == sorted(
        everything, key=lambda one: (one.create_time, one.delivery_id), reverse=True
    )
    assert everything == listed(limit=1)
    for state, count in zip(DeliveryState, (3, 2, 1), strict=True):
        assert listed(state) == [one for one in everything if one.state is state]
        assert len(listed(state)) == count


def test_a_delivery_is_tried_again_whatever_came_of_it(db: Database) -> None:
    hook = hooked(db, kinds=(Kind.JOB_QUEUED,))
    accepted(db)
    [claim] = take(db)
    deliveries.settle(db, [Tried(claim.delivery, DeliveryState.FAILED, REFUSED)])

    found = deliveries.try_again(db, hook, claim.delivery.delivery_id)

    assert (found.state, found.once) == (DeliveryState.PENDING, True)
    [again] = take(db)
    assert again.delivery.once
    # One that waits goes on as it was afterwards
    accepted(db)
    [waiting] = take(db)
    assert not deliveries.try_again(db, hook, waiting.delivery.delivery_id).once
    for webhook, delivery_id in ((hook, new_id()), (hooked(db), claim.delivery.delivery_id)):
        with pytest.raises(NotFound):
            deliveries.try_again(db, webhook, delivery_id)


def test_what_is_handed_back_is_due_at_once_and_as_it_was(db: Database) -> None:
    hook = hooked(db, kinds=(Kind.JOB_QUEUED,))
    accepted(db)
    [claim] = take(db)
    deliveries.settle(db, [Tried(claim.delivery, DeliveryState.FAILED, REFUSED)])
    deliveries.try_again(db, hook, claim.delivery.delivery_id)
    [again] = take(db)

    # When a worker that ends hands it back
    deliveries.settle(db, [Tried(again.delivery, DeliveryState.PENDING)])

    # Then the next one tries it once, and the log still says what came of the last try
    [third] = take(db)
    assert third.delivery.once
    found = (third.delivery.response_status, third.delivery.response_text)
    assert (found, third.delivery.try_count) == ((500, "oh"), 1)


def test_what_was_redelivered_while_a_try_is_under_way_is_tried_again(db: Database) -> None:
    hook = hooked(db, kinds=(Kind.JOB_QUEUED,))
    accepted(db)
    [claim] = take(db)

    deliveries.try_again(db, hook, claim.delivery.delivery_id)
    deliveries.settle(db, [Tried(claim.delivery, DeliveryState.SUCCEEDED, TAKEN)])

    assert len(take(db)) == 1


def test_deliveries_are_forgotten_with_the_history(db: Database) -> None:
    hooked(db)
    accepted(db)
    db.write(lambda session: session.run(AGE, ms=2 * DAY_MS))
    accepted(db)

    retention.forget(db, keep_ms=DAY_MS)

    assert len(outbox(db)) == 1


def test_a_claim_knows_what_is_gone(db: Database) -> None:
    hook = hooked(db, kinds=(Kind.JOB_QUEUED,))
    accepted(db)
    claimed(db)
    webhooks.delete(db, "alice", hook.webhook_id)

    [claim] = take(db)
    assert claim.webhook is None
    deliveries.drop(db, [claim.delivery.delivery_id])
    assert outbox(db) == []


def test_a_new_secret_leaves_the_old_one_for_a_day(db: Database) -> None:
    hook = hooked(db)

    rotated = webhooks.rotate(db, "alice", hook.webhook_id, "2")

    assert (rotated.salt, rotated.former_salt) == ("2", "1")
    assert 0 < rotated.former_until - db.now_ms() - DAY_MS + 60_000 <= 60_000
