"""What callers are told of a job that waits: its place, for how long, and why it does not move."""

from core.events import QueueInfo
from core.store import Database, accept, circuits, claims, submits, transitions, workers
from core.store.engine.sql import Statement
from core.store.places import New, Queues
from tests.making import VIDEO, accepted, begun, claimed, new_job, new_media, paid, started

CAP = 2


def place(db: Database, job_id: str) -> QueueInfo:
    """As a process sees it that has not looked before."""
    found = Queues(db, CAP).place(job_id)
    assert found is not None
    return found


def ran(db: Database, wait_ms: int, run_ms: int) -> None:
    """A job succeeds that waited and ran as long."""
    job_id = accepted(db, "past").job.job_id
    claim = started(db)
    item = new_media("past", job_id=job_id, output_index=0)
    transitions.succeed(db, claim.run, item)
    times = Statement(
        "UPDATE job SET start_time = create_time + :wait_ms,"
        " end_time = create_time + :wait_ms + :run_ms WHERE job_id = :job_id"
    )
    values = {"wait_ms": wait_ms, "run_ms": run_ms, "job_id": job_id}
    db.write(lambda session: session.run(times, **values))


def test_places_of_many_jobs_are_those_of_each(db: Database) -> None:
    made = [accepted(db, user).job.job_id for user in ("alice", "alice", "bob", "alice")]
    places = Queues(db, CAP).places(made)
    assert places == {job_id: place(db, job_id) for job_id in made}
    assert sorted(place.position for place in places.values()) == [1, 2, 3, 4]


def test_a_job_that_does_not_wait_has_no_place(db: Database) -> None:
    first, second = (accepted(db).job.job_id for _ in range(2))
    transitions.cancel(db, "alice", first, "")
    queues = Queues(db, CAP)
    assert set(queues.places([first, second])) == {second}
    assert queues.place(first) is None
    assert queues.places([]) == {}


def test_the_next_place_is_the_one_that_the_next_job_gets(db: Database) -> None:
    # Also for users who run as many jobs as they may
    for _ in range(CAP):
        accepted(db, "bob")
        started(db)
    for user in ("alice", "alice", "bob", "carol", "alice", "bob", "dave"):
        expected = Queues(db, CAP).next_place(user, "video", "builtin", VIDEO.model)
        job = accept.accept(db, new_job(user)).job
        assert place(db, job.job_id) == expected


def test_who_can_start_is_before_who_runs_as_many_jobs_as_it_may(db: Database) -> None:
    # Given alice's four jobs, of which as many run as may
    made = [accepted(db, "alice").job.job_id for _ in range(CAP + 2)]
    runs = [started(db).run for _ in range(CAP)]

    # When bob comes, with more jobs than alice has waiting
    bobs = [accepted(db, "bob").job.job_id for _ in range(3)]

    # Then his are next, in the order in which they are claimed
    order = [*bobs, *made[CAP:]]
    places = Queues(db, CAP).places(order)
    assert [places[job_id].position for job_id in order] == [1, 2, 3, 4, 5]
    assert [place(db, job_id).position for job_id in order] == [1, 2, 3, 4, 5]

    # And when a job of alice's ends, her next one has its turn again
    transitions.end_cancelled(db, runs[0])
    assert [place(db, job_id).position for job_id in made[CAP:]] == [2, 4]
    taken = [claims.claim(db, "video", "worker", 60_000, CAP) for _ in range(2)]
    assert [claim.run.job_id for claim in taken if claim] == [bobs[0], made[CAP]]


def test_a_job_whose_submit_has_an_unknown_outcome_takes_no_room(db: Database) -> None:
    # Given a user who runs as many jobs as it may
    waiting = [paid(db) for _ in range(CAP + 1)][CAP]
    runs = [begun(db).run for _ in range(CAP)]
    assert claims.claim(db, "video", "worker", 60_000, CAP) is None

    # When nobody knows what came of one, then it is looked after, and the next one has room
    submits.unknown(db, runs[0])
    taken = [claims.claim(db, "video", "worker", 60_000, CAP) for _ in range(3)]
    found = [claim.run.job_id for claim in taken if claim is not None]
    assert found == [runs[0].job_id, waiting]


def test_nothing_is_estimated_before_anything_was_measured(db: Database) -> None:
    workers.beat(db, "worker", ["video"])
    seen = place(db, accepted(db).job.job_id)
    assert seen == QueueInfo(position=1)


def test_the_run_time_is_the_median_of_the_last_runs(db: Database) -> None:
    workers.beat(db, "worker", ["video"])
    for run_ms in (100, 5_000, 200, 300, 400):
        ran(db, wait_ms=10, run_ms=run_ms)

    seen = place(db, accepted(db).job.job_id)
    assert (seen.estimated_run_ms, seen.sample_count) == (300, 5)
    assert seen.estimated_wait_ms == 10


def test_the_wait_grows_with_the_place_and_shrinks_with_what_runs_at_once(db: Database) -> None:
    # Given runs that took 1 s, two that run now, and three that wait
    workers.beat(db, "worker", ["video"])
    ran(db, wait_ms=10, run_ms=1_000)
    for user in ("alice", "bob"):
        accepted(db, user)
        started(db)
    waiting = [accepted(db, "carol").job.job_id for _ in range(3)]

    # Then each place costs half a second, and the first what it cost before
    places = Queues(db, CAP).places(waiting)
    assert [places[job_id].estimated_wait_ms for job_id in waiting] == [10, 510, 1_010]


def test_runs_of_other_models_are_not_mixed_in(db: Database) -> None:
    ran(db, wait_ms=10, run_ms=1_000)
    other = Queues(db, CAP).next_place("alice", "video", "builtin", "another-model")
    assert (other.estimated_run_ms, other.sample_count) == (None, 0)


def test_a_queue_that_no_live_worker_serves_says_so(db: Database) -> None:
    ran(db, wait_ms=10, run_ms=1_000)
    job_id = accepted(db).job.job_id
    workers.beat(db, "painter", ["image"])
    seen = place(db, job_id)
    assert seen.blocked_reason == "no worker serves this queue"
    assert (seen.estimated_wait_ms, seen.estimated_run_ms) == (None, 1_000)

    workers.beat(db, "filmer", ["image", "video"])
    assert place(db, job_id).blocked_reason == ""


def test_a_provider_that_is_left_alone_is_named_and_the_others_go_first(db: Database) -> None:
    # Given a provider that does not answer
    workers.beat(db, "worker", ["video"])
    circuits.failed(db, "faraway", most=1, open_ms=60_000)
    blocked = accepted(db, provider="faraway").job.job_id
    free = accepted(db).job.job_id

    # Then its job says so, and waits behind what can start
    seen = place(db, blocked)
    assert seen.position == 2
    assert seen.blocked_reason.startswith("the provider faraway does not answer; it is tried again")
    assert place(db, free) == QueueInfo(position=1)
    assert claimed(db).run.job_id == free

    # Until it answers again
    db.write(lambda session: circuits.answered(session, "faraway"))
    assert place(db, blocked).blocked_reason == ""


def test_places_in_a_long_queue_are_those_that_one_process_counted(db: Database) -> None:
    # Given more jobs than are counted at each question, most of them of users who have no room
    busy = [accepted(db, "busy").job.job_id for _ in range(CAP + 60)]
    for _ in range(CAP):
        started(db)
    free = [accepted(db, f"user-{i}").job.job_id for i in range(110)]
    order = [*sorted(free), *busy[CAP:]]  # all of those who are free have the same turn

    # When a process asks
    one, other = Queues(db, CAP), Queues(db, CAP)
    places = one.places(order)

    # Then each job has its place, also of those who have no room, and the next one comes after them
    assert [places[job_id].position for job_id in order] == list(range(1, len(order) + 1))
    assert other.place(busy[-1]) == places[busy[-1]]
    assert other.next_place("busy", "video", "builtin", "m").position == len(order) + 1

    # And another one is told what the first has counted, until a moment has passed
    transitions.cancel(db, "busy", busy[CAP], "")
    assert Queues(db, CAP).place(busy[-1]) == places[busy[-1]]


def new(one: accept.Accepted) -> New:
    job, running = one.job, one.running
    names = {"queue": job.queue, "provider": job.provider, "model": job.spec.model}
    return New(job_id=job.job_id, **names, turn=one.turn, running=running)


def test_new_jobs_have_the_places_of_any_other(db: Database) -> None:
    # Given users with room and one without, a long queue, and a provider that is left alone
    for user in ("busy", "busy", *(f"user-{i}" for i in range(60))):
        accepted(db, user)
    for _ in range(CAP):
        started(db)
    circuits.failed(db, "faraway", most=1, open_ms=60_000)
    for rest in (0, 60):
        made = [accepted(db, user) for user in ("alice", "alice", "busy")]
        made += [accepted(db, "alice", provider="faraway")]
        for _ in range(rest):
            accepted(db, "alice")

        # Then what they are told at once is what they are told later
        queues = Queues(db, CAP)
        told = queues.new_places([new(one) for one in made])
        assert told == queues.places([one.job.job_id for one in made])
        assert len(told) == 4


def test_a_new_job_that_was_claimed_or_cancelled_meanwhile_has_no_place(db: Database) -> None:
    first, second, third = (accepted(db) for _ in range(3))
    assert started(db).run.job_id == first.job.job_id
    transitions.cancel(db, "alice", third.job.job_id, "")

    told = Queues(db, CAP).new_places([new(one) for one in (first, second, third)])

    assert set(told) == {second.job.job_id}


def test_what_jobs_share_is_read_once_for_all(db: Database) -> None:
    queues = Queues(db, CAP)
    first = accepted(db).job.job_id
    assert queues.places([first])[first].blocked_reason
    # A worker that comes is seen a moment later
    workers.beat(db, "worker", ["video"])
    assert queues.places([first])[first].blocked_reason
