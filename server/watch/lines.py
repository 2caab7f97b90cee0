"""Lines: the durable changes of a user, as a feed keeps them and as watchers are sent them."""

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson

from core.events import JOB_KIND, UserChange
from core.jobs import State
from server.mapping import Asked, Mapper
from server.watch.frames import serialized_frame

# Frames hold signed addresses. A frame is made again after this time, so that its addresses last.
FRAME_SECONDS = 600.0
_STATES = {str(state): state for state in State}


class Line:
    """A durable change at its revision, with its frame.

    `job` is what the change says of its job, if it is an event of one. A change of another kind has
    none, so filters and `until_done` do not look at it. A change that this version does not know
    has no frame.
    """

    __slots__ = ("_frame", "_made_at", "_remake", "job", "kind", "revision")

    def __init__(self, revision: int, kind: str, job: "LineJob | None" = None) -> None:
        self.revision = revision
        self.kind = kind
        self.job = job
        self._frame = b""
        self._remake: Callable[[], bytes] | None = None
        self._made_at = 0.0

    def keep(self, frame: bytes, remake: Callable[[], bytes]) -> None:
        """Takes the frame, and what makes it again when its addresses are old."""
        self._frame, self._remake = frame, remake
        self._made_at = time.monotonic()

    @property
    def frame(self) -> bytes:
        """The bytes for a response, at most FRAME_SECONDS old; empty if there are none."""
        if self._remake is not None and time.monotonic() - self._made_at > FRAME_SECONDS:
            self.keep(self._remake(), self._remake)
        return self._frame


class LineJob(NamedTuple):
    """What watchers look at in an event of a job. `event_time` in milliseconds."""

    job_id: str
    state: State
    labels: dict[str, str]
    event_time: int


class LineMaker:
    """Makes lines of the changes that the database and the stream carry."""

    # The kinds that this version knows.
    kinds = frozenset({JOB_KIND})

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper

    def make_all(self, changes: Iterable[UserChange], asked: Asked) -> list[Line]:
        """The lines of changes. Raises what `make` raises."""
        return [self.make(one.revision, one.kind, one.payload, asked) for one in changes]

    def make(self, revision: int, kind: str, payload: str | bytes, asked: Asked) -> Line:
        """The line of a change; without a frame when its kind is not one of `kinds`.

        `asked` keeps what the jobs were asked to make, for the next line of each.

        Raises:
            ValueError, KeyError, TypeError: when the payload is not one of its kind.
        """
        if kind != JOB_KIND:
            return Line(revision, kind)
        values = orjson.loads(payload)
        job = values["job"]
        said = LineJob(
            job["job_id"], _STATES[job["state"]], job.get("labels", {}), values["event_time"]
        )
        line = Line(revision, kind, said)
        line.keep(
            self._frame(revision, values, asked),
            lambda: self._frame(revision, orjson.loads(payload), {}),
        )
        return line

    def _frame(self, revision: int, values: dict[str, Any], asked: Asked) -> bytes:
        return serialized_frame(self._mapper.kept_to_bytes(revision, values, asked))
