"""The queues as callers see them: places, how long it takes, and why a job does not move.

A job's position is its rank in the order in which workers would claim the jobs now. First come the
jobs that may start (the named part `may_start`). Then come those that wait for another job of
their user to end, or for their provider to answer. Both are in the order of their turns.

The positions of the first hundred of a queue are counted at each question. Behind them a position
is about right and some seconds old (`core.store.ranks`), so that no question reads a long queue.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from core.events import QueueInfo
from core.ids import new_id
from core.store import ranks
from core.store.circuits import left_alone as left_alone_now
from core.store.durations import Durations, Runs
from core.store.engine.database import Database, Row
from core.store.engine.sql import Statement
from core.store.kept import Kept
from core.store.pauses import paused
from core.store.ranks import Ranks
from core.store.turns import read_next
from core.store.workers import served_queues
from core.times import utc

T = TypeVar("T")

# Those of the jobs that wait: where and for what, their turns, and whether they may start.
# Index: the primary key.
_WAITING = Statement("""
    SELECT job_id, queue, provider, model, turn, ({may_start}) FROM job
    WHERE job_id = ANY(:job_ids) AND {still_queued}
""")
# The first jobs that wait in the queue, and whether each may start. Index: `job_waiting`.
_FIRST = Statement("""
    SELECT turn, job_id, ({may_start}) FROM job
    WHERE queue = :queue AND state = 'QUEUED' ORDER BY turn, job_id LIMIT :most
""")
# Whether a job of the user for the provider may start. Index: the primary key.
_MAY_START = Statement("""
    SELECT coalesce((SELECT running FROM user_stream WHERE user_id = :user_id), 0)
            < :user_concurrency
        AND :provider NOT IN ({left_alone_providers})
""")
# How many jobs run in the queue, counted up to `most`. Index: `job_unfinished`.
_RUNNING = Statement("""
    SELECT count(*) FROM (
        SELECT 1 FROM job {by_job_unfinished}
        WHERE queue = :queue AND state IN ('QUEUED', 'RUNNING', 'RECONCILING')
            AND state = 'RUNNING' LIMIT :most
    ) running
""")
# So many are looked at and counted for each question.
_COUNTED = 100
_LAST_ID = "~"  # sorts after every id
FRESH_SECONDS = 1.0
# What other threads have while one reads anew.
STALE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Front:
    """The first jobs of a queue by turn and id, and whether each may start; `whole` if that is all
    of them."""

    queue: str
    jobs: list[tuple[int, str]]
    free: list[bool]
    whole: bool

    def place(self, turn: int, job_id: str, free: bool) -> int | None:
        """How many of its sort come up to a job; None when these can't tell."""
        if not self.reaches(turn, job_id) or not (free or self.whole):
            return None
        at = bisect_right(self.jobs, (turn, job_id))
        return self.free[:at].count(free) + (0 if free else self.count(True))

    def find(self, turn: int, job_id: str) -> bool | None:
        """Whether a job may start; None when it is not among these."""
        at = bisect_right(self.jobs, (turn, job_id)) - 1
        return self.free[at] if at >= 0 and self.jobs[at] == (turn, job_id) else None

    def reaches(self, turn: int, job_id: str) -> bool:
        """Whether the job would be among these, if it waited."""
        return self.whole or (turn, job_id) <= self.jobs[-1]

    def count(self, free: bool) -> int:
        """How many of them may start, or may not."""
        return self.free.count(free)


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """A job that was just accepted; so many jobs of its user ran then."""

    job_id: str
    queue: str
    provider: str
    model: str
    turn: int
    running: int


def _front(queue: str, rows: Sequence[Row]) -> _Front:
    whole = len(rows) <= _COUNTED
    return _Front(queue, [(int(r[0]), r[1]) for r in rows], [bool(r[2]) for r in rows], whole)


class Queues:
    """Answers questions about the queues, for one process and from any thread.

    It reads what many jobs share at most once in FRESH_SECONDS.
    """

    def __init__(self, db: Database, user_concurrency: int) -> None:
        self._db = db
        self._user_concurrency = user_concurrency
        self._durations = Durations(db, FRESH_SECONDS)
        self._name = new_id()
        self._kept = Kept(FRESH_SECONDS, STALE_SECONDS).get

    def place(self, job_id: str) -> QueueInfo | None:
        """The place of a job that waits; None when it does not."""
        return self.places([job_id]).get(job_id)

    def places(self, job_ids: Sequence[str]) -> dict[str, QueueInfo]:
        """The places of those of the jobs that wait."""
        if not job_ids:
            return {}
        values = {"job_ids": list(job_ids), "user_concurrency": self._user_concurrency}
        rows = self._db.rows(_WAITING, **values)
        fronts = self._fronts({row[1] for row in rows})
        return {
            job_id: self._info(
                queue, provider, model, self._place(fronts[queue], turn, job_id, free)
            )
            for job_id, queue, provider, model, turn, free in rows
        }

    def new_places(self, jobs: Sequence[New]) -> dict[str, QueueInfo]:
        """The places of those of the new jobs that still wait. It reads each queue once."""
        fronts = self._fronts({new.queue for new in jobs})
        places = {new.job_id: self._new_place(fronts[new.queue], new) for new in jobs}
        return {job_id: place for job_id, place in places.items() if place is not None}

    def _new_place(self, front: "_Front", new: New) -> QueueInfo | None:
        free = front.find(new.turn, new.job_id)
        if free is None:
            if front.reaches(new.turn, new.job_id):
                return None
            left_alone = self._kept("circuits", lambda: left_alone_now(self._db))
            free = new.running < self._user_concurrency and new.provider not in left_alone
        place = self._place(front, new.turn, new.job_id, free)
        return self._info(new.queue, new.provider, new.model, place)

    def next_place(self, user_id: str, queue: str, provider: str, model: str) -> QueueInfo:
        """The place that a job of the user would get now."""
        turn = read_next(self._db, user_id, queue).turn
        values = {"user_id": user_id, "provider": provider}
        row = self._db.row(_MAY_START, **values, user_concurrency=self._user_concurrency)
        front = self._fronts([queue])[queue]
        place = self._place(front, turn, _LAST_ID, bool(row and row[0]))
        return self._info(queue, provider, model, place + 1)

    def _fronts(self, queues: Iterable[str]) -> dict[str, "_Front"]:
        values = {"user_concurrency": self._user_concurrency, "most": _COUNTED + 1}
        return {
            queue: _front(queue, self._db.rows(_FIRST, queue=queue, **values)) for queue in queues
        }

    def _place(self, front: "_Front", turn: int, job_id: str, free: bool) -> int:
        found = front.place(turn, job_id, bool(free))
        if found is not None:
            return found
        about = self._ranks(front.queue).place(turn, job_id, bool(free))
        return max(about, front.count(True) + 1)

    def _ranks(self, queue: str) -> Ranks:
        read = lambda: ranks.read(self._db, queue, self._user_concurrency, self._name)  # noqa: E731
        return self._kept(("ranks", queue), read)

    def _info(self, queue: str, provider: str, model: str, place: int) -> QueueInfo:
        runs, blocked = self._durations.of(model), self._blocked(queue, provider)
        return QueueInfo(
            position=place,
            estimated_wait_ms=None if blocked or not runs else self._wait(queue, place, runs),
            estimated_run_ms=runs.run_ms if runs else None,
            sample_count=runs.count if runs else 0,
            blocked_reason=blocked,
        )

    def _wait(self, queue: str, position: int, runs: Runs) -> int:
        """How long a job at that position waits, in milliseconds.

        Each run that ends makes room for one job. While one run lasts, `running` runs end, so each
        place costs run / running. The first place costs less where workers are idle.
        """
        running = self._kept(("running", queue), lambda: self._read_running(queue))
        place_ms = runs.run_ms // max(running, 1)
        return min(runs.wait_ms, place_ms) + (position - 1) * place_ms

    def _blocked(self, queue: str, provider: str) -> str:
        pause = self._kept("paused", lambda: paused(self._db)).get(queue)
        if pause is not None:
            return pause.reason
        if queue not in self._kept("served", lambda: served_queues(self._db)):
            return "no worker serves this queue"
        circuit = self._kept("circuits", lambda: left_alone_now(self._db)).get(provider)
        if circuit is None:
            return ""
        until = f"{utc(circuit.until):%H:%M:%S} UTC"
        if not circuit.failed:
            return f"the provider {provider} asked for a pause until {until}"
        again = "a job tries it again" if circuit.tried else f"it is tried again at {until}"
        return f"the provider {provider} does not answer; {again}"

    def _read_running(self, queue: str) -> int:
        row = self._db.row(_RUNNING, queue=queue, most=_COUNTED + 1)
        running = int(row[0]) if row else 0
        return running if running <= _COUNTED else self._ranks(queue).running
