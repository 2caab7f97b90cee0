"""A whole worker process, inside the test: it runs jobs, and it ends."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import SettingsInvalid
from core.jobs import Job, State
from core.process.settings import Settings, read_settings
from core.store import Database, jobs, transitions, workers
from core.telling.stream import connect
from core.telling.wakeups import JobQueue
from tests.making import IMAGE, accepted
from tests.services import Valkey, wait_for
from tests.unit.workers.scripted import ScriptedLocal, make_picture
from workers.app import WorkerApp
from workers.providers import Monitor, Output, ReadInput, RunStopped
from workers.upkeep.aside import Aside
from workers.upkeep.rescuer import Rescuer

# dramatiq alone may take the grace; more than this, and a supervisor would kill it.
GRACE_SECONDS = 4.0
FAST = {"rescue_seconds": 0.05, "lease_seconds": 5, "heartbeat_seconds": 0.2}
FAST |= {"worker_threads": 2, "drain_run_seconds": GRACE_SECONDS}
BOUND_SECONDS = GRACE_SECONDS + 5


@pytest.fixture
def fast(tmp_path: Path, valkey: Valkey) -> Settings:
    return read_settings(data_dir=tmp_path, redis_url=valkey.url, **FAST)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    wait_for(lambda: set(threading.enumerate()) <= before, "the threads to end")


def image(db: Database) -> str:
    return accepted(db, spec=IMAGE, provider="scripted").job.job_id


def expect_done(db: Database, job_id: str) -> Job:
    wait_for(lambda: jobs.get(db, "alice", job_id).state.terminal, "the end of the job")
    job = jobs.get(db, "alice", job_id)
    assert job.state is State.SUCCEEDED
    return job


def closed(app: WorkerApp) -> float:
    """Closes it; how many seconds that took."""
    begun = time.monotonic()
    app.close()
    return time.monotonic() - begun


def waiting_for_stop(begun: threading.Event) -> ScriptedLocal:
    """A provider that works until it is asked to stop."""

    def fetch(job: Job, index: int, path: Path, read: ReadInput, run: Monitor) -> Output:
        begun.set()
        wait_for(run.stopping, "the worker to stop")
        raise RunStopped

    return ScriptedLocal(fetching=fetch)


def test_it_runs_what_it_is_woken_for(fast: Settings, db: Database) -> None:
    app = WorkerApp(fast, {"scripted": ScriptedLocal()})
    app.start()
    try:
        with connect(fast) as client:
            job_id = image(db)
            JobQueue(client).wake("image")
            assert expect_done(db, job_id).attempt == 1
        assert workers.served_queues(db) == {"video", "image"}
    finally:
        app.close()
    assert workers.served_queues(db) == set()


def test_it_finds_what_waited_before_it_started(fast: Settings, db: Database) -> None:
    job_id = image(db)
    app = WorkerApp(fast, {"scripted": ScriptedLocal()})
    app.start()
    try:
        expect_done(db, job_id)
    finally:
        app.close()


@pytest.mark.parametrize("redis_url", ["unix:///nowhere/valkey.sock", "redis://127.0.0.1:1/0"])
def test_without_a_valkey_it_runs_jobs_and_ends_in_time(
    tmp_path: Path, db: Database, redis_url: str
) -> None:
    settings = read_settings(data_dir=tmp_path, redis_url=redis_url, **FAST)
    app = WorkerApp(settings, {"scripted": ScriptedLocal()})
    app.start()
    try:
        expect_done(db, image(db))
    finally:
        assert closed(app) < BOUND_SECONDS


def test_a_run_in_progress_is_handed_back_at_once(fast: Settings, db: Database) -> None:
    # Given a worker in the middle of a job
    begun = threading.Event()
    app = WorkerApp(fast, {"scripted": waiting_for_stop(begun)})
    app.start()
    job_id = image(db)
    assert begun.wait(20)

    # When it is closed
    assert closed(app) < BOUND_SECONDS
    job = jobs.get(db, "alice", job_id)
    assert (job.state, job.attempt) == (State.RUNNING, 1)

    # Then the next worker runs the job at once, without another attempt
    app = WorkerApp(fast, {"scripted": ScriptedLocal(fetching=make_picture)})
    app.start()
    try:
        assert expect_done(db, job_id).attempt == 1
    finally:
        app.close()


def test_a_cancelled_run_ends_while_others_go_on(fast: Settings, db: Database) -> None:
    begun = threading.Event()
    app = WorkerApp(fast, {"scripted": waiting_for_stop(begun)})
    app.start()
    try:
        job_id = image(db)
        assert begun.wait(20)
        transitions.cancel(db, "alice", job_id, "")
        wait_for(lambda: jobs.get(db, "alice", job_id).state is State.CANCELLED, "the cancel")
    finally:
        app.close()


def test_an_idle_one_ends_soon_and_leaves_no_wake_up_behind(fast: Settings) -> None:
    app = WorkerApp(fast, {})
    app.start()
    assert closed(app) < BOUND_SECONDS
    with connect(fast) as client:
        assert JobQueue(client).size("video") == 0


def test_it_is_sound_until_a_vital_loop_ends(fast: Settings) -> None:
    app = WorkerApp(fast)
    app.start()
    try:
        # Given a loop that jobs can do without, and one that they need
        calls_aside, rescuer = (
            next(loop for loop in app._loops if isinstance(loop, kind)) for kind in (Aside, Rescuer)
        )
        assert app.sound
        # When the first ends, then the process goes on
        calls_aside.close()
        assert not calls_aside.alive
        assert app.sound
        # When the other ends, then the process shall end too
        rescuer.close()
        assert not app.sound
    finally:
        app.close()


def test_one_that_was_never_started_can_be_closed(fast: Settings) -> None:
    WorkerApp(fast, {}).close()


def test_two_workers_have_different_names(fast: Settings) -> None:
    one, two = WorkerApp(fast, {}), WorkerApp(fast, {})
    assert one.worker_id != two.worker_id
    one.close()
    two.close()


def test_bad_settings_refuse_to_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="RUSHES_DATABASE_URL"):
        WorkerApp(read_settings(data_dir=tmp_path, database_url="mysql://x"), {})


def test_a_file_that_another_worker_is_done_with_stops_no_start(
    fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = fast.data_dir / "work"
    listed = Path.iterdir

    def with_one_that_is_gone(folder: Path) -> Iterator[Path]:
        gone = [folder / "gone"] if folder == work else []
        return iter([*gone, *listed(folder)])

    monkeypatch.setattr(Path, "iterdir", with_one_that_is_gone)
    WorkerApp(fast).close()
