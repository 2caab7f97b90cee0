"""A hub with its database and stream, and what its watchers are sent."""

import asyncio
from collections.abc import Callable
from typing import Any

from core.events import Event, ProgressTick
from core.jobs import Progress, Stage
from core.process.settings import Settings
from core.store import Database, open_database
from core.store.places import Queues
from core.telling.changes import Teller
from core.telling.stream import EventStream, RedisStream, connect, shard_of, stream_key
from core.telling.wakeups import JobQueue
from core.tokens import Tokens
from rushes.v1 import media_service_pb2 as pb
from server.fair_executor import FairExecutor
from server.mapping import Mapper
from server.mapping.addresses import Signed
from server.mapping.admin import AdminMapper
from server.principal import Principal
from server.watch.board import Board
from server.watch.everyone import Everyone
from server.watch.hub import Hub
from server.watch.lines import LineMaker
from server.watch.places import Places
from server.watch.query import WatchQuery
from server.watch.reader import Reader
from server.watch.tasks import Tasks
from server.watch.watcher import Watcher
from tests.making import accepted, noted
from tests.services import wait_for_async

DEADLINE_SECONDS = 10.0
FAR = 2**52


class NoAddresses:
    def sign(
        self, media: Any, ttl_seconds: int | None = None, until_ms: int | None = None
    ) -> Signed:
        return Signed("", "", None)

    def expire_time_s(self, ttl_seconds: int | None = None) -> int:
        return 0


class Seen:
    """What one watcher was sent."""

    def __init__(self) -> None:
        self.responses: list[pb.WatchJobsResponse] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def write(self, body: bytes) -> None:
        await self.hold.wait()
        self.responses.append(pb.WatchJobsResponse.FromString(body))

    @property
    def all_events(self) -> list[pb.WatchEvent]:
        return [event for response in self.responses for event in response.events]

    @property
    def events(self) -> list[pb.WatchEvent]:
        """All but places in the queue, which come when they come."""
        return [event for event in self.all_events if not event.progress.HasField("queue")]

    @property
    def token(self) -> str:
        return self.responses[-1].resume_token

    def kinds(self) -> list[str]:
        return [str(event.WhichOneof("event")) for event in self.events]

    def revisions(self) -> list[int]:
        return [event.revision for event in self.events if event.revision]

    async def until(self, condition: Callable[[], object]) -> None:
        await wait_for_async(condition)


class Place:
    """A hub with its database and stream."""

    def __init__(self, settings: Settings, stream: EventStream | None = None) -> None:
        self.settings = settings
        self.db: Database = open_database(settings)
        self.redis = connect(settings)
        self.stream = stream or RedisStream(self.redis, settings)
        self.queue = JobQueue(self.redis)
        self.teller = Teller(self.stream, self.queue)
        self.tokens = Tokens(b"k" * 32)
        self.pool = FairExecutor(4)
        self.mapper = Mapper(NoAddresses(), "USD", 4)
        queues = Queues(self.db, settings.user_concurrency)
        self.background = Tasks()
        self.reader = Reader(self.db, self.pool, LineMaker(self.mapper))
        self.everyone = Everyone(self.reader, AdminMapper(self.mapper), self.background)
        self.hub = Hub(settings, self.reader, self.stream, self.background, self.everyone)
        self.places = Places(queues, self.pool, lambda: self.hub.feeds)
        self.board = Board(self.reader, self.hub.wake_all)
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.hub.start()
        self.background.start(self.places.tell_forever(), vital=True)

    def accept(self, user_id: str = "alice", *, tell: bool = True, **changes: Any) -> Event:
        made = accepted(self.db, user_id, **changes)
        assert made.event is not None
        if tell:
            self.teller.tell(made.event)
        return made.event

    def change_elsewhere(self) -> None:
        """A durable change of a kind that no version knows, at the user's next revision, told."""
        change = noted(self.db)
        fields = {"kind": change.kind, "user": change.user_id, "revision": change.revision}
        key = stream_key(shard_of(change.user_id, self.settings.stream_shards))
        self.redis.xadd(key, {**fields, "job": "", "attempt": 0, "payload": "{}"})

    def tick(self, event: Event, percent: int, attempt: int = 0) -> None:
        tick = ProgressTick(
            user_id=event.job.user_id,
            job_id=event.job.job_id,
            attempt=attempt,
            progress=Progress(stage=Stage.GENERATING, percent=percent),
        )
        self.teller.tell_progress(tick)

    def watch(
        self,
        user_id: str = "alice",
        *,
        seen: Seen | None = None,
        expire_time: int = FAR,
        stuck_seconds: float = 5.0,
        **options: Any,
    ) -> tuple[Seen, asyncio.Task[None]]:
        seen = seen or Seen()
        values: dict[str, Any] = {
            "resume_token": "",
            "job_ids": frozenset(),
            "labels": frozenset(),
            "recent_ms": 0,
            "checkpoint_ms": 60_000,
            "progress_ms": 50,
            "until_done": False,
        }
        watcher = Watcher(
            hub=self.hub,
            reader=self.reader,
            places=self.places,
            board=self.board,
            mapper=self.mapper,
            tokens=self.tokens,
            principal=Principal(user_id, expire_time),
            query=WatchQuery(**{**values, **options}),
            write=seen.write,
            stuck_seconds=stuck_seconds,
        )
        task = asyncio.create_task(watcher.serve())
        self.tasks.append(task)
        return seen, task

    async def synced(self, user_id: str = "alice", **options: Any) -> Seen:
        seen, _ = self.watch(user_id, **options)
        await seen.until(lambda: "synced" in seen.kinds())
        return seen

    async def token(self, user_id: str = "alice") -> str:
        return (await self.synced(user_id)).token

    async def until(self, condition: Callable[[], object]) -> None:
        await wait_for_async(condition)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.background.close()
        await self.hub.close()
        self.pool.shutdown()
        self.redis.close()
        self.db.close()
