"""The load: users who submit in bursts, repeat themselves, change their minds, and watch.

One event loop in one thread plays all of them through the SDK, and a tap beneath it records every
try and every frame. Whatever fails is tried again with the same request_id, as a careful caller
does; an open watch goes on from its last token, for ever.
"""

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, NamedTuple, TypeVar

from core.store.engine.database import Database
from core.store.engine.sql import Statement
from rushes import AsyncClient, AsyncEventStream, is_done
from rushes._async.seam import AsyncClock
from rushes.errors import DeadlineExceeded, RushesError, Unavailable
from rushes.v1.job_pb2 import Job
from rushes.v1.media_service_pb2 import WatchEvent
from rushes.v1.notification_pb2 import Notification
from tests.crash.history import THIEF, Recorder, user_name
from tests.crash.plan import Ask, Mix, bursts
from tests.crash.receiving import KINDS, Receiving
from tests.crash.wiretap import tap

T = TypeVar("T")
pause = AsyncClock().wait
Connect = Callable[[str], AsyncClient]

RECENT_SECONDS = 3600.0
SLOW_SECONDS = 0.4
RETRY_SECONDS = 0.5
CHECKPOINT_SECONDS = 2.0
THEFT_EVERY = 100
READS_AT_ONCE = 20
_HEADS = Statement("""
    SELECT user_stream.user_id, user_stream.revision, coalesce(max(job.revision), 0)
    FROM user_stream LEFT JOIN job ON job.user_id = user_stream.user_id
    GROUP BY user_stream.user_id, user_stream.revision
""")


class Head(NamedTuple):
    """A user's revision, and that of the last change of a job."""

    revision: int = 0
    of_jobs: int = 0


def heads_of(db: Database) -> dict[str, Head]:
    """What the watchers of each user are to be told."""
    return {row[0]: Head(row[1], row[2]) for row in db.rows(_HEADS)}


@dataclass
class Watcher:
    """One watcher, and what it knows. `told` is None until something tells its revision.

    in_snapshot: whether it knows no more than a snapshot told it, which says no revision but those
    of its jobs.
    token: of what it has worked through: a watcher to whom nothing happens after SYNCED has none.
    """

    name: str
    user: str
    slow: bool = False
    comes_back: bool = False
    recent: bool = False
    told: int | None = None
    in_snapshot: bool = True
    token: str = ""
    heard: bool = False
    unfinished: set[str] = field(default_factory=set)

    def learn(self, event: WatchEvent) -> None:
        """Takes what the SDK hands on."""
        self.heard = True
        if event.HasField("reset"):
            self.told, self.in_snapshot, self.unfinished = None, True, set()
        if event.HasField("job"):
            self._learn_job(event.revision, event.job.job)
        if event.revision:
            self.told, self.in_snapshot = max(self.told or 0, event.revision), False

    def _learn_job(self, revision: int, job: Job) -> None:
        (self.unfinished.discard if is_done(job) else self.unfinished.add)(job.job_id)
        # A snapshot of all jobs has the one that changed last.
        if self.recent and not revision:
            self.told = max(self.told or 0, job.revision)

    def knows(self, head: Head) -> bool:
        """Whether it was told everything up to the revision."""
        if self.told is None:
            return not self.unfinished
        return self.told >= (head.of_jobs if self.in_snapshot else head.revision)


class Load:
    """Start it, let it run, `join` or `stop` it, let watchers `catch_up`, `close` it.

    connect: makes a client of the user; called in the load's event loop.
    """

    def __init__(
        self,
        recorder: Recorder,
        connect: Connect,
        seed: int,
        *,
        users: int = 20,
        watchers: int = 50,
        slow: int = 10,
        coming_back: int = 10,
        total: int = 400,
        mix: Mix | None = None,
        ease: float = 1.0,
    ) -> None:
        self._recorder = recorder
        self._connect = connect
        # Pauses between bursts are so many times as long: for a load that shall last.
        self._ease = ease
        self._dice = random.Random(seed)
        self._bursts = bursts(seed, users, total, mix)
        self._users = [user_name(number) for number in range(users)]
        self.watchers = [
            Watcher(
                f"watch-{number:02}",
                self._users[number % users],
                slow=number < slow,
                comes_back=slow <= number < slow + coming_back,
                recent=number % 3 > 0,
            )
            for number in range(watchers)
        ]
        self._receiving = Receiving(recorder)
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._failure: BaseException | None = None
        self._ready, self._submitted = threading.Event(), threading.Event()

    def start(self) -> None:
        """Begins to watch and to submit."""
        self._thread.start()
        self._ready.wait()

    def join(self, seconds: float) -> bool:
        """Waits until every submit was answered, or the time is over; whether it was."""
        self._submitted.wait(seconds)
        return self._submitted.is_set()

    def stop(self, seconds: float = 30) -> bool:
        """Submits no more, cancels and looks at once; whether every answer came in the time."""
        self._set(self._stopping)
        return self.join(seconds)

    def catch_up(self, heads: Mapping[str, Head], seconds: float) -> bool:
        """Waits until every watcher knows its user's revision; the slow ones hurry now."""
        self._set(self._calm)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._failure is None:
            if all(watcher.knows(heads.get(watcher.user, Head())) for watcher in self.watchers):
                return True
            time.sleep(0.1)
        return False

    def close(self) -> None:
        """Everybody leaves.

        Raises:
            Exception: what broke the load itself.
        """
        self._set(self._stopping)
        self._set(self._leaving)
        self._thread.join()
        self._receiving.close()
        if self._failure is not None:
            raise self._failure

    def _set(self, event: asyncio.Event) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(event.set)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - `close` raises it
            self._failure = error
        finally:
            self._ready.set()
            self._submitted.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping, self._calm, self._leaving = (asyncio.Event() for _ in range(3))
        self._clients = {
            user: tap(self._connect(user), self._recorder, user) for user in self._users
        }
        watches = [asyncio.create_task(self._watch(watcher)) for watcher in self.watchers]
        self._ready.set()
        try:
            await asyncio.gather(
                *(self._insist(lambda user=u: self._hook(user)) for u in self._users)
            )
            await self._submit_all()
            self._submitted.set()
            await _until(self._leaving, watches)
        finally:
            for task in watches:
                task.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            for client in self._clients.values():
                await client.close()

    async def _hook(self, user: str) -> None:
        """Has the user's events sent; one that was made without an answer gets them too."""
        await self._clients[user].create_webhook(self._receiving.url(user), KINDS)

    async def _submit_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            sent = 0
            for burst in self._bursts:
                for ask in burst.asks:
                    group.create_task(self._submit(ask))
                    sent += 1
                    if sent % THEFT_EVERY == 0:
                        group.create_task(self._steal(sent // THEFT_EVERY))
                    if await pause(self._stopping, 1 / burst.per_second):
                        return
                if await pause(self._stopping, burst.pause * self._ease):
                    return

    async def _submit(self, ask: Ask) -> None:
        copies = [self._insist(lambda: self._send(ask)) for _ in range(ask.copies)]
        jobs = [job for job in await asyncio.gather(*copies) if job is not None]
        if not jobs:
            return
        job_id, client = jobs[0].job_id, self._clients[ask.user]
        if ask.cancel_after is not None:
            await pause(self._stopping, ask.cancel_after)
            await self._insist(
                lambda: client.cancel(job_id, "changed my mind", only_if_free=ask.only_if_free)
            )
        if ask.look_after is not None:
            await pause(self._stopping, ask.look_after)
            await self._insist(lambda: client.get_job(job_id))
        if ask.read_after is not None:
            await pause(self._stopping, ask.read_after)
            await self._read(client, up_to_now=ask.reads_all)

    async def _read(self, client: AsyncClient, *, up_to_now: bool) -> None:
        """Marks what is unread as read: the newest by name, or all that is there."""
        unread = await self._insist(lambda: _unread(client))
        if not unread:
            return
        if up_to_now:
            newest = max(one.create_time.ToDatetime(UTC) for one in unread)
            await self._insist(lambda: client.mark_read(until=newest))
        else:
            names = [one.notification_id for one in unread]
            await self._insist(lambda: client.mark_read(names))

    async def _send(self, ask: Ask) -> Job:
        client = self._clients[ask.user]
        send: Any = client.generate_video if ask.is_video else client.generate_image
        how = {"request_id": ask.request_id, "model": ask.model, "apply_to_view": ask.view}
        job: Job = await send(ask.prompt, **how, **ask.fields)
        return job

    async def _insist(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """The answer, however long the server is away; None for a refusal, or when all leave."""
        while not self._leaving.is_set():
            try:
                return await call()
            except (Unavailable, DeadlineExceeded):
                await pause(self._leaving, RETRY_SECONDS)
            except RushesError:
                return None
        return None

    async def _steal(self, number: int) -> None:
        """Watches with another user's token: that must be refused."""
        known = [watcher for watcher in self.watchers if watcher.token]
        if not known:
            return
        victim = self._dice.choice(known)
        thief = self._dice.choice([user for user in self._users if user != victim.user])
        async with tap(self._connect(thief), self._recorder, thief, f"{THIEF}{number}") as client:
            await self._insist(lambda: _peek(client, victim.token))

    async def _watch(self, watcher: Watcher) -> None:
        client = tap(self._connect(watcher.user), self._recorder, watcher.user, watcher.name)
        async with client:
            for session in itertools.count(1):
                watch = client.watch(
                    resume_token=watcher.token,
                    recent=RECENT_SECONDS if watcher.recent else 0,
                    checkpoint_interval=CHECKPOINT_SECONDS,
                    include=["NOTIFICATIONS", "VIEWS"],
                )
                try:
                    await self._follow(watcher, watch, session)
                except RushesError:
                    await asyncio.sleep(RETRY_SECONDS)
                finally:
                    await watch.aclose()

    async def _follow(self, watcher: Watcher, watch: AsyncEventStream, session: int) -> None:
        """Until it has seen enough for this time, which the patient never have."""
        patience = self._dice.randint(1, 40) if watcher.comes_back else None
        async for event in watch:
            watcher.token = watch.resume_token
            self._note(watcher, event, session)
            if watcher.slow and not self._calm.is_set():
                await pause(self._calm, SLOW_SECONDS)
            if patience is not None and not self._calm.is_set():
                patience -= 1
                if patience <= 0:
                    await pause(self._calm, self._dice.choice([0, 0, 0.3]))
                    return

    def _note(self, watcher: Watcher, event: WatchEvent, session: int) -> None:
        watcher.learn(event)
        place = {"watch": watcher.name, "session": session}
        if event.HasField("reset"):
            self._recorder.write("applied", **place, reset=True)
        elif event.revision:
            self._recorder.write("applied", **place, revision=event.revision)


async def _unread(client: AsyncClient) -> list[Notification]:
    return [one async for one in client.notifications(unread=True, limit=READS_AT_ONCE)]


async def _peek(client: AsyncClient, token: str) -> WatchEvent:
    """The first event of a watch with the token."""
    async with client.watch(resume_token=token, timeout=5) as watch:
        return await anext(watch)


async def _until(event: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Waits for the event; a task that ends before it has failed."""
    waiting = asyncio.create_task(event.wait())
    done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done:
        task.result()
