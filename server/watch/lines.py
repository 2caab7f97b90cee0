"""Lines: the durable changes of a user, as a feed keeps them and as watchers are sent them."""

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson

from core.events import JOB_KIND, USER_KIND, UserChange
from core.jobs import State
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import notification_pb2
from server.mapping import Asked, Mapper, head_to_bytes
from server.mapping.notifications import notification_change
from server.watch.frames import serialized_frame

# Frames hold signed addresses. A frame is made again after this time, so that its addresses last.
FRAME_SECONDS = 600.0
# The parts that a change can have; a set of them is a sum. (An IntFlag would cost each event more
# than its frame.)
JOBS, NOTIFICATIONS, VIEWS = 1, 2, 4
_STATES = {str(state): state for state in State}
# What of a change belongs to which part.
_BESIDE = (
    ("notifications", NOTIFICATIONS),
    ("read_announcements", NOTIFICATIONS),
    ("views", VIEWS),
)


class Line:
    """A durable change at its revision, and the frames of its parts.

    `job` is what the change says of its job, if it is an event of one. A change that is none of
    a job has none, so filters and `until_done` do not look at it. A change of a kind that this
    version does not know has no parts.
    """

    __slots__ = ("_frames", "_made_at", "_make", "job", "parts", "revision")

    def __init__(
        self,
        revision: int,
        parts: int = 0,
        make: Callable[[int], bytes] | None = None,
        job: "LineJob | None" = None,
    ) -> None:
        self.revision = revision
        self.parts = parts
        self.job = job
        self._make = make
        self._frames: dict[int, bytes] = {}
        self._made_at = time.monotonic()

    def frame(self, parts: int) -> bytes:
        """The bytes of some of its parts for a response, at most FRAME_SECONDS old."""
        if time.monotonic() - self._made_at > FRAME_SECONDS:
            self._frames.clear()
            self._made_at = time.monotonic()
        found = self._frames.get(parts)
        if found is None:
            assert self._make is not None
            found = self._frames[parts] = self._make(parts)
        return found

    def keep(self, parts: int, frame: bytes) -> None:
        """Takes a frame that has just been made."""
        self._frames[parts] = frame


class LineJob(NamedTuple):
    """What watchers look at in an event of a job. `event_time` in milliseconds."""

    job_id: str
    state: State
    labels: dict[str, str]
    event_time: int
    batch_id: str = ""


class LineMaker:
    """Makes lines of the changes that the database and the stream carry."""

    # The kinds that this version knows.
    kinds = frozenset({JOB_KIND, USER_KIND})

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper

    def make_all(self, changes: Iterable[UserChange], asked: Asked) -> list[Line]:
        """The lines of changes. Raises what `make` raises."""
        return [self.make(one.revision, one.kind, one.payload, asked) for one in changes]

    def make(self, revision: int, kind: str, payload: str | bytes, asked: Asked) -> Line:
        """The line of a change; without parts when its kind is not one of `kinds`.

        `asked` keeps what the jobs were asked to make, for the next line of each.

        Raises:
            ValueError, KeyError, TypeError: when the payload is not one of its kind.
        """
        if kind not in self.kinds:
            return Line(revision)
        values = orjson.loads(payload)
        parts = 0
        for name, part in _BESIDE:
            if name in values:
                parts |= part

        def make(parts: int) -> bytes:
            return self._frame(revision, orjson.loads(payload), parts, {})

        if kind == USER_KIND:
            return Line(revision, parts, make)
        job = values["job"]
        said = LineJob(
            job["job_id"],
            _STATES[job["state"]],
            job.get("labels", {}),
            values["event_time"],
            job.get("batch_id", ""),
        )
        line = Line(revision, parts | JOBS, make, said)
        # Most watchers want the job alone.
        line.keep(JOBS, self._frame(revision, values, JOBS, asked))
        return line

    def _frame(self, revision: int, values: dict[str, Any], parts: int, asked: Asked) -> bytes:
        if parts & JOBS:
            event = self._mapper.kept_to_bytes(revision, values, asked)
        else:
            event = head_to_bytes(revision, values)
        return serialized_frame(event + self._beside(values, parts & ~JOBS))

    def _beside(self, values: dict[str, Any], parts: int) -> bytes:
        """The parts that stand beside a job's event, as more fields of a WatchEvent."""
        fields: dict[str, Any] = {}
        if parts & NOTIFICATIONS:
            told = values.get("notifications", ())
            fields["notifications"] = [notification_change(one) for one in told]
            if read := values.get("read_announcements"):
                type = notification_pb2.AnnouncementEvent.READ
                fields["announcement"] = {"type": type, "announcement_ids": read}
        if parts & VIEWS:
            fields["views"] = self._mapper.views_to_proto(values.get("views", ()))
        return pb.WatchEvent(**fields).SerializeToString() if fields else b""
