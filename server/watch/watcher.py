"""One open watch: a loop that sends everything above `last`, on a first visit and on a return.

Durable changes go out at once, progress at most once per `progress_interval`. At most one write
is under way, because a message in gRPC's send buffers can no longer be replaced by a newer one.
While a write is under way, newer progress of a job replaces the older. Durable changes are never
merged. A slow watcher delays no other watcher.
"""

import time
from collections.abc import Iterable

from core.errors import NotFound, RequestError
from core.jobs import Job, State
from core.process import failpoints, metrics
from core.store.events import SNAPSHOT_JOBS, Snapshot
from core.store.replay import LiveJob
from core.tokens import ResumePoint, Tokens
from server.mapping import Mapper, end_to_proto, reset_to_proto, synced_to_proto
from server.mapping.notifications import unread_to_proto
from server.principal import Principal
from server.watch.board import Board, current_announcement
from server.watch.feed import Feed
from server.watch.frames import event_frame, response
from server.watch.hub import Hub
from server.watch.lines import JOBS, NOTIFICATIONS, Line
from server.watch.outlet import Outlet, Write
from server.watch.places import Places
from server.watch.query import WatchQuery
from server.watch.reader import Reader
from server.watch.returns import Missed

# A client takes responses of 4 MiB unless it says otherwise; one job has at most some 100 KiB.
RESPONSE_BYTES = 256 * 1024
# So many notifications or views of a snapshot stand in one event.
SNAPSHOT_PARTS = 50
# So few are made sooner than a thread has begun.
FEW_JOBS = 5
TOO_OLD = "the token is too old"


class Watcher(Outlet):
    """Serves one WatchJobs call."""

    __slots__ = (
        "_announced",
        "_board",
        "_epoch",
        "_last",
        "_mapper",
        "_places",
        "_progress_at",
        "_query",
        "_reader",
        "_token",
        "_token_of",
        "_tokens",
        "_told",
        "_unfinished",
    )

    def __init__(
        self,
        *,
        hub: Hub,
        reader: Reader,
        places: Places,
        board: Board,
        mapper: Mapper,
        tokens: Tokens,
        principal: Principal,
        query: WatchQuery,
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
        self._reader = reader
        self._places = places
        self._board = board
        self._announced = board.number
        self._mapper = mapper
        self._tokens = tokens
        self._query = query
        self._epoch = ""
        self._last = 0
        # The jobs that the watch wants, if it has to know them.
        self._unfinished: set[str] | None = set() if query.follows_jobs else None
        # The number of the latest tick that was sent, or that the filters kept back.
        self._told = 0
        self._progress_at = float("-inf")
        self._token = b""
        self._token_of: tuple[str, int, bool] | None = None

    async def _run(self) -> None:
        point = self._read_token()
        while True:
            self._epoch = self._hub.epoch
            feed, self._signal = self._hub.attach(self._principal.user_id)
            try:
                self._signal.give_up = self._give_up
                await self._hub.hears(self._principal.user_id)
                if await self._begin(feed, point) or await self._follow(feed):
                    return
            finally:
                self._hub.detach(feed, self._signal)
            # Another history began, and the token stands for something of the old one.
            point = ResumePoint("", 0)

    def _end_response(self, error: RequestError) -> bytes:
        return response([event_frame(end_to_proto(error.reason))], self._resume_token(True))

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
        if self._query.job_ids or self._query.batch_id:
            await self._read_snapshot()  # which refuses what the user does not have
        missed = await self._reader.missed(self._principal.user_id, point.revision)
        feed.begin_at(missed.head, {job.job_id: job.state for job in missed.live.values()})
        if not missed.is_whole:
            return await self._reset(feed, TOO_OLD)
        self._last = point.revision
        return await self._replay(feed, missed)

    async def _reset(self, feed: Feed, cause: str) -> bool:
        return await self._snapshot(feed, [event_frame(reset_to_proto(cause))])

    async def _read_snapshot(self) -> Snapshot:
        found = await self._reader.snapshot(self._principal.user_id, self._query)
        if found.missing:
            raise NotFound("job")
        return found

    async def _snapshot(self, feed: Feed, frames: list[bytes]) -> bool:
        await feed.begin()
        found = await self._read_snapshot()
        failpoints.hit("watch.in_snapshot")
        feed.expect(found.revision)
        self._forget_noted()
        self._last, self._told = found.revision, 0
        jobs, later = found.jobs, found.later
        while True:
            self._note(jobs)
            frames = await self._send_jobs(jobs, frames)
            if not later:
                frames = await self._send_beside(found, frames)
                return await self._synced(frames)
            page, later = later[:SNAPSHOT_JOBS], later[SNAPSHOT_JOBS:]
            # What happens meanwhile comes after the snapshot, whose revision stays the same.
            user_id = self._principal.user_id
            jobs = await self._reader.snapshot_page(user_id, page, found.revision)

    async def _send_jobs(self, jobs: list[Job], frames: list[bytes]) -> list[bytes]:
        """Sends a page of the snapshot after `frames`; gives back what the next response takes."""
        size = sum(map(len, frames))
        for frame in await self._frames_of(jobs):
            if size > RESPONSE_BYTES:
                await self._send(frames, whole=False)
                frames, size = [], 0
            frames.append(frame)
            size += len(frame)
        return frames

    async def _send_beside(self, found: Snapshot, frames: list[bytes]) -> list[bytes]:
        """Sends what the snapshot has beside jobs; gives back what the next response takes."""
        now_ms = time.time_ns() // 1_000_000
        for at in range(0, len(found.unread), SNAPSHOT_PARTS):
            unread = found.unread[at : at + SNAPSHOT_PARTS]
            frames.append(event_frame(unread_to_proto(unread, found.unread_count, now_ms)))
        for at in range(0, len(found.views), SNAPSHOT_PARTS):
            if sum(map(len, frames)) > RESPONSE_BYTES:
                await self._send(frames, whole=False)
                frames = []
            views = found.views[at : at + SNAPSHOT_PARTS]
            frames.append(event_frame(self._mapper.current_views_to_proto(views, now_ms)))
        return frames

    async def _frames_of(self, jobs: list[Job]) -> list[bytes]:
        """The frames of those jobs of a page that the watch wants."""
        user_id = self._principal.user_id
        waiting = [job.job_id for job in jobs if job.state is State.QUEUED]
        places = await self._places.of(waiting, user_id)
        now_ms = time.time_ns() // 1_000_000

        def make() -> list[bytes]:
            wanted = filter(self._query.wants, jobs)
            found = (self._mapper.current_to_proto(j, now_ms, places.get(j.job_id)) for j in wanted)
            return [event_frame(current) for current in found]

        # Made here, the pages of one user who opens many watches would hold everybody up.
        return make() if len(jobs) <= FEW_JOBS else await self._reader.run(make, user_id)

    def _forget_noted(self) -> None:
        if self._unfinished is not None:
            self._unfinished = set()

    def _note(self, jobs: Iterable[Job | LiveJob]) -> None:
        if self._unfinished is not None:
            wanted = filter(self._query.wants, jobs)
            self._unfinished |= {job.job_id for job in wanted if not job.state.terminal}

    async def _replay(self, feed: Feed, missed: Missed) -> bool:
        """Everything up to the revision that the database has now, also what was never told."""
        feed.expect(missed.head)
        # These are of the end of the replay. What its lines add to them, they take away again.
        self._forget_noted()
        self._note(missed.live.values())
        lines, frames = missed.lines, list[bytes]()
        while self._last < missed.head:
            if frames:
                await self._send(frames)
            lines = lines or await feed.lines_after(self._last, until=missed.head)
            if not lines or lines[0].revision != self._last + 1:
                # They were kept when the watch began, and are forgotten by now.
                return await self._reset(feed, TOO_OLD)
            frames = self._take(lines)
            lines = lines[self._last + 1 - lines[0].revision :]
        return await self._synced(frames)

    async def _synced(self, frames: list[bytes]) -> bool:
        frames += await self._announcements()
        await self._send([*frames, event_frame(synced_to_proto())])
        return await self._done()

    async def _done(self) -> bool:
        if not self._query.until_done or self._unfinished:
            return False
        await self._send([event_frame(end_to_proto())])
        return True

    async def _follow(self, feed: Feed) -> bool:
        """Sends what happens; True when the watch is done, False when the history changed."""
        signal = self._signal
        while self._hub.epoch == self._epoch:
            signal.clear()
            is_due = signal.is_due and self._is_due()
            lines = feed.recent_lines(self._last)
            if lines is None:
                lines = await feed.lines_after(self._last)
            frames = self._take(lines) if lines else []
            if self._has_news(feed):
                frames += self._progress(feed)
            if self._announced < self._board.number:
                frames += self._announced_since()
            if frames or is_due:
                await self._send(frames)
            if lines:
                _count_lag(lines)
                if self._query.until_done and await self._done():
                    return True
            else:
                await self._wait(feed)
        return False

    async def _announcements(self) -> list[bytes]:
        """The announcements that the user has not read. One that comes meanwhile may come twice."""
        if not self._query.parts & NOTIFICATIONS:
            return []
        self._announced = self._board.number
        if self._board.is_empty:
            return []
        found = await self._reader.announcements(self._principal.user_id)
        return [event_frame(current_announcement(one)) for one in found]

    def _announced_since(self) -> list[bytes]:
        """What was announced and withdrawn since this watch looked."""
        frames = self._board.frames_after(self._announced)
        self._announced = self._board.number
        return frames if self._query.parts & NOTIFICATIONS else []

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
            if parts := self._wanted_parts(line):
                frame = line.frame(parts)
                frames.append(frame)
                size += len(frame)
        return frames

    def _wanted_parts(self, line: Line) -> int:
        """The parts of the line that the watch sends. The filters look at jobs' events alone."""
        parts = line.parts & self._query.parts
        if line.job is None:
            return parts
        if not self._query.wants(line.job):
            return parts & ~JOBS
        if self._unfinished is None:
            return parts
        if line.job.state.terminal:
            self._unfinished.discard(line.job.job_id)
        else:
            self._unfinished.add(line.job.job_id)
        return parts

    def _progress(self, feed: Feed) -> list[bytes]:
        """The latest progress of each job, if it is due."""
        now = time.monotonic()
        if now < self._progress_at:
            return []
        told, self._told = self._told, feed.progress.number
        wanted = self._unfinished if self._query.filtered else None
        frames = [
            tick.frame
            for tick in feed.progress.ticks.values()
            if tick.number > told and (wanted is None or tick.job_id in wanted)
        ]
        if frames:
            self._progress_at = now + self._query.progress_ms / 1000
        return frames

    def _has_news(self, feed: Feed) -> bool:
        """Whether there is progress that this watch has not looked at and may look at now.

        It may not while it and its feed stand at different revisions, because progress never
        follows its job's end. A watch that has just begun can be ahead of its feed.
        """
        return self._told < feed.progress.number and self._last == feed.head

    async def _wait(self, feed: Feed) -> None:
        """Waits until there is news, or something is due.

        It may return without a pause only if the next turn of the loop sends something. Otherwise
        the watch would spin, and no other task of the event loop would run.
        """
        signal = self._signal
        signal.progress_at = self._progress_at
        signal.due = min(self._checkpoint_at, self._expire_at)
        if self._has_news(feed):
            signal.set_for_progress()
        await signal.wait()

    async def _send(self, frames: list[bytes], *, whole: bool = True) -> None:
        """Writes one response; its token stands for everything up to and in it.

        Raises:
            CredentialsInvalid: when the API key was revoked; a replay can be long.
        """
        await self._put(response(frames, self._resume_token(whole)))

    def _resume_token(self, whole: bool) -> bytes:
        """The token of `last`. Progress moves nothing on, so most responses have the last one."""
        of = (self._epoch, self._last, whole)
        if of != self._token_of:
            point = ResumePoint(*of)
            self._token = self._tokens.resume(self._principal.user_id, point).encode()
            self._token_of = of
        return self._token


def _count_lag(lines: list[Line]) -> None:
    # By two clocks, the database's and this machine's; `rushes doctor` shows how far they differ.
    for line in lines:
        if line.job is not None:
            lag_ms = time.time_ns() // 1_000_000 - line.job.event_time
            metrics.WATCH_LAG.observe(max(lag_ms, 0) / 1000)
            break
