"""I24: each event that a webhook wants is delivered at least once, with one id.

The load's webhooks are made before its first job, want the kinds below, and are never changed.
"""

from collections import defaultdict
from collections.abc import Iterator

from tests.crash.checker.evidence import Evidence, Finding
from tests.crash.history import Line

NOTIFIED = "NOTIFICATION_CREATED"
TAKEN = 204


def deliveries_come_at_least_once(evidence: Evidence) -> Iterator[Finding]:
    """I24: in the outbox one delivery for each event, and at the receiver what the outbox says."""
    rows = {row["delivery_id"]: row for row in evidence.final.delivery}
    yield from _each_event_has_its_own(evidence)
    taken: set[str] = set()
    for line in evidence.kinds("delivered"):
        if line["status"] == TAKEN:
            taken.add(line["delivery_id"])
        row = rows.get(line["delivery_id"])
        if line["t"] <= evidence.restored_at:
            continue
        if row is None:
            yield Finding("what came is not in the outbox", [line])
        elif _said(row) != _came(line):
            yield Finding("what came is not what the outbox says", [line, row])
        if set(line["names"]) - {line["user"]}:
            yield Finding("a delivery speaks of somebody else", [line])
    for row in rows.values():
        if row["state"] == "SUCCEEDED" and row["delivery_id"] not in taken:
            yield Finding("a delivery counts as taken that nobody took", [row])


def _each_event_has_its_own(evidence: Evidence) -> Iterator[Finding]:
    """Of each kind that an event makes there is one delivery for each of its user's webhooks."""
    hooks = defaultdict(list)
    for row in evidence.final.webhook:
        hooks[row["user_id"]].append(row)
    found = defaultdict(list)
    for row in evidence.final.delivery:
        found[row["webhook_id"], row["revision"], row["delivery"]].append(row)
    for event in evidence.final.event:
        for hook in hooks[event["user_id"]]:
            for kind in sorted(_kinds(event) & set(hook["kinds"].split())):
                rows = found.pop((hook["webhook_id"], event["revision"], kind), [])
                if len(rows) != 1:
                    yield Finding(f"{len(rows)} deliveries of an event", [event, *rows])
    for rows in found.values():
        yield Finding("a delivery of nothing that happened", rows)


def _kinds(event: Line) -> set[str]:
    made = any(one["type"] == "CREATED" for one in event["notifications"])
    return {f"JOB_{event['event']}"} | ({NOTIFIED} if made else set())


def _said(row: Line) -> tuple[str, str, int, str]:
    job_id = "" if row["delivery"] == NOTIFIED else row["job_id"]
    return row["user_id"], row["delivery"].lower().replace("_", ".", 1), row["revision"], job_id


def _came(line: Line) -> tuple[str, str, int, str]:
    return line["user"], line["type"], line["revision"], line["job_id"]
