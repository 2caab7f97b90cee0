"""What each call of the store costs on a database with a history, beside an empty one.

Run it from the repository: `.venv/bin/python -m bench.history.calls URL EMPTY_URL`. URL names a
database that `bench.history.fill` has filled with a history and a live load, EMPTY_URL one of the
same kind without jobs. Both are written to: jobs are accepted, claimed and handed back. Calls on
the two take turns. A ratio is that of the medians of one run.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import count

from bench.history.rows import ONE, USER_CONCURRENCY
from core.jobs import Cost, CostState, State
from core.process.settings import read_settings
from core.specs import ImageSpec
from core.store import (
    Database,
    accept,
    claims,
    events,
    flows,
    jobs,
    open_database,
    overview,
    polls,
    retention,
    starts,
    submits,
    transitions,
    turns,
)
from core.store.engine.sql import Statement
from core.store.places import Queues

Call = Callable[[], object]
_LONG_MS = 400 * 24 * 3600 * 1000
_numbers = count(1)
_LOOK_FOR_CHANGES = Statement("""
    SELECT user_id, revision FROM job_event WHERE event_time < {moment} - :keep_ms
    ORDER BY event_time LIMIT :part
""")
_A_JOB = Statement(
    "SELECT job_id FROM job WHERE user_id = :user_id AND state = 'SUCCEEDED' LIMIT 1"
)


def main() -> None:
    """Prints a line for each call."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("empty_url")
    parser.add_argument("--repetitions", type=int, default=50)
    asked = parser.parse_args()
    full, empty = (
        open_database(read_settings(database_url=url)) for url in (asked.url, asked.empty_url)
    )
    print(f"{'call':28}{'empty p50':>10}{'p99':>8}{'full p50':>10}{'p99':>8}{'ratio':>7}   ms")
    pairs = zip(calls(full), calls(empty), strict=True)
    for (name, on_full), (_, on_empty) in pairs:
        seen: dict[str, list[float]] = {"full": [], "empty": []}
        for _ in range(asked.repetitions):
            seen["empty"].append(_timed(on_empty))
            seen["full"].append(_timed(on_full))
        (e50, e99), (f50, f99) = (_spread(seen[which]) for which in ("empty", "full"))
        print(f"{name:28}{e50:10.2f}{e99:8.2f}{f50:10.2f}{f99:8.2f}{f50 / e50:7.2f}", flush=True)
    full.close()
    empty.close()


def calls(db: Database) -> Iterator[tuple[str, Call]]:
    """Each call with its name; the user is the one with the long history."""
    queues = Queues(db, USER_CONCURRENCY)

    def page(**filters: object) -> Call:
        return lambda: jobs.list_page(db, ONE, limit=21, **filters)  # type: ignore[arg-type]

    def in_part(statement: Statement) -> Call:
        return lambda: db.write(lambda s: s.rows(statement, keep_ms=_LONG_MS, part=500))

    mine = _accept(db, ONE).job
    row = db.row(_A_JOB, user_id=ONE)
    old = row[0] if row else mine.job_id
    yield "accept", lambda: _accept(db, f"bench-{next(_numbers)}")
    yield "accept, long history", lambda: _accept(db, ONE)
    yield "next turn", lambda: turns.read_next(db, ONE, "image")
    yield "claim, hand back", lambda: _claim(db)
    yield "claim and start, cancel", lambda: _claim_and_end(db)
    yield "claimable", lambda: claims.claimable(db, "image", USER_CONCURRENCY, 64)
    yield "overdue", lambda: claims.overdue(db)
    yield "claim polls", lambda: polls.claim_polls(db, ["video", "image"], "bench", 1, 500)
    yield "next poll", lambda: polls.next_poll_ms(db, ["video", "image"])
    yield "place", lambda: queues.place(mine.job_id)
    yield "next place", lambda: queues.next_place(ONE, "image", "builtin", "builtin-image")
    yield "get job", lambda: jobs.get(db, ONE, old)
    yield "snapshot", lambda: events.snapshot(db, ONE)
    yield "snapshot, recent", lambda: events.snapshot(db, ONE, recent_ms=60_000)
    yield "live jobs", lambda: events.live_jobs(db, ONE)
    yield "list", page()
    yield "list RUNNING", page(states=[State.RUNNING])
    yield "list FAILED, CANCELLED", page(states=[State.FAILED, State.CANCELLED])
    yield "list label", page(labels={"project": "p1"})
    yield "list rare label", page(labels={"rare": "yes"})
    yield "list label, FAILED", page(labels={"project": "p1"}, states=[State.FAILED])
    yield "list label, QUEUED", page(labels={"project": "p1"}, states=[State.QUEUED])
    yield "uncertain submits", lambda: submits.unsettled(db)
    yield "old changes", in_part(_LOOK_FOR_CHANGES)
    yield "old jobs", in_part(retention._OLD_JOBS)
    yield "overview", lambda: overview.look(db)
    yield "flows compared", lambda: flows.different(db)


def _accept(db: Database, user_id: str) -> accept.Accepted:
    new = accept.NewJob(
        user_id=user_id,
        spec=ImageSpec(prompt="boat", model="builtin-image", aspect_ratio="1:1", size="256x256"),
        provider="builtin",
        cost=Cost(state=CostState.ESTIMATED, estimated_micros=0),
        finish_within_ms=_LONG_MS,
        max_queued=10**9,
    )
    return accept.accept(db, new)


def _claim(db: Database) -> None:
    claim = claims.claim(db, "image", "bench", 60_000, USER_CONCURRENCY)
    if claim is not None:
        claims.hand_back(db, claim.run)


def _claim_and_end(db: Database) -> None:
    claim = starts.claim_and_start(db, "image", "bench", 60_000, USER_CONCURRENCY, ["builtin"])
    if claim is not None:
        transitions.end_cancelled(db, claim.run)


def _timed(call: Call) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def _spread(times: list[float]) -> tuple[float, float]:
    return statistics.median(times), sorted(times)[int(len(times) * 0.99)]


if __name__ == "__main__":
    main()
