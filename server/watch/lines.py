"""Lines: the durable changes of a user, as a feed keeps them and as watchers are sent them."""

import json
import time
from collections.abc import Callable

from core.events import JOB_KIND, Event, event_from_json
from server.mapping import Mapper
from server.watch.frames import event_frame

# Frames hold signed addresses. A frame is made again after this time, so that its addresses last.
FRAME_SECONDS = 600.0


class Line:
    """A durable change at its revision, with its frame.

    `event` is the job's event if the change is one. A change of another kind has none, so filters
    and `until_done` do not look at it. A change that this version does not know has no frame.
    """

    __slots__ = ("_frame", "_made_at", "_make_frame", "event", "kind", "revision")

    def __init__(
        self,
        revision: int,
        kind: str,
        make_frame: Callable[[], bytes] | None = None,
        event: Event | None = None,
    ) -> None:
        self.revision = revision
        self.kind = kind
        self.event = event
        self._make_frame = make_frame
        self._frame = b""
        self._made_at = float("-inf")

    @property
    def frame(self) -> bytes:
        """The bytes for a response, made at most once in FRAME_SECONDS; empty if there are none."""
        if self._make_frame is None:
            return b""
        now = time.monotonic()
        if now - self._made_at > FRAME_SECONDS:
            self._frame = self._make_frame()
            self._made_at = now
        return self._frame


class LineMaker:
    """Makes lines of the changes that the database and the stream carry."""

    # The kinds that this version knows.
    kinds = frozenset({JOB_KIND})

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper

    def make(self, revision: int, kind: str, payload: str | bytes) -> Line:
        """The line of a change; without a frame when its kind is not one of `kinds`.

        Raises:
            ValueError, KeyError, TypeError: when the payload is not one of its kind.
        """
        if kind != JOB_KIND:
            return Line(revision, kind)
        event = event_from_json(revision, json.loads(payload))
        return Line(revision, kind, lambda: event_frame(self._mapper.event_to_proto(event)), event)
