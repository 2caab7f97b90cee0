"""A statement that takes too long is stopped and says so, on SQLite and on PostgreSQL."""

import threading

import pytest

from core.errors import QueryTooSlow
from core.store import Database, media
from core.store.engine.database import Session
from core.store.engine.sql import Statement
from tests.making import new_media

ENDLESS = Statement("""
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000)
    SELECT count(*) FROM n
""")
# It has its first row at once, and never another.
ONE_AT_ONCE = Statement("""
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000)
    SELECT i FROM n WHERE i % 1000000000000 = 1
""")
TITLE = Statement("UPDATE media SET title = 'half'")


def test_a_read_that_takes_too_long_is_stopped(db: Database) -> None:
    with pytest.raises(QueryTooSlow):
        db.row(ENDLESS)
    with pytest.raises(QueryTooSlow):
        db.read(lambda session: session.row(ENDLESS))
    # The thread and its connection serve again.
    assert db.now_ms() > 0


def test_a_read_that_takes_too_long_for_its_second_row_is_stopped(db: Database) -> None:
    with pytest.raises(QueryTooSlow):
        db.rows(ONE_AT_ONCE)
    with pytest.raises(QueryTooSlow):
        db.row(ONE_AT_ONCE)


def test_a_change_that_takes_too_long_is_undone(db: Database) -> None:
    item = new_media(title="whole")
    media.add(db, item)

    def work(session: Session) -> None:
        session.run(TITLE)
        session.row(ENDLESS)

    with pytest.raises(QueryTooSlow):
        db.write(work)
    assert media.get(db, "alice", item.media_id).title == "whole"


def test_others_are_served_while_a_statement_takes_too_long(db: Database) -> None:
    stopped = threading.Event()

    def read() -> None:
        with pytest.raises(QueryTooSlow):
            db.row(ENDLESS)
        stopped.set()

    slow = threading.Thread(target=read)
    slow.start()
    served = 0
    while not stopped.is_set():
        media.add(db, new_media())
        served += 1
    slow.join()
    assert served > 10
