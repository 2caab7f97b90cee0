"""I22: usage is what the jobs, their intents and the budgets' books say."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from tests.crash.checker.evidence import Evidence, Finding
from tests.crash.history import Line

COUNTS = {"SUCCEEDED": "succeeded", "FAILED": "failed", "CANCELLED": "cancelled"}
NAMES = ("charged", "reserved", "uncertain", "unfinished", *COUNTS.values())
MOST_LINES = 20
Key = tuple[str, str, str]


def usage_is_what_the_jobs_say(evidence: Evidence) -> Iterator[Finding]:
    """I22: each row of (user, day, model) has the jobs that were accepted then, and their money;
    all rows of a user and day have what is booked, no more and no less.
    """
    kept = {_key(row, row["day"]): row for row in evidence.final.usage}
    jobs = defaultdict(list)
    for job in evidence.final.job:
        jobs[_key(job, _day(job["create_time"]))].append(job)
    for key in kept.keys() | jobs.keys():
        yield from _as_the_jobs_say(evidence, kept.get(key, _nothing(key)), jobs[key])
    yield from _as_it_is_booked(evidence)


def _as_the_jobs_say(evidence: Evidence, row: Line, jobs: list[Line]) -> Iterator[Finding]:
    said = dict.fromkeys(NAMES, 0)
    on_top = 0
    for job in jobs:
        said[COUNTS.get(job["state"], "unfinished")] += 1
        ended, cost = job["end_time"] is not None, job["cost_state"]
        if not ended:
            said["reserved"] += job["cost_estimated"]
        elif cost == "UNCERTAIN":
            said["uncertain"] += job["cost_estimated"]
        elif cost == "CHARGED":
            said["charged"] += job["cost_actual"]
        on_top += _late(evidence, job)
    wrong = [name for name in NAMES if name != "charged" and row[name] != said[name]]
    if not said["charged"] <= row["charged"] <= said["charged"] + on_top:
        wrong.append("charged")
    for name in wrong:
        what = f"usage says {row[name]} {name}, the jobs {said[name]}"
        yield Finding(what, [row, *map(_brief, jobs)][:MOST_LINES])


def _as_it_is_booked(evidence: Evidence) -> Iterator[Finding]:
    used: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in evidence.final.usage:
        sums = used[f"user:{row['user_id']}", row["day"]]
        sums[0] += row["reserved"]
        sums[1] += row["charged"] + row["uncertain"]
    booked = {
        (row["owner"], row["span"]): row
        for row in evidence.final.spending
        if row["owner"].startswith("user:") and len(row["span"]) > len("2026-11")
    }
    for place in used.keys() | booked.keys():
        reserved, spent = used[place]
        # What is reserved without a book is what an unfinished job says, which is I3.
        row = booked.get(place, {"kind": "spending", "reserved": reserved, "spent": 0})
        if (row["reserved"], row["spent"]) != (reserved, spent):
            what = f"of {place} usage has {reserved} reserved and {spent} spent"
            yield Finding(what, [row])


def _late(evidence: Evidence, job: Line) -> int:
    """What intents say beside the job: an operation that turned up late is charged on top."""
    intents = evidence.final.intents_of[job["job_id"]]
    return sum(intent["micros"] for intent in intents if intent["outcome"] == "ACCEPTED")


def _key(row: Line, day: str) -> Key:
    return row["user_id"], day, row["model"]


def _nothing(key: Key) -> Line:
    names = ("user_id", "day", "model")
    return {"kind": "usage", **dict(zip(names, key, strict=True)), **dict.fromkeys(NAMES, 0)}


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


def _brief(job: Line) -> Line:
    names = ("kind", "job_id", "state", "cost_state", "cost_estimated", "cost_actual")
    return {name: job[name] for name in names}
