"""Jobs that are accepted together: each has what it would have had alone, on both databases."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import peewee
import psycopg2
import pytest

from core.errors import BudgetExceeded, QueueFull, RequestError, RequestIdConflict
from core.process import failpoints
from core.process.settings import read_settings
from core.store import Database, accept, budgets, events, flows, open_database
from core.store.accept import Accepted, NewJob, Outcome, accept_all
from core.store.budgets import EACH_USER, INSTALLATION, Period
from core.store.engine.sql import Statement
from tests.making import IMAGE, MICROS, PRICE, accepted, money, new_job, new_media, started
from tests.services import Postgres

JOBS = Statement("SELECT count(*) FROM job")
TURNS = Statement("SELECT user_id, turn FROM job ORDER BY job_id")


def made(outcomes: Sequence[Outcome | None]) -> list[Accepted]:
    return [one for one in outcomes if isinstance(one, Accepted)]


def accept_each(db: Database, jobs: list[NewJob]) -> list[Outcome]:
    """What comes of jobs that come together, and of those that then need a transaction alone."""
    return [
        outcome or alone(db, job) for outcome, job in zip(accept_all(db, jobs), jobs, strict=True)
    ]


def alone(db: Database, job: NewJob) -> Outcome:
    try:
        return accept.accept(db, job)
    except RequestError as error:
        return error


def kinds(outcomes: Sequence[Outcome | None]) -> list[type]:
    return [type(one) for one in outcomes]


def story(db: Database, user_id: str) -> list[tuple[int, str]]:
    """The user's changes: revisions and jobs."""
    return [(one.revision, one.job_id) for one in events.events_after(db, user_id, 0, 1000)]


@contextmanager
def breaking(place: str) -> Iterator[None]:
    """The process breaks there."""
    failpoints.arm(f"{place}=exception")
    try:
        with pytest.raises(failpoints.FailpointHit):
            yield
    finally:
        failpoints.arm("")


def test_jobs_that_come_together_are_accepted_each_at_a_revision_of_its_user(db: Database) -> None:
    accepted(db, "bob")

    outcomes = made(accept_all(db, [new_job(user) for user in ("alice", "bob", "alice", "carol")]))

    jobs = [one.job for one in outcomes]
    assert [job.user_id for job in jobs] == ["alice", "bob", "alice", "carol"]
    assert [job.revision for job in jobs] == [1, 2, 2, 1]
    assert story(db, "alice") == [(1, jobs[0].job_id), (2, jobs[2].job_id)]
    assert story(db, "bob")[1:] == [(2, jobs[1].job_id)]
    assert [one.event.job for one in outcomes if one.event] == jobs
    assert not flows.different(db)


def test_a_job_that_is_refused_takes_nothing_from_those_beside_it(db: Database) -> None:
    first = accepted(db, "bob", request_id="r", fingerprint="f").job
    many = [new_job("alice", max_queued=2) for _ in range(3)]
    other = new_job("bob", request_id="r", fingerprint="another")
    again = new_job("bob", request_id="r", fingerprint="f")

    outcomes = accept_all(db, [*many, other, again, new_job("carol")])

    assert kinds(outcomes) == [
        *(Accepted, Accepted, QueueFull, RequestIdConflict),
        *(Accepted, Accepted),
    ]
    assert outcomes[4] == Accepted(first, None, deduplicated=True)
    # And no refusal costs a revision
    assert events.revisions(db, ["alice", "bob", "carol"]) == {"alice": 2, "bob": 1, "carol": 1}
    assert not flows.different(db)


def test_when_all_are_refused_nothing_is_stored(db: Database) -> None:
    outcomes = accept_all(db, [new_job(user, max_queued=0) for user in ("alice", "bob")])

    assert kinds(outcomes) == [QueueFull, QueueFull]
    assert events.revisions(db, ["alice", "bob"]) == {}


def test_copies_of_a_request_that_come_together_make_one_job(db: Database) -> None:
    copies = [new_job(request_id="r", fingerprint="f", cost=PRICE) for _ in range(3)]
    other = new_job(request_id="r", fingerprint="another")

    first, *rest = accept_all(db, [*copies, other])

    assert isinstance(first, Accepted)
    assert rest[:2] == [Accepted(first.job, None, deduplicated=True)] * 2
    assert kinds(rest[2:]) == [RequestIdConflict]
    assert money(db) == (MICROS, 0)


def test_what_a_job_brings_is_stored_with_it(db: Database) -> None:
    inputs = tuple(new_media("alice") for _ in range(2))
    jobs = [
        new_job("alice", labels={"a": "1", "b": "2"}, inputs=inputs),
        new_job("bob", spec=IMAGE, queue="slow", start_within_ms=5, final_prompt="the § and ’"),
    ]
    one, other = (outcome.job for outcome in made(accept_all(db, jobs)))

    labels = Statement("SELECT label FROM job_label ORDER BY label")
    media = Statement("SELECT media_id FROM media ORDER BY media_id")
    assert [row[0] for row in db.rows(labels)] == ["a=1", "b=2"]
    assert [row[0] for row in db.rows(media)] == sorted(item.media_id for item in inputs)
    assert (one.labels, one.queue) == ({"a": "1", "b": "2"}, "video")
    assert (other.queue, other.final_prompt) == ("slow", "the § and ’")
    assert other.start_deadline == other.create_time + 5
    assert one == events.snapshot(db, "alice").jobs[0]
    assert other == events.snapshot(db, "bob").jobs[0]


def test_turns_are_those_of_jobs_that_come_one_after_the_other(
    db: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Given a queue that has reached a turn, and a user who has jobs in it
    users = ("alice", "bob", "alice", "alice", "carol", "bob")
    folder = tmp_path_factory.mktemp("other")
    other = open_database(read_settings(database_url=f"sqlite:///{folder}/rushes.db"))
    for each in (db, other):
        for _ in range(3):
            accepted(each, "bob")
        for _ in range(2):
            started(each)

    # When more come, together and one by one
    accept_all(db, [new_job(user) for user in users])
    for user in users:
        accepted(other, user)

    # Then their turns are the same
    assert sorted(db.rows(TURNS)) == sorted(other.rows(TURNS))
    other.close()


def test_jobs_that_come_together_never_overshoot_a_budget(db: Database) -> None:
    budgets.set_limit(db, INSTALLATION, Period.DAY, 10 * MICROS)
    budgets.set_limit(db, EACH_USER, Period.MONTH, 4 * MICROS)

    def several(number: int) -> list[Outcome]:
        users = [f"user-{(number + place) % 5}" for place in range(8)]
        return accept_each(db, [new_job(user, cost=PRICE) for user in users])

    with ThreadPoolExecutor(4) as pool:
        outcomes = [one for each in pool.map(several, range(6)) for one in each]

    assert set(kinds(outcomes)) == {Accepted, BudgetExceeded}
    assert len(made(outcomes)) == 10
    [used] = [b for b in budgets.show(db) if (b.owner, b.period) == (INSTALLATION, Period.DAY)]
    assert used.reserved_micros == 10 * MICROS
    counts = events.revisions(db, [f"user-{number}" for number in range(5)])
    assert sum(counts.values()) == 10
    assert max(counts.values()) <= 4


def test_many_transactions_of_many_jobs_leave_no_gap(db: Database) -> None:
    users = [f"user-{number}" for number in range(4)]

    def several(number: int) -> list[Outcome]:
        return accept_each(db, [new_job(users[(number * place) % 4]) for place in range(6)])

    with ThreadPoolExecutor(6) as pool:
        outcomes = [one for each in pool.map(several, range(20)) for one in each]

    assert len(made(outcomes)) == 120
    for user in users:
        jobs = [one.job for one in made(outcomes) if one.job.user_id == user]
        own = [(job.revision, job.job_id) for job in jobs]
        assert story(db, user) == sorted(own)
        assert [revision for revision, _ in sorted(own)] == list(range(1, len(own) + 1))
    assert not flows.different(db)


def test_who_heard_nothing_after_the_commit_asks_again_and_finds_the_jobs(db: Database) -> None:
    # Given a process that breaks between the commit and its answers
    jobs = [new_job(user, request_id="r", fingerprint="f") for user in ("alice", "bob")]
    with breaking("accept.after_commit"):
        accept_all(db, jobs)

    # When the callers ask again, then they get what was accepted
    outcomes = made(accept_all(db, jobs))
    assert [one.deduplicated for one in outcomes] == [True, True]
    assert db.row(JOBS) == (2,)


def test_what_breaks_before_the_commit_leaves_nothing(db: Database) -> None:
    jobs = [new_job("alice"), new_job("bob")]
    with breaking("accept.before_commit"):
        accept_all(db, jobs)

    assert db.row(JOBS) == (0,)
    assert [one.job.revision for one in made(accept_all(db, jobs))] == [1, 1]


@pytest.fixture
def on_postgres(postgres: Postgres, postgres_template: str) -> Iterator[tuple[Database, str]]:
    name = postgres.new_database(postgres_template)
    database = open_database(read_settings(database_url=postgres.url(name)))
    yield database, postgres.url(name)
    database.close()
    postgres.drop_database(name)


@contextmanager
def held(url: str, user_id: str) -> Iterator[None]:
    """Another program has a change of the user under way."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM user_stream WHERE user_id = %s FOR UPDATE", (user_id,))
        yield
    connection.close()


def test_nobody_waits_for_a_user_whom_another_transaction_holds(
    on_postgres: tuple[Database, str],
) -> None:
    db, url = on_postgres
    accepted(db, "alice")

    with held(url, "alice"):
        first, second, third = accept_all(db, [new_job(user) for user in ("alice", "bob", "alice")])

    assert (first, third) == (None, None)
    assert isinstance(second, Accepted)
    assert events.revisions(db, ["alice", "bob"]) == {"alice": 1, "bob": 1}


def test_a_job_that_can_t_be_stored_takes_nothing_from_those_beside_it(
    on_postgres: tuple[Database, str],
) -> None:
    db, _ = on_postgres
    # PostgreSQL has no such character
    bad: NewJob = new_job("alice", final_prompt="\0")

    jobs = [new_job("alice"), bad, new_job("bob")]
    assert accept_all(db, jobs) == [None, None, None]

    # Then each has a transaction of its own
    made([alone(db, jobs[0]), alone(db, jobs[2])])
    with pytest.raises(peewee.DatabaseError):
        accept.accept(db, bad)
    assert events.revisions(db, ["alice", "bob"]) == {"alice": 1, "bob": 1}


def test_a_job_alone_is_refused_by_an_error(db: Database) -> None:
    with pytest.raises(QueueFull):
        accept.accept(db, new_job(max_queued=0))
    assert kinds(accept_all(db, [])) == []
