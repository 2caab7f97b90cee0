"""The order of a long queue at one moment, which one process publishes for all.

To number all jobs that wait takes longer the more there are. So the first process that needs the
ranks of a queue leads it for some seconds, numbers the queue, and publishes the rank of every
hundredth job or so. The others read that one row. The longer the numbering took, the less often it
is done, so that it costs at most a twentieth of one core.
"""

import json
import time
from bisect import bisect_right
from dataclasses import dataclass, field

from core.store import workers
from core.store.engine.database import Database
from core.store.engine.sql import Statement

# Numbers all that wait in the queue: those that may start, and the others. Gives some of each sort,
# how many there are, and how many of them may start. It reads the whole queue, as only the leader
# does. Indexes: `job_waiting`, and primary keys for the users of the flows.
_NUMBER = Statement("""
    WITH waiting AS (
        SELECT turn, job_id, user_id NOT IN (
            SELECT flow.user_id FROM flow
            WHERE flow.queue = :queue AND (
                SELECT u.running FROM user_stream u WHERE u.user_id = flow.user_id
            ) >= :user_concurrency
        ) AND provider NOT IN ({left_alone_providers}) AS free
        FROM job WHERE queue = :queue AND state = 'QUEUED'
    ), counted AS (
        SELECT turn, job_id, free, count(*) OVER () AS total,
            sum(CASE WHEN free THEN 1 ELSE 0 END) OVER () AS frees,
            row_number() OVER (PARTITION BY free ORDER BY turn, job_id) AS place
        FROM waiting
    )
    SELECT turn, job_id, free, place, total, frees FROM counted
    WHERE place % (1 + total / :marks) = 0 OR place = 1
    ORDER BY turn, job_id
""")
# Index: `job_unfinished`.
_RUNNING = Statement("""
    SELECT count(*) FROM job {by_job_unfinished}
    WHERE queue = :queue AND state IN ('QUEUED', 'RUNNING', 'RECONCILING') AND state = 'RUNNING'
""")
# Index of these two: the primary key.
_READ = Statement("""
    SELECT {now} - publish_time, took_ms, ranks FROM queue_ranks WHERE queue = :queue
""")
_PUBLISH = Statement("""
    INSERT INTO queue_ranks (queue, publish_time, took_ms, ranks)
    VALUES (:queue, {now}, :took_ms, :ranks)
    ON CONFLICT (queue) DO UPDATE SET publish_time = excluded.publish_time,
        took_ms = excluded.took_ms, ranks = excluded.ranks
""")
_MARKS = 500
_FRESH_MS = 1000
_REST = 20
_LEASE_MS = 5000


@dataclass(frozen=True, slots=True)
class Marks:
    """Some jobs of one sort, each by its turn and id, with their places among their like."""

    jobs: list[tuple[int, str]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def place(self, turn: int, job_id: str, total: int) -> int:
        """The place of a job, to within the distance of two marks; `total` after the last one."""
        at = bisect_right(self.jobs, (turn, job_id))
        if not at:
            return 1
        return total if at == len(self.jobs) else self.places[at - 1]


@dataclass(frozen=True, slots=True)
class Ranks:
    """How many jobs of a queue run, wait, and may start, and where some of those are."""

    running: int
    total: int
    free: int
    marks: dict[bool, Marks]

    def place(self, turn: int, job_id: str, free: bool) -> int:
        """About the place of a job that may start, or may not."""
        if free:
            return self.marks[True].place(turn, job_id, self.free)
        return self.free + self.marks[False].place(turn, job_id, self.total - self.free)


def read(db: Database, queue: str, user_concurrency: int, owner: str) -> Ranks:
    """The ranks of the queue as of a moment ago; numbers the queue if that is this process's job.

    `owner` names the process.
    """
    row = db.row(_READ, queue=queue)
    if row is not None and int(row[0]) < max(_FRESH_MS, _REST * int(row[1])):
        return _from_text(row[2])
    leads = workers.lead(db, f"ranks of {queue}", owner, _LEASE_MS)
    if row is not None and not leads:
        return _from_text(row[2])
    began = time.monotonic()
    text = _number(db, queue, user_concurrency)
    took_ms = int((time.monotonic() - began) * 1000)
    if leads:
        values = {"queue": queue, "took_ms": took_ms, "ranks": text}
        db.write(lambda session: session.run(_PUBLISH, **values), alone=True)
    return _from_text(text)


def _number(db: Database, queue: str, user_concurrency: int) -> str:
    values = {"queue": queue, "user_concurrency": user_concurrency, "marks": _MARKS}
    rows = db.rows(_NUMBER, **values)
    running = db.row(_RUNNING, queue=queue)
    marks = [(int(turn), job_id, bool(free), int(place)) for turn, job_id, free, place, *_ in rows]
    counts = [int(count) for count in rows[0][4:]] if rows else [0, 0]
    return json.dumps([running[0] if running else 0, *counts, marks])


def _from_text(text: str) -> Ranks:
    running, total, free, rows = json.loads(text)
    marks = {True: Marks(), False: Marks()}
    for turn, job_id, may_start, place in rows:
        marks[may_start].jobs.append((turn, job_id))
        marks[may_start].places.append(place)
    return Ranks(running, total, free, marks)
