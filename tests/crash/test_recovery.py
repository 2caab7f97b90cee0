"""The one promise about time: a worker that is killed or frozen delays its own jobs, and so long.

The suite has short leases and forks elsewhere; here leases are the default ones, and processes
start as in production, for the figure is of them.
"""

import random
from pathlib import Path

import pytest

from core.process.settings import Settings
from tests.crash.plan import Mix
from tests.crash.report import percentile, table
from tests.crash.suite import Episode, Scenario

AGAIN_SECONDS = 20.0
SECONDS, KILLS, LEAST_HITS = 270.0, 40, 30
DEFAULTS = (
    "lease_seconds",
    "heartbeat_seconds",
    "rescue_seconds",
    "compare_seconds",
    "worker_threads",
)
# Each run holds its lease for a while, without work for the two cores.
SLOW_RUNS = {"RUSHES_FAILPOINTS": "fetch.middle=sleep:1.5"}


@pytest.mark.crash_full
@pytest.mark.timeout(480)
@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_the_jobs_of_a_killed_or_frozen_worker_run_again_within_20_seconds(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given the default lease, and workers that are killed and frozen while they run jobs
    env = {f"RUSHES_{n.upper()}": str(Settings.model_fields[n].default) for n in DEFAULTS}
    scenario = Scenario(
        database,
        seed=random.SystemRandom().randrange(2**32),
        seconds=SECONDS,
        kills=KILLS,
        mix=Mix({"simulator-image": 1}, {"": 1}),
        env={**env, **SLOW_RUNS},
        worker_pause=(3.0, 8.0),
        fresh=True,
    )

    # When enough of the kills ended runs
    outcome = Episode(scenario, tmp_path).run()
    with capsys.disabled():
        print(f"\nseed {scenario.seed}, lease {scenario.lease} s\n{table([outcome])}")
    assert outcome.hits >= LEAST_HITS

    # Then these jobs ran again in time, and no other worker lost a run
    again = percentile(outcome.recovery, 99)
    assert again is not None
    assert again < AGAIN_SECONDS
    assert not outcome.touched
    assert not outcome.violations, "\n".join(map(str, outcome.violations[:10]))
