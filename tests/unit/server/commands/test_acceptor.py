"""Callers who come together share a transaction, and each hears what came of its own job."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest

from core.errors import DependencyUnavailable, QueueFull
from core.events import Event, ProgressTick, UserChange
from core.process.settings import read_settings
from core.store import Database, events, open_database
from core.store.places import Queues
from core.telling.changes import Changes, Teller
from core.telling.memory_stream import MemoryTail
from server.commands import acceptor as acceptor_module
from server.commands.acceptor import Acceptor, Placed
from server.fair_executor import FairExecutor
from tests.making import new_job
from tests.services import DEADLINE_SECONDS, Postgres, wait_for


@dataclass
class Told:
    """A stream and a queue that keep what is told at once; telling lasts until it may go on."""

    batches: list[list[Event]] = field(default_factory=list)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def publish(self, event: Event, wakes: str = "") -> None:
        self.publish_all([(event, wakes)])

    def publish_all(self, told: Sequence[tuple[Event, str]]) -> None:
        self.batches.append([event for event, _ in told])
        assert self.may_go_on.wait(DEADLINE_SECONDS)

    def publish_change(self, change: UserChange) -> None:
        raise AssertionError("only jobs are accepted")

    def publish_progress(self, tick: ProgressTick) -> None:
        raise AssertionError("no job runs")

    def shard_of(self, user_id: str) -> int:
        return 0

    def tail(self, shard: int) -> MemoryTail:
        raise AssertionError("nobody watches")

    def wake(self, queue: str) -> None:
        raise AssertionError("a wake-up goes with its event")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = open_database(read_settings(data_dir=tmp_path))
    yield database
    database.close()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def acceptor(db: Database, told: Told, pool: FairExecutor) -> Acceptor:
    teller = Teller(told, told)  # type: ignore[arg-type]
    return Acceptor(Changes(db, teller), Queues(db, 9), pool)


@pytest.fixture
def pool(told: Told) -> Iterator[FairExecutor]:
    """Two threads for all callers; at the end telling goes on, so that they end."""
    with FairExecutor(2) as made:
        yield made
        told.may_go_on.set()


def call(acceptor: Acceptor, pool: FairExecutor, user: str, **changes: int) -> "Future[Placed]":
    return pool.of(user).submit(acceptor.accept, new_job(user, **changes))


def leading(acceptor: Acceptor, pool: FairExecutor, told: Told) -> "Future[Placed]":
    """A caller whose job is committed, and who is telling it."""
    first = call(acceptor, pool, "first")
    wait_for(lambda: told.batches, "the first caller to tell")
    return first


def come(acceptor: Acceptor, pool: FairExecutor, *users: str) -> list["Future[Placed]"]:
    """Callers who wait, one behind the other."""
    found = []
    for user in users:
        waiting = len(acceptor._waiting) + 1
        found.append(call(acceptor, pool, user, max_queued=2))
        wait_for(lambda waiting=waiting: len(acceptor._waiting) == waiting, "the caller to wait")  # type: ignore[misc]
    return found


def test_a_caller_who_is_alone_waits_for_nobody(
    acceptor: Acceptor, told: Told, db: Database
) -> None:
    told.may_go_on.set()
    for number in (1, 2):
        placed = acceptor.accept(new_job("alice"))
        assert placed.place is not None
        assert placed.place.position == number
    assert [len(batch) for batch in told.batches] == [1, 1]


def test_those_who_come_meanwhile_share_a_transaction_and_are_told_in_order(
    acceptor: Acceptor, pool: FairExecutor, told: Told
) -> None:
    # Given a caller who is still telling its job, and others who have come since
    first = leading(acceptor, pool, told)
    others = come(acceptor, pool, "alice", "bob", "alice", "alice")

    # When it is done
    told.may_go_on.set()

    # Then the others are told together, in the order of the revisions of each user
    assert first.result().accepted.job.revision == 1
    placed = [call.result() for call in others[:3]]
    assert [one.accepted.job.revision for one in placed] == [1, 1, 2]
    assert [event.job for event in told.batches[1]] == [one.accepted.job for one in placed]
    # And each has its place, and the one that has no room hears so alone
    assert [one.place.position for one in placed if one.place] == [2, 3, 4]
    with pytest.raises(QueueFull):
        others[3].result()


def test_a_transaction_takes_a_limited_number_of_jobs(
    acceptor: Acceptor, pool: FairExecutor, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor_module, "MOST", 2)
    leading(acceptor, pool, told)
    others = come(acceptor, pool, *(f"user-{number}" for number in range(5)))

    told.may_go_on.set()

    assert all(call.result().accepted.event for call in others)
    assert [len(batch) for batch in told.batches] == [1, 2, 2, 1]


def test_who_waits_in_vain_is_told_so_and_has_no_job(
    acceptor: Acceptor,
    pool: FairExecutor,
    told: Told,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acceptor_module, "WAIT_SECONDS", 0.01)
    first = leading(acceptor, pool, told)

    with pytest.raises(DependencyUnavailable):
        acceptor.accept(new_job("alice"))

    told.may_go_on.set()
    assert first.result().place is not None
    assert events.revisions(db, ["alice"]) == {}
    # And the next caller is served
    assert acceptor.accept(new_job("bob")).accepted.job.revision == 1


def test_an_error_of_the_transaction_is_told_to_all_who_share_it(
    acceptor: Acceptor, pool: FairExecutor, told: Told, db: Database
) -> None:
    # Given callers who wait, and a database that goes away
    leading(acceptor, pool, told)
    others = come(acceptor, pool, "alice", "bob")
    write, db.write = db.write, broken  # type: ignore[method-assign,assignment]

    # Then each of them hears of it
    told.may_go_on.set()
    for call in others:
        with pytest.raises(DependencyUnavailable):
            call.result()

    # And when it is back, others are served
    db.write = write  # type: ignore[method-assign]
    assert acceptor.accept(new_job("carol")).accepted.job.revision == 1


def test_a_user_who_is_changed_by_others_holds_no_other_caller_up(
    postgres: Postgres, postgres_template: str, told: Told, pool: FairExecutor
) -> None:
    told.may_go_on.set()
    name = postgres.new_database(postgres_template)
    db = open_database(read_settings(database_url=postgres.url(name)))
    changes = Changes(db, Teller(told, told))  # type: ignore[arg-type]
    acceptor = Acceptor(changes, Queues(db, 9), pool)
    acceptor.accept(new_job("alice"))

    # Given another program that has a change of a user under way
    other = psycopg2.connect(postgres.url(name))
    with other, other.cursor() as cursor:
        cursor.execute("SELECT 1 FROM user_stream WHERE user_id = 'alice' FOR UPDATE")
        hers = call(acceptor, pool, "alice")

        # Then the jobs of others are accepted, and that user's when the change is done
        assert acceptor.accept(new_job("bob")).accepted.job.revision == 1
        assert not hers.done()
    assert hers.result().accepted.job.revision == 2
    assert hers.result().place is not None
    other.close()
    db.close()
    postgres.drop_database(name)


def broken(*arguments: object, **options: object) -> None:
    raise DependencyUnavailable("database")


def test_when_the_database_is_away_all_who_wait_hear_it_at_once(
    acceptor: Acceptor, pool: FairExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a leader whose transaction hangs, and callers who wait for it
    tries, may_fail = list[int](), threading.Event()

    def away(db: Database, jobs: Sequence[object]) -> list[object]:
        tries.append(len(jobs))
        assert may_fail.wait(DEADLINE_SECONDS)
        raise DependencyUnavailable("database")

    monkeypatch.setattr(acceptor_module, "accept_all", away)
    leader = call(acceptor, pool, "leader")
    wait_for(lambda: tries, "the leader to begin")
    waiting = come(acceptor, pool, "alice", "bob")

    # When it fails
    may_fail.set()

    # Then nobody has tried the same again, one after the other
    for one in (leader, *waiting):
        with pytest.raises(DependencyUnavailable):
            one.result(DEADLINE_SECONDS)
    assert tries == [1]
