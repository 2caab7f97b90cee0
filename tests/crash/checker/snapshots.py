"""I12: a snapshot is the history up to its revision, no more and no less."""

import bisect
from collections import defaultdict
from collections.abc import Iterator

from tests.crash.checker.evidence import TERMINAL, TOLD, Evidence, Finding
from tests.crash.checker.streams import Snapshot, streams_of
from tests.crash.history import Line


def snapshots_equal_replays(evidence: Evidence) -> Iterator[Finding]:
    """I12: a snapshot at revision r shows each job as the replay of the events up to r does.

    `attempt` may be ahead: a claim is no event. Where r was never told, some r must do.
    """
    replay = _Replay(evidence.final.event)
    for snapshot in streams_of(evidence).snapshots:
        assert snapshot.point is not None
        if snapshot.point.line["t"] < evidence.restored_at:
            continue
        known = snapshot.point.revision
        if known is not None:
            differences = replay.differences(snapshot, known)
        else:
            first = max((job["revision"] for job in snapshot.jobs.values()), default=0)
            last = evidence.final.heads.get(snapshot.user, 0)
            places = range(first, max(first, last) + 1)
            differences = min((replay.differences(snapshot, r) for r in places), key=len)
        for what, lines in differences[:1]:
            yield Finding(what, [*lines, snapshot.point.line])


class _Replay:
    """The events of all users, to be asked for any moment of their past."""

    def __init__(self, events: list[Line]) -> None:
        self._of_user: dict[str, dict[str, list[Line]]] = defaultdict(lambda: defaultdict(list))
        for event in sorted(events, key=lambda event: event["revision"]):
            self._of_user[event["user_id"]][event["job_id"]].append(event)

    def at(self, user: str, revision: int) -> dict[str, Line]:
        """The last event of each job of the user up to the revision."""
        found = {}
        for job_id, events in self._of_user[user].items():
            count = bisect.bisect_right(events, revision, key=lambda event: event["revision"])
            if count:
                found[job_id] = events[count - 1]
        return found

    def differences(self, snapshot: Snapshot, revision: int) -> list[tuple[str, list[Line]]]:
        """What is wrong with the snapshot if it is of this revision."""
        expected = self.at(snapshot.user, revision)
        found = []
        for job_id, job in snapshot.jobs.items():
            last = expected.pop(job_id, None)
            shown = {"kind": "snapshot", "job": job}
            if last is None:
                found.append((f"a snapshot at {revision} shows a job of later", [shown]))
            elif not _shows(job, last["job"]):
                found.append((f"a snapshot at {revision} shows a job wrongly", [last, shown]))
        for last in expected.values():
            if last["job"]["state"] not in TERMINAL or snapshot.recent:
                found.append((f"a snapshot at {revision} lacks a job", [last]))
        return found


def _shows(job: Line, expected: Line) -> bool:
    same = all(job[name] == expected[name] for name in TOLD)
    return same and job["attempt"] >= expected["attempt"]
