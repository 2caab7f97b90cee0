"""I23: each view shows what the newest wish of the log put there.

The load applies only by jobs and deletes nothing, so the wishes are the jobs that were accepted for
a view, and each takes effect at its success unless a newer one already has.
"""

from collections.abc import Iterator

from tests.crash.checker.evidence import Evidence, Finding, only
from tests.crash.checker.streams import streams_of
from tests.crash.history import Line


def views_follow_the_newest_wish(evidence: Evidence) -> Iterator[Finding]:
    """I23: in the log, in the rows, and in what watchers were told."""
    final = evidence.final
    accepted = {one["job_id"]: one["revision"] for one in final.event if one["event"] == "QUEUED"}
    wishes: dict[tuple[str, str], int] = {}
    shown: dict[tuple[str, str], str] = {}
    for event in sorted(final.event, key=lambda event: event["revision"]):
        view, wish = (event["user_id"], event["view"]), accepted.get(event["job_id"], 0)
        applies = _may_apply(event) and wish > wishes.get(view, 0)
        wanted = event["job"]["outputs"][:1] if applies else []
        if [one["media_id"] for one in event["views"]] != wanted:
            yield Finding(f"a view was to show {wanted or 'what it did'}", [event])
        if applies:
            wishes[view], shown[view] = wish, wanted[0]
    kept = {(row["user_id"], row["view"]): row for row in final.view if row["media_id"]}
    for view in sorted(kept.keys() | shown.keys()):
        row = kept.get(view, {"kind": "view", "user_id": view[0], "view": view[1]})
        if row.get("media_id", "") != shown.get(view, ""):
            yield Finding("a view does not show what the log says", [row])
    yield from _watchers_saw_the_same(evidence, shown)


def _watchers_saw_the_same(
    evidence: Evidence, shown: dict[tuple[str, str], str]
) -> Iterator[Finding]:
    for frame in evidence.kinds("frame"):
        for event in frame["events"] if frame["t"] > evidence.restored_at else ():
            kept = evidence.final.event_at.get((frame["user"], event.get("revision", 0)))
            if kept is not None and event.get("views", []) != kept["views"]:
                yield Finding("a watcher saw another change of views", [only(frame, event), kept])
    for watch in streams_of(evidence).watches.values():
        mine = {view: item for (user, view), item in shown.items() if user == watch.user}
        if watch.open and watch.at is not None and watch.shown != mine:
            what = f"{watch.name} saw {watch.shown} in views, not {mine}"
            yield Finding(what, [watch.at.line, *watch.since])


def _may_apply(event: Line) -> bool:
    return bool(event["event"] == "SUCCEEDED" and event["view"] and event["job"]["outputs"])
