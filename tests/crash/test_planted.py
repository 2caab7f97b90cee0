"""The checker is good enough: it finds each planted bug, and nothing where none is planted.

Each bug runs in real processes, up to three times. `make crash-full` runs these; that the bugs can
still be planted is tested always.
"""

import random
import shutil
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from core.store.engine.database import connect
from tests.crash.history import Recorder, user_name
from tests.crash.planted import BUGS, ROOT, Edit, plant
from tests.crash.planted.code import SEQUENCE
from tests.crash.planted.trial import (
    RECIPES,
    UNFINISHED,
    USERS,
    Recipe,
    Trial,
    build,
    end,
    make_load,
    run,
)
from tests.services import Postgres, wait_for

TRIES = 3


@dataclass
class Databases:
    """New databases, one per run."""

    folder: Path
    postgres: Callable[[], Postgres]

    def url(self, recipe: Recipe) -> str:
        if not recipe.postgres:
            return f"sqlite:///{self.folder / uuid.uuid4().hex}.db"
        server = self.postgres()
        name = server.new_database()
        with closing(psycopg2.connect(server.url(name))) as connection:
            connection.autocommit = True
            for number in range(USERS):
                sequence = SEQUENCE.format(user_id=user_name(number))
                connection.cursor().execute(f'CREATE SEQUENCE "{sequence}"')
        return server.url(name)


@pytest.fixture
def databases(tmp_path: Path, request: pytest.FixtureRequest) -> Databases:
    return Databases(tmp_path, lambda: request.getfixturevalue("postgres"))


@pytest.mark.parametrize("name", BUGS)
def test_every_bug_can_still_be_planted(name: str) -> None:
    files: dict[str, list[Edit]] = {}
    for edit in BUGS[name].edits:
        files.setdefault(edit.file, []).append(edit)
    for file, edits in files.items():
        compile(plant(edits, (ROOT / file).read_text()), file, "exec")


def test_every_bug_is_tried() -> None:
    assert {*RECIPES, "no_epoch_check"} == set(BUGS)


@pytest.mark.planted
@pytest.mark.timeout(400)
@pytest.mark.parametrize("bug", RECIPES)
def test_a_planted_bug_is_found_within_three_runs(
    bug: str, tmp_path: Path, databases: Databases
) -> None:
    recipe = RECIPES[bug]
    for attempt in range(TRIES):
        seed = random.SystemRandom().randrange(2**32)
        found = run(tmp_path / f"run-{attempt}", databases.url(recipe), bug, recipe, seed)
        names = {violation.invariant for violation in found}
        print(f"{bug}, seed {seed:x}: {sorted(names)}", *map(str, found[:1]), sep="\n")
        if names & recipe.found_by:
            return
    pytest.fail(f"{bug} was not found by {recipe.found_by}")


@pytest.mark.planted
@pytest.mark.parametrize("bug", ["no_epoch_check", None])
def test_a_token_that_outlives_a_restore_is_found(bug: str | None, tmp_path: Path) -> None:
    """The database is put back while jobs wait, and gets beyond the tokens before anyone looks."""
    recipe = Recipe({"I14"}, total=10)
    house = build(tmp_path / "run", f"sqlite:///{tmp_path}/rushes.db", bug, recipe)
    recorder = Recorder(tmp_path / "history.jsonl")
    load = make_load(house, recorder, recipe, seed=1, users=1)
    trial = Trial(house, load, recorder, random.Random(1))
    try:
        house.start()
        for worker in house.workers:
            worker.kill()
        load.start()
        assert load.join(20)
        restore_behind_their_backs(trial, tmp_path)
        found = {violation.invariant for violation in end(trial)}
    finally:
        house.close()
        recorder.close()
    assert ("I14" in found) if bug else not found


def restore_behind_their_backs(trial: Trial, folder: Path) -> None:
    house, load = trial.house, trial.load
    house.server.stop()
    database, backup = folder / "rushes.db", folder / "backup.db"
    shutil.copy(database, backup)
    house.server.start()
    wait_for(house.answers, "the server")
    with house.client(user_name(0)) as client:
        for job in list(client.jobs()):
            head = client.cancel(job.job_id).revision
    wait_for(lambda: all((w.told or 0) >= head for w in load.watchers), "watchers to be ahead")
    house.server.stop()
    shutil.copy(backup, database)
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("UPDATE meta SET value = 'another' WHERE name = 'epoch'")
    trial.recorder.fault("restore")
    for worker in house.workers:
        worker.start()
    with closing(connect(house.database_url, 1)) as opened:
        wait_for(lambda: opened.row(UNFINISHED) == (0,), "all jobs to end")
    house.server.start()
    wait_for(house.answers, "the server")


@pytest.mark.planted
@pytest.mark.timeout(400)
@pytest.mark.parametrize("bug", RECIPES)
def test_nothing_is_found_where_no_bug_is_planted(
    bug: str, tmp_path: Path, databases: Databases
) -> None:
    recipe = RECIPES[bug]
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed:x}")
    found = run(tmp_path / "run", databases.url(recipe), None, recipe, seed)
    assert not found, "\n".join(map(str, found))
