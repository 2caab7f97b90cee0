"""The publisher process of the product: tells progress and changes as a worker does.

`python -m bench.systems.publisher DEVICES [--rows]` reads RUSHES_* settings. Each tick's events are
one pipeline to Valkey, because one process stands here for many workers. State changes are first
committed to the database, each at its user's next revision with its event; those of a tick share a
transaction.
With `--rows` the rows of the jobs move on too, for those who read them.
Beyond what `systems` says it knows {"missed": count}: commits so many changes for each user, and
tells nobody.
"""

import json
import random
import sys
import time
from typing import Any

from bench.harness.systems import TICK_SECONDS, Pace, stamp
from bench.systems.users import moved, running_jobs
from core.events import Event, ProgressTick
from core.jobs import EventType, Job, Progress, Stage
from core.process.settings import read_settings
from core.store import Database, open_database
from core.store.change import append_event, bump
from core.store.engine.database import Session
from core.store.engine.sql import Statement
from core.telling.stream import RedisStream, connect

MISSED_AT_ONCE = 2000
# A commit costs more than a message does.
TICKS = {"progress": TICK_SECONDS, "state": 0.005}
_MOVE = Statement("UPDATE job SET revision = :revision WHERE job_id = :job_id")
EMPTY, REVISION = stamp(0, 0.0), "987654321987654321"


class Publisher:
    """Publishes for users with `devices` watchers each; with `rows` it writes the jobs' rows."""

    def __init__(self, devices: int, *, rows: bool = False) -> None:
        settings = read_settings()
        self._devices = devices
        self._rows = rows
        self._db: Database = open_database(settings)
        self._pipe = connect(settings).pipeline(transaction=False)
        self._stream = RedisStream(self._pipe, settings)
        self._jobs = running_jobs(self._db)
        random.Random(7).shuffle(self._jobs)
        self._turn = 0
        self._progress = dict.fromkeys((job.user_id for job in self._jobs), 0)
        self._changes = dict(self._progress)
        self._payloads = {job.job_id: _payload(job) for job in self._jobs}

    def publish(self, kind: str, rate: float, seconds: float) -> dict[str, Any]:
        """Publishes at so many deliveries a second."""
        tell = self._tell_progress if kind == "progress" else self._change
        pace = Pace(rate / self._devices, seconds, time.perf_counter())
        while not pace.finished:
            begun = time.perf_counter()
            if due := pace.due(begun):
                tell(self._next(due))
                pace.published(time.perf_counter())
            time.sleep(max(TICKS[kind] - (time.perf_counter() - begun), 0))
        return {"sent": pace.total * self._devices, "late_ms": pace.late_seconds * 1000}

    def miss(self, count: int) -> dict[str, Any]:
        """Commits changes that nobody is told."""
        for _ in range(count):
            for begin in range(0, len(self._jobs), MISSED_AT_ONCE):
                self._commit(self._jobs[begin : begin + MISSED_AT_ONCE])
        return {"sent": count * len(self._jobs) * self._devices}

    def _next(self, count: int) -> list[Job]:
        """The jobs whose turn it is."""
        places = range(self._turn, self._turn + count)
        self._turn += count
        return [self._jobs[place % len(self._jobs)] for place in places]

    def _tell_progress(self, jobs: list[Job]) -> None:
        for job in jobs:
            number = self._progress[job.user_id] = self._progress[job.user_id] + 1
            progress = Progress(
                stage=Stage.GENERATING,
                percent=min(number // 10, 99),
                message=stamp(number, time.time()),
                remaining_ms=90_000,
            )
            tick = ProgressTick(
                user_id=job.user_id, job_id=job.job_id, attempt=job.attempt, progress=progress
            )
            self._stream.publish_progress(tick)
        self._pipe.execute()

    def _change(self, jobs: list[Job]) -> None:
        for event in self._commit(jobs):
            self._stream.publish(event)
        self._pipe.execute()

    def _commit(self, jobs: list[Job]) -> list[Event]:
        """One change of each job, committed together."""
        now_ms = time.time_ns() // 1_000_000
        events = [self._event(job, now_ms) for job in jobs]

        def work(session: Session) -> None:
            for event in events:
                bump(session, event.job.user_id)
                append_event(session, event)
                if self._rows:
                    session.later(_MOVE, job_id=event.job.job_id, revision=event.revision)

        self._db.write(work)
        return events

    def _event(self, job: Job, now_ms: int) -> Event:
        """The job's next change. Its payload was encoded beforehand, but for what is new in it."""
        number = self._changes[job.user_id] = self._changes[job.user_id] + 1
        event = Event(job.revision + number, EventType.UPDATED, now_ms, job)
        payload = self._payloads[job.job_id].replace(EMPTY, stamp(number, time.time()))
        event.__dict__["payload"] = payload.replace(REVISION, str(event.revision))
        return event


def _payload(job: Job) -> str:
    """The payload of a change of the job, with EMPTY and REVISION in their places."""
    after = moved(job, int(REVISION), EMPTY)
    return Event(int(REVISION), EventType.UPDATED, job.create_time, after).payload


def main() -> None:
    """Publishes what its standard input asks for."""
    publisher = Publisher(int(sys.argv[1]), rows="--rows" in sys.argv)
    _say({})
    for line in sys.stdin:
        asked = json.loads(line)
        if "missed" in asked:
            _say(publisher.miss(asked["missed"]))
        else:
            _say(publisher.publish(asked["kind"], asked["rate"], asked["seconds"]))


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
