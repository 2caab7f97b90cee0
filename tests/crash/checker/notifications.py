"""I17: each move of a job makes exactly one notification, and the counts of unread ones are true.

Nobody of the load marks or deletes any, so all of them are there and unread at the end.
"""

from collections import defaultdict
from collections.abc import Iterator

from tests.crash.checker.evidence import Evidence, Finding
from tests.crash.history import Line

ALERT = "BUDGET_ALERT"
KINDS = {
    "RECONCILING": "JOB_RECONCILING",
    "SUCCEEDED": "JOB_SUCCEEDED",
    "FAILED": "JOB_FAILED",
    "CANCELLED": "JOB_CANCELLED",
}


def each_move_makes_one_notification(evidence: Evidence) -> Iterator[Finding]:
    """I17: in the log, in the rows, in the counters, and in what watchers were told."""
    final = evidence.final
    rows = {row["job_id"]: row for row in final.notification}
    unread: dict[str, set[str]] = defaultdict(set)
    for event in sorted(final.event, key=lambda event: event["revision"]):
        wanted = _wanted(evidence, event)
        told = [one["kind"] for one in event["notifications"] if one["kind"] != ALERT]
        if told != ([wanted] if wanted else []):
            yield Finding(f"{wanted or 'nothing'} was to be told, not {told}", [event])
        for number, one in enumerate(event["notifications"]):
            mine = unread[event["user_id"]]
            mine.add(f"{event['revision']}.{number}" if one["kind"] == ALERT else event["job_id"])
            if one["unread"] != len(mine):
                yield Finding(f"{len(mine)} are unread", [event])
    for job_id, events in final.events_of.items():
        last = next((k for e in events[::-1] if (k := _wanted(evidence, e))), "")
        row = rows.get(job_id)
        if last != (row["notification"] if row else ""):
            yield Finding(f"the row of a job is not {last or 'missing'}", [events[-1], row or {}])
    for stream in final.stream:
        kept = [row for row in final.notification if row["user_id"] == stream["user_id"]]
        if (stream["unread"], stream["notification_count"]) != (len(kept), len(kept)):
            yield Finding(f"{len(kept)} notifications are not what is counted", [stream])
    yield from _watchers_heard_the_same(evidence)


def _wanted(evidence: Evidence, event: Line) -> str:
    """The kind that the event makes; empty if it makes none."""
    if event["event"] == "STARTED":
        before = evidence.final.events_of[event["job_id"]]
        starts = [one["revision"] for one in before if one["event"] == "STARTED"]
        return "JOB_STARTED" if event["revision"] == starts[0] else ""
    return KINDS.get(event["event"], "")


def _watchers_heard_the_same(evidence: Evidence) -> Iterator[Finding]:
    for frame in evidence.kinds("frame"):
        if frame["t"] <= evidence.restored_at:
            continue
        for event in frame["events"]:
            kept = evidence.final.event_at.get((frame["user"], event.get("revision", 0)))
            if kept is not None and event.get("notifications", []) != kept["notifications"]:
                yield Finding("a watcher heard of other notifications", [frame, kept])
