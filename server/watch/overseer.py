"""One watch over all users: a snapshot of the newest jobs, SYNCED, then every change of them.

Each page of the snapshot is of its own moment. A line is news if its revision is above that at
which its job was shown, so nothing is missed and nothing comes twice. When something may have been
missed (`Everyone.resets`, or a watcher that is too far behind), RESET comes and a new snapshot.
"""

import time
from typing import NamedTuple

from core.errors import RequestError
from core.jobs import UNFINISHED
from server.mapping import end_to_proto, reset_to_proto, synced_to_proto
from server.mapping.admin import AdminMapper
from server.principal import Principal
from server.watch.everyone import AllLine, Everyone
from server.watch.frames import all_response, event_frame
from server.watch.hub import Hub
from server.watch.outlet import Outlet, Write
from server.watch.query import AllQuery
from server.watch.reader import Reader

SNAPSHOT_MOST = 10_000
PAGE_JOBS = 500
RESPONSE_BYTES = 256 * 1024
BEHIND = "something may have been missed"


class _Page(NamedTuple):
    """A page of a snapshot: the frames of its jobs, their revisions, and where the next begins."""

    frames: list[bytes]
    revisions: dict[str, int]
    below: tuple[int, str] | None


class Overseer(Outlet):
    """Serves one WatchAllJobs call."""

    __slots__ = (
        *("_at", "_began_ms", "_everyone", "_mapper", "_progress_at", "_query", "_reader"),
        *("_resets", "_shown", "_told"),
    )

    def __init__(
        self,
        *,
        hub: Hub,
        everyone: Everyone,
        reader: Reader,
        mapper: AdminMapper,
        principal: Principal,
        query: AllQuery,
        write: Write,
        stuck_seconds: float,
    ) -> None:
        super().__init__(
            hub=hub,
            principal=principal,
            write=write,
            stuck_seconds=stuck_seconds,
            checkpoint_ms=query.checkpoint_ms,
        )
        self._everyone = everyone
        self._reader = reader
        self._mapper = mapper
        self._query = query
        # The line up to which everything was looked at, and the revision of each job that is shown.
        self._at = self._resets = 0
        self._shown: dict[str, int] = {}
        self._began_ms = 0
        self._told = 0
        self._progress_at = float("-inf")

    async def _run(self) -> None:
        self._signal = self._hub.attach_all(self._principal.user_id, ticks=self._wants_progress)
        try:
            self._signal.give_up = self._give_up
            frames: list[bytes] = []
            while True:
                await self._hub.hears_all()
                await self._everyone.begin()
                await self._snapshot(frames)
                await self._follow()
                frames = [event_frame(reset_to_proto(BEHIND))]
        finally:
            self._hub.detach_all(self._signal)

    def _end_response(self, error: RequestError) -> bytes:
        return all_response([event_frame(end_to_proto(error.reason))])

    async def _snapshot(self, frames: list[bytes]) -> None:
        """Sends the newest jobs after `frames`, and SYNCED."""
        self._at, self._resets = self._everyone.number, self._everyone.resets
        self._told = self._everyone.tick_number
        self._began_ms = await self._reader.now_ms()
        self._shown = {}
        below: tuple[int, str] | None = None
        size = 0
        while True:
            limit = min(PAGE_JOBS, SNAPSHOT_MOST - len(self._shown))
            page = await self._page(below, limit)
            self._shown |= page.revisions
            for frame in page.frames:
                frames.append(frame)
                size += len(frame)
                if size > RESPONSE_BYTES:
                    await self._put(all_response(frames))
                    frames, size = [], 0
            below = page.below
            if below is None or len(self._shown) >= SNAPSHOT_MOST:
                break
        omitted = await self._omitted() if below is not None else 0
        await self._put(all_response([*frames, event_frame(synced_to_proto())], omitted))

    async def _page(self, below: tuple[int, str] | None, limit: int) -> _Page:
        query, mapper = self._query, self._mapper

        def read() -> _Page:
            jobs = self._reader.newest_jobs(query, below, limit)
            now_ms = time.time_ns() // 1_000_000
            shown = (mapper.current_to_proto(job, now_ms, prompts=query.prompts) for job in jobs)
            last = (jobs[-1].create_time, jobs[-1].job_id) if len(jobs) == limit else None
            return _Page(
                [event_frame(one) for one in shown],
                {job.job_id: job.revision for job in jobs},
                last,
            )

        if not query.states & UNFINISHED:
            return _Page([], {}, None)
        return await self._reader.run(read, self._principal.user_id)

    async def _omitted(self) -> int:
        """How many matching jobs the snapshot left out."""
        matching = await self._reader.count_jobs(self._query, self._principal.user_id)
        return max(matching - len(self._shown), 0)

    async def _follow(self) -> None:
        """Sends what happens; returns when something may have been missed."""
        signal, everyone = self._signal, self._everyone
        while everyone.resets == self._resets:
            signal.clear()
            is_due = signal.is_due and self._is_due()
            lines = everyone.lines_after(self._at)
            if lines is None:
                return
            frames = await self._take(lines) if lines else []
            frames += self._progress()
            if frames or is_due:
                await self._put(all_response(frames))
            if not lines:
                signal.progress_at = self._progress_at
                signal.due = min(self._checkpoint_at, self._expire_at)
                if self._wants_progress and self._told < everyone.tick_number:
                    signal.set_for_progress()
                await signal.wait()

    async def _take(self, lines: list[AllLine]) -> list[bytes]:
        """Frames of as many lines as fit into a response; `_at` moves past all lines of those."""
        frames: list[bytes] = []
        size = 0
        for line in lines:
            if size > RESPONSE_BYTES:
                break
            self._at += 1
            if await self._is_news(line):
                frame = line.frame(self._query.prompts)
                frames.append(frame)
                size += len(frame)
        return frames

    async def _is_news(self, line: AllLine) -> bool:
        """Whether the line is sent: one of a job that matches, or that is shown and leaves."""
        shown = self._shown.get(line.job_id)
        wanted = self._query.wants(line.user_id, line.model, line.state)
        if shown is None:
            if not wanted or await self._had_ended(line):
                return False
        elif line.revision <= shown:
            return False
        if wanted and not line.state.terminal:
            self._shown[line.job_id] = line.revision
        else:
            self._shown.pop(line.job_id, None)
        return True

    async def _had_ended(self, line: AllLine) -> bool:
        """Whether the line is of before the snapshot, which did not have its job because it had
        ended."""
        if line.event_time >= self._began_ms:
            return False
        return await self._reader.has_ended(line.job_id)

    @property
    def _wants_progress(self) -> bool:
        return self._query.progress_ms is not None

    def _progress(self) -> list[bytes]:
        """The latest progress of each job that is shown, if it is due."""
        now = time.monotonic()
        if self._query.progress_ms is None or now < self._progress_at:
            return []
        told, self._told = self._told, self._everyone.tick_number
        frames = [
            tick.frame
            for job_id, tick in self._everyone.ticks.items()
            if tick.number > told and job_id in self._shown
        ]
        if frames:
            self._progress_at = now + self._query.progress_ms / 1000
        return frames
