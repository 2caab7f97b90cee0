import json
from collections.abc import Iterator
from enum import StrEnum

import pytest

from core.jobs import State
from core.store.engine import sql
from core.store.engine.sql import (
    Dialect,
    Statement,
    columns,
    name_part,
    name_part_by_dialect,
)

SQLITE, POSTGRES = Dialect.SQLITE, Dialect.POSTGRES


def test_names_become_the_place_holders_of_each_driver() -> None:
    statement = Statement("SELECT a FROM t WHERE b = :b_1 AND c > :c")

    assert statement.render(SQLITE) == ("SELECT a FROM t WHERE b = ? AND c > ?", ("b_1", "c"))
    assert statement.render(POSTGRES) == ("SELECT a FROM t WHERE b = %s AND c > %s", ("b_1", "c"))


@pytest.mark.parametrize("dialect", Dialect)
def test_a_name_that_is_used_twice_is_given_twice(dialect: Dialect) -> None:
    assert Statement(":a, :b, :a").render(dialect)[1] == ("a", "b", "a")


def test_a_list_is_an_array_or_a_json_text() -> None:
    statement = Statement("x = ANY(:ids) AND y = :y")

    assert statement.render(POSTGRES) == ("x = ANY(%s) AND y = %s", ("ids", "y"))
    assert statement.render(SQLITE) == (
        "x IN (SELECT value FROM json_each(?)) AND y = ?",
        ("ids", "y"),
    )


def test_a_list_is_adapted_with_all_that_is_in_it() -> None:
    assert POSTGRES.adapt([State.QUEUED, "x"]) == ["QUEUED", "x"]
    assert json.loads(SQLITE.adapt((State.QUEUED, 1))) == ["QUEUED", 1]
    assert SQLITE.adapt([]) == "[]"
    assert POSTGRES.adapt(()) == []


def test_an_enum_is_adapted_to_its_plain_value() -> None:
    for dialect in Dialect:
        adapted = dialect.adapt(State.RUNNING)
        assert adapted == "RUNNING"
        assert not isinstance(adapted, StrEnum)
        assert dialect.adapt(None) is None
        assert dialect.adapt(3) == 3


def test_a_percent_sign_is_doubled_only_for_the_driver_that_reads_it() -> None:
    statement = Statement("a LIKE '50%' AND b = :b")

    assert statement.render(SQLITE)[0] == "a LIKE '50%' AND b = ?"
    assert statement.render(POSTGRES)[0] == "a LIKE '50%%' AND b = %s"


@pytest.mark.parametrize("dialect", Dialect)
def test_a_cast_is_no_name(dialect: Dialect) -> None:
    assert Statement("a::text = :a").render(dialect)[1] == ("a",)


def test_the_clock_is_each_databases_own() -> None:
    statement = Statement("{now} + :ms")

    for dialect, clock in {SQLITE: "julianday('now')", POSTGRES: "clock_timestamp()"}.items():
        sql, names = statement.render(dialect)
        assert clock in sql
        assert names == ("ms",)


def test_locks_are_words_of_one_database_only() -> None:
    statement = Statement("SELECT 1 {for_update}; SELECT 1 {skip_locked}")

    assert "FOR UPDATE" not in statement.render(SQLITE)[0]
    assert statement.render(POSTGRES)[0] == ("SELECT 1 FOR UPDATE; SELECT 1 FOR UPDATE SKIP LOCKED")


def test_the_layout_of_a_statement_is_not_sent() -> None:
    statement = Statement("""
        SELECT a
        FROM t
    """)
    assert statement.render(SQLITE)[0] == "SELECT a FROM t"


@pytest.fixture
def part() -> Iterator[str]:
    """The name of a part that is forgotten afterwards."""
    name = "part_of_a_test"
    yield name
    sql._parts.pop(name, None)


def test_a_named_part_is_inserted_with_its_own_parts_and_values(part: str) -> None:
    name_part(
        part,
        """
        a < {now}
        AND b = ANY(:ids)
        """,
    )
    statement = Statement(f"SELECT 1 WHERE {{{part}}} AND c = :c")

    text, names = statement.render(POSTGRES)
    assert text.endswith("AND b = ANY(%s) AND c = %s")
    assert "clock_timestamp()" in text
    assert names == ("ids", "c")
    assert "IN (SELECT value FROM json_each(?)) AND c = ?" in statement.render(SQLITE)[0]


def test_a_part_may_differ_between_the_databases(part: str) -> None:
    name_part_by_dialect(part, sqlite="one", postgres="other")
    assert [Statement(f"{{{part}}}").render(dialect)[0] for dialect in Dialect] == ["one", "other"]


def test_a_name_stands_for_one_part_only(part: str) -> None:
    name_part(part, "a")
    with pytest.raises(ValueError, match=part):
        name_part(part, "b")


@pytest.mark.parametrize("dialect", Dialect)
def test_a_part_that_nobody_named_is_an_error(dialect: Dialect) -> None:
    with pytest.raises(KeyError):
        Statement("SELECT {unknown}").render(dialect)


@pytest.mark.parametrize("dialect", Dialect)
def test_a_statement_is_translated_once(dialect: Dialect) -> None:
    statement = Statement("SELECT :a")
    assert statement.render(dialect) is statement.render(dialect)


def test_columns_are_listed_with_their_table() -> None:
    assert columns(["a", "b"]) == "a, b"
    assert columns(["a", "b"], "t") == "t.a, t.b"
