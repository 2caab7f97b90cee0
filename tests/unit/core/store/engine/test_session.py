"""What a transaction keeps back and sends together, and what connections keep prepared."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import peewee
import psycopg2
import pytest

from core.errors import DependencyUnavailable
from core.ids import new_id
from core.jobs import State
from core.process.settings import read_settings
from core.store import (
    Database,
    claims,
    events,
    jobs,
    media_index,
    media_lists,
    open_database,
    starts,
    transitions,
    webhooks,
)
from core.store.accept import Accepted, accept_all, find_request
from core.store.durations import Durations
from core.store.engine.database import Session
from core.store.engine.sql import Statement
from core.store.places import New, Queues
from core.store.postings import SEGMENT
from core.store.rows import insert_media
from core.webhooks import Kind, Webhook
from tests.making import accepted, new_job, new_media, started
from tests.services import Postgres

PUT = Statement("INSERT INTO meta (name, value) VALUES (:name, 'v')")
NAMES = Statement("SELECT name FROM meta WHERE name LIKE 'put %' ORDER BY name")
LARGER = Statement("SELECT CASE WHEN :one > :other THEN :one ELSE :other END")
USER = Statement("INSERT INTO user_stream (user_id, revision, last_turn) VALUES ('alice', 0, 0)")
TURN = Statement("SELECT last_turn FROM user_stream")
LEASE_OVER = Statement("UPDATE job SET lease_expire_time = 0")
# Of a plan of SQLite: it reads all jobs or a whole index of them; which indexes have no past jobs.
PAST_JOBS = re.compile(r"SCAN (job|r|tries)\b")
UNFINISHED = re.compile(r"USING (COVERING )?INDEX job_(due|waiting|poll|deadline)\b")
# Of a plan of PostgreSQL: it reads the whole index of the jobs that are queued.
ALL_QUEUED = re.compile(r"using job_flow on .*\n(?!\s+Index Cond)")
END = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"


@pytest.fixture
def name(postgres: Postgres, postgres_template: str) -> Iterator[str]:
    """A database of PostgreSQL."""
    made = postgres.new_database(postgres_template)
    yield made
    postgres.drop_database(made)


@pytest.fixture
def pooled(postgres: Postgres, name: str) -> Iterator[Database]:
    database = open_database(read_settings(database_url=postgres.url(name)))
    yield database
    database.close()


@pytest.fixture
def sent(pooled: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was sent to PostgreSQL, each in one round trip."""
    texts: list[str] = []
    send: Callable[..., Any] = pooled.peewee.execute_sql

    def keep(sql: str, params: Any = None) -> Any:
        texts.append(sql)
        return send(sql, params)

    monkeypatch.setattr(pooled.peewee, "execute_sql", keep)
    return texts


def put(*names: str, then: Exception | None = None) -> Callable[[Session], None]:
    def work(session: Session) -> None:
        for name in names:
            session.later(PUT, name=f"put {name}")
        if then is not None:
            raise then

    return work


def end_connections(postgres: Postgres, name: str) -> None:
    with psycopg2.connect(postgres.url()) as other, other.cursor() as cursor:
        cursor.execute(END, (name,))
    other.close()


def names(db: Database) -> list[str]:
    return [row[0].removeprefix("put ") for row in db.rows(NAMES)]


def test_what_is_kept_back_is_there_after_the_commit(db: Database) -> None:
    db.write(put("a", "b"))
    assert names(db) == ["a", "b"]


def test_what_is_kept_back_is_seen_by_the_next_statement(db: Database) -> None:
    def work(session: Session) -> int:
        put("a")(session)
        return len(session.rows(NAMES))

    assert db.write(work) == 1


def test_what_is_kept_back_is_rolled_back_with_all_else(db: Database) -> None:
    def work(session: Session) -> None:
        put("a")(session)
        assert len(session.rows(NAMES)) == 1
        put("b", then=KeyError("no"))(session)

    for broken in (work, put("c", then=KeyError("no"))):
        with pytest.raises(KeyError):
            db.write(broken)
    assert names(db) == []
    db.write(put("d"))
    assert names(db) == ["d"]


def test_an_error_of_what_is_kept_back_is_raised_and_nothing_is_stored(db: Database) -> None:
    with pytest.raises(peewee.IntegrityError):
        db.write(put("a", "b", "a", "c"))
    assert names(db) == []
    db.write(put("a"))
    assert names(db) == ["a"]


def test_a_statement_that_is_the_whole_transaction_is_kept(db: Database) -> None:
    assert db.write(lambda session: session.run(PUT, name="put a"), alone=True) == 1
    db.write(put("b"), alone=True)
    assert names(db) == ["a", "b"]


def test_a_transaction_is_sent_at_once_and_prepared_once(pooled: Database, sent: list[str]) -> None:
    pooled.write(put("a", "b"))
    pooled.write(put("c", "d"))
    first, second = sent
    assert (first.count("PREPARE"), first.count("EXECUTE")) == (1, 2)
    assert (second.count("PREPARE"), second.count("EXECUTE")) == (0, 2)
    for text in sent:
        assert text.startswith("BEGIN; ")
        assert text.endswith("; COMMIT")


def test_a_transaction_without_statements_is_not_sent(pooled: Database, sent: list[str]) -> None:
    pooled.write(put())
    with pytest.raises(KeyError):
        pooled.write(put("a", then=KeyError("no")))
    assert sent == []


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_what_is_kept_back_and_undone_is_sent_again_and_there_once(
    pooled: Database, code: str
) -> None:
    conflict = Statement(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$")
    tries: list[str] = []

    def work(session: Session) -> None:
        put("a")(session)
        tries.append("tried")
        if len(tries) == 1:
            session.later(conflict)
        put("b")(session)

    pooled.write(work)
    assert (len(tries), names(pooled)) == (2, ["a", "b"])


def test_a_connection_that_is_lost_at_the_commit_is_told_and_nothing_is_sent_again(
    pooled: Database, postgres: Postgres, name: str
) -> None:
    tries: list[str] = []

    def work(session: Session) -> None:
        put("a")(session)
        tries.append("tried")
        end_connections(postgres, name)

    pooled.write(put("before"))
    with pytest.raises(DependencyUnavailable):
        pooled.write(work)
    assert (len(tries), names(pooled)) == (1, ["before"])


@pytest.mark.parametrize("values", [(None, 2**40), (2**40, None)])
def test_a_number_may_be_unknown_the_first_time_or_later(
    pooled: Database, values: tuple[int | None, ...]
) -> None:
    pooled.write(lambda session: session.run(USER))
    change = Statement("UPDATE user_stream SET last_turn = coalesce(:turn, last_turn) + 1")
    for value in values:
        pooled.write(lambda session, value=value: session.later(change, turn=value))  # type: ignore[misc]
    assert pooled.row(TURN) == (2**40 + (2 if values[1] is None else 1),)


def test_numbers_are_compared_as_numbers(db: Database) -> None:
    assert [db.row(LARGER, one=one, other=10) for one in (9, 11)] == [(10,), (11,)]


def test_a_new_connection_prepares_again(postgres: Postgres, name: str, pooled: Database) -> None:
    # Given a connection that the server ends while nobody uses it
    pooled.write(put("a"))
    end_connections(postgres, name)

    # Then the next read notices, and what was prepared is prepared on the next one
    assert names(pooled) == ["a"]
    pooled.write(put("b"))
    assert names(pooled) == ["a", "b"]


def test_a_statement_whose_first_use_failed_can_be_used_again(pooled: Database) -> None:
    pooled.write(put("a"))
    new = Statement("INSERT INTO meta (name, value) VALUES (:name, 'again')")
    for _ in range(2):
        with pytest.raises(peewee.IntegrityError):
            pooled.write(lambda session: session.run(new, name="put a"))
    assert pooled.write(lambda session: session.run(new, name="put b")) == 1
    assert names(pooled) == ["a", "b"]


def test_old_plans_are_forgotten_in_passing(
    pooled: Database, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.engine.postgres._PLAN_SECONDS", -1.0)
    pooled.write(put("a"))
    assert names(pooled) == pooled.read(lambda s: [r[0][4:] for r in s.rows(NAMES)]) == ["a"]
    assert [text.count("DISCARD PLANS") for text in sent] == [1, 1, 1, 1]


def test_a_claim_that_finds_nothing_is_one_round_trip(pooled: Database, sent: list[str]) -> None:
    accepted(pooled, queue="image")
    sent.clear()

    claims.claim(pooled, "video", "worker", 60_000, 9)
    starts.claim_and_start(pooled, "video", "worker", 60_000, 9, ["builtin"])

    assert len(sent) == 2
    assert not [text for text in sent if "BEGIN" in text]


def test_an_accept_is_two_round_trips_with_one_commit(pooled: Database, sent: list[str]) -> None:
    accepted(pooled)

    assert len(sent) == 2
    assert [text.count("COMMIT") for text in sent] == [0, 1]


def test_webhooks_cost_a_change_no_further_round_trip(pooled: Database, sent: list[str]) -> None:
    def trips(user_id: str) -> list[int]:
        found = []
        for step in (
            lambda: accepted(pooled, user_id),
            lambda: runs.append(started(pooled).run),
            lambda: transitions.succeed(pooled, runs[-1], new_media(job_id=runs[-1].job_id)),
        ):
            sent.clear()
            step()
            found.append(len(sent))
        return found

    # Given a user with webhooks and one without, when every statement is known
    runs: list[Any] = []
    hook = Webhook(
        webhook_id=new_id(), user_id="bob", url="https://a.example/", kinds=tuple(Kind), labels={}
    )
    for _ in range(3):
        webhooks.create(pooled, replace(hook, webhook_id=new_id()), 20)
    trips("alice"), trips("bob")

    assert trips("bob") == trips("alice")


def test_jobs_that_come_together_are_two_round_trips_with_one_commit(
    pooled: Database, sent: list[str]
) -> None:
    users = ("alice", "bob", "alice")
    for _ in range(2):
        sent.clear()
        outcomes = accept_all(pooled, [new_job(user, request_id=new_id()) for user in users])
        assert [isinstance(one, Accepted) for one in outcomes] == [True, True, True]

    assert len(sent) == 2
    assert [text.count("COMMIT") for text in sent] == [0, 1]
    # The number of statements does not grow with the number of jobs
    assert sum(text.count("EXECUTE") for text in sent) == 8


def test_the_places_of_new_jobs_are_read_in_one_round_trip(
    pooled: Database, sent: list[str]
) -> None:
    # Given a process that knows what jobs share
    queues = Queues(pooled, 9)
    first = accepted(pooled)
    assert queues.place(first.job.job_id)
    new = [accepted(pooled, user) for user in ("alice", "bob")]
    sent.clear()

    # When it reads the places of new jobs
    asked = [
        New(
            job_id=one.job.job_id,
            queue="video",
            provider="builtin",
            model=one.job.spec.model,
            turn=one.turn,
            running=one.running,
        )
        for one in new
    ]
    places = queues.new_places(asked)

    # Then that is one look, which says the same as a look for each
    assert len(sent) == 1
    assert places == queues.places([one.job.job_id for one in new])


def test_jobs_come_with_their_outputs_in_one_round_trip(pooled: Database, sent: list[str]) -> None:
    job_id = accepted(pooled, labels={"a": "b"}).job.job_id
    transitions.succeed(pooled, started(pooled).run, new_media(job_id=job_id))
    accepted(pooled)
    reads: list[Callable[[], object]] = [
        lambda: jobs.get(pooled, "alice", job_id),
        lambda: jobs.list_page(pooled, "alice", limit=9),
        lambda: jobs.list_page(pooled, "alice", states=[State.SUCCEEDED], limit=9),
        lambda: jobs.list_page(pooled, "alice", labels={"a": "b"}, limit=9),
        lambda: events.live_jobs(pooled, "alice"),
    ]
    for read in reads:
        sent.clear()
        read()
        assert len(sent) == 1


def test_a_snapshot_is_three_round_trips(pooled: Database, sent: list[str]) -> None:
    accepted(pooled)
    sent.clear()

    assert events.snapshot(pooled, "alice").revision == 1

    assert len(sent) == 3


def test_the_clock_is_only_read_for_a_job_that_runs(pooled: Database, sent: list[str]) -> None:
    # Given a job that waits and one that runs
    waits, durations = accepted(pooled).job, Durations(pooled)
    accepted(pooled)
    runs = jobs.get(pooled, "alice", started(pooled).run.job_id)
    sent.clear()

    # When their progress is asked for, then only the one that runs makes it look
    assert durations.as_of_now([waits]) == [waits]
    assert sent == []
    assert durations.as_of_now([runs]) != []
    assert sent


def test_a_page_of_items_asks_the_index_only_for_what_the_new_ones_lack(
    pooled: Database, sent: list[str]
) -> None:
    # Given a segment of items that are indexed, and some that are not
    def add(session: Session) -> None:
        for time in range(media_index._WAITING):
            insert_media(session, new_media(create_time=time))

    pooled.write(add)
    assert media_index.index_segment(pooled, "alice", lambda: None)

    # When a page needs only the new ones, or older ones too
    found = []
    for limit in (9, SEGMENT):
        sent.clear()
        found.append((len(media_lists.list_page(pooled, "alice", limit=limit)), len(sent)))

    # Then the first takes one round trip, and the other one for the index and one for its items
    assert found == [(9, 1), (SEGMENT, 3)]


def test_a_request_id_that_is_new_is_looked_for_in_one_round_trip(
    pooled: Database, sent: list[str]
) -> None:
    assert find_request(pooled, "alice", "new", "") is None
    assert len(sent) == 1


def go_a_jobs_way(db: Database) -> None:
    """Runs a local job that starts with its claim, and one that is claimed before it starts."""
    queues = Queues(db, 9)
    for at_once in (True, False):
        job = accepted(db).job
        assert queues.place(job.job_id) is not None
        assert queues.places([job.job_id])
        assert queues.next_place("alice", "video", "builtin", "builtin-video").position == 2
        if at_once:
            claim = starts.claim_and_start(db, "video", "worker", 60_000, 9, ["builtin"])
        else:
            claim = claims.claim(db, "video", "worker", 60_000, 9)
        assert claim is not None
        if not at_once:
            transitions.start(db, claim.run, 9)
        transitions.succeed(db, claim.run, new_media(job_id=job.job_id))


def test_no_statement_of_a_jobs_way_reads_all_jobs(
    pooled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a table that has grown since the planner knew of it, which it never did
    sent: list[tuple[str, list[Any]]] = []
    send: Callable[..., Any] = pooled.peewee.execute_sql

    def keep(sql: str, values: Any = None) -> Any:
        sent.append((sql, list(values or ())))
        return send(sql, values)

    monkeypatch.setattr(pooled.peewee, "execute_sql", keep)
    # When jobs go their way
    go_a_jobs_way(pooled)

    # Then each of their statements has an index, and none reads that of all queued jobs whole
    found = list(plans(send, sent))
    assert not [plan for plan in found if "Seq Scan on job" in plan]
    assert [plan for plan in found if "using job_flow" in plan]
    assert not [plan for plan in found if ALL_QUEUED.search(plan)]


def test_no_statement_of_a_jobs_way_reads_past_jobs_on_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = open_database(read_settings(database_url=f"sqlite:///{tmp_path}/rushes.db"))
    sent: set[tuple[str, Any]] = set()
    send: Callable[..., Any] = db.peewee.execute_sql

    def keep(sql: str, values: Any = None) -> Any:
        sent.add((sql, values))
        return send(sql, values)

    monkeypatch.setattr(db.peewee, "execute_sql", keep)
    go_a_jobs_way(db)

    # Then what they read from end to end is an index of jobs that have not ended
    found = [
        (row[3], sql)
        for sql, values in sent
        if sql.startswith(("SELECT", "INSERT", "UPDATE", "WITH"))
        for row in send(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    ]
    db.close()
    assert found
    assert not [at for at in found if PAST_JOBS.match(at[0]) and not UNFINISHED.search(at[0])]


def plans(send: Callable[..., Any], sent: list[tuple[str, list[Any]]]) -> Iterator[str]:
    """The plan of each prepared statement that was sent."""
    for sql, values in sent:
        for text in sql.split("; "):
            count = text.count("%s")
            given, values = values[:count], values[count:]
            if text.startswith("EXECUTE"):
                yield "\n".join(row[0] for row in send(f"EXPLAIN {text}", given).fetchall())


def test_a_column_that_gets_another_type_ends_no_process(pooled: Database) -> None:
    # Given two connections that keep statements of a column
    change = Statement("UPDATE user_stream SET last_turn = last_turn + 1 RETURNING last_turn")
    pooled.write(lambda session: session.run(USER))
    with ThreadPoolExecutor(1) as other:
        pooled.read(lambda session: (session.rows(TURN), other.submit(pooled.row, TURN).result()))
    pooled.write(lambda session: session.rows(change))

    # When a newer version changes the column under them
    pooled.peewee.execute_sql("ALTER TABLE user_stream ALTER COLUMN last_turn TYPE NUMERIC")
    pooled.peewee.close()

    # Then what reads and what writes goes on, and nothing is written twice
    assert pooled.row(TURN) == (1,)
    assert pooled.write(lambda session: session.rows(change)) == [(2,)]
    assert pooled.read(lambda session: session.rows(TURN)) == [(2,)]


def test_what_a_connection_was_made_to_forget_is_prepared_again(pooled: Database) -> None:
    pooled.write(put("a"))
    pooled.peewee.execute_sql("DEALLOCATE ALL")
    pooled.peewee.close()

    pooled.write(put("b"))
    assert names(pooled) == ["a", "b"]


def test_no_connection_keeps_more_and_more_statements(
    pooled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.engine.postgres._MOST_PREPARED", 3)
    for number in range(10):
        assert pooled.row(Statement(f"SELECT {number}")) == (number,)
    count = pooled.peewee.execute_sql("SELECT count(*) FROM pg_prepared_statements").fetchone()
    pooled.peewee.close()
    assert count[0] <= 3


def test_a_claim_is_kept_though_the_connection_is_lost_after_it(
    pooled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a job that runs and whose lease is over
    accepted(pooled)
    job_id = started(pooled).job.job_id
    pooled.write(lambda session: session.run(LEASE_OVER))
    send: Callable[..., Any] = pooled.peewee.execute_sql
    failures = iter([peewee.OperationalError("lost")])

    def lose(sql: str, params: Any = None) -> Any:
        answer = send(sql, params)
        if "FROM media WHERE job_id" in sql and (failure := next(failures, None)):
            raise failure
        return answer

    # When the connection is lost between the claim and what is read with it
    monkeypatch.setattr(pooled.peewee, "execute_sql", lose)
    claim = claims.claim(pooled, "video", "another", 60_000, 1)

    # Then the claim holds, and was made once
    assert claim is not None
    assert (claim.job.job_id, claim.run.fence) == (job_id, 2)
    assert next(failures, None) is None
