"""What a job of each word comes to, with a whole worker process around the simulator."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.catalog.simulated import Word
from core.jobs import CostState, Job, State
from core.process.settings import read_settings
from core.store import Database, jobs, open_database, transitions
from tests.making import accepted
from tests.services import Valkey, wait_for
from tests.unit.workers.providers.simulator.conftest import PRICE, image_job
from workers.app import WorkerApp
from workers.providers.simulator import SimulatorProvider
from workers.providers.simulator.words import EFFECTS, Moment

FAST = {
    **{"rescue_seconds": 0.05, "lease_seconds": 5, "heartbeat_seconds": 0.5},
    **{"retry_seconds": 0.05, "max_retry_seconds": 0.1, "circuit_failures": 1000},
    **{"reconcile_seconds": 1.5, "look_up_seconds": 0.1, "worker_threads": 2},
}
# These take their worker along, or their time, or have a test of their own.
ELSEWHERE = {Word.KILL_WORKER, Word.KILL_WORKER_ONCE, Word.SLOW, Word.UNREACHABLE}
HERE = [word for word in Word if word not in ELSEWHERE]


@contextmanager
def working(folder: Path, valkey: Valkey, **settings: Any) -> Iterator[Database]:
    """A worker of the simulator, and its database."""
    chosen = read_settings(data_dir=folder, redis_url=valkey.url, **settings)
    db = open_database(chosen)
    simulator = SimulatorProvider(folder / "simulator", late_seconds=0.3)
    app = WorkerApp(chosen, {"simulator": simulator})
    app.start()
    yield db
    app.close()
    db.close()


@pytest.fixture(scope="module")
def installation(
    valkey_server: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """What a worker works on whose waits are short."""
    with working(tmp_path_factory.mktemp("data"), valkey_server, **FAST) as db:
        yield db


@pytest.fixture(scope="module")
def ended(installation: Database) -> dict[Word, Job]:
    """A job of each word, at its end; all of them run at once."""
    db = installation
    made = {word: make(db, word) for word in HERE}
    return {word: at_end(db, word, job_id) for word, job_id in made.items()}


def make(db: Database, words: str) -> str:
    """A job of a user of its own."""
    spec, cost = image_job(words).spec, image_job().cost
    made = accepted(db, user_id=words, spec=spec, provider="simulator", cost=cost)
    return made.job.job_id


def at_end(db: Database, user_id: str, job_id: str) -> Job:
    wait_for(lambda: jobs.get(db, user_id, job_id).state.terminal, f"the end of {user_id}")
    return jobs.get(db, user_id, job_id)


@pytest.mark.parametrize("word", HERE)
def test_a_job_ends_as_the_table_says(ended: dict[Word, Job], word: Word) -> None:
    job, effect = ended[word], EFFECTS[word]

    assert (job.state, job.cost.state) == (effect.state, effect.cost)
    assert (job.failure.reason if job.failure else None) == effect.reason
    if job.failure:
        assert (effect.metadata or {}).items() <= job.failure.metadata.items()
    if job.cost.state is CostState.CHARGED:
        assert job.cost.actual_micros == PRICE
    assert len(job.outputs) == (1 if job.state is State.SUCCEEDED else 0)


@pytest.mark.parametrize(
    ("words", "cost"), [("sim:slow", CostState.RELEASED), ("sim:slow sim:no-cancel", "CHARGED")]
)
def test_a_cancelled_job_says_what_the_simulator_charged(
    installation: Database, words: str, cost: str
) -> None:
    db = installation
    job_id = make(db, words)
    wait_for(lambda: jobs.get(db, words, job_id).provider_operation, "the operation")
    transitions.cancel(db, words, job_id, "")

    job = at_end(db, words, job_id)
    assert (job.state, job.cost.state) == (State.CANCELLED, cost)


def test_a_simulator_that_is_unreachable_is_given_up_before_the_deadline(
    valkey: Valkey, tmp_path: Path
) -> None:
    with working(
        tmp_path, valkey, **{**FAST, "retry_seconds": 3600, "max_retry_seconds": 3600}
    ) as db:
        job = at_end(db, "sim:unreachable", make(db, "sim:unreachable"))

    assert job.failure is not None
    assert job.failure.reason is EFFECTS[Word.UNREACHABLE].reason
    assert job.cost.state is EFFECTS[Word.UNREACHABLE].cost


def test_a_word_at_each_moment_is_tried_here() -> None:
    assert {EFFECTS[word].at for word in HERE} == set(Moment)
