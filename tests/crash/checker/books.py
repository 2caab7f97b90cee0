"""I8: the budgets' books against the jobs, the provider's ledger and the limits."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from core.money import read_amount
from tests.crash.checker.evidence import Evidence, Finding
from tests.crash.history import Line

INSTALLATION = "installation"
MOST_LINES = 20


def the_books_are_right(evidence: Evidence) -> Iterator[Finding]:
    """I8: spent covers every job's cost and the provider's ledger, nothing stays reserved, and no
    limit is passed: not at the end, not at any revision, not in what a refused caller was told.
    """
    booked = {(row["owner"], row["span"]): row for row in evidence.final.spending}
    for row in booked.values():
        if row["reserved"]:
            yield Finding("money is still reserved", [row])
    for place, jobs in _by_place(evidence).items():
        row = booked.get(place) or _nothing(*place)
        yield from _as_the_jobs_say(evidence, row, jobs)
        yield from _as_the_provider_says(evidence, row, jobs)
    yield from _limits_hold(evidence)
    yield from _refusals_add_up(evidence)


def _as_the_jobs_say(evidence: Evidence, row: Line, jobs: list[Line]) -> Iterator[Finding]:
    least = sum(_cost(job) for job in jobs)
    most = sum(max(_cost(job), _accepted(evidence, job)) for job in jobs)
    if not least <= row["spent"] <= most:
        what = f"{row['spent']} is booked as spent; by the jobs it is {least} to {most}"
        yield Finding(what, [row, *(_brief(job) for job in jobs if _cost(job))][:MOST_LINES])


def _as_the_provider_says(evidence: Evidence, row: Line, jobs: list[Line]) -> Iterator[Finding]:
    charged = {job["job_id"]: _charged(evidence, job["job_id"]) for job in jobs}
    if row["spent"] < sum(charged.values()):
        unbooked = [job for job in jobs if _cost(job) < charged[job["job_id"]]]
        lines = [line for job in unbooked for line in evidence.final.paid[job["job_id"]]]
        what = f"the provider charged {sum(charged.values())}, booked is {row['spent']}"
        yield Finding(what, [row, *map(_brief, unbooked), *lines][:MOST_LINES])


def _nothing(owner: str, span: str) -> Line:
    return {"kind": "spending", "owner": owner, "span": span, "reserved": 0, "spent": 0}


def _brief(job: Line) -> Line:
    names = ("kind", "job_id", "state", "cost_state", "cost_estimated", "cost_actual")
    return {name: job[name] for name in names}


def _cost(job: Line) -> int:
    """What a job's row says that it cost; what may have been charged counts."""
    if job["cost_state"] == "CHARGED":
        return int(job["cost_actual"])
    return int(job["cost_estimated"]) if job["cost_state"] == "UNCERTAIN" else 0


def _accepted(evidence: Evidence, job: Line) -> int:
    """What the intents say at most: an operation that turned up late is booked on top."""
    intents = evidence.final.intents_of[job["job_id"]]
    return sum(i["micros"] for i in intents if i["outcome"] == "ACCEPTED")


def _charged(evidence: Evidence, job_id: str) -> int:
    """What the provider charges for a job, by its ledger: later lines about an operation count."""
    micros = {line["operation"]: line["micros"] for line in evidence.final.paid[job_id]}
    for line in evidence.final.ledger:
        if line.get("event", "accepted") != "accepted" and line["operation"] in micros:
            micros[line["operation"]] = line.get("micros", micros[line["operation"]])
    return sum(micros.values())


def _by_place(evidence: Evidence) -> dict[tuple[str, str], list[Line]]:
    """Owner and span to the jobs that count there: by the time at which they were accepted."""
    found = defaultdict(list)
    for job in evidence.final.job:
        if job["cost_estimated"]:
            for owner in (f"user:{job['user_id']}", INSTALLATION):
                for span in _spans(job["create_time"]):
                    found[owner, span].append(job)
    return found


def _spans(ms: int) -> tuple[str, str]:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.strftime("%Y-%m-%d"), moment.strftime("%Y-%m")


def _limits_hold(evidence: Evidence) -> Iterator[Finding]:
    """At every revision of a user: what its jobs hold and have spent is within its budgets."""
    limits = {(row["owner"], row["period"]): row for row in evidence.final.budget}
    held: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    broken: set[tuple[str, str]] = set()
    for event in sorted(evidence.final.event, key=lambda event: event["revision"]):
        job, user = event["job"], event["user_id"]
        first = evidence.final.events_of[job["job_id"]][0]
        for period, span in zip(("day", "month"), _spans(first["event_time"]), strict=True):
            place = (user, span)
            held[place][job["job_id"]] = _holds(job)
            own = limits.get((f"user:{user}", period))
            limit = own or limits.get(("each-user", period))
            total = sum(held[place].values())
            if limit and total > limit["limit_micros"] and place not in broken:
                broken.add(place)
                yield Finding(f"a budget is overshot: {total}", [limit, event])


def _holds(job: Line) -> int:
    if job["cost"] == "RELEASED":
        return 0
    return int(job["micros"] if job["cost"] == "CHARGED" else job["estimated"])


def _refusals_add_up(evidence: Evidence) -> Iterator[Finding]:
    """BUDGET_EXCEEDED tells figures that are within the limit, and that leave no room."""
    for line in evidence.kinds("error"):
        if line["reason"] != "BUDGET_EXCEEDED":
            continue
        names = ("limit", "spent", "reserved", "required")
        limit, spent, reserved, required = (read_amount(line["metadata"][name]) for name in names)
        if spent + reserved > limit:
            yield Finding("a budget was overshot when a job was refused", [line])
        elif spent + reserved + required <= limit:
            yield Finding("a job was refused that the budget had room for", [line])
