"""Users share the workers: by turns, and none runs more jobs at once than it may."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.jobs import Job
from core.process.settings import Settings, read_settings
from core.store import Database
from core.telling.stream import connect
from core.telling.wakeups import JobQueue
from tests.making import IMAGE, accepted
from tests.services import Valkey, wait_for
from tests.unit.workers.scripted import ScriptedLocal, make_picture
from workers.app import WorkerApp
from workers.providers import Monitor, Output, ReadInput

MANY = 1000
CAP = 2


class Stage:
    """A provider whose jobs run until the test lets one end."""

    def __init__(self) -> None:
        self.begun: queue.Queue[str] = queue.Queue()
        self.may_end = threading.Semaphore(0)
        self.most: dict[str, int] = {}
        self._now: dict[str, int] = {}
        self._lock = threading.Lock()

    def fetch(self, job: Job, index: int, path: Path, read: ReadInput, run: Monitor) -> Output:
        user = job.user_id
        self._count(user, 1)
        self.begun.put(user)
        wait_for(lambda: self.may_end.acquire(blocking=False) or run.stopping(), "the end")
        self._count(user, -1)
        return make_picture(job, index, path, read, run)

    def _count(self, user: str, change: int) -> None:
        with self._lock:
            self._now[user] = self._now.get(user, 0) + change
            self.most[user] = max(self.most.get(user, 0), self._now[user])

    def next(self) -> str:
        """The user whose job begins next."""
        return self.begun.get(timeout=20)

    def end_one(self) -> None:
        self.may_end.release()


@contextmanager
def working(settings: Settings, stage: Stage) -> Iterator[None]:
    app = WorkerApp(settings, {"scripted": ScriptedLocal(fetching=stage.fetch)})
    app.start()
    try:
        yield
    finally:
        app.close()


def ask(db: Database, user: str, count: int = 1) -> None:
    for _ in range(count):
        accepted(db, user, spec=IMAGE, provider="scripted")


@pytest.fixture
def options(tmp_path: Path, valkey: Valkey) -> dict[str, Any]:
    fast = {"rescue_seconds": 0.05, "worker_queues": "image"}
    return {"data_dir": tmp_path, "redis_url": valkey.url, **fast}


def test_who_comes_late_is_next_though_another_has_a_thousand_jobs_queued(
    options: dict[str, Any], db: Database
) -> None:
    # Given one worker thread, and a thousand jobs of alice's, the first of which runs
    settings, stage = read_settings(**options, worker_threads=1), Stage()
    ask(db, "alice", MANY)
    with working(settings, stage):
        assert stage.next() == "alice"

        # When bob comes and that one job ends
        ask(db, "bob", 2)
        with connect(settings) as client:
            JobQueue(client).wake("image")
        stage.end_one()

        # Then bob's first job is the next that starts, and from then on they take turns
        assert stage.next() == "bob"
        stage.end_one()
        following = [stage.next()]
        stage.end_one()
        following.append(stage.next())
        assert sorted(following) == ["alice", "bob"]


def test_nobody_runs_more_at_once_than_it_may_and_the_rest_is_for_others(
    options: dict[str, Any], db: Database
) -> None:
    # Given four threads, of which alice may have two
    settings = read_settings(**options, worker_threads=2 * CAP, user_concurrency=CAP)
    stage = Stage()
    ask(db, "alice", 3 * CAP)
    with working(settings, stage):
        assert [stage.next() for _ in range(CAP)] == ["alice"] * CAP

        # When bob comes, the other threads are his
        ask(db, "bob", CAP)
        assert [stage.next() for _ in range(CAP)] == ["bob"] * CAP

        # And alice's wait until hers end
        for _ in range(4 * CAP):
            stage.end_one()
        assert [stage.next() for _ in range(2 * CAP)] == ["alice"] * 2 * CAP
    assert stage.most == {"alice": CAP, "bob": CAP}
