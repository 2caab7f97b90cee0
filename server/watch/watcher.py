"""One open watch: a loop that sends everything above `last`, on a first visit and on a return.

Durable changes go out at once, progress at most once per `progress_interval`. At most one write
is under way, because a message in gRPC's send buffers can no longer be replaced by a newer one.
While a write is under way, newer progress of a job replaces the older. Durable changes are never
merged. A slow watcher delays no other watcher.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from core.errors import CredentialsExpired, NotFound, RequestError, ServerDraining, WatcherTooSlow
from core.jobs import Job, State
from core.process import failpoints, metrics
from core.store.events import Snapshot
from core.tokens import ResumePoint, Tokens
from server.mapping import Mapper, end_to_proto, reset_to_proto, synced_to_proto
from server.principal import Principal
from server.watch.feed import Feed, Signal
from server.watch.frames import event_frame, response
from server.watch.hub import Hub
from server.watch.lines import Line
from server.watch.places import Places
from server.watch.progress import Tick
from server.watch.query import WatchQuery
from server.watch.reader import Reader

# A client takes responses of 4 MiB unless it says otherwise; one job has at most some 100 KiB.
RESPONSE_BYTES = 256 * 1024
TOO_OLD = "the token is too old"
Write = Callable[[bytes], Awaitable[None]]


class Watcher:
    """Serves one WatchJobs call."""

    def __init__(
        self,
        *,
        hub: Hub,
        reader: Reader,
        places: Places,
        mapper: Mapper,
        tokens: Tokens,
        principal: Principal,
        query: WatchQuery,
        write: Write,
        stuck_seconds: float,
    ) -> None:
        self._hub = hub
        self._reader = reader
        self._places = places
        self._mapper = mapper
        self._tokens = tokens
        self._principal = principal
        self._query = query
        self._write = write
        self._stuck_seconds = stuck_seconds
        self._epoch = ""
        self._last = 0
        self._unfinished: set[str] = set()
        self._told: dict[str, int] = {}
        self._written_at = self._progress_at = float("-inf")
        self._begun = False

    async def serve(self) -> None:
        """Writes until the caller leaves or the watch is done.

        Raises:
            RequestError: why the server ends the stream; the last event says it too.
        """
        try:
            point = self._read_token()
            while True:
                self._epoch = self._hub.epoch
                async with self._hub.attach(self._principal.user_id) as (feed, signal):
                    if await self._begin(feed, point):
                        return
                    if await self._follow(feed, signal):
                        return
                # Another history began, and the token stands for something of the old one.
                point = ResumePoint("", 0)
        except RequestError as error:
            if self._begun and not isinstance(error, WatcherTooSlow):
                await self._send([event_frame(end_to_proto(error.reason))])
            raise

    def _read_token(self) -> ResumePoint | None:
        token = self._query.resume_token
        return self._tokens.read_resume(self._principal.user_id, token) if token else None

    async def _begin(self, feed: Feed, point: ResumePoint | None) -> bool:
        """A snapshot, or a replay from the point; True when the watch is done with it."""
        if point is None:
            return await self._snapshot(feed, [])
        if point.epoch != self._epoch:
            return await self._reset(feed, "the history is another one")
        if not point.whole:
            return await self._reset(feed, "the snapshot was not complete")
        if self._query.filtered or self._query.until_done:
            # This is read before the head, so that the replay has what ends in between.
            self._note(await self._read_snapshot())
        head = await self._reader.continuable(self._principal.user_id, point.revision)
        if head is None:
            return await self._reset(feed, TOO_OLD)
        self._last = point.revision
        return await self._replay(feed, head)

    async def _reset(self, feed: Feed, cause: str) -> bool:
        return await self._snapshot(feed, [event_frame(reset_to_proto(cause))])

    async def _read_snapshot(self) -> Snapshot:
        job_ids = sorted(self._query.job_ids)
        found = await self._reader.snapshot(self._principal.user_id, job_ids, self._query.recent_ms)
        if found.missing:
            raise NotFound("job")
        return found

    async def _snapshot(self, feed: Feed, frames: list[bytes]) -> bool:
        found = await self._read_snapshot()
        failpoints.hit("watch.in_snapshot")
        feed.expect(found.revision)
        self._note(found)
        self._last, self._told = found.revision, {}
        waiting = [job.job_id for job in found.jobs if job.state is State.QUEUED]
        places = await self._places.of(waiting)
        now_ms, size = time.time_ns() // 1_000_000, 0
        for job in filter(self._query.wants, found.jobs):
            if size > RESPONSE_BYTES:
                await self._send(frames, whole=False)
                frames, size = [], 0
            current = self._mapper.current_to_proto(job, now_ms, places.get(job.job_id))
            frames.append(event_frame(current))
            size += len(frames[-1])
        return await self._synced(frames)

    def _note(self, found: Snapshot) -> None:
        wanted = [job for job in found.jobs if self._query.wants(job)]
        self._unfinished = {job.job_id for job in wanted if not job.state.terminal}

    async def _replay(self, feed: Feed, head: int) -> bool:
        """Everything up to the revision that the database has now, also what was never told."""
        feed.expect(head)
        frames: list[bytes] = []
        while self._last < head:
            if frames:
                await self._send(frames)
            lines = await feed.lines_after(self._last, until=head)
            if not lines or lines[0].revision != self._last + 1:
                # They were kept when the watch began, and are forgotten by now.
                return await self._reset(feed, TOO_OLD)
            frames = self._take(lines)
        return await self._synced(frames)

    async def _synced(self, frames: list[bytes]) -> bool:
        await self._send([*frames, event_frame(synced_to_proto())])
        return await self._done()

    async def _done(self) -> bool:
        if not self._query.until_done or self._unfinished:
            return False
        await self._send([event_frame(end_to_proto())])
        return True

    async def _follow(self, feed: Feed, signal: Signal) -> bool:
        """Sends what happens; True when the watch is done, False when the history changed."""
        while self._hub.epoch == self._epoch:
            self._refuse_to_go_on()
            signal.event.clear()
            lines = await feed.lines_after(self._last)
            frames = self._take(lines) + self._progress(feed)
            if frames or self._left(self._written_at, self._query.checkpoint_ms) <= 0:
                await self._send(frames)
            if lines:
                _count_lag(lines)
                if await self._done():
                    return True
            else:
                await self._wait(feed, signal)
        return False

    def _take(self, lines: list[Line]) -> list[bytes]:
        """Frames of as many lines as fit into a response. `last` moves past all lines of those.

        A line that this watch does not send is a gap in its revisions, and no loss.
        """
        frames: list[bytes] = []
        size = 0
        for line in lines:
            if size > RESPONSE_BYTES:
                break
            self._last = line.revision
            if self._sends(line):
                frames.append(line.frame)
                size += len(line.frame)
        return frames

    def _sends(self, line: Line) -> bool:
        """Whether the watch sends the line. The filters look at jobs' events alone."""
        if line.kind not in self._query.kinds:
            return False
        if line.event is None:
            return True
        if not self._query.wants(line.event.job):
            return False
        self._note_job(line.event.job)
        return True

    def _note_job(self, job: Job) -> None:
        if job.state.terminal:
            self._unfinished.discard(job.job_id)
            self._told.pop(job.job_id, None)
        else:
            self._unfinished.add(job.job_id)

    def _refuse_to_go_on(self) -> None:
        if self._hub.draining.is_set():
            raise ServerDraining
        if self._token_left() <= 0:
            raise CredentialsExpired

    def _progress(self, feed: Feed) -> list[bytes]:
        """The latest progress of each job, if progress is due."""
        if self._left(self._progress_at, self._query.progress_ms) > 0:
            return []
        fresh = self._fresh_ticks(feed)
        for tick in fresh:
            self._told[tick.job_id] = tick.number
        if fresh:
            self._progress_at = time.monotonic()
        return [tick.frame for tick in fresh]

    def _fresh_ticks(self, feed: Feed) -> list[Tick]:
        """The ticks that this watch may send now and has not sent.

        There are none while the watch and its feed stand at different revisions, because progress
        never follows its job's end. A watch that has just begun can be ahead of its feed.
        """
        if self._last != feed.head:
            return []
        told, all_jobs = self._told, not self._query.filtered
        return [
            tick
            for tick in feed.progress.ticks.values()
            if tick.number > told.get(tick.job_id, 0)
            and (all_jobs or tick.job_id in self._unfinished)
        ]

    async def _wait(self, feed: Feed, signal: Signal) -> None:
        """Waits until there is news, or something is due. Ticks wake it only if it may send one.

        It may return without a pause only if the next turn of the loop sends something. Otherwise
        the watch would spin, and no other task of the event loop would run.
        """
        progress_left = self._left(self._progress_at, self._query.progress_ms)
        signal.ticks = progress_left <= 0
        if signal.ticks and self._fresh_ticks(feed):
            return
        left = min(
            self._left(self._written_at, self._query.checkpoint_ms),
            self._token_left(),
            float("inf") if signal.ticks else progress_left,
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(left, 0)):
                await signal.event.wait()

    @staticmethod
    def _left(since: float, interval_ms: int) -> float:
        return since + interval_ms / 1000 - time.monotonic()

    def _token_left(self) -> float:
        return self._principal.expire_time / 1000 - time.time()

    async def _send(self, frames: list[bytes], *, whole: bool = True) -> None:
        """Writes one response; its token stands for everything up to and in it."""
        failpoints.hit("watch.before_send")
        point = ResumePoint(self._epoch, self._last, whole)
        token = self._tokens.resume(self._principal.user_id, point)
        try:
            async with asyncio.timeout(self._stuck_seconds):
                await self._write(response(frames, token))
        except TimeoutError:
            raise WatcherTooSlow from None
        self._written_at = time.monotonic()
        self._begun = True


def _count_lag(lines: list[Line]) -> None:
    # By two clocks, the database's and this machine's; `rushes doctor` shows how far they differ.
    oldest = next((line.event for line in lines if line.event is not None), None)
    if oldest is not None:
        lag_ms = time.time_ns() // 1_000_000 - oldest.event_time
        metrics.WATCH_LAG.observe(max(lag_ms, 0) / 1000)
