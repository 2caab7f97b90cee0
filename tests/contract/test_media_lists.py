"""Lists of media, on SQLite and PostgreSQL: every filter, every page, indexed or not."""

import random
from collections.abc import Callable
from itertools import product

import pytest

from core.media import Media, MediaType
from core.store import Database, media_index, media_lists, postings
from core.store import media as library
from core.store.engine.database import Session
from core.store.engine.sql import Statement
from core.store.rows import insert_media
from tests.making import new_media

ADJECTIVES = ("red", "blue", "großer", "élégant", "tiny")
THINGS = ("fox", "foxglove", "boat", "灯台の夜", "🦊")
POSTINGS = Statement("SELECT count(*) FROM media_posting")


def made(rng: random.Random, time: int, user_id: str = "alice") -> Media:
    return new_media(
        user_id,
        type=rng.choice(list(MediaType)),
        prompt=f"a {rng.choice(ADJECTIVES)} {rng.choice(THINGS)}",
        title=rng.choice(("", "my boat", "NIGHT")),
        labels=rng.choice(({}, {"project": "x"}, {"project": "y", "mood": 'so "so"'})),
        starred=rng.random() < 0.3,
        create_time=time,
    )


def stored(db: Database, count: int, first_time: int = 1, seed: int = 1) -> list[Media]:
    """Items, four of each millisecond, every tenth of them in the bin."""
    rng = random.Random(seed)
    items = [made(rng, first_time + number // 4) for number in range(count)]

    def work(session: Session) -> None:
        for item in items:
            insert_media(session, item)

    db.write(work)
    binned = [item.media_id for item in items[::10]]
    return [
        *library.bin(db, "alice", binned, 60_000).items,
        *(i for i in items if i.media_id not in set(binned)),
    ]


def index(db: Database, user_id: str = "alice") -> int:
    """Indexes as many items as possible; how many."""
    count = 0
    while step := media_index.index_segment(db, user_id, lambda: None):
        count += step
    return count


def pages(db: Database, size: int, **filters: object) -> list[str]:
    """All pages of a list, one after the other."""
    ids: list[str] = []
    after = None
    while page := media_lists.list_page(db, "alice", after=after, limit=size, **filters):  # type: ignore[arg-type]
        assert len(page) <= size
        ids += [item.media_id for item in page]
        after = (page[-1].create_time, page[-1].media_id)
    return ids


def newest_first(items: list[Media], fits: Callable[[Media], bool]) -> list[str]:
    fitting = sorted(filter(fits, items), key=lambda m: (m.create_time, m.media_id), reverse=True)
    return [item.media_id for item in fitting]


@pytest.mark.parametrize("indexed", [False, True])
def test_every_combination_of_filters_finds_what_fits_newest_first(
    db: Database, indexed: bool
) -> None:
    # Given two users' items, all of them waiting or most of them indexed
    items, rng = stored(db, 1700), random.Random(2)
    library.add(db, made(rng, 100, "bob"))
    if indexed:
        assert index(db) == 2 * postings.SEGMENT

    # Then each list has exactly the items that fit, in order, on pages without a gap
    words: dict[str, Callable[[str], bool]] = {
        "": lambda text: True,
        "FOX": lambda text: "fox" in text,
        "foxg": lambda text: "foxg" in text,
        "bo ELEGANT": lambda text: "boat" in text and "élégant" in text,
        "台の": lambda text: "台の" in text,
        "zebra": lambda text: False,
    }
    types = (None, MediaType.IMAGE)
    labels: tuple[dict[str, str], ...] = ({}, {"project": "x"}, {"project": "y", "mood": 'so "so"'})
    spans = ((None, None), (40, None), (None, 300), (131, 260))
    combinations = list(product(words, types, labels, (False, True), (False, True), spans))
    for query, type, wanted, starred, deleted, (since, until) in rng.sample(combinations, 150):

        def fits(item: Media) -> bool:
            return (
                words[query](f"{item.prompt} {item.title}".lower())  # noqa: B023
                and type in (None, item.type)  # noqa: B023
                and wanted.items() <= item.labels.items()  # noqa: B023
                and (item.starred or not starred)  # noqa: B023
                and (item.delete_time is not None) == deleted  # noqa: B023
                and (since or 0) <= item.create_time < (until or 10**9)  # noqa: B023
            )

        filters = {
            "query": query,
            "type": type,
            "labels": wanted,
            "starred": starred,
            "deleted": deleted,
            "create_time_from": since,
            "create_time_until": until,
        }
        assert pages(db, 600, **filters) == newest_first(items, fits), filters


@pytest.mark.parametrize("size", [1, 64])
def test_pages_of_every_size_have_no_gap(db: Database, size: int) -> None:
    items = stored(db, 800)
    index(db)
    assert pages(db, size, starred=True) == newest_first(
        items, lambda item: item.starred and item.delete_time is None
    )


def test_what_changes_after_it_was_indexed_is_found_as_it_is_now(db: Database) -> None:
    # Given an indexed item without a star
    items = stored(db, 800)
    index(db)
    item = next(i for i in items[200:] if not i.starred and i.labels == {"project": "x"})
    found_by = ["boat", "fox", "zebra"]

    def finds(**filters: object) -> bool:
        return item.media_id in pages(db, 1000, **filters)

    assert not finds(starred=True)
    assert finds(labels={"project": "x"})

    # When its owner changes everything that can be changed
    labels = {"project": "", "mood": "calm"}
    library.update(db, "alice", item.media_id, title="Zebra at dawn", starred=True, labels=labels)

    # Then it is found by what it has, and by nothing that it had
    assert finds(starred=True, labels={"mood": "calm"}, query="dawn zebra")
    assert not finds(labels={"project": "x"})
    library.bin(db, "alice", [item.media_id], 60_000)
    assert not finds(query="zebra")
    assert finds(query="zebra", deleted=True)
    library.unbin(db, "alice", item.media_id)
    assert finds(query="zebra")
    library.update(db, "alice", item.media_id, title="", starred=False, labels={})
    assert not any(finds(query=word) for word in found_by if word not in item.prompt)
    library.erase(db, "alice", [item.media_id])
    assert not finds()


def test_nothing_of_erased_items_is_left_in_the_index(db: Database) -> None:
    items = stored(db, 800)
    index(db)
    assert db.row(POSTINGS) != (0,)
    library.erase(db, "alice", [item.media_id for item in items])
    assert db.row(POSTINGS) == (0,)


def test_what_changes_while_it_is_indexed_is_found_as_it_is_now(db: Database) -> None:
    # Given items of which some change between any two steps of indexing
    ids = [item.media_id for item in sorted(stored(db, 800), key=lambda item: item.create_time)]
    changes = iter(
        [
            lambda: library.update(db, "alice", ids[3], title="zebra", starred=True, labels={}),
            lambda: library.bin(db, "alice", [ids[5], ids[400]], 60_000),
            lambda: library.erase(db, "alice", [ids[7], ids[401]]),
            lambda: library.update(db, "alice", ids[402], title="zebra", starred=None, labels={}),
        ]
    )
    media_index.index_segment(db, "alice", lambda: next(changes, lambda: None)())  # type: ignore[no-untyped-call]

    # Then the index has what they are now
    assert next(changes, None) is None
    assert pages(db, 1000, query="zebra") == [ids[402], ids[3]]
    assert {ids[5], ids[400]} <= set(pages(db, 1000, deleted=True))
    assert not {ids[7], ids[401]} & set(pages(db, 1000))


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_indexing_that_died_begins_again(db: Database, steps: int) -> None:
    # Given a process that died after some steps
    items = stored(db, 1000)
    left = iter(range(steps))

    def die() -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        media_index.index_segment(db, "alice", die)

    # When something changes and another process begins again
    gone = sorted(items, key=lambda item: item.create_time)[400].media_id
    library.erase(db, "alice", [gone])
    index(db)

    # Then every item is found, and only by its own words
    left_items = [item for item in items if item.media_id != gone]
    for query in ("fox", "boat", "tiny"):
        assert pages(db, 300, query=query) == newest_first(
            left_items,
            lambda item: item.delete_time is None and query in f"{item.prompt} {item.title}",  # noqa: B023
        )


def test_an_item_that_comes_late_is_found_in_its_place(db: Database) -> None:
    items = stored(db, 800, first_time=1000)
    index(db)
    late = [made(random.Random(3), time) for time in (5, 1001)]
    for item in late:
        library.add(db, item)
    index(db)
    live = [item for item in items if item.delete_time is None]
    assert pages(db, 50) == newest_first([*live, *late], lambda item: True)


def test_users_are_found_of_whom_enough_items_wait(db: Database) -> None:
    stored(db, 770)
    library.add(db, new_media("bob"))
    assert media_index.next_users(db, "") == (["alice"], "")
    assert media_index.next_users(db, "alice") == ([], "")
    index(db)
    assert media_index.next_users(db, "") == ([], "")


TEXTS = {
    "plain": "A 50% blue Sea_horse, isn't it?",
    "german": "Ein großes Boot in MÜNCHEN",
    "decomposed": "Cafe\u0301 ole\u0301",
    "wide": "ＡＢＣ １２３",
    "japanese": "夜の東京タワー 4K画質",
    "chinese": "老人与海",
    "korean": "황금빛 바다",
    "thai": "แมวดำบนหลังคา",
    "hindi": "हिन्दी में पक्षी।",
    "arabic": "مَرْحَبًا",
    "russian": "Жёлтый ёж",
    "emoji": "rocket 🚀👩‍🚀👍🏽 launch",
    "long": "x" * 300 + " " + "word" * 20,
    "quotes": "it's \"quoted\" 'DROP TABLE' \\ back--slash; NEAR(a b) OR *",
}
FOUND = {
    "SEA horse": "plain",
    "50%": "plain",
    "Sea_h": "plain",
    "isn't": "plain",
    "bl": "plain",
    "munchen": "german",
    "MÜNCH grosses": "german",
    "groß": "german",
    "café": "decomposed",
    "OLE": "decomposed",
    "abc 123": "wide",
    "東京": "japanese",
    "東京タワー": "japanese",
    "京": "japanese",
    "4k 画質": "japanese",
    "老人与海": "chinese",
    "海": "chinese",
    "황금": "korean",
    "แมว": "thai",
    "หลังคา": "thai",
    "हिन्दी": "hindi",
    "पक्षी": "hindi",
    "مرحبا": "arabic",
    "желтый": "russian",
    "🚀": "emoji",
    "👩‍🚀 rocket": "emoji",
    "👍": "emoji",
    "x" * 200: "long",
    "wordwordword": "long",
    '"quoted"': "quotes",
    "'drop": "quotes",
    "near": "quotes",
}
NOT_FOUND = (
    "horsesea",
    "ea",
    "0%9",
    "タワー東",
    "海老",
    "foo%",
    "हि न",
    "bluee",
    "🦊",
    "xy",
    "東夜",
)


@pytest.mark.parametrize("indexed", [False, True])
def test_words_are_found_in_any_language(db: Database, indexed: bool) -> None:
    # Given a text of each kind among many others
    ids = {}
    for name, text in TEXTS.items():
        item = new_media(prompt=text)
        library.add(db, item)
        ids[name] = item.media_id
    if indexed:
        stored(db, 800, first_time=2)
        assert index(db) > 0

    # Then each query finds its text, and nothing else
    known = {media_id: name for name, media_id in ids.items()}
    for query, name in FOUND.items():
        found = [known[i] for i in pages(db, 1000, query=query) if i in known]
        assert found == [name], query
    for query in NOT_FOUND:
        found = [known[i] for i in pages(db, 1000, query=query) if i in known]
        assert found == [], query
