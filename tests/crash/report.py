"""The figures of episodes: for people, and as JSON."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.crash.suite import Outcome


def write_report(outcomes: list[Outcome], path: Path) -> None:
    """The figures of all episodes, as JSON."""
    path.write_text(json.dumps([figures(outcome) for outcome in outcomes], indent=2) + "\n")


def figures(outcome: Outcome) -> dict[str, Any]:
    """What `docs/reliability.md` shows."""
    final, broken = outcome.final, Counter(v.invariant for v in outcome.violations)
    unknown = sum(
        line["event"] == "FAILED" and line["job"]["failure"] == "SUBMIT_OUTCOME_UNKNOWN"
        for line in final.event
    )
    return {
        "database": outcome.scenario.database,
        "seed": outcome.scenario.seed,
        "seconds": round(outcome.seconds),
        "jobs": len(final.job),
        "paid_submits": sum(map(len, final.paid.values())),
        "accepted_jobs_lost": broken["I1"] + broken["I3"] + broken["I18"],
        "jobs_paid_more_than_once": sum(len(lines) > 1 for lines in final.paid.values()),
        "state_changes_missed_or_repeated": broken["I10"] + broken["I11"] + broken["I14"],
        "violations": dict(broken),
        "kills": outcome.kills,
        "kills_of_processes_at_work": outcome.kills_at_work,
        "faults": dict(outcome.faults),
        "died_by_themselves": {str(code): count for code, count in outcome.died.items()},
        "running_again_p50_seconds": percentile(outcome.recovery, 50),
        "running_again_p99_seconds": percentile(outcome.recovery, 99),
        "running_again_counted": len(outcome.recovery),
        "kills_that_hit_a_run": outcome.hits,
        "outcome_unknown": unknown,
        "quiet_after_seconds": round(outcome.quiet_seconds, 1),
    }


def table(outcomes: list[Outcome]) -> str:
    """The same for people."""
    columns = [figures(outcome) for outcome in outcomes]
    lines = []
    for name in columns[0] if columns else ():
        cells = [_cell(column[name]) for column in columns]
        lines.append(f"{name.replace('_', ' '):34}" + " ".join(f"{cell:>26}" for cell in cells))
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return str(sum(value.values())) if all(isinstance(v, int) for v in value.values()) else ""
    return str(value)


def percentile(values: list[float], percent: int) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) * percent // 100, len(ordered) - 1)], 2)
