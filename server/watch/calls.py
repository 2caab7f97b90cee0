"""The watches of one process, as the service and the app see them."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import grpc

from core.errors import RushesError
from core.process.memory import give_back
from core.process.settings import Settings
from core.process.telemetry import get_logger
from core.store import Database
from core.store.places import Queues
from core.telling.stream import EventStream
from core.tokens import Tokens
from server.fair_executor import FairExecutor
from server.mapping import Mapper
from server.mapping.admin import AdminMapper
from server.principal import Principal
from server.watch.board import Board
from server.watch.everyone import Everyone
from server.watch.hub import Hub
from server.watch.keyed import KeyedWatches
from server.watch.lines import NOTIFICATIONS, LineMaker
from server.watch.outlet import Write
from server.watch.overseer import Overseer
from server.watch.places import Places
from server.watch.query import AllQuery, WatchQuery
from server.watch.reader import Reader
from server.watch.tasks import Tasks
from server.watch.watcher import Watcher

log = get_logger(__name__)

GIVE_BACK_SECONDS = 2.0
NOTE_WATCHED_SECONDS = 30.0
NOTE_BEGUN_SECONDS = 1.0
NOTE_USERS = 500


class WatchCalls:
    """Serves each watch with what all of them share. Belongs to one event loop."""

    def __init__(
        self,
        *,
        settings: Settings,
        db: Database,
        pool: FairExecutor,
        queues: Queues,
        stream: EventStream,
        mapper: Mapper,
        tokens: Tokens,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._mapper = mapper
        self._tokens = tokens
        self._tasks = Tasks()
        self._reader = Reader(db, pool, LineMaker(mapper))
        self._admin_mapper = AdminMapper(mapper)
        self._everyone = Everyone(self._reader, self._admin_mapper, self._tasks)
        self._hub = Hub(settings, self._reader, stream, self._tasks, self._everyone)
        self._places = Places(queues, pool, lambda: self._hub.feeds)
        self._board = Board(self._reader, self._hub.wake_all)
        # How many watches with notifications each user has open.
        self._told: Counter[str] = Counter()
        # Those who have begun one since that was noted last.
        self._begun: set[str] = set()
        self._keyed = KeyedWatches(db, pool)

    async def start(self) -> None:
        """Begins to compare with the database, and to tell places.

        Raises:
            DependencyUnavailable: when the database can't be reached.
        """
        await self._hub.start()
        self._tasks.start(self._places.tell_forever(), vital=True)
        await self._board.start()
        self._tasks.start(self._board.read_forever(), vital=True)
        self._tasks.start(self._note_watched_forever())
        self._tasks.start(self._keyed.end_revoked_forever(), vital=True)
        self._tasks.start(self._give_memory_back_forever())

    async def serve(self, principal: Principal, query: WatchQuery, write: Write) -> None:
        """Writes responses until the caller leaves or the watch is done.

        Raises:
            RequestError: why the server ends the stream.
        """
        watcher = Watcher(
            hub=self._hub,
            reader=self._reader,
            places=self._places,
            board=self._board,
            mapper=self._mapper,
            tokens=self._tokens,
            principal=principal,
            query=query,
            write=write,
            stuck_seconds=self._settings.watcher_stuck_seconds,
        )
        told = [principal.user_id] if query.parts & NOTIFICATIONS else []
        self._told.update(told)
        self._begun.update(told)
        try:
            self._keyed.add(principal.api_key_id, watcher)
            await watcher.serve()
        except grpc.aio.InternalError:
            # The caller went away while a response was on its way: nobody is left to be told.
            log.debug("watcher_gone", user_id=principal.user_id)
        finally:
            self._told.subtract(told)
            self._keyed.remove(principal.api_key_id, watcher)

    async def serve_all(self, principal: Principal, query: AllQuery, write: Write) -> None:
        """The same for an administrator's watch over all users."""
        overseer = Overseer(
            hub=self._hub,
            everyone=self._everyone,
            reader=self._reader,
            mapper=self._admin_mapper,
            principal=principal,
            query=query,
            write=write,
            stuck_seconds=self._settings.watcher_stuck_seconds,
        )
        try:
            self._keyed.add(principal.api_key_id, overseer)
            await overseer.serve()
        except grpc.aio.InternalError:
            log.debug("watcher_gone", user_id=principal.user_id)
        finally:
            self._keyed.remove(principal.api_key_id, overseer)

    async def _note_watched_forever(self) -> None:
        """Notes who is told of notifications, for digests after an absence.

        Those who have just begun are noted soon, however short their watch is, and all twice a
        minute.
        """
        loop = asyncio.get_running_loop()
        noted = loop.time()
        while True:
            await asyncio.sleep(NOTE_BEGUN_SECONDS)
            users, self._begun = self._begun, set()
            if loop.time() - noted >= NOTE_WATCHED_SECONDS:
                noted = loop.time()
                self._told = +self._told
                users |= self._told.keys()
            await self._note_watched(list(users))

    async def _note_watched(self, users: Sequence[str]) -> None:
        for at in range(0, len(users), NOTE_USERS):
            try:
                await self._reader.note_watched(users[at : at + NOTE_USERS])
            except RushesError as error:
                log.warning("note_watched_failed", error=type(error).__name__)

    async def _give_memory_back_forever(self) -> None:
        """Gives back what watches held, once a tenth of them has left."""
        most = 0
        while True:
            await asyncio.sleep(GIVE_BACK_SECONDS)
            most = max(most, self.count)
            if self.count < most * 0.9:
                most = self.count
                await asyncio.get_running_loop().run_in_executor(self._pool, give_back)

    @property
    def count(self) -> int:
        """How many watches are open."""
        return self._hub.watch_count

    async def broken(self) -> None:
        """Returns when a task died without which watchers would wait for ever."""
        await self._tasks.broken.wait()

    def drain(self) -> None:
        """Makes every watch end, with the reason and a token."""
        self._hub.drain()

    async def close(self) -> None:
        """Ends every task and every connection to the stream."""
        await self._tasks.close()
        await self._hub.close()
