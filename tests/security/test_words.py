"""A search of the library reads little, however long its words and the user's prompts are."""

from collections.abc import Callable

import pytest

from core.store import media, media_index
from core.store.postings import SEGMENT
from rushes.v1 import media_service_pb2 as pb
from tests.house import House
from tests.making import new_media

StartHouse = Callable[..., House]
WORD = "abcdefghij" * 20
# So long that a scan of all prompts would show: 8 KB each.
PROMPT = " ".join([WORD, *(f"{number}{WORD[:60]}" for number in range(110))])
ITEMS = 2 * SEGMENT + 10


@pytest.mark.timeout(120)
def test_a_long_word_is_found_by_the_index(start: StartHouse) -> None:
    # Given a library with long prompts, most of which is indexed
    house = start()
    alice = house.caller("alice")
    for number in range(ITEMS):
        media.add(house.db, new_media("alice", prompt=PROMPT, create_time=number))
    while media_index.index_segment(house.db, "alice", lambda: None):
        pass
    [(waiting,)] = house.db.peewee.execute_sql(
        "SELECT count(*) FROM media WHERE ordinal IS NULL"
    ).fetchall()

    # When words are searched that are in no prompt, then only what waits to be indexed has words
    # that a search has to read
    assert waiting < 2 * SEGMENT
    [(kept,)] = house.db.peewee.execute_sql(
        "SELECT count(*) FROM media WHERE terms IS NOT NULL"
    ).fetchall()
    assert kept == waiting
    assert not alice.call("ListMedia", pb.ListMediaRequest(query="z" + WORD[:199])).media
    # And a word that is in all prompts is found by its beginning
    assert len(alice.call("ListMedia", pb.ListMediaRequest(query=WORD)).media) > 0


@pytest.mark.parametrize("query", ["x" * 201, " ".join(f"{n:02}w" for n in range(33))])
def test_long_and_many_words_are_refused(start: StartHouse, query: str) -> None:
    refusal = start().caller("alice").refused("ListMedia", pb.ListMediaRequest(query=query))

    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", ("query",))
