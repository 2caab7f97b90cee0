"""Fills a database of either kind with a long history and a live load.

Run it from the repository, for example
`.venv/bin/python -m bench.history.fill sqlite:////tmp/history/history.db`
`.venv/bin/python -m bench.history.fill postgresql://rushes@/history?host=/tmp/history/pg`.
The database must have none of these users yet. The same seed, sizes and time make the same rows.
`--of-one 0 --of-others 0 --queued 65000 --running 50000` adds a live load to a database that has a
history. Of one user there are as many jobs, events and media items as `--of-one` says.
"""

import argparse
import time
from collections import defaultdict
from functools import partial

from bench.history.bulk import clean, load, target
from bench.history.rows import SEED, History, Size, live_rows
from core.media import Media
from core.process.settings import read_settings
from core.store import Database, media_index, open_database
from core.store.engine.database import Session
from core.store.engine.sql import Statement
from core.store.engine.sqlite import SqliteFile
from core.store.postings import BLOCK, SEGMENT, properties, token

# Index: `job_reached`.
_REACHED = Statement("SELECT max(turn) FROM job WHERE queue = 'image' AND start_time IS NOT NULL")
_MANY = 100_000
# So many postings are written in one transaction.
_POSTINGS = 4000


def main() -> None:
    """Fills it and says with what."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="sqlite:////folder/file.db or postgresql://...")
    parser.add_argument("--of-one", type=int, default=1_000_000, help="jobs of one user")
    parser.add_argument("--of-others", type=int, default=1_000_000, help="jobs of the others")
    parser.add_argument("--others", type=int, default=10_000, help="how many others")
    parser.add_argument("--queued", type=int, default=0, help="jobs that wait")
    parser.add_argument("--running", type=int, default=0, help="jobs that run")
    parser.add_argument("--days", type=int, default=365, help="over which the history spreads")
    parser.add_argument("--until", type=int, help="its end, in ms; now if not given")
    parser.add_argument("--seed", type=int, default=SEED)
    asked = vars(parser.parse_args())
    url, seed, until = (asked.pop(name) for name in ("url", "seed", "until"))
    fill(url, Size(**asked), seed, until)


def fill(url: str, size: Size, seed: int = SEED, until: int | None = None) -> None:
    """Fills the database, after its migrations; `until` is in milliseconds."""
    began = time.monotonic()
    db = open_database(read_settings(database_url=url))
    if isinstance(db.peewee, SqliteFile):
        # Nobody else has the file, and one that breaks off is thrown away.
        db.peewee.pragma("synchronous", 0, permanent=True)
    until = db.now_ms() if until is None else until
    counts: dict[str, int] = {}
    if size.of_one + size.of_others:
        with target(url, rebuild=size.of_one + size.of_others >= _MANY) as to:
            counts = load(to, History(size, seed, until).rows())
        _index(db)
        clean(url)
    if size.queued + size.running:
        row = db.row(_REACHED)
        turn = int(row[0] or 0) if row else 0
        with target(url, rebuild=False) as to:
            for table, count in load(to, live_rows(size, seed, until, turn)).items():
                counts[table] = counts.get(table, 0) + count
    db.close()
    print(f"{time.monotonic() - began:.0f} s, seed {seed}, until {until}: {counts}", flush=True)


def _index(db: Database) -> None:
    """Indexes the libraries, as a worker does in its own time."""
    last = None
    while last != "":
        users, last = media_index.next_users(db, last or "")
        for user_id in users:
            while _index_block(db, user_id):
                pass


def _index_block(db: Database, user_id: str) -> bool:
    """Indexes the user's items up to the end of a block; whether there were any.

    A worker writes each posting again for each segment of the block. This writes it once.
    """
    masks: dict[int, int] = defaultdict(int)
    segments: list[tuple[int, list[Media]]] = []
    while items := media_index._oldest(db, user_id):
        first = db.write(partial(_reserve, user_id=user_id, items=items))
        segments.append((first, items))
        for number, item in enumerate(items, first % BLOCK):
            for of in properties(item):
                masks[token(user_id, of)] |= 1 << number
        if (first + SEGMENT) % BLOCK == 0:
            break
    tokens = sorted(masks)
    for at in range(0, len(tokens), _POSTINGS):
        part = {of: (masks[of], 0) for of in tokens[at : at + _POSTINGS]}
        media_index._write(db, segments[0][0] // BLOCK, part)
    for first, items in segments:
        media_index._settle(db, items, first)
    return bool(segments)


def _reserve(session: Session, user_id: str, items: list[Media]) -> int:
    first = media_index._reserve(session, user_id, items)
    assert first is not None, "somebody else indexes the library"
    return first


if __name__ == "__main__":
    main()
