"""One watched user's durable changes in this process: a head, a short ring, the latest progress."""

import itertools
from collections import deque

from core.errors import RushesError
from core.events import QueueInfo
from core.jobs import State
from core.process import metrics
from core.process.telemetry import get_logger
from core.telling.stream import PROGRESS, StreamRow
from server.mapping import Asked
from server.watch.lines import Line
from server.watch.progress import LatestProgress
from server.watch.reader import Reader
from server.watch.signal import Signal
from server.watch.tasks import Tasks

log = get_logger(__name__)

RING_LINES = 256


class Feed:
    """Takes rows of the stream in any order, and reads by itself what the stream did not bring.

    Invariant: the ring holds the lines up to `head` without a gap. Before `begin`, `head` is None.
    """

    __slots__ = (
        "_asked",
        "_reader",
        "_ring",
        "_seen",
        "_tasks",
        "filling",
        "head",
        "progress",
        "user_id",
        "watchers",
    )

    def __init__(self, user_id: str, reader: Reader, tasks: Tasks) -> None:
        self.user_id = user_id
        self.head: int | None = None
        self.filling = False
        self.watchers: list[Signal] = []
        self.progress = LatestProgress()
        self._reader = reader
        self._tasks = tasks
        # Of the jobs that have not ended.
        self._asked: Asked = {}
        # Made for the first line, because most feeds that wait have none.
        self._ring: deque[Line] | None = None
        # The highest revision that the stream or a read of the database has named.
        self._seen = 0

    async def begin(self) -> None:
        """Reads where the user stands now, unless another watcher has done that."""
        if self.head is None:
            self.begin_at(*await self._reader.live_jobs(self.user_id))

    def begin_at(self, head: int, live: dict[str, State]) -> None:
        """Begins at the revision, with the jobs that had not ended then, unless it has begun."""
        if self.head is None:
            self.head = head
            self.progress.begin(live)
            self._fill_if_behind()

    def is_behind(self, revision: int) -> bool:
        """Whether the feed has begun and lacks the revision."""
        return self.head is not None and self.head < revision

    def expect(self, revision: int) -> None:
        """Takes notice that the database has the revision, and reads what is missing up to it."""
        self._seen = max(self._seen, revision)
        self._fill_if_behind()

    def offer(self, row: StreamRow) -> None:
        """Takes a row of the stream: the next one, one seen before, or a sign of missing ones."""
        try:
            if row.kind == PROGRESS:
                self._wake_for_progress(self.progress.offer(row))
            elif row.kind not in self._reader.lines.kinds:
                # Only the database can say that this revision has nothing to send.
                self.expect(row.revision)
            elif self.head is not None and row.revision == self.head + 1 and not self.filling:
                make = self._reader.lines.make
                self._append([make(row.revision, row.kind, row.payload, self._asked)])
            else:
                self.expect(row.revision)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            # The row is not readable here: another version or another program wrote it. The
            # database has the change itself.
            self.expect(row.revision)

    def offer_places(self, places: dict[str, QueueInfo]) -> None:
        """Takes the places of waiting jobs."""
        self._wake_for_progress(self.progress.offer_places(places))

    def recent_lines(self, revision: int) -> list[Line] | None:
        """The lines above the revision, in order; None when the ring does not begin that early."""
        assert self.head is not None
        if revision >= self.head:
            return []
        if not self._ring or self._ring[0].revision > revision + 1:
            return None
        if revision + 1 == self.head:
            return [self._ring[-1]]
        known = revision + 1 - self._ring[0].revision
        return list(itertools.islice(self._ring, known, None))

    async def lines_after(self, revision: int, *, until: int = 0) -> list[Line]:
        """The next lines above the revision, in order: from the ring, else from the database.

        `until` is a revision that the database has, whether or not this feed knows of it yet.
        """
        lines = self.recent_lines(revision)
        if lines or (lines is not None and revision >= until):
            return lines
        return await self._reader.lines_after(self.user_id, revision)

    def wake(self) -> None:
        """Wakes every watcher, to look at everything."""
        for signal in self.watchers:
            signal.make_due()

    def _append(self, lines: list[Line]) -> None:
        """Takes lines in order; those at or below the head are dropped."""
        for line in lines:
            assert self.head is not None
            if line.revision <= self.head:
                continue
            assert line.revision == self.head + 1, (line.revision, self.head)
            self.head = line.revision
            if self._ring is None:
                self._ring = deque(maxlen=RING_LINES)
            self._ring.append(line)
            if line.job is not None:
                self.progress.note(line.job.job_id, line.job.state)
                if line.job.state.terminal:
                    self._asked.pop(line.job.job_id, None)
        for signal in self.watchers:
            signal.set()

    def _fill_if_behind(self) -> None:
        if self.is_behind(self._seen) and not self.filling:
            self.filling = True
            self._tasks.start(self._fill())

    async def _fill(self) -> None:
        """Reads what is missing. At most one runs at a time."""
        try:
            while self.is_behind(self._seen) and self.watchers:
                assert self.head is not None
                lines = await self._reader.lines_after(self.user_id, self.head)
                metrics.GAPS_FILLED.inc()
                if not lines:
                    # The database has less than was told: its history was rewound.
                    self._seen = self.head
                self._append(lines)
        except RushesError as error:
            log.warning("fill_failed", user_id=self.user_id, error=type(error).__name__)
        finally:
            self.filling = False

    def _wake_for_progress(self, changed: bool) -> None:
        if changed:
            for signal in self.watchers:
                signal.set_for_progress()
