"""No statement of the store reads a table that grows with the history, on either database.

The databases are small, and what they say of themselves is what a long history would make them say.
On SQLite the plans are looked at without statistics too, as after a fresh load. `bench.history` has
the true millions.
"""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.history.fill import fill
from bench.history.rows import Size
from core.process.settings import read_settings
from core.store import Database, change, jobs, media_lists, open_database, postings, usage_days
from core.store.engine.sql import Statement
from tests.services import Postgres
from tests.unit.core.store.test_parts import statements

# They have a row for each process, provider, limit or queue, or for what an operator says.
SMALL = {
    *("worker", "leader", "circuit", "budget", "meta", "queue_ranks", "schema_migration"),
    *("announcement", "queue_pause"),
}
# Indexes that have nothing but jobs that wait or run, or what is not settled yet. Such an index may
# be read whole, in its order up to a limit or by who counts what is live.
LIVE = {
    *("job_waiting", "job_due", "job_poll", "job_flow", "job_unfinished"),
    *("job_uncertain", "intent_unsettled", "flow_first", "job_view"),
    *("delivery_due", "delivery_pending"),
}
# They have some hundreds of each user's items, or a thousand, or the keys of each user that are not
# purged yet.
BOUNDED = {
    *("media_unindexed", "notification_user", "notification_unread", "view_shown"),
    "view_media",
    *("api_key_user", "api_key_working", "webhook_user"),
    # Shares that last, and those that have ended since the last housekeeping.
    "share_with",
}
# By these columns an index is searched, and only by these all rows of a user are found.
SEARCHED = re.compile(r"\(+(\w+)(?:\)::\w+)? (?:[<>=]|<=|>=) ")
OF_A_USER = {"user_id", "revision", "create_time", "end_time"}
# A user has one row, or one for each queue and provider.
ONE_ROW = {"user_stream", "flow"}
# What reads a table whole, and why it may.
READS = {
    "all_jobs._STOOD": "goes back over one user's changes of some seconds, to the first before",
    "ranks._NUMBER": "reads a whole queue and its flows; seldom, and in one process",
    "overview._WAITING": "reads all flows, which are fewer than jobs; each 5 s, in one process",
    "overview._OLDEST": "the same, and one job of each flow",
    "flows._REFILL": "what it scans is its own list of the flows of one user",
    "flows._DIFFERENT": "compares all flows with what waits; once a minute, in one process",
    "usage._LARGEST": "reads a row for each user, for an administrator who asks",
    "usage._WITH": "the same",
    "restore._TO_SUBMIT": "reads all jobs, once after a restore",
    "restore._EXTEND": "writes all unfinished jobs, once after a restore",
}
# These have small tables.
OTHERS = ("engine",)
ROWS = 2_000_000
# Of what the fill makes none: views that were cleared, shares with users, webhooks, exports.
ADDED = (
    "UPDATE job SET batch_id = substr(job_id, 1, 35) RETURNING job_id",
    """
    INSERT INTO view (user_id, view, media_id, apply_time, wish, looping, job_id, deleted_media_id)
    SELECT 'user-' || n, 'desk', '', n, 0, FALSE, '', '' FROM generate_series(1, 3000) n
    RETURNING view
    """,
    """
    INSERT INTO share (
        share_id, media_id, media_type, owner_user_id, user_id, create_time, expire_time, end_time
    )
    SELECT 's' || n, 'm' || n, 'IMAGE', 'user-' || n %% 50, 'user-' || n %% 49, n, n, n
    FROM generate_series(1, 3000) n
    RETURNING share_id
    """,
    """
    INSERT INTO webhook (
        webhook_id, user_id, url, kinds, labels, description, state, create_time, enable_time, salt
    )
    SELECT 'w' || n, 'user-' || n, 'u', 'k', '{}', '', 'ENABLED', n, n, ''
    FROM generate_series(1, 3000) n
    RETURNING webhook_id
    """,
    """
    INSERT INTO delivery (
        delivery_id, webhook_id, user_id, kind, revision, job_id, state, create_time, next_try_time
    )
    SELECT 'd' || n, 'w' || n %% 1000, 'user-' || n %% 1000, 'JOB_QUEUED', n, '',
        CASE WHEN n %% 100 = 0 THEN 'PENDING' ELSE 'SUCCEEDED' END, n, n
    FROM generate_series(1, 5000) n
    RETURNING delivery_id
    """,
    """
    INSERT INTO export (export_id, user_id, media_ids, create_time, expire_time)
    SELECT 'e' || n, 'user-' || n %% 1000, '[]', n, n FROM generate_series(1, 3000) n
    RETURNING export_id
    """,
)
# The values of which PostgreSQL can't tell by their places that they are numbers.
NUMBERS = re.compile("spent|most|.*_ms")
# SQLite also reads a table whole to make a filter or an index of it for this one statement.
TABLE = re.compile(
    r"(?:SCAN|BLOOM FILTER ON|SEARCH(?= \w+ USING AUTOMATIC)) (\w+)"
    r"(?: USING (?:COVERING )?INDEX (\w+))?"
)
# A search that finds all rows of a user. What doesn't sort them reads some, in their order.
ALL_OF_A_USER = re.compile(r"SEARCH (\w+) USING (?:COVERING )?INDEX (\w+) \(user_id=\?\)$")
SORTS = "USE TEMP B-TREE FOR ORDER BY"


def all_statements() -> list[tuple[str, Statement]]:
    """Every statement that a module has, and those that are made for the shape of a question."""
    found = [(name.removeprefix("core.store."), one) for name, one in statements()]
    found = [(name, one) for name, one in found if name.partition(".")[0] not in OTHERS]
    for shape in itertools.product((0, 1, 2), (0, 1, 2), (False, True), (False, True)):
        states, labels, after, by_states = shape
        if states or not by_states:
            found.append((f"jobs._list{shape}", jobs._list(*shape)))
        if not by_states:
            found.append((f"jobs._list{shape} of a batch", jobs._list(*shape, of_batch=True)))
        if labels:
            found.append((f"jobs._ahead{shape[:3]}", jobs._ahead(states, labels, after)))
    given = ("type", "create_time_from", "create_time_until", "after_time", "after_id")
    for names, several, words, starred, deleted in itertools.product(
        ((), ("type",), given), (0, 2), (0, 2), (False, True), (False, True)
    ):
        shape = media_lists._Shape(
            given=names, labels=several, words=words, starred=starred, deleted=deleted
        )
        for make in (media_lists._unindexed_statement, media_lists._indexed_statement):
            found.append((f"media_lists.{make.__name__}({shape})", make(shape)))
    found += [(f"postings._read_statement({n})", postings._read_statement(n)) for n in (1, 2, 9)]
    for keys, of_all, goes_on in itertools.product(
        (("day", "model"), ("user_id",), ("label_value", "day")), (False, True), (False, True)
    ):
        shape = tuple(map(usage_days.Key, keys)), of_all, goes_on
        found.append((f"usage_days._groups{shape}", usage_days._groups(*shape)))
    found += [(f"usage_days._total({of_all})", usage_days._total(of_all)) for of_all in (0, 1)]
    found.append(("change._update", change._update(("state", "revision", "end_time"))))
    return found


def wrong(scans: list[tuple[str, str]], name: str) -> list[str]:
    """What of a plan is not allowed: tables that are read whole, by which index."""
    if name in READS:
        return []
    return [
        f"{name}: {table} by {index or 'no index'}"
        for table, index in scans
        if table not in SMALL and index not in LIVE | BOUNDED
    ]


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    database = open_database(read_settings(database_url=f"sqlite:///{tmp_path}/rushes.db"))
    yield database
    database.close()


def explained(db: Database) -> list[str]:
    found = []
    tables = {row[0] for row in ask(db, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    for name, statement in all_statements():
        sql, values = statement.render(db.dialect)
        plan = ask(db, f"EXPLAIN QUERY PLAN {sql}", (None,) * len(values))
        sorting = {part for _, part, _, step in plan if step == SORTS}
        seen = [TABLE.match(step) for _, _, _, step in plan]
        users = [ALL_OF_A_USER.match(step) for _, part, _, step in plan if part in sorting]
        seen += [match for match in users if match and match[1] not in ONE_ROW]
        named = aliases(sql, tables)
        scans = [(named[m[1]], m[2] or "") for m in seen if m and m[1] in named]
        found += wrong(scans, name)
    return found


def aliases(sql: str, tables: set[str]) -> dict[str, str]:
    """The tables by the names that the statement gives them."""
    words = r"(?:FROM|JOIN|INTO|UPDATE) (\w+)(?: (?!SET|WHERE|ON|CROSS|JOIN|INDEXED|ORDER)(\w+))?"
    pairs = [(alias or table, table) for table, alias in re.findall(words, sql)]
    return {alias: table for alias, table in pairs if table in tables} | {t: t for t in tables}


def ask(db: Database, sql: str, values: Any = ()) -> list[Any]:
    with db.peewee.connection_context():
        return list(db.peewee.execute_sql(sql, values).fetchall())


def test_no_statement_reads_the_history_on_sqlite_without_statistics(sqlite: Database) -> None:
    assert explained(sqlite) == []


@pytest.mark.parametrize(("live", "alike"), [(100, 1), (100_000, 5_000)])
def test_no_statement_reads_the_history_on_sqlite_with_statistics(
    sqlite: Database, live: int, alike: int
) -> None:
    # Given statistics as of two million rows, half of them of one user, and of what is live
    indexes = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index'"
    ask(sqlite, "ANALYZE")
    for table, index in ask(sqlite, indexes):
        columns = len(ask(sqlite, f"PRAGMA index_info({index})"))
        counts = [ROWS, *[200] * columns]
        if table in SMALL:
            counts = [20, *[1] * columns]
        elif table == "flow" or index in LIVE:
            counts = [live, *[alike] * (columns - 1), 1]
        values = (table, index, " ".join(map(str, counts)))
        ask(sqlite, "INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", values)
    ask(sqlite, "ANALYZE sqlite_master")

    assert explained(sqlite) == []


@pytest.fixture(params=["loaded", "analyzed"])
def large(
    postgres: Postgres, postgres_template: str, request: pytest.FixtureRequest
) -> Iterator[Database]:
    """A database of some thousand jobs that says that it has two millions."""
    name = postgres.new_database(postgres_template)
    fill(postgres.url(name), Size(of_one=1500, of_others=1500, others=50, queued=200, running=100))
    db = open_database(read_settings(database_url=postgres.url(name)))
    for made in ADDED:
        assert ask(db, made)
    if request.param == "analyzed":
        with db.peewee.connection_context():
            db.peewee.execute_sql("ANALYZE")
    small = ", ".join(f"'{table}'" for table in SMALL)
    changed = ask(
        db,
        f"""
        UPDATE pg_class SET reltuples = {ROWS}, relpages = pg_relation_size(oid) / 8192
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT IN ({small})
            AND pg_relation_size(oid) > 0
        RETURNING relname
        """,
    )
    assert {("job",), ("intent",), ("job_label",), ("flow",)} <= set(changed)
    yield db
    db.close()
    postgres.drop_database(name)


def test_no_statement_reads_the_history_on_postgres(large: Database) -> None:
    found = []
    for name, statement in all_statements():
        prepared = statement.prepared()
        if prepared is None:
            continue
        text = prepared.text.replace("%%", "%")
        with large.peewee.connection_context():
            run = large.peewee.execute_sql
            run("DEALLOCATE ALL")
            types = ", ".join(
                "bigint" if NUMBERS.fullmatch(name) else "unknown" for name in prepared.names
            )
            declared = f"({types})" if types else ""
            run(f"PREPARE one{declared} AS {text}".replace("%", "%%"), ())
            nulls = f"({', '.join(['NULL'] * len(prepared.names))})" if prepared.names else ""
            [(plan,)] = run(f"EXPLAIN (FORMAT JSON) EXECUTE one{nulls}").fetchall()
        tree = json.loads(plan) if isinstance(plan, str) else plan
        found += wrong(list(scans(tree[0]["Plan"])), name)
    assert found == []


def scans(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The tables that a plan reads whole, or of which it looks at all rows of one user, and by
    which index it does."""
    if node["Node Type"].endswith("Scan") and "Relation Name" in node:
        searched = set(SEARCHED.findall(node.get("Index Cond", "")))
        of_a_user = "user_id" in searched and searched <= OF_A_USER
        if "Index Cond" not in node or (
            "Filter" in node and of_a_user and node["Relation Name"] not in ONE_ROW
        ):
            yield node["Relation Name"], node.get("Index Name", "")
    for child in node.get("Plans", []):
        yield from scans(child)


def test_what_may_read_a_table_is_a_statement() -> None:
    assert READS.keys() <= {name for name, _ in all_statements()}
