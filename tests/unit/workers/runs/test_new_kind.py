"""A third kind of job, which makes no media: one entry of the table and a maker of its result.

No other file of the product knows it, and it runs from accept to its result on both databases.
"""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from core.blobs import Blobs
from core.jobs import CostState, EventType, Job, State
from core.kinds import KINDS, JobKind, RecordResult, queues
from core.kinds.results import MAX_RECORD_BYTES
from core.process.settings import read_settings
from core.store import Database, claims, events, jobs, media_lists, open_database, transitions
from tests.decoding import event_from_json, job_from_json
from tests.making import MICROS, PRICE, accepted, money, new_media
from tests.unit.workers.conftest import Told
from tests.unit.workers.scripted import ScriptedLocal, ScriptedPaid
from workers.providers import Monitor, Output, ReadInput
from workers.runs.pipeline import Pipeline
from workers.runs.results import MAKERS

LINES = ("The sea is wide,", "the tide is late.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoemSpec:
    kind: ClassVar[str] = "poem"

    prompt: str
    model: str = "bard"
    rhymes: bool = True
    output_count: int = 1
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Poem:
    lines: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"lines": self.lines}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        return cls(tuple(values["lines"]))


POEM = JobKind(
    name="poem",
    spec=PoemSpec,
    result=RecordResult(Poem),
    queue="poem",
    finish_seconds=lambda settings: 60,
)
NOTE = dataclasses.replace(POEM, name="note", queue="")


class NoteSpec(PoemSpec):
    kind = "note"


def make_poem(
    blobs: Blobs,
    job: Job,
    index: int,
    path: Path,
    output: Output,
    generation_ms: int,
    *,
    cost_micros: int,
    max_bytes: int,
) -> Poem:
    return Poem(tuple(path.read_text().splitlines()))


def write_poem(job: Job, index: int, path: Path, read_input: ReadInput, run: Monitor) -> Output:
    path.write_text("\n".join(LINES))
    return Output()


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "poem", POEM)
    monkeypatch.setitem(MAKERS, "poem", make_poem)
    monkeypatch.setitem(KINDS, "note", dataclasses.replace(NOTE, spec=NoteSpec))


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """Both databases, unlike the other tests of workers."""
    database = open_database(read_settings(database_url=database_url))
    yield database
    database.close()


@pytest.fixture
def provider() -> ScriptedLocal:
    return ScriptedLocal(fetching=write_poem)


@pytest.fixture
def payee() -> ScriptedPaid:
    return ScriptedPaid(fetching=write_poem)


def poem_of(db: Database, job_id: str) -> object:
    return jobs.get(db, "alice", job_id).result


@pytest.mark.parametrize("provider_name", ["scripted", "paid"])
def test_a_poem_is_accepted_run_kept_and_told(
    db: Database, pipeline: Pipeline, told: Told, provider_name: str
) -> None:
    spec = PoemSpec(prompt="sea", rhymes=False)
    made = accepted(db, spec=spec, provider=provider_name, cost=PRICE).job
    assert (made.kind, made.queue, made.result) == ("poem", "poem", None)
    assert queues() == ("video", "image", "poem")

    assert not pipeline.run_next("video")
    assert pipeline.run_next("poem")

    job = jobs.get(db, "alice", made.job_id)
    assert (job.state, job.spec, job.result) == (State.SUCCEEDED, spec, Poem(LINES))
    assert (job.outputs, job.cost.state) == ((), CostState.CHARGED)
    assert money(db) == (0, MICROS)
    assert media_lists.list_page(db, "alice", limit=10) == []


def test_its_events_its_snapshot_and_its_lists_have_the_poem(
    db: Database, pipeline: Pipeline, told: Told
) -> None:
    job_id = accepted(db, spec=PoemSpec(prompt="sea"), provider="scripted").job.job_id
    pipeline.run_next("poem")

    *_, last = events.job_events(db, "alice", job_id, 0, 10)
    ended = event_from_json(last.revision, json.loads(last.payload))

    assert (ended.type, ended.job.result) == (EventType.SUCCEEDED, Poem(LINES))
    assert told.events[-1].payload == last.payload
    stored = jobs.get(db, "alice", job_id)
    assert ended.job == dataclasses.replace(stored, submit_time=ended.job.submit_time)
    assert jobs.list_page(db, "alice", limit=10)[0] == [stored]
    assert job_from_json(json.loads(json.dumps(stored.to_json()))).result == Poem(LINES)


def test_a_job_does_not_end_with_a_result_of_another_kind(db: Database) -> None:
    for spec, result in ((PoemSpec(prompt="sea"), new_media()), (None, Poem(LINES))):
        changes = {} if spec is None else {"spec": spec}
        job_id = accepted(db, **changes).job.job_id
        claim = claims.claim(db, "poem" if spec else "video", "worker", 60_000, 100)
        assert claim is not None
        transitions.start(db, claim.run, 100)

        with pytest.raises(TypeError):
            transitions.succeed(db, claim.run, result)

        assert jobs.get(db, "alice", job_id).state is State.RUNNING


def test_a_poem_that_events_could_not_carry_is_not_kept(db: Database, pipeline: Pipeline) -> None:
    job_id = accepted(db, spec=PoemSpec(prompt="sea"), provider="scripted").job.job_id
    claim = claims.claim(db, "poem", "worker", 60_000, 100)
    assert claim is not None
    transitions.start(db, claim.run, 100)

    with pytest.raises(ValueError, match="at most 32768"):
        transitions.succeed(db, claim.run, Poem(("a" * MAX_RECORD_BYTES,)))

    assert poem_of(db, job_id) is None


def test_a_kind_without_a_queue_is_accepted_and_no_worker_has_its_queue(db: Database) -> None:
    job = accepted(db, spec=NoteSpec(prompt="sea"), provider="").job

    assert (job.queue, job.state) == ("", State.QUEUED)
    assert "" not in queues()
