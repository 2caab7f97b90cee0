"""The store keeps its promises on SQLite and on PostgreSQL alike."""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.errors import LeaseLost, NotFound, QueueFull, Reason, RequestIdConflict
from core.jobs import EventType, Job, JobFailure, Progress, Stage, State
from core.store import Database, claims, events, jobs, media_lists, transitions
from core.store.engine.database import Session, Undo
from core.store.engine.sql import Statement
from core.store.places import Queues
from core.tokens import ResumePoint
from tests.decoding import event_from_json
from tests.making import accepted, claimed, new_media, started
from tests.services import wait_for


def test_an_accepted_job_waits_and_has_its_first_event(db: Database) -> None:
    made = accepted(db, labels={"node": "7"})

    job = jobs.get(db, "alice", made.job.job_id)
    assert (job.state, job.revision, job.labels) == (State.QUEUED, 1, {"node": "7"})
    [event] = events.events_after(db, "alice", 0, 10)
    assert event.job_id == job.job_id


def test_an_event_holds_the_whole_job_after_the_change(db: Database) -> None:
    made = accepted(db)
    claim = started(db)
    finished = transitions.succeed(db, claim.run, new_media(job_id=made.job.job_id))

    stored = events.events_after(db, "alice", 2, 10)[0]
    event = event_from_json(stored.revision, json.loads(stored.payload))
    assert event.job == finished.job == jobs.get(db, "alice", made.job.job_id)
    assert event.type is EventType.SUCCEEDED


def test_revisions_of_a_user_are_gapless_under_concurrent_writers(db: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: accepted(db), range(40)))

    found = [event.revision for event in events.events_after(db, "alice", 0, 100)]
    assert found == list(range(1, 41))


def test_the_same_request_id_gives_the_first_job(db: Database) -> None:
    first = accepted(db, request_id="r", fingerprint="a")
    again = accepted(db, request_id="r", fingerprint="a")

    assert again.deduplicated
    assert again.event is None
    assert again.job.job_id == first.job.job_id
    assert events.revisions(db, ["alice"]) == {"alice": 1}


def test_the_same_request_id_for_another_request_is_refused(db: Database) -> None:
    first = accepted(db, request_id="r", fingerprint="a")

    with pytest.raises(RequestIdConflict) as caught:
        accepted(db, request_id="r", fingerprint="b")
    assert caught.value.metadata["job_id"] == first.job.job_id


def test_a_request_id_belongs_to_its_user(db: Database) -> None:
    accepted(db, "alice", request_id="r", fingerprint="a")
    assert not accepted(db, "bob", request_id="r", fingerprint="b").deduplicated


def test_a_hundred_copies_of_one_request_make_one_job(db: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: accepted(db, request_id="r", fingerprint="a"), range(100)))

    assert len({m.job.job_id for m in made}) == 1
    assert sum(not m.deduplicated for m in made) == 1


def test_a_full_queue_refuses_and_stores_nothing(db: Database) -> None:
    accepted(db, max_queued=1)

    with pytest.raises(QueueFull):
        accepted(db, max_queued=1)
    assert events.revisions(db, ["alice"]) == {"alice": 1}


def test_one_job_is_claimed_by_one_of_many_workers(db: Database) -> None:
    for _ in range(30):
        accepted(db)

    def claim_all(name: int) -> list[str]:
        taken = []
        while claim := claims.claim(db, "video", str(name), 60_000, 100):
            taken.append(claim.run.job_id)
        return taken

    with ThreadPoolExecutor(6) as pool:
        taken = [job_id for ids in pool.map(claim_all, range(6)) for job_id in ids]
    assert Counter(taken).most_common(1)[0][1] == 1
    assert len(taken) == 30


def test_users_take_turns(db: Database) -> None:
    # Given alice with many jobs and bob who comes later with one
    for _ in range(5):
        accepted(db, "alice")
    claimed(db)
    bobs = accepted(db, "bob")

    # Then bob's is next
    assert claimed(db).run.job_id == bobs.job.job_id


def test_places_are_the_order_in_which_jobs_are_claimed(db: Database) -> None:
    made = [accepted(db, user).job.job_id for user in ("alice", "alice", "alice", "bob", "bob")]

    places = Queues(db, user_concurrency=100).places(made)
    by_place = sorted(made, key=lambda job_id: places[job_id].position)
    assert [places[job_id].position for job_id in by_place] == [1, 2, 3, 4, 5]
    assert by_place == [claimed(db).run.job_id for _ in made]


def test_a_live_lease_keeps_others_away_and_a_dead_one_does_not(db: Database) -> None:
    accepted(db)
    first = started(db, lease_ms=1)

    wait_for(lambda: claims.claimable(db, "video", 100, 10) == 1, "the lease to end")
    second = claimed(db)
    assert second.run.job_id == first.run.job_id
    assert second.run.fence == first.run.fence + 1
    assert second.job.attempt == first.job.attempt + 1
    assert claims.claim(db, "video", "w3", 1000, 100) is None


def test_a_frozen_run_that_wakes_changes_nothing(db: Database) -> None:
    accepted(db)
    old = started(db, lease_ms=1)
    wait_for(lambda: claims.claimable(db, "video", 100, 10) == 1, "the lease to end")
    claimed(db)

    failure = JobFailure(reason=Reason.RESULT_INVALID, message="x")
    media = new_media(job_id=old.run.job_id)
    for write in (
        lambda: transitions.succeed(db, old.run, media),
        lambda: transitions.add_output(db, old.run, media),
        lambda: transitions.fail(db, old.run, failure),
        lambda: transitions.end_cancelled(db, old.run),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert not claims.renew(db, old.run, 1000, Progress())
    assert not claims.hand_back(db, old.run)
    assert not claims.fetch_next(db, old.run, None)
    assert media_lists.list_page(db, "alice", limit=10) == []
    assert jobs.get(db, "alice", old.run.job_id).revision == 2


def test_a_hand_back_costs_no_attempt(db: Database) -> None:
    accepted(db)
    first = started(db)
    claims.hand_back(db, first.run)
    second = claimed(db)
    assert (first.job.attempt, second.job.attempt) == (1, 1)

    accepted(db)
    waiting = claimed(db)
    claims.hand_back(db, waiting.run)
    assert claimed(db).job.attempt == 1


def test_a_job_is_handed_back_once(db: Database) -> None:
    accepted(db)
    claim = claimed(db)
    assert claims.hand_back(db, claim.run)
    assert not claims.hand_back(db, claim.run)
    assert claimed(db).job.attempt == 1


def test_a_job_handed_back_with_a_delay_waits(db: Database) -> None:
    accepted(db)
    claims.hand_back(db, started(db).run, delay_ms=60_000)
    assert claims.claim(db, "video", "w", 1000, 100) is None


def test_a_user_runs_no_more_jobs_at_once_than_it_may(db: Database) -> None:
    # Given two claims of one user, taken before either started
    accepted(db)
    accepted(db)
    one, two = claimed(db), claimed(db)

    # When both start under a cap of one, the second may not
    assert transitions.start(db, one.run, user_concurrency=1) is not None
    assert transitions.start(db, two.run, user_concurrency=1) is None
    assert jobs.get(db, "alice", two.run.job_id).state is State.QUEUED
    claims.hand_back(db, two.run)
    assert claims.claim(db, "video", "w", 1000, user_concurrency=1) is None
    assert claims.claimable(db, "video", 1, 10) == 0


def test_cancelling_a_waiting_job_ends_it_and_is_idempotent(db: Database) -> None:
    job_id = accepted(db).job.job_id

    job, event = transitions.cancel(db, "alice", job_id, "enough")
    again, nothing = transitions.cancel(db, "alice", job_id, "other")

    assert (job.state, job.cancel_reason) == (State.CANCELLED, "enough")
    assert event is not None
    assert (again, nothing) == (job, None)


def test_cancelling_a_running_job_asks_its_run(db: Database) -> None:
    job_id = accepted(db).job.job_id
    claim = started(db)

    job, event = transitions.cancel(db, "alice", job_id, "")
    assert job.state is State.RUNNING
    assert event is not None
    assert event.type is EventType.UPDATED
    assert claims.stop_asked(db, [job_id, "other"]) == {job_id}
    assert transitions.end_cancelled(db, claim.run).job.state is State.CANCELLED


def test_a_claimed_job_that_was_cancelled_never_starts(db: Database) -> None:
    job_id = accepted(db).job.job_id
    claim = claimed(db)
    transitions.cancel(db, "alice", job_id, "")
    with pytest.raises(LeaseLost):
        transitions.start(db, claim.run, 100)


def test_a_cancel_and_a_success_that_race_leave_one_of_both(db: Database) -> None:
    for _ in range(10):
        job_id = accepted(db).job.job_id
        claim = started(db)
        barrier = threading.Barrier(2)

        def cancel(job_id: str = job_id, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            transitions.cancel(db, "alice", job_id, "")

        thread = threading.Thread(target=cancel)
        thread.start()
        barrier.wait()
        transitions.succeed(db, claim.run, new_media(job_id=job_id))
        thread.join()
        ends = [e for e in events.job_events(db, "alice", job_id, 0, 10) if "end_time" in e.payload]
        assert len(ends) == 1
        assert jobs.get(db, "alice", job_id).state is State.SUCCEEDED


def test_another_users_job_does_not_exist(db: Database) -> None:
    job_id = accepted(db).job.job_id
    for look in (
        lambda: jobs.get(db, "bob", job_id),
        lambda: transitions.cancel(db, "bob", job_id, ""),
        lambda: events.job_events(db, "bob", job_id, 0, 10),
    ):
        with pytest.raises(NotFound):
            look()
    assert events.revisions(db, ["bob"]) == {}


def test_a_job_past_its_deadline_fails_once(db: Database) -> None:
    job_id = accepted(db, finish_within_ms=-1).job.job_id

    assert claims.overdue(db) == [("alice", job_id)]
    event = transitions.fail_overdue(db, "alice", job_id)
    assert event is not None
    assert event.job.failure is not None
    assert event.job.failure.reason is Reason.FINISH_DEADLINE_EXCEEDED
    assert transitions.fail_overdue(db, "alice", job_id) is None
    assert claims.overdue(db) == []


def test_a_job_before_its_deadline_goes_on(db: Database) -> None:
    job_id = accepted(db).job.job_id
    assert transitions.fail_overdue(db, "alice", job_id) is None
    assert events.revisions(db, ["alice"]) == {"alice": 1}


def test_partial_outputs_are_kept_in_order(db: Database) -> None:
    job_id = accepted(db).job.job_id
    run = started(db).run
    transitions.add_output(db, run, new_media(job_id=job_id, output_index=0))
    event = transitions.succeed(db, run, new_media(job_id=job_id, output_index=1))
    assert [output.output_index for output in event.job.outputs] == [0, 1]


def test_an_output_that_is_made_again_stands_in_its_place(db: Database) -> None:
    # Given that the second output is there and the first is not, as it was erased meanwhile
    job_id = accepted(db).job.job_id
    run = started(db).run
    transitions.add_output(db, run, new_media(job_id=job_id, output_index=1))

    event = transitions.succeed(db, run, new_media(job_id=job_id, output_index=0))

    assert [output.output_index for output in event.job.outputs] == [0, 1]
    assert event.job == jobs.get(db, "alice", job_id)


def test_a_renewal_keeps_progress_for_those_who_ask(db: Database) -> None:
    job_id = accepted(db).job.job_id
    claim = started(db)
    claims.renew(db, claim.run, 1000, Progress(stage=Stage.GENERATING, percent=40, message="m"))
    progress = jobs.get(db, "alice", job_id).progress
    assert (progress.stage, progress.percent, progress.message) == (Stage.GENERATING, 40, "m")


def test_pages_of_jobs_go_on_where_the_last_ended(db: Database) -> None:
    made = [accepted(db, labels={"n": str(i % 2)}).job for i in range(7)]
    seen = []
    after = None
    while page := jobs.list_page(db, "alice", after=after, limit=3)[0]:
        seen += [job.job_id for job in page]
        after = (page[-1].create_time, page[-1].job_id)
    assert sorted(seen) == sorted(job.job_id for job in made)
    assert len(seen) == 7
    odd = jobs.list_page(db, "alice", labels={"n": "1"}, limit=100)[0]
    assert len(odd) == 3
    assert jobs.list_page(db, "alice", states=[State.RUNNING], limit=5)[0] == []


def test_a_page_has_the_outputs_of_each_job_in_their_order(db: Database) -> None:
    # Given a job that waits, one with two outputs, and another user's with one
    made = accepted(db, labels={"a": "b"}).job
    run = started(db).run
    first, second = (new_media(job_id=made.job_id, output_index=index) for index in (0, 1))
    transitions.add_output(db, run, first)
    done = transitions.succeed(db, run, second).job
    others = accepted(db, "bob").job
    transitions.succeed(db, started(db).run, new_media("bob", job_id=others.job_id))
    waits = accepted(db, labels={"a": "b"}).job

    # When they are read along each index, page by page, and each by itself
    filters: list[dict[str, Any]] = [{}, {"states": list(State)}, {"labels": {"a": "b"}}]
    for wanted in filters:
        [newest], _ = jobs.list_page(db, "alice", limit=1, **wanted)
        after = (newest.create_time, newest.job_id)
        [oldest], _ = jobs.list_page(db, "alice", limit=9, after=after, **wanted)

        # Then each job has its own outputs
        assert [newest, oldest] == [waits, done]
        assert [output.output_index for output in oldest.outputs] == [0, 1]
    assert [jobs.get(db, "alice", job.job_id) for job in (waits, done)] == [waits, done]
    assert events.snapshot(db, "alice", job_ids=[waits.job_id, done.job_id]).jobs == [done, waits]


def test_a_page_says_from_where_a_watch_goes_on_even_without_jobs(db: Database) -> None:
    assert jobs.list_page(db, "nobody", limit=9) == ([], ResumePoint(db.epoch(), 0))
    accepted(db)
    assert jobs.list_page(db, "alice", states=[State.FAILED], limit=9) == (
        [],
        ResumePoint(db.epoch(), 1),
    )
    assert events.live_jobs(db, "nobody") == (0, {})


def test_a_list_with_several_filters_goes_along_the_one_with_the_fewest_jobs(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a label of all jobs, one of every other job, one of two jobs, and one cancelled job
    monkeypatch.setattr(jobs, "_AHEAD", 3)
    labels = [{"all": "x", "half": str(i % 2), "two": str(i // 2)} for i in range(12)]
    made = [accepted(db, labels=each).job for each in labels]
    transitions.cancel(db, "alice", made[4].job_id, "")
    went: list[tuple[list[str], bool]] = []
    narrowest = jobs._narrowest

    def seen(*given: Any) -> Any:
        went.append(narrowest(*given))
        return went[-1]

    monkeypatch.setattr(jobs, "_narrowest", seen)

    def found(states: list[State], **wanted: str) -> tuple[list[int], list[str], bool]:
        page = jobs.list_page(db, "alice", states=states, labels=wanted, limit=100)[0]
        after = (made[-1].create_time + 1, "")
        assert (
            jobs.list_page(db, "alice", states=states, labels=wanted, after=after, limit=100)[0]
            == page
        )
        place = {job.job_id: i for i, job in enumerate(made)}
        return [place[job.job_id] for job in page], *went[-1]

    # When lists combine them, then each has what fits, and goes along what is seldom
    assert found([], all="x", two="2") == ([5, 4], ["two=2", "all=x"], False)
    assert found([], half="1", two="2", all="x")[:2] == ([5], ["two=2", "half=1", "all=x"])
    assert found([State.CANCELLED], all="x") == ([4], ["all=x"], True)
    assert found([State.CANCELLED, State.QUEUED], two="2") == ([5, 4], ["two=2"], False)
    assert found([State.QUEUED], two="2") == ([5], ["two=2"], True)


def test_pages_of_several_states_are_in_one_order(db: Database) -> None:
    # Given jobs that wait, run and were cancelled, one after the other
    made = [accepted(db, labels={"n": str(i % 2)}).job for i in range(9)]
    ran = [started(db).job.job_id for _ in range(3)]
    cancelled = [job.job_id for job in made if job.job_id not in ran][::2]
    for job_id in cancelled:
        transitions.cancel(db, "alice", job_id, "")

    def pages(**filters: Any) -> list[str]:
        seen: list[Job] = []
        while page := jobs.list_page(
            db,
            "alice",
            after=(seen[-1].create_time, seen[-1].job_id) if seen else None,
            limit=2,
            **filters,
        )[0]:
            seen += page
        return [job.job_id for job in seen]

    # Then a list of two of the states is that of all, without those of the third
    newest_first = pages()
    ended = [*ran, *cancelled]
    assert pages(states=[State.RUNNING, State.CANCELLED]) == [i for i in newest_first if i in ended]
    twice = [State.QUEUED, State.QUEUED]
    assert pages(states=twice) == [i for i in newest_first if i not in ended]
    assert pages(states=list(State)) == newest_first
    odd = pages(labels={"n": "1"})
    assert pages(states=[State.RUNNING, State.CANCELLED], labels={"n": "1"}) == [
        i for i in odd if i in ended
    ]


def test_a_snapshot_is_of_one_moment(db: Database) -> None:
    accepted(db)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            accepted(db)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(30):
            found = events.snapshot(db, "alice")
            page = events.snapshot_page(db, "alice", found.later, found.revision)
            revisions = [job.revision for job in (*found.jobs, *page)]
            assert sorted(revisions) == list(range(1, found.revision + 1))
    finally:
        stop.set()
        writer.join()


def test_a_snapshot_shows_what_has_not_ended_and_what_ended_lately(db: Database) -> None:
    first, second = accepted(db).job.job_id, accepted(db).job.job_id
    transitions.cancel(db, "alice", first, "")

    assert [job.job_id for job in events.snapshot(db, "alice").jobs] == [second]
    assert len(events.snapshot(db, "alice", recent_ms=60_000).jobs) == 2
    named = events.snapshot(db, "alice", job_ids=[first, "unknown"])
    assert [job.job_id for job in named.jobs] == [first]
    assert named.missing == ("unknown",)


def test_a_large_snapshot_comes_in_pages_of_its_one_moment(db: Database) -> None:
    # Given more jobs than a snapshot holds at once
    made = {accepted(db).job.job_id for _ in range(2 * events.SNAPSHOT_JOBS + 1)}
    found = events.snapshot(db, "alice")
    assert len(found.jobs) == events.SNAPSHOT_JOBS
    assert {job.job_id for job in found.jobs} | set(found.later) == made

    # When one of the later jobs ends and another is made before they are read
    last = found.later[-1]
    before = jobs.get(db, "alice", last)
    transitions.cancel(db, "alice", last, "")
    accepted(db)

    # Then the pages are of the snapshot's moment, and the changes come after its revision
    page = events.snapshot_page(db, "alice", found.later, found.revision)
    assert [job.job_id for job in page] == found.later
    assert page[-1] == before
    after = events.events_after(db, "alice", found.revision, 10)
    assert [change.revision - found.revision for change in after] == [1, 2]
    assert after[0].job_id == last


def test_a_transaction_that_raises_leaves_nothing(db: Database) -> None:
    put = Statement("INSERT INTO meta (name, value) VALUES ('x', 'y')")
    look = Statement("SELECT count(*) FROM meta WHERE name = 'x'")

    def fail(session: Session) -> None:
        session.run(put)
        raise ZeroDivisionError

    def undo(session: Session) -> str:
        session.run(put)
        raise Undo("undone")

    with pytest.raises(ZeroDivisionError):
        db.write(fail)
    assert db.write(undo) == "undone"
    assert db.row(look) == (0,)


def test_the_clock_moves_inside_a_transaction(db: Database) -> None:
    def work(session: Session) -> bool:
        first = session.now_ms()
        wait_for(lambda: session.now_ms() > first, "the clock to move")
        return True

    assert db.write(work)
