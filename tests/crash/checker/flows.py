"""I21: what is kept of the jobs that wait and run is what the jobs say."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.crash.checker.evidence import Evidence, Finding, Violation
from tests.crash.history import Line

KEY = ("user_id", "queue", "provider")
KEPT = ("waiting", "turn", "job_id", "last_turn")
MENDED = b"flows_mended"
Key = tuple[str, str, str]


def flows_say_what_the_jobs_say(evidence: Evidence) -> Iterator[Finding]:
    """I21, first half: the flows have the jobs that wait, and the users' rows count those that run.

    Nobody is busy who runs nothing: claims would leave its flows out for ever.
    """
    kept = {_key(row): row for row in evidence.final.flow}
    waiting = _waiting(evidence.final.job)
    for key in kept.keys() | waiting.keys():
        row, jobs = kept.get(key), waiting.get(key, [])
        if row is None:
            yield Finding("jobs wait without a flow", [*map(_brief, jobs)])
        elif not jobs:
            yield Finding("a flow without jobs", [row])
        elif tuple(row[name] for name in KEPT) != _told(jobs):
            yield Finding("a flow is not what its jobs say", [row, *map(_brief, jobs)])
    yield from _counts_are_right(evidence)


def find_mends(logs: Iterable[Path]) -> list[Violation]:
    """I21, second half: the housekeeper never had to mend what was kept, which would hide it."""
    return [
        Violation("I21", "flows were mended", ({"kind": "log", "file": log.name},))
        for log in logs
        if MENDED in log.read_bytes()
    ]


def _counts_are_right(evidence: Evidence) -> Iterator[Finding]:
    running = Counter(job["user_id"] for job in evidence.final.job if job["state"] == "RUNNING")
    busy = {row["user_id"]: bool(row["busy"]) for row in evidence.final.stream}
    for row in evidence.final.stream:
        if row["running"] != running[row["user_id"]]:
            yield Finding(
                f"{running[row['user_id']]} jobs run, {row['running']} are counted", [row]
            )
        elif row["busy"] and not row["running"]:
            yield Finding("a user is busy who runs nothing", [row])
    for row in evidence.final.flow:
        if bool(row["busy"]) is not busy.get(row["user_id"]):
            yield Finding("a flow and its user are not both busy", [row])


def _waiting(jobs: Iterable[Line]) -> dict[Key, list[Line]]:
    """Jobs that wait by their flow, in the order of their turns."""
    found = defaultdict(list)
    for job in jobs:
        if job["state"] == "QUEUED":
            found[_key(job)].append(job)
    return {key: sorted(some, key=_place) for key, some in found.items()}


def _told(jobs: list[Line]) -> tuple[int, int, str, int]:
    return len(jobs), jobs[0]["turn"], jobs[0]["job_id"], jobs[-1]["turn"]


def _place(job: Line) -> tuple[int, str]:
    return job["turn"], job["job_id"]


def _key(row: Line) -> Key:
    return row["user_id"], row["queue"], row["provider"]


def _brief(job: Line) -> Line:
    return {name: job[name] for name in ("kind", "job_id", "state", "turn", *KEY)}
