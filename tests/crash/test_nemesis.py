"""The random nemesis on both databases, a full disk, a wrong clock; and the nemesis itself."""

import contextlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rushes import Client
from rushes.errors import RushesError
from rushes.v1 import job_pb2
from tests.crash.disk import SmallDisk
from tests.crash.faults import ClockSkewed, DiskFull, Fault, find_faketime
from tests.crash.history import Recorder
from tests.crash.installation import Installation, Witness
from tests.crash.nemesis import Evil, Lane
from tests.crash.report import table, write_report
from tests.crash.suite import Episode, Outcome, Scenario
from tests.services import wait_for

Job = job_pb2.Job
KILLS = {"postgres": 200, "sqlite": 100}
# Where the figures of `make crash` go, if anywhere.
REPORT = "CRASH_REPORT"


@pytest.fixture(scope="module")
def outcomes() -> Iterator[list[Outcome]]:
    made: list[Outcome] = []
    yield made
    if made and os.environ.get(REPORT):
        write_report(made, Path(os.environ[REPORT]))


@pytest.mark.crash
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_no_promise_is_broken_whatever_dies(
    database: str, tmp_path: Path, outcomes: list[Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    scenario = Scenario(database, seed, seconds=180, kills=KILLS[database])
    with capsys.disabled():
        print(f"\n`python -m tests.crash --seed {seed} --databases {database}` runs this again")
    outcome = Episode(scenario, tmp_path).run()
    outcomes.append(outcome)
    with capsys.disabled():
        print(table([outcome]))
    assert not outcome.violations, "\n".join(map(str, outcome.violations[:10]))
    assert outcome.kills >= KILLS[database]


@pytest.mark.crash
def test_a_full_disk_refuses_new_jobs_and_breaks_none(tmp_path: Path) -> None:
    # Given an installation whose data lie on a small disk
    try:
        disk = SmallDisk(tmp_path / "data", megabytes=64)
    except OSError as error:
        pytest.skip(f"a small disk needs root and mount: {error}")
    url = f"sqlite:///{tmp_path / 'data' / 'rushes.db'}"
    house = Installation(tmp_path, url, env={"RUSHES_MIN_FREE_MEGABYTES": "8"}, fresh=True)
    try:
        house.start()
        with house.client() as client:
            witness = Witness(client).begin()
            accepted = [_image(client) for _ in range(4)]

            # When it is full
            full = DiskFull(disk)
            full.inflict()
            refused = wait_for(lambda: _refusal(client, accepted), "a refusal")

            # Then new jobs are refused, and when there is room again all that were accepted end
            assert refused == "STORAGE_FULL"
            full.heal()
            wait_for(lambda: _accepts(client, accepted), "new jobs to be accepted")
            for job_id in accepted:
                wait_for(lambda job_id=job_id: _succeeded(client, job_id), job_id, 40)
            wait_for(lambda: set(witness.ended) >= set(accepted), "every end to be seen")
            assert witness.revisions == list(range(1, len(witness.revisions) + 1))
    finally:
        house.close()
        disk.close()


@pytest.mark.crash
def test_a_worker_whose_clock_is_wrong_changes_nothing(tmp_path: Path, database_url: str) -> None:
    if not database_url.startswith("postgres"):
        pytest.skip("SQLite's clock is the host's")
    if find_faketime() is None:
        pytest.skip("libfaketime is not installed here")
    house = Installation(tmp_path, database_url)
    try:
        house.start()
        with house.client() as client:
            witness = Witness(client).begin()
            for skew in ("+1h", "-1h"):
                fault = ClockSkewed(house.workers[0], skew)
                fault.inflict()
                job_ids = [_image(client) for _ in range(6)]
                for job_id in job_ids:
                    wait_for(lambda job_id=job_id: _succeeded(client, job_id), job_id, 40)
                fault.heal()
                assert all(client.get_job(job_id).attempt == 1 for job_id in job_ids)
            assert witness.revisions == list(range(1, len(witness.revisions) + 1))
    finally:
        house.close()


def _image(client: Client) -> str:
    return client.generate_image("boat", model="simulator-image").job_id


def _refusal(client: Client, accepted: list[str]) -> str:
    """Why a job is refused; what is accepted is noted."""
    try:
        accepted.append(_image(client))
    except RushesError as error:
        return error.reason
    return ""


def _accepts(client: Client, accepted: list[str]) -> bool:
    with contextlib.suppress(RushesError):
        accepted.append(_image(client))
        return True
    return False


def _succeeded(client: Client, job_id: str) -> bool:
    return client.get_job(job_id).state == Job.SUCCEEDED


class Note(Fault):
    """A fault that only says what happens to it."""

    kind = "note"
    kills = 1

    def __init__(self, target: str, notes: list[str]) -> None:
        super().__init__(target)
        self._notes = notes

    def inflict(self) -> None:
        self._notes.append(f"inflict {self.target}")

    def heal(self) -> None:
        self._notes.append(f"heal {self.target}")


def lane(recorder: Recorder, notes: list[str], seed: int, kills: int = 5) -> Lane:
    evils = [
        Evil(2, lambda dice: Note(f"one {dice.random()}", notes)),
        Evil(1, lambda dice: Note(f"two {dice.random()}", notes), (0.0, 0.01)),
    ]
    return Lane("test", evils, recorder, seed, pause=(0.0, 0.01), kills=kills)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(tmp_path / "history.jsonl")
    yield made
    made.close()


def test_the_same_seed_draws_the_same_faults(recorder: Recorder) -> None:
    notes: list[list[str]] = [[], [], []]
    for index, seed in enumerate((1, 1, 2)):
        drawn = lane(recorder, notes[index], seed)
        drawn.start()
        drawn.join(10)
        drawn.stop()
        assert drawn.kills == 5
    assert notes[0] == notes[1] != notes[2]


def test_what_is_inflicted_is_healed_and_recorded(recorder: Recorder) -> None:
    notes: list[str] = []
    drawn = lane(recorder, notes, seed=3, kills=1000)
    drawn.start()
    wait_for(lambda: len(notes) > 4, "some faults")
    drawn.stop()
    assert len([note for note in notes if note.startswith("heal")]) * 2 == len(notes)
    told = [line["fault"] for line in recorder.lines()]
    assert told == ["note", "healed"] * (len(notes) // 2)


def test_a_nemesis_that_breaks_says_so(recorder: Recorder) -> None:
    def broken(_: random.Random) -> Fault:
        raise RuntimeError("broken")

    drawn = Lane("test", [Evil(1, broken)], recorder, 1, pause=(0.0, 0.0))
    drawn.start()
    deadline = time.monotonic() + 10
    while drawn.is_alive() and time.monotonic() < deadline:
        drawn.join(0.1)
    with pytest.raises(RuntimeError, match="broken"):
        drawn.stop()
