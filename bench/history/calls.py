"""The calls of the store that workers and their upkeep make, ready to be made again and again.

Those whose names begin with "upkeep" are made in one process of an installation, each so many
seconds or minutes.
"""

from collections.abc import Callable, Iterator
from itertools import count

from bench.history.rows import ONE, USER_CONCURRENCY
from core.jobs import Cost, CostState, State
from core.specs import ImageSpec
from core.store import (
    Database,
    accept,
    claims,
    events,
    flows,
    overview,
    polls,
    retention,
    starts,
    submits,
    transitions,
)
from core.store.accept import NewJob
from core.store.change import Run
from core.store.engine.sql import Statement
from core.store.places import Queues
from tests.making import new_media

Call = Callable[[], object]
_LONG_MS = 400 * 24 * 3600 * 1000
_QUEUE, _MODEL = "image", "builtin-image"
_numbers = count(1)
_OLD_CHANGES = Statement("""
    SELECT user_id, revision FROM job_event WHERE event_time < {moment} - :keep_ms
    ORDER BY event_time LIMIT :part
""")


def calls(db: Database, claimed: int) -> Iterator[tuple[str, Call]]:
    """The calls by name; at most `claimed` claims are kept, each of which is then finished."""
    queues, runs = Queues(db, USER_CONCURRENCY), list[Run]()
    mine = [_accepted(db, f"claimed-{next(_numbers)}") for _ in range(claimed)]
    yield "place", lambda: queues.place(mine[-1])
    yield "place of the next job", lambda: queues.next_place(ONE, _QUEUE, "builtin", _MODEL)
    yield "live jobs of a user", lambda: events.live_jobs(db, ONE)
    yield "claimable jobs", lambda: claims.claimable(db, _QUEUE, USER_CONCURRENCY, 64)
    yield "claim, and hand back", lambda: _claim(db)
    yield "claim and start", lambda: runs.append(_started(db))
    yield "finish", lambda: _finish(db, runs.pop())
    yield "claim of polls", lambda: polls.claim_polls(db, ["video", "image"], "bench", 1, 500)
    yield "time of the next poll", lambda: polls.next_poll_ms(db, ["video", "image"])
    yield "overdue jobs", lambda: claims.overdue(db)
    yield "uncertain submits", lambda: submits.unsettled(db)
    yield "upkeep: old changes", lambda: _look_for(db, _OLD_CHANGES)
    yield "upkeep: old jobs", lambda: _look_for(db, retention._OLD_JOBS)
    yield "upkeep: overview, each 5 s", lambda: overview.look(db)
    yield "upkeep: flows compared, each minute", lambda: flows.different(db)


def _accepted(db: Database, user_id: str) -> str:
    new = NewJob(
        user_id=user_id,
        spec=ImageSpec(prompt="boat", model=_MODEL, aspect_ratio="1:1", size="256x256"),
        provider="builtin",
        cost=Cost(state=CostState.ESTIMATED, estimated_micros=0),
        finish_within_ms=_LONG_MS,
        max_queued=10**9,
    )
    return accept.accept(db, new).job.job_id


def _claim(db: Database) -> None:
    claim = claims.claim(db, _QUEUE, "bench", 60_000, USER_CONCURRENCY)
    assert claim is not None, "no job waits"
    claims.hand_back(db, claim.run)


def _started(db: Database) -> Run:
    while True:
        claim = starts.claim_and_start(db, _QUEUE, "bench", _LONG_MS, USER_CONCURRENCY, ["builtin"])
        assert claim is not None, "no job waits"
        # A job whose run was lost, or whose time is over, is only claimed.
        event = claim.event or transitions.start(db, claim.run, USER_CONCURRENCY)
        if event and event.job.state is State.RUNNING:
            return claim.run


def _finish(db: Database, run: Run) -> None:
    transitions.succeed(db, run, new_media(run.user_id, job_id=run.job_id))


def _look_for(db: Database, statement: Statement) -> None:
    db.write(lambda session: session.rows(statement, keep_ms=_LONG_MS, part=500))
