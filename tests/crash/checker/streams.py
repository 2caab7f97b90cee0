"""Follows each watcher through its connections, as the contract of WatchJobs says that they go.

A resume token is opaque: it stands for what was said up to its response. The revision of a
snapshot is told nowhere; the first event after it gives it away (one below), to all its tokens.
"""

import functools
from dataclasses import dataclass, field

from tests.crash.checker.evidence import TERMINAL, Evidence, Finding, only
from tests.crash.history import Line, is_thief


@dataclass(eq=False)
class Point:
    """A place in a user's history; `revision` is None while only its snapshot is known."""

    revision: int | None
    line: Line


@dataclass(eq=False)
class Snapshot:
    """What a watcher was shown at once, and where that is."""

    user: str
    recent: int
    jobs: dict[str, Line] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    point: Point | None = None


@dataclass(eq=False)
class Watch:
    """One watcher, over all its connections. `at` is None until its snapshot is complete.

    `view` is what it knows of each job, `shown` the item of each view, and `unread` how many
    notifications are unread; `since` are its connects and disconnects after `at`.
    """

    name: str
    user: str
    snapshot: Snapshot
    at: Point | None = None
    open: bool = False
    must_reset: bool = False
    view: dict[str, Line] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    unread: int = 0
    since: list[Line] = field(default_factory=list)

    def forget(self, recent: int) -> None:
        """Begins anew, with a snapshot."""
        self.at, self.view, self.shown, self.unread = None, {}, {}, 0
        self.snapshot = Snapshot(self.user, recent)

    def reach(self, point: Point) -> None:
        """It knows everything up to there."""
        self.at, self.since = point, []

    def trace(self, frame: Line, event: Line) -> list[Line]:
        """How it came from where it was to this event."""
        return [*([self.at.line] if self.at else []), *self.since, only(frame, event)]


@functools.lru_cache(maxsize=1)
def streams_of(evidence: Evidence) -> "Streams":
    """The streams of the history, followed once for all who ask."""
    return Streams(evidence)


class Streams:
    """Every watcher as it was at the end, every snapshot, and what was wrong on the way.

    `gaps` are events that did not come, `repeats` what came though a token stood for it already.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.watches: dict[str, Watch] = {}
        self.snapshots: list[Snapshot] = []
        self.gaps: list[Finding] = []
        self.repeats: list[Finding] = []
        self._tokens: dict[str, Point | None] = {}
        take = {"connect": self._connect, "disconnect": self._disconnect, "frame": self._frame}
        for line in evidence.kinds(*take):
            if line["t"] < evidence.ended_at and not is_thief(line["watch"]):
                take[line["kind"]](line)

    def _connect(self, line: Line) -> None:
        user, recent, token = line["user"], line["recent"], line["token"]
        new = Watch(line["watch"], user, Snapshot(user, recent))
        watch = self.watches.setdefault(line["watch"], new)
        watch.open = True
        watch.since.append(line)
        point = self._tokens.get(token) if token else None
        watch.must_reset = bool(token) and point is None
        if point is None:
            watch.forget(recent)
        watch.at = point

    def _disconnect(self, line: Line) -> None:
        watch = self.watches[line["watch"]]
        watch.open = False
        watch.since.append(line)

    def _frame(self, frame: Line) -> None:
        watch = self.watches[frame["watch"]]
        if watch.must_reset and frame["events"] and frame["events"][0]["event"] != "reset":
            self.gaps.append(Finding("a broken snapshot was continued", [*watch.since, frame]))
        watch.must_reset = watch.must_reset and not frame["events"]
        for event in frame["events"]:
            self._event(watch, frame, event)
        self._token(watch, frame)

    def _event(self, watch: Watch, frame: Line, event: Line) -> None:
        kind = event["event"]
        for one in event.get("notifications", ()):
            watch.unread = one["unread"]
        for one in event.get("views", ()):
            watch.shown[one["view"]] = one["media_id"]
        if kind == "reset":
            watch.forget(watch.snapshot.recent)
        elif kind == "CURRENT":
            self._current(watch, frame, event)
        elif kind == "synced":
            self._synced(watch, frame, event)
        elif kind == "progress":
            job = watch.view.get(event["job_id"])
            if job and job["state"] in TERMINAL:
                trace = watch.trace(frame, event)
                self.repeats.append(Finding("progress came after the job's end", trace))
        elif event.get("revision"):
            self._change(watch, frame, event)

    def _current(self, watch: Watch, frame: Line, event: Line) -> None:
        if watch.at is not None:
            self.gaps.append(Finding("a snapshot without RESET", watch.trace(frame, event)))
        job = event["job"]
        watch.view[job["job_id"]] = watch.snapshot.jobs[job["job_id"]] = job
        watch.snapshot.lines.append(frame)

    def _synced(self, watch: Watch, frame: Line, event: Line) -> None:
        if watch.at is None:
            watch.snapshot.point = Point(None, only(frame, event))
            watch.reach(watch.snapshot.point)
            self.snapshots.append(watch.snapshot)

    def _change(self, watch: Watch, frame: Line, event: Line) -> None:
        revision, at = event["revision"], watch.at
        if at is None:
            trace = watch.trace(frame, event)
            self.gaps.append(Finding("a change came before the snapshot was complete", trace))
        elif at.revision is None:
            at.revision = revision - 1
        elif revision <= at.revision:
            what = f"revision {revision} came after a token that stood for {at.revision}"
            self.repeats.append(Finding(what, watch.trace(frame, event)))
        elif revision > at.revision + 1:
            what = f"{watch.name} was told revision {revision} after {at.revision}"
            self.gaps.append(Finding(what, watch.trace(frame, event)))
        watch.reach(Point(revision, only(frame, event)))
        if job := event.get("job"):
            watch.view[job["job_id"]] = job

    def _token(self, watch: Watch, frame: Line) -> None:
        """What the frame's token stands for; the same token always stands for the same."""
        known, at = self._tokens.setdefault(frame["token"], watch.at), watch.at
        if known is None or at is None or known is at:
            return
        if known.revision is None:
            known.revision = at.revision
        elif at.revision is None:
            at.revision = known.revision
        elif known.revision != at.revision:
            what = f"one token stands for revision {known.revision} and {at.revision}"
            self.repeats.append(Finding(what, [known.line, frame]))
