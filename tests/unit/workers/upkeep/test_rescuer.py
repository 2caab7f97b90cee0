"""What a worker process does without being asked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from core.errors import DependencyUnavailable, Reason
from core.jobs import CostState, State
from core.process.settings import Settings, read_settings
from core.store import Database, claims, jobs, starts, workers
from core.store.engine.sql import Statement
from core.telling.changes import Changes
from tests.counting import growth
from tests.making import IMAGE, MICROS, accepted, claimed, money, started
from tests.services import wait_for
from tests.unit.workers.conftest import Told
from tests.unit.workers.running import execute, failing, failure_of, job_of, paid_image
from tests.unit.workers.scripted import ScriptedLocal, ScriptedPaid, make_picture
from workers.providers import Output
from workers.runs.journal import Entry, Journal
from workers.runs.pipeline import Pipeline
from workers.upkeep.rescuer import MOST_WAKE_UPS, Rescuer

BEATS = Statement("SELECT count(*) FROM worker WHERE worker_id = :worker_id")
OVERDUE = Statement("UPDATE job SET finish_deadline = 0 WHERE job_id = :job_id")
FAST = read_settings(rescue_seconds=0.01, heartbeat_seconds=0.01, worker_threads=2)


class Queue:
    """A queue that nobody takes from; `looks` counts how often its size was asked for."""

    def __init__(self) -> None:
        self.waiting: dict[str, int] = {}
        self.looks = 0
        self.most = 0
        self.gone = False

    def wake(self, queue: str) -> None:
        self._answer()
        self.waiting[queue] = self.waiting.get(queue, 0) + 1
        self.most = max(self.most, self.waiting[queue])

    def size(self, queue: str) -> int:
        self._answer()
        return self.waiting.get(queue, 0)

    def _answer(self) -> None:
        self.looks += 1
        if self.gone:
            raise DependencyUnavailable("job queue")


Start = Callable[..., Rescuer]
QUEUES = ("video", "image")


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def start(
    db: Database, changes: Changes, pipeline: Pipeline, queue: Queue, journal: Journal
) -> Iterator[Start]:
    """Starts a rescuer that looks a hundred times a second, until the test ends."""
    with ExitStack() as stack:

        def begin(settings: Settings = FAST) -> Rescuer:
            made = Rescuer(
                settings=settings,
                queues=QUEUES,
                db=db,
                queue=queue,  # type: ignore[arg-type]
                changes=changes,
                pipeline=pipeline,
                journal=journal,
            )
            made.start()
            stack.callback(made.close)
            return made

        yield begin


def image(db: Database, user_id: str = "alice") -> str:
    return accepted(db, user_id, spec=IMAGE, provider="scripted").job.job_id


def look_again(queue: Queue, times: int = 5) -> None:
    before = queue.looks
    wait_for(lambda: queue.looks >= before + times, "more looks")


def test_lost_wake_ups_are_made_up_for_and_never_more(
    db: Database, start: Start, queue: Queue
) -> None:
    # Given three jobs of which nobody was told
    for _ in range(3):
        accepted(db)
    start()

    # Then there are three wake-ups, however often it looks
    wait_for(lambda: queue.waiting.get("video") == 3, "three wake-ups")
    look_again(queue)
    assert queue.waiting == {"video": 3}

    # And again after the queue was wiped
    queue.waiting.clear()
    wait_for(lambda: queue.waiting.get("video") == 3, "three wake-ups")
    look_again(queue)
    assert queue.most == 3


def test_a_long_queue_is_topped_up_to_what_workers_can_take(
    db: Database, start: Start, queue: Queue
) -> None:
    for number in range(MOST_WAKE_UPS + 6):
        accepted(db, f"user-{number}")
    start()
    wait_for(lambda: queue.waiting.get("video", 0) >= MOST_WAKE_UPS, "the wake-ups")
    look_again(queue)
    assert queue.waiting == {"video": MOST_WAKE_UPS}


def test_a_job_that_somebody_runs_or_that_may_not_run_wakes_nobody(
    db: Database, start: Start, queue: Queue
) -> None:
    # Given a running job and as many of its user's as may run at once
    for _ in range(FAST.user_concurrency):
        accepted(db)
        started(db)
    accepted(db)
    accepted(db, "bob")
    claims.hand_back(db, claimed(db).run, delay_ms=60_000)
    accepted(db, "carol")
    start()

    # Then only carol's is made known
    wait_for(lambda: queue.waiting, "a wake-up")
    look_again(queue)
    assert queue.waiting == {"video": 1}


def test_a_job_whose_worker_died_is_made_known(db: Database, start: Start, queue: Queue) -> None:
    accepted(db)
    started(db, lease_ms=-1)
    start()
    wait_for(lambda: queue.waiting.get("video") == 1, "a wake-up")


def test_when_the_queue_is_gone_it_runs_the_jobs_itself(
    db: Database, start: Start, queue: Queue
) -> None:
    queue.gone = True
    made = [image(db, user) for user in ("alice", "alice", "alice")]
    start()

    def all_done() -> bool:
        return all(jobs.get(db, "alice", j).state is State.SUCCEEDED for j in made)

    wait_for(all_done, "the jobs to be run")


def test_it_runs_no_more_at_once_than_it_has_threads(
    db: Database, start: Start, queue: Queue, provider: ScriptedLocal
) -> None:
    # Given jobs that take their time
    queue.gone = True
    may_end = threading.Event()
    inside: list[int] = []

    def fetch(*asked: Any) -> Output:
        inside.append(1)
        may_end.wait(20)
        return make_picture(*asked)

    provider.fetching = fetch
    for number in range(5):
        image(db, f"user-{number}")
    start()

    # Then only as many are claimed as there are threads
    wait_for(lambda: len(inside) == FAST.worker_threads, "both threads to be busy")
    look_again(queue)
    assert len(inside) == FAST.worker_threads
    may_end.set()
    wait_for(lambda: len(inside) == 5, "the others")


def test_a_claim_that_fails_here_is_tried_again(
    db: Database, start: Start, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.gone = True
    job_id = image(db)
    tries: list[str] = []
    real = starts.claim_and_start

    def flaky(*values: Any, **options: Any) -> object:
        tries.append("tried")
        if len(tries) < 3:
            raise DependencyUnavailable("database")
        return real(*values, **options)

    monkeypatch.setattr(starts, "claim_and_start", flaky)
    start()
    wait_for(lambda: jobs.get(db, "alice", job_id).state is State.SUCCEEDED, "the job")
    assert len(tries) >= 3


def test_jobs_past_their_deadline_fail_and_are_told(db: Database, start: Start, told: Told) -> None:
    late = [accepted(db, user, finish_within_ms=-1).job for user in ("alice", "bob")]
    in_time = accepted(db, "alice").job
    start()

    wait_for(lambda: len(told.events) == 2, "both to be told")
    for job in late:
        failure = jobs.get(db, job.user_id, job.job_id).failure
        assert failure is not None
        assert failure.reason is Reason.FINISH_DEADLINE_EXCEEDED
    assert {event.job.job_id for event in told.events} == {job.job_id for job in late}
    assert jobs.get(db, "alice", in_time.job_id).state is State.QUEUED


def test_a_paid_job_past_its_deadline_is_stopped_and_its_cost_corrected(
    db: Database, start: Start, pipeline: Pipeline, payee: ScriptedPaid
) -> None:
    # Given operations that run, of which the provider can stop one
    payee.done, payee.delay_ms = False, 600_000
    made = [paid_image(db) for _ in range(2)]
    for _ in made:
        pipeline.run_next("image")
    costs = {made[0]: CostState.RELEASED, made[1]: CostState.UNCERTAIN}
    payee.cancelling = lambda job: costs[job.job_id]
    for job_id in made:
        execute(db, OVERDUE, job_id)
    start()

    wait_for(lambda: len(payee.cancelled) == 2, "both to be stopped")
    wait_for(lambda: money(db) == (0, MICROS), "the books")
    for job_id in made:
        assert failure_of(db, job_id).reason is Reason.FINISH_DEADLINE_EXCEEDED
        assert job_of(db, job_id).cost.state is costs[job_id]


def test_what_a_dead_process_learned_is_adopted(
    db: Database, start: Start, pipeline: Pipeline, payee: ScriptedPaid, tmp_path: Path
) -> None:
    # Given a worker that died between the answer and its record
    payee.submitting = failing(SystemExit())
    job_id = paid_image(db)
    with pytest.raises(SystemExit):
        pipeline.run_next("image")
    dead = Journal(tmp_path / "journal", "dead")
    dead.write(Entry(job_id, 1, "operation", done=False))
    dead.close()

    start()
    wait_for(lambda: job_of(db, job_id).provider_operation == "operation", "the adoption")
    assert job_of(db, job_id).state is State.RUNNING
    assert len(payee.submitted) == 1


def test_the_worker_is_known_to_live_until_it_leaves(
    db: Database, start: Start, pipeline: Pipeline
) -> None:
    made = start()
    assert workers.served_queues(db) == {"video", "image"}
    made.close()
    assert db.row(BEATS, worker_id=pipeline.worker_id) == (0,)


def test_a_passing_failure_does_not_end_it(
    db: Database, start: Start, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[str] = []

    def away(*_: object) -> int:
        failures.append("away")
        raise DependencyUnavailable("database")

    with monkeypatch.context() as patch:
        patch.setattr(claims, "claimable", away)
        start()
        wait_for(lambda: len(failures) > 2, "it to go on")
    accepted(db)
    wait_for(lambda: queue.waiting.get("video") == 1, "a wake-up")


def test_one_that_never_started_can_be_closed(
    db: Database, changes: Changes, pipeline: Pipeline, queue: Queue, journal: Journal
) -> None:
    Rescuer(
        settings=FAST,
        queues=QUEUES,
        db=db,
        queue=queue,  # type: ignore[arg-type]
        changes=changes,
        pipeline=pipeline,
        journal=journal,
    ).close()


def test_one_that_was_asked_to_stop_does_nothing_more(
    db: Database, start: Start, queue: Queue
) -> None:
    made = start()
    made.stop()
    made.close()
    accepted(db)
    assert queue.waiting == {}


def test_closing_leaves_no_thread(start: Start, db: Database, queue: Queue) -> None:
    before = set(threading.enumerate())
    queue.gone = True
    job_id = image(db)
    made = start()
    wait_for(lambda: jobs.get(db, "alice", job_id).state is State.SUCCEEDED, "the job")
    made.close()
    assert set(threading.enumerate()) <= before


def test_what_it_does_for_jobs_that_nobody_was_told_of_is_counted(
    db: Database, start: Start, queue: Queue
) -> None:
    woken = growth("rushes_rescues_total", queue="video", how="wake_up")
    run_here = growth("rushes_rescues_total", queue="image", how="run_here")
    accepted(db)
    start()
    wait_for(lambda: woken() == 1, "the wake-up to be counted")

    queue.gone = True
    image(db)
    wait_for(lambda: run_here() >= 1, "the run to be counted")
