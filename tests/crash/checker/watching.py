"""I10, I11, I13, I14: a watcher is told every change, once, in order, and ends with the truth."""

import itertools
from collections import defaultdict
from collections.abc import Iterator

from tests.crash.checker.evidence import TOLD, Evidence, Finding, only
from tests.crash.checker.streams import Watch, streams_of
from tests.crash.history import Line


def revisions_rise_by_one(evidence: Evidence) -> Iterator[Finding]:
    """I10: in the database, and to every watcher over all its connections, or RESET and a snapshot.

    And what it was told at a revision is what the database keeps there.
    """
    yield from _kept_without_a_gap(evidence)
    yield from streams_of(evidence).gaps
    for frame in evidence.kinds("frame"):
        for event in frame["events"] if frame["t"] > evidence.restored_at else ():
            kept = evidence.final.event_at.get((frame["user"], event.get("revision", 0)))
            if event.get("revision") and not _same_event(event, kept):
                trace = [only(frame, event), *([kept] if kept else [])]
                yield Finding("a change was told that is not the one that was kept", trace)


def nothing_is_applied_twice(evidence: Evidence) -> Iterator[Finding]:
    """I11: what the SDK hands on in one watch rises by one, whatever came on the wire."""
    applied = defaultdict(list)
    for line in evidence.kinds("applied"):
        applied[line["watch"], line["session"]].append(line)
    for lines in applied.values():
        for before, after in itertools.pairwise(lines):
            both = "revision" in before and "revision" in after
            if both and after["revision"] != before["revision"] + 1:
                yield Finding("a watch applied what does not follow", [before, after])


def tokens_stand_for_what_was_said(evidence: Evidence) -> Iterator[Finding]:
    """I13: nothing that a response's token stands for comes after it; nor progress after an end."""
    yield from streams_of(evidence).repeats


def watchers_end_with_the_truth(evidence: Evidence) -> Iterator[Finding]:
    """I14: when all is quiet, whoever watches knows of each job what the database has."""
    for watch in streams_of(evidence).watches.values():
        if watch.open:
            yield from _view(evidence, watch)


def _kept_without_a_gap(evidence: Evidence) -> Iterator[Finding]:
    kept = defaultdict(list)
    for event in evidence.final.changes:
        kept[event["user_id"]].append(event)
    for user, events in kept.items():
        for number, event in enumerate(events, 1):
            if event["revision"] != number:
                what = f"{user} has no event at revision {number}"
                yield Finding(what, [*events[max(number - 2, 0) : number - 1], event])
                break
        head = evidence.final.heads.get(user)
        if head != events[-1]["revision"]:
            yield Finding(f"{user} is at revision {head}, its events are not", [events[-1]])


def _same_event(told: Line, kept: Line | None) -> bool:
    if kept is None or told["event"] != kept["event"]:
        return False
    return "job" not in kept or _same(told["job"], kept["job"])


def _same(told: Line, kept: Line) -> bool:
    return told["job_id"] == kept["job_id"] and all(told[name] == kept[name] for name in TOLD)


def _view(evidence: Evidence, watch: Watch) -> Iterator[Finding]:
    head = evidence.final.heads.get(watch.user, 0)
    if watch.at is None:
        yield Finding(f"{watch.name} never got a whole snapshot", watch.since)
        return
    if watch.at.revision not in (None, head):
        what = f"{watch.name} stands at {watch.at.revision}, its user at {head}"
        yield Finding(what, [watch.at.line, *watch.since])
    begun = watch.snapshot.point.revision if watch.snapshot.point else None
    for job_id, events in evidence.final.events_of.items():
        last, known = events[-1], watch.view.get(job_id)
        if last["user_id"] != watch.user:
            continue
        if known is None and begun is not None and last["revision"] > begun:
            yield Finding(f"{watch.name} was never told of a job", [watch.at.line, last])
        elif known is not None and not _same(known, last["job"]):
            yield Finding(f"{watch.name} has another idea of a job", [watch.at.line, last])
