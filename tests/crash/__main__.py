"""`python -m tests.crash`: random episodes for some minutes; seeds, figures, violations."""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"

from tests.crash.report import table, write_report
from tests.crash.suite import Episode, Outcome, Scenario

EPISODE_SECONDS = 150.0


def main() -> int:
    """0 when no promise was broken."""
    arguments = _arguments()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(2**32)
    deadline = time.monotonic() + arguments.minutes * 60
    outcomes: list[Outcome] = []
    databases = arguments.databases.split(",")
    while not outcomes or time.monotonic() < deadline - 30:
        left = max(deadline - time.monotonic() - 30, 10.0)
        database = databases[len(outcomes) % len(databases)]
        scenario = Scenario(database, seed + len(outcomes), min(left, EPISODE_SECONDS))
        outcomes.append(_run(scenario))
        if outcomes[-1].violations and not arguments.go_on:
            break
    print(table(outcomes))
    if arguments.report is not None:
        write_report(outcomes, arguments.report)
    return 1 if any(outcome.violations for outcome in outcomes) else 0


def _run(scenario: Scenario) -> Outcome:
    folder = Path(tempfile.mkdtemp(prefix="rushes-episode-", dir="/tmp"))
    print(f"seed {scenario.seed} on {scenario.database}, in {folder}", flush=True)
    outcome = Episode(scenario, folder).run()
    for violation in outcome.violations[:20]:
        print(violation)
    print(
        f"seed {scenario.seed}: {outcome.kills} kills, {sum(outcome.faults.values())} faults,"
        f" {len(outcome.final.job)} jobs, {len(outcome.violations)} violations",
        flush=True,
    )
    return outcome


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, help="run this one again; the next ones count up")
    parser.add_argument("--databases", default="postgres,sqlite", help="in turn")
    parser.add_argument("--report", type=Path, help="a JSON file for the figures")
    parser.add_argument("--go-on", action="store_true", help="also after a broken promise")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
