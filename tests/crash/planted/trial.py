"""Short runs in which a bug shows: an installation with the bug, a load, and the fitting fault."""

import random
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from core.store import budgets
from core.store.engine.database import connect
from core.store.engine.sql import Statement
from tests.crash.checker import (
    Violation,
    check,
    check_quiet,
    collect,
    find_mends,
    find_secrets,
)
from tests.crash.history import Recorder
from tests.crash.installation import Installation, Process
from tests.crash.load import Load, heads_of
from tests.crash.operating import Operator
from tests.crash.plan import Mix
from tests.crash.sharing import Sharer
from tests.services import wait_for

USERS = 6
MOST_STRIKES = 20
START_SECONDS = 30.0
# Some bugs leave calls without an answer for ever; what they did before is in the history.
ANSWER_SECONDS, ANSWER_SECONDS_WITH_A_BUG = 60.0, 15.0
QUIET_SECONDS = 60.0
CATCH_UP_SECONDS = 8.0
DRAIN_SECONDS, REST_SECONDS = 8.0, (0.5, 2.0)
# A load that lasts, so that jobs come while a queue is paused.
OPERATED_EASE = 4.0
# A delivery that failed twice is tried again only after minutes.
UNFINISHED = Statement("""
    SELECT (SELECT count(*) FROM job WHERE end_time IS NULL)
        + (SELECT count(*) FROM delivery WHERE state = 'PENDING' AND try_count < 2)
""")

IMAGES = Mix({"simulator-image": 70, "builtin-image": 30}, {"": 1})
FILMS = Mix({"builtin-video": 1}, {"": 1})
PAID = Mix({"simulator-image": 1}, {"": 1})
TROUBLED = Mix(
    {"simulator-image": 1},
    {"": 6, "sim:lost-answer": 1, "sim:lost-answer-listed": 1, "sim:rejected": 2},
)


@dataclass
class Trial:
    """One run of an installation with a bug in it."""

    house: Installation
    load: Load
    recorder: Recorder
    dice: random.Random
    answer_seconds: float = ANSWER_SECONDS

    def kill(self, *processes: Process) -> None:
        """Kills one of the processes, which comes back at once."""
        victim = self.dice.choice(processes)
        self.recorder.fault("kill", victim.name)
        victim.kill()
        victim.start()

    def revive(self) -> None:
        """Starts what has died by itself."""
        for process in self.house.processes:
            code = process.revive()
            if code is not None:
                self.recorder.fault("died", process.name, code)


Strike = Callable[[Trial], None]


def nothing(trial: Trial) -> None:
    trial.revive()
    time.sleep(0.2)


def kill_workers(trial: Trial) -> None:
    trial.revive()
    time.sleep(trial.dice.uniform(0.8, 1.2))
    trial.kill(*trial.house.workers)


def kill_server(trial: Trial) -> None:
    """While it serves, however long it takes to start."""
    wait_for(trial.house.answers, "the server", START_SECONDS)
    time.sleep(trial.dice.uniform(0.3, 0.8))
    trial.kill(trial.house.server)


def freeze_worker(trial: Trial) -> None:
    """Longer than its lease; the others take over meanwhile."""
    victim = trial.dice.choice(trial.house.workers)
    trial.recorder.fault("freeze", victim.name)
    victim.freeze()
    time.sleep(2.5)
    victim.thaw()
    time.sleep(0.5)


def lose_valkey(trial: Trial) -> None:
    trial.recorder.fault("valkey_kill")
    trial.house.valkey.kill()
    time.sleep(0.3)
    trial.house.valkey.start()
    time.sleep(1)


@dataclass(frozen=True)
class Recipe:
    """How a bug is brought out, and by which of these invariants it is found."""

    found_by: set[str]
    strike: Strike = nothing
    mix: Mix = IMAGES
    total: int = 80
    strikes: int = 0
    postgres: bool = False
    failpoints: dict[str, str] = field(default_factory=dict)
    budget_micros: int | None = None
    shares: bool = False
    operates: bool = False


RECIPES = {
    "no_cas": Recipe({"I3"}, freeze_worker, FILMS, total=16, strikes=4, postgres=True),
    "no_lease": Recipe({"I5"}, mix=PAID),
    "resubmit_at_once": Recipe(
        {"I5"}, mix=PAID, failpoints={"worker": "submit.after_answer=kill@0.05"}
    ),
    "retries_left_on": Recipe({"I4"}, mix=TROUBLED),
    "settle_outside": Recipe({"I8"}, kill_workers, PAID),
    "usage_outside": Recipe({"I22"}, kill_workers, PAID),
    "recipe_outside": Recipe({"I16"}, kill_workers, PAID),
    "usage_of_the_estimate": Recipe({"I22"}, mix=TROUBLED),
    "unguarded_reserve": Recipe({"I8"}, mix=PAID, budget_micros=60_000),
    "answer_before_commit": Recipe({"I1"}, kill_server, postgres=True),
    "forgotten_request": Recipe({"I2"}),
    "publish_before_commit": Recipe(
        {"I10"}, failpoints={"worker": "settle.before_commit=kill@0.05"}
    ),
    "no_gap_repair": Recipe(
        {"I10"}, lose_valkey, failpoints={"worker": "tell.before_publish=sleep:0.1@0.2"}
    ),
    "terminal_dropped": Recipe({"I10"}),
    "snapshot_in_two": Recipe({"I12"}),
    "unsigned_token": Recipe({"I15"}, total=220),
    "revision_from_sequence": Recipe({"I10"}, postgres=True),
    "half_a_file": Recipe({"I16"}, total=20),
    "forgotten_flow": Recipe({"I21"}),
    "uncounted_end": Recipe({"I21"}, mix=TROUBLED),
    "started_twice": Recipe({"I17"}, mix=TROUBLED),
    "uncounted_unread": Recipe({"I17"}, total=20),
    "untold_end": Recipe({"I17"}, total=20),
    "older_wish_wins": Recipe({"I23"}),
    "untold_view": Recipe({"I23"}, total=20),
    "outbox_outside": Recipe({"I24"}, kill_workers, total=40),
    "any_answer_takes": Recipe({"I24"}, total=40),
    "id_of_each_try": Recipe({"I24"}, total=20),
    "remembered_link": Recipe({"I25"}, total=20, strikes=40, shares=True),
    "shares_outlive_the_bin": Recipe({"I25"}, total=20, strikes=40, shares=True),
    "start_in_a_pause": Recipe({"I27"}, total=120, strikes=60, operates=True),
    "deaf_to_a_drain": Recipe({"I27"}, total=40, strikes=120, operates=True),
    "prompt_in_log": Recipe({"I20"}, mix=TROUBLED, total=40),
}


def infect(process: Process, bug: str) -> None:
    """Runs the process with the bug from its next start on."""
    role = process._command[-1]
    process._command = [sys.executable, "-m", "tests.crash.planted", bug, role]


def build(folder: Path, database_url: str, bug: str | None, recipe: Recipe) -> Installation:
    folder.mkdir()
    house = Installation(folder, database_url, serves_links=recipe.shares)
    for process in [*house.processes, *([house.http] if house.http else [])]:
        role = process.name.partition("-")[0]
        process.env["RUSHES_FAILPOINTS"] = recipe.failpoints.get(role, "")
        if bug is not None:
            infect(process, bug)
    return house


def make_load(
    house: Installation, recorder: Recorder, recipe: Recipe, seed: int, users: int = USERS
) -> Load:
    """The load of the recipe: of three watchers of a user, one may be slow, or come back."""
    return Load(
        recorder,
        house.async_client,
        seed,
        users=users,
        watchers=3 * users,
        slow=users // 2,
        coming_back=users // 2,
        total=recipe.total,
        mix=recipe.mix,
        ease=OPERATED_EASE if recipe.operates else 1.0,
    )


def run(
    folder: Path, database_url: str, bug: str | None, recipe: Recipe, seed: int
) -> list[Violation]:
    """What the checker says of a short run."""
    house = build(folder, database_url, bug, recipe)
    recorder = Recorder(folder / "history.jsonl")
    load = make_load(house, recorder, recipe, seed)
    trial = Trial(house, load, recorder, random.Random(seed))
    sharer = Sharer(house, recorder, seed)
    operator = Operator(house, recorder, seed, DRAIN_SECONDS, REST_SECONDS)
    if bug is not None:
        trial.answer_seconds = ANSWER_SECONDS_WITH_A_BUG
    try:
        house.start()
        set_budget(database_url, recipe)
        load.start()
        if recipe.shares:
            sharer.start()
        if recipe.operates:
            operator.start()
        struck = 0
        while struck < recipe.strikes or (not load.join(0) and struck < MOST_STRIKES):
            recipe.strike(trial)
            struck += 1
        sharer.stop()
        operator.stop()
        return end(trial)
    finally:
        sharer.stop()
        operator.stop()
        house.close()
        recorder.close()


def set_budget(database_url: str, recipe: Recipe) -> None:
    """The same budget for each user and day."""
    if recipe.budget_micros is not None:
        with closing(connect(database_url, 1)) as db:
            budgets.set_limit(db, budgets.EACH_USER, budgets.Period.DAY, recipe.budget_micros)


def end(trial: Trial) -> list[Violation]:
    """Waits until all is quiet, ends everything, and looks at what is left."""
    house, load = trial.house, trial.load
    with closing(connect(house.database_url, 2)) as db:
        # First: what was asked while the server was away makes jobs when it is back.
        load.join(trial.answer_seconds)
        load.stop(0)
        begun = time.monotonic()
        while (left := db.row(UNFINISHED)) and left[0]:
            if time.monotonic() - begun > QUIET_SECONDS:
                break
            trial.revive()
            time.sleep(0.2)
        seconds, unfinished = time.monotonic() - begun, left[0] if left else 0
        load.catch_up(heads_of(db), CATCH_UP_SECONDS)
    trial.recorder.end()
    load.close()
    house.close()
    final = collect(house.database_url, house.data, house.ledger)
    return [
        *check(trial.recorder.lines(), final),
        *check_quiet(seconds, QUIET_SECONDS, unfinished),
        *find_secrets(house.folder.glob("*.log"), house.data / "keys"),
        *find_mends(house.folder.glob("*.log")),
    ]
