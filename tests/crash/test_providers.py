"""The adapters of real providers while workers die at every step that is about money."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from core.store.engine.database import connect
from core.store.engine.sql import Statement
from tests.crash.checker import Final, check, collect, find_secrets
from tests.crash.history import Recorder
from tests.crash.installation import FAST, Installation
from tests.crash.load import Load
from tests.crash.nemesis import Lane, deaths, stalls
from tests.crash.plan import Mix
from tests.crash.providers import NAMES, Shops, open_shops
from tests.crash.suite import Keeper, hear_all
from tests.fakes.installed import IMAGE_MODELS, VIDEO_MODELS
from tests.fakes.ledger import Ledger
from tests.services import Postgres, wait_for

WORKERS = 2
SECONDS = 10.0
QUIET_SECONDS = 90.0
JOBS = 50
LEAST_KILLS = 4
MODELS = dict.fromkeys((*VIDEO_MODELS, *IMAGE_MODELS), 200) | {"simulator-image": 100}
# Most jobs meet trouble, so that there is some of each kind among so few.
WORDS = {
    "": 250,
    **{"fake:500-before": 30, "fake:cut-before": 30, "fake:503-after": 60, "fake:cut-after": 60},
    **{"fake:late": 40, "fake:429-once": 40, "fake:401": 20, "fake:quota": 20},
    **{"fake:filtered-prompt": 20, "fake:filtered-output": 20, "fake:vanish": 30},
    **{"fake:fails": 20, "fake:wrong-type": 20, "fake:truncated-once": 30},
    **{"fake:download-503-once": 30, "fake:poll-503-once": 30},
}
# Where a worker dies, and with what probability, besides where the nemesis finds it.
DEATHS = {
    **{"intent.after_commit": 0.02, "submit.before_send": 0.02, "submit.after_answer": 0.05},
    **{"journal.after_fsync": 0.05, "operation.after_commit": 0.02, "poll.after_get": 0.02},
    **{"fetch.middle": 0.02, "blob.after_put": 0.02},
}
FAILPOINTS = "RUSHES_FAILPOINTS"
_UNFINISHED = Statement("SELECT count(*) FROM job WHERE end_time IS NULL")


@pytest.fixture
def shops(tmp_path: Path) -> Iterator[Shops]:
    with open_shops(tmp_path / "shops") as opened:
        yield opened


@pytest.fixture(
    params=[
        pytest.param("postgres", marks=pytest.mark.crash),
        pytest.param("sqlite", marks=pytest.mark.crash_full),
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'rushes.db'}"
    server: Postgres = request.getfixturevalue("fragile_postgres")
    return server.url(server.new_database())


@pytest.mark.timeout(180)
def test_no_job_is_paid_twice_whatever_dies_and_whatever_a_provider_answers(
    url: str, shops: Shops, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given an installation that pays all providers, under load, whose workers die again and again
    seed = random.SystemRandom().randrange(2**32)
    house = Installation(tmp_path, url, WORKERS, env=shops.env)
    for worker in house.workers:
        worker.env[FAILPOINTS] = ",".join(f"{name}=kill@{p}" for name, p in DEATHS.items())
    recorder = Recorder(tmp_path / "history.jsonl")
    with ExitStack() as stack:
        stack.callback(house.close)
        stack.callback(recorder.close)
        house.start()
        kills = torment(house, recorder, seed)
        house.close()
        lines = recorder.lines()

    # When all is over
    paid = {name: shops.paid(name) for name in NAMES}
    final = with_ledgers(collect(url, house.data, house.ledger), paid)

    # Then each provider was paid, no job twice, and every other promise holds too
    figures = {name: len(found) for name, found in paid.items()}
    with capsys.disabled():
        print(f"\nseed {seed}: {kills} kills, {len(final.job)} jobs, paid submits {figures}")
    assert all(figures.values())
    assert [job for job, found in final.paid.items() if len(found) > 1] == []
    violations = check(lines, final) + find_secrets(tmp_path.glob("*.log"), house.data / "keys")
    assert not violations, "\n".join(map(str, violations[:10]))
    assert kills >= LEAST_KILLS


def test_a_job_that_is_twice_in_a_provider_s_ledger_is_found(tmp_path: Path) -> None:
    shops, ledger = Shops(tmp_path, {}), Ledger(tmp_path / "gemini.jsonl")
    for operation in ("one", "two"):
        ledger.accepted(key="job.1", operation=operation, model="m", outputs=1)
    ledger.close()

    found = check([], with_ledgers(Final(), {name: shops.paid(name) for name in NAMES}))

    assert {"I4", "I5"} <= {violation.invariant for violation in found}


def torment(house: Installation, recorder: Recorder, seed: int) -> int:
    """Load and deaths, then quiet; how many processes were killed, or killed themselves."""
    load = Load(
        recorder,
        house.async_client,
        seed,
        users=10,
        watchers=10,
        slow=2,
        coming_back=2,
        total=JOBS,
        mix=Mix(MODELS, WORDS),
    )
    lease = float(FAST["RUSHES_LEASE_SECONDS"])
    lanes = [
        Lane("deaths", deaths(house), recorder, seed, pause=(1.0, 3.0)),
        Lane("stalls", stalls(house, lease), recorder, seed, pause=(5.0, 9.0)),
    ]
    keeper = Keeper(house, recorder)
    try:
        load.start()
        wait_for(lambda: all(watcher.heard for watcher in load.watchers), "all to watch", 60)
        keeper.start()
        for lane in lanes:
            lane.start()
        lanes[0].join(SECONDS)
        for lane in lanes:
            lane.stop()
        load.stop()
        keeper.stop()
        calm_down(house, recorder)
        with closing(connect(house.database_url, 2)) as db:
            wait_for(lambda: db.row(_UNFINISHED) == (0,), "every job to end", QUIET_SECONDS)
            hear_all(house, load, db)
        recorder.end()
    finally:
        keeper.stop()
        load.close()
    return sum(lane.kills for lane in lanes) + keeper.died[-9]


def calm_down(house: Installation, recorder: Recorder) -> None:
    """Nobody dies any more."""
    for worker in house.workers:
        worker.thaw()
        worker.kill()
        del worker.env[FAILPOINTS]
    house.start()
    recorder.fault("calm")


def with_ledgers(final: Final, paid: dict[str, list[dict[str, object]]]) -> Final:
    """The end of the run as all providers tell it."""
    bought = [line for found in paid.values() for line in found]
    return replace(final, ledger=[*final.ledger, *bought])
