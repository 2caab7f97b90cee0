"""Large libraries are indexed by one worker process, which nobody has to ask."""

from collections.abc import Iterator

import pytest

from core.store import Database, media_index, workers
from core.store.engine.database import Session
from core.store.rows import insert_media
from tests.making import new_media
from tests.services import wait_for
from workers.upkeep.indexer import DUTY, Indexer


@pytest.fixture
def indexer(db: Database) -> Iterator[Indexer]:
    indexer = Indexer(db, "w1", round_seconds=0.01)
    yield indexer
    indexer.stop()
    indexer.close()


def fill(db: Database, user_id: str, count: int = 800) -> None:
    def work(session: Session) -> None:
        for number in range(count):
            insert_media(session, new_media(user_id, create_time=number))

    db.write(work)


def waiting(db: Database) -> list[str]:
    return media_index.next_users(db, "")[0]


def test_it_indexes_every_user_of_whom_enough_items_wait(db: Database, indexer: Indexer) -> None:
    for user_id in ("alice", "bob"):
        fill(db, user_id)
    assert waiting(db) == ["alice", "bob"]
    indexer.start()
    wait_for(lambda: not waiting(db), "the libraries to be indexed")
    fill(db, "carol")
    wait_for(lambda: not waiting(db), "the new library to be indexed")


def test_only_one_of_several_indexes(db: Database, indexer: Indexer) -> None:
    # Given another process that leads
    assert workers.lead(db, DUTY, "another", 60_000)
    fill(db, "alice")
    assert not indexer.index()
    assert waiting(db) == ["alice"]

    # Then this one begins when that one's lease has ended
    assert workers.lead(db, DUTY, "another", -1)
    assert indexer.index()
    assert waiting(db) == []


def test_closing_ends_its_thread_between_two_steps(db: Database, indexer: Indexer) -> None:
    fill(db, "alice", 1200)
    indexer.start()
    wait_for(lambda: not workers.lead(db, DUTY, "another", 1), "it to lead")
    indexer.stop()
    indexer.close()
    assert not indexer.alive
