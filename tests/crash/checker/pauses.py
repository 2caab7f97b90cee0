"""I27: no job starts while its queue is paused, and a worker that is drained ends.

A pause holds from its commit on, for claims: a job that was claimed before it still starts, which
takes BOUND_MS at most. What a freeze or bad weather held up in between may take longer, so a start
that one of them was near proves nothing.
"""

from collections.abc import Iterator

from tests.crash.checker.evidence import Evidence, Finding
from tests.crash.history import Line

BOUND_MS = 2_000
# Faults that hold up what goes on, by how their names begin.
HOLDING = ("freeze", "postgres_freeze", "edge_", "clock_skew", "disk_full")


def a_paused_queue_starts_nothing(evidence: Evidence) -> Iterator[Finding]:
    """I27: by what the operator was told, and by the first start of each job."""
    for line in evidence.kinds("drained"):
        if not line["ended"]:
            yield Finding("a worker that was drained did not end", [line])
    held = list(_held(evidence))
    pauses = list(_pauses(evidence))
    for job_id, events in evidence.final.events_of.items():
        start = next((one for one in events if one["event"] == "STARTED"), None)
        job = evidence.final.jobs.get(job_id)
        if start is None or job is None:
            continue
        at = start["event_time"]
        if any(begun - BOUND_MS <= at <= end + BOUND_MS for begun, end in held):
            continue
        for paused, resuming in pauses:
            same = paused["queue"] == job["queue"]
            if same and paused["wall"] + BOUND_MS < at < resuming["wall"]:
                yield Finding("a job started while its queue was paused", [paused, start, resuming])


def _pauses(evidence: Evidence) -> Iterator[tuple[Line, Line]]:
    """Each pause with the line before its end, since the last restore."""
    paused: dict[str, Line] = {}
    for line in evidence.kinds("paused", "resuming"):
        if line["kind"] == "paused":
            paused[line["queue"]] = line
        elif (begun := paused.pop(line["queue"], None)) and begun["t"] > evidence.restored_at:
            yield begun, line


def _held(evidence: Evidence) -> Iterator[tuple[int, int]]:
    """From when to when a fault held up what went on."""
    begun: dict[tuple[str, str], int] = {}
    for line in evidence.kinds("fault"):
        if line["fault"].startswith(HOLDING):
            begun[line["fault"], line["target"]] = line["wall"]
        elif line["fault"] == "healed":
            since = begun.pop((line["detail"]["of"], line["target"]), None)
            if since is not None:
                yield since, line["wall"]
    yield from ((since, since + 3_600_000) for since in begun.values())
