"""The index of the library: which of a user's items have a word, a label, a star and so on.

A *token* stands for one such property of one user. An indexed item has an *ordinal*, and later
items have larger ones. A *posting* is the set of the ordinals of a block that have the token; it is
a bit mask, so that any combination of filters is an AND of masks. A million items are 123 blocks:
no filter reads more than that many postings for each token, whether it finds something or not.

Ordinals are given out by segments. Each user has segments and blocks of his own. An item that was
erased leaves its ordinal unused. `core.store.indexing` adds items; until then they have no ordinal,
and `core.store.media` finds them by reading them.
"""

import base64
import functools
import hashlib
import json
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from core.media import Media
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement, name_part_by_dialect
from core.words import beginnings, terms

SEGMENT = 512
BLOCK = 16 * SEGMENT
_BLOCK_BYTES = BLOCK // 8
# So many ordinals take less room as a bit mask than as a list.
_DENSE = _BLOCK_BYTES // 2
# The first read of a list is small, because most lists end after it.
_FIRST_READ = 2
_MORE = 16
# An item's ordinal and user, and its properties before and after.
Change = tuple[int, str, set[str], set[str]]

name_part_by_dialect(
    "given_postings",
    sqlite="""
    SELECT json_extract(value, '$[0]') AS token, json_extract(value, '$[1]') AS items
    FROM json_each(:postings)
    """,
    postgres="""
    SELECT CAST(value ->> 0 AS BIGINT) AS token, value ->> 1 AS items
    FROM json_array_elements(CAST(:postings AS json))
    """,
)
# Index of all below: the primary key of `media_posting`, or what is named.
_OF_TOKEN = """
    SELECT * FROM (
        SELECT token, block, items FROM media_posting
        WHERE token = :token_# AND block <= :newest AND block >= :oldest
        ORDER BY token, block DESC LIMIT :most
    ) p#
"""
_OF_BLOCK = Statement("""
    SELECT token, items FROM media_posting WHERE block = :block AND token = ANY(:tokens)
""")
_WRITE = Statement("""
    INSERT INTO media_posting (token, block, items)
    SELECT token, :block, items FROM ({given_postings}) given WHERE TRUE
    ON CONFLICT (token, block) DO UPDATE SET items = excluded.items
""")
_REMOVE = Statement("DELETE FROM media_posting WHERE block = :block AND token = ANY(:tokens)")
# Whoever changes the postings of a block locks its first segment. Index: `media_segment_ordinal`.
_LOCK_BLOCK = Statement("""
    SELECT first_ordinal FROM media_segment WHERE first_ordinal = :ordinal {for_update}
""")


def token(user_id: str, of: str) -> int:
    """The user's token: 64 bits that hardly two of them share."""
    digest = hashlib.blake2b(f"{user_id}\0{of}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def properties(media: Media) -> set[str]:
    """Everything by which the item can be found."""
    words = beginnings(terms(media.title, media.prompt))
    return {
        "live" if media.delete_time is None else "bin",
        f"type {media.type}",
        *(["starred"] if media.starred else []),
        *(f"label {key}={value}" for key, value in media.labels.items()),
        *(f"word {word}" for word in words),
    }


def find(
    db: Database, user_id: str, wanted: Iterable[str], *, newest: int, oldest: int
) -> Iterator[int]:
    """The ordinals between the two, both included, that have all of the properties; newest first.

    An ordinal may be of an item that is erased, or that is not indexed yet.
    """
    tokens = [token(user_id, of) for of in wanted]
    for block, lists in _blocks(db, tokens, newest // BLOCK, oldest // BLOCK):
        first = block * BLOCK
        for place in _common(lists, min(newest - first, BLOCK - 1)):
            if first + place < oldest:
                return
            yield first + place


def change(session: Session, changes: Iterable[Change]) -> None:
    """Writes what has changed of indexed items. Their rows are locked by now."""
    masks: dict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
    for ordinal, user_id, before, after in changes:
        block, place = divmod(ordinal, BLOCK)
        for of in before ^ after:
            key, bit = token(user_id, of), 1 << place
            added, removed = masks[block].get(key, (0, 0))
            masks[block][key] = (added | bit, removed) if of in after else (added, removed | bit)
    for block in sorted(masks):
        merge(session, block, masks[block])


def merge(session: Session, block: int, masks: Mapping[int, tuple[int, int]]) -> None:
    """Adds to the postings of a block, and removes from them: two masks for each token."""
    session.rows(_LOCK_BLOCK, ordinal=block * BLOCK)
    tokens = list(masks)
    now = {of: _mask(items) for of, items in session.rows(_OF_BLOCK, block=block, tokens=tokens)}
    then = {of: now.get(of, 0) & ~removed | added for of, (added, removed) in masks.items()}
    written = [(of, _items(mask)) for of, mask in sorted(then.items()) if mask]
    session.later(_WRITE, block=block, postings=json.dumps(written))
    if empty := [of for of, mask in then.items() if not mask and of in now]:
        session.later(_REMOVE, block=block, tokens=empty)


def _blocks(
    db: Database, tokens: Sequence[int], newest: int, oldest: int
) -> Iterator[tuple[int, list[str]]]:
    """The blocks in which each token has items, newest first, with these postings."""
    most = _FIRST_READ
    while newest >= oldest:
        read = _read(db, tokens, newest, oldest, most)
        # From the floor on, every posting of every token was read.
        floor = max((min(of) for of in read if len(of) == most), default=oldest)
        for block in sorted(set.intersection(*map(set, read)), reverse=True):
            if block >= floor:
                yield block, [of[block] for of in read]
        if any(len(of) < most and min(of, default=floor) >= floor for of in read):
            return
        newest, most = floor - 1, most * _MORE


def _read(
    db: Database, tokens: Sequence[int], newest: int, oldest: int, most: int
) -> list[dict[int, str]]:
    """For each token its newest postings by their block, at most `most`."""
    values = {f"token_{number}": of for number, of in enumerate(tokens)}
    values |= {"newest": newest, "oldest": oldest, "most": most}
    found: dict[int, dict[int, str]] = {of: {} for of in tokens}
    for of, block, items in db.rows(_read_statement(len(tokens)), **values):
        found[of][block] = items
    return [found[of] for of in tokens]


@functools.lru_cache(maxsize=64)
def _read_statement(tokens: int) -> Statement:
    """It is joined here, because each list of postings ends by itself."""
    return Statement(" UNION ALL ".join(_OF_TOKEN.replace("#", str(i)) for i in range(tokens)))


def _common(postings: Iterable[str], newest: int) -> Iterator[int]:
    """The places up to the newest that all of the postings have, newest first."""
    mask, places = (2 << newest) - 1, None
    # Short ones first: they are of few items, so that the others often need no look.
    for items in sorted(postings, key=len):
        packed = base64.b64decode(items)
        if len(packed) == _BLOCK_BYTES:
            mask &= int.from_bytes(packed, "little")
        else:
            own = _places(packed)
            places = set(own) if places is None else places.intersection(own)
        if not mask or places == set():
            return
    if places is not None:
        yield from (place for place in sorted(places, reverse=True) if mask >> place & 1)
        return
    while mask:
        place = mask.bit_length() - 1
        yield place
        mask ^= 1 << place


def _mask(items: str) -> int:
    """The bit mask of a posting as the table keeps it."""
    packed = base64.b64decode(items)
    if len(packed) == _BLOCK_BYTES:
        return int.from_bytes(packed, "little")
    mask = 0
    for place in _places(packed):
        mask |= 1 << place
    return mask


def _places(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 2}H", packed)


def _items(mask: int) -> str:
    """A posting as the table keeps it: a bit mask, or a shorter list of numbers, as base64."""
    packed = mask.to_bytes(_BLOCK_BYTES, "little")
    if mask.bit_count() < _DENSE:
        places = []
        while mask:
            places.append(mask.bit_length() - 1)
            mask ^= 1 << places[-1]
        packed = struct.pack(f"<{len(places)}H", *places)
    return base64.b64encode(packed).decode()
