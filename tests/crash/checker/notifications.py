"""I17: each move of a job makes exactly one notification, and the counts of unread ones are true.

The load marks notifications as read and deletes none, so all of them are there at the end, and
unread are those that no change after them marked.
"""

from collections import defaultdict
from collections.abc import Iterator

from tests.crash.checker.evidence import Evidence, Finding
from tests.crash.checker.streams import streams_of
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
    inboxes: dict[str, _Inbox] = defaultdict(_Inbox)
    for event in final.changes:
        wanted = _wanted(evidence, event)
        kinds = [one["kind"] for one in event["notifications"] if "kind" in one]
        told = [kind for kind in kinds if kind != ALERT]
        if told != ([wanted] if wanted else []):
            yield Finding(f"{wanted or 'nothing'} was to be told, not {told}", [event])
        for one in event["notifications"]:
            wrong = inboxes[event["user_id"]].take(one)
            if wrong:
                yield Finding(wrong, [event])
    yield from _rows_say_the_same(evidence, inboxes)
    yield from _watchers_heard_the_same(evidence)


class _Inbox:
    """A user's notifications by their ids, as the log says: when each was made, and the unread."""

    def __init__(self) -> None:
        self._made: dict[str, int] = {}
        self.unread: set[str] = set()

    def take(self, change: Line) -> str:
        """Follows the change; what is wrong with it, or nothing."""
        if change["type"] == "READ":
            read = {*change.get("ids", ()), *self._up_to(change.get("until", -1))} & self.unread
            self.unread -= read
            if not read:
                return "a reading that read nothing took a revision"
        else:
            self._made[change["id"]] = change["made"]
            self.unread.add(change["id"])
        count = len(self.unread)
        return "" if change["unread"] == count else f"{count} are unread"

    def _up_to(self, time: int) -> list[str]:
        return [name for name, made in self._made.items() if made <= time]


def _rows_say_the_same(evidence: Evidence, inboxes: dict[str, _Inbox]) -> Iterator[Finding]:
    final = evidence.final
    rows = {row["job_id"]: row for row in final.notification}
    for job_id, events in final.events_of.items():
        last = next((k for e in events[::-1] if (k := _wanted(evidence, e))), "")
        row = rows.get(job_id)
        if last != (row["notification"] if row else ""):
            yield Finding(f"the row of a job is not {last or 'missing'}", [events[-1], row or {}])
    for stream in final.stream:
        kept = [row for row in final.notification if row["user_id"] == stream["user_id"]]
        unread = {row["notification_id"] for row in kept if row["read_time"] is None}
        if (stream["unread"], stream["notification_count"]) != (len(unread), len(kept)):
            yield Finding(f"{len(kept)} notifications are not what is counted", [stream])
        if unread != inboxes[stream["user_id"]].unread:
            yield Finding("other notifications are unread than the log says", [stream])


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
    for watch in streams_of(evidence).watches.values():
        count = next((s["unread"] for s in evidence.final.stream if s["user_id"] == watch.user), 0)
        if watch.open and watch.at is not None and watch.unread != count:
            what = f"{watch.name} was told of {watch.unread} unread ones, not {count}"
            yield Finding(what, [watch.at.line, *watch.since])
