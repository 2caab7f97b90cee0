"""The watches that were opened with API keys: they end soon after their key is revoked."""

import asyncio
from concurrent.futures import Executor
from typing import Protocol

from core.errors import DependencyUnavailable
from core.process.telemetry import get_logger
from core.store import Database, keys

log = get_logger(__name__)

RECHECK_SECONDS = 3.0


class Revocable(Protocol):
    """What ends when its key is revoked."""

    def revoke(self) -> None: ...


class KeyedWatches:
    """Asks about the keys of all open watches by one query. Belongs to one event loop."""

    def __init__(self, db: Database, pool: Executor) -> None:
        self._db = db
        self._pool = pool
        self._watches: dict[str, set[Revocable]] = {}

    def add(self, api_key_id: str, watch: Revocable) -> None:
        """Tells the watch when the key is revoked, until it is removed. Without a key it never is.

        It makes nothing for each watch without a key, since those are many.
        """
        if api_key_id:
            self._watches.setdefault(api_key_id, set()).add(watch)

    def remove(self, api_key_id: str, watch: Revocable) -> None:
        """Forgets the watch, which has ended."""
        watches = self._watches.get(api_key_id, set())
        watches.discard(watch)
        if not watches:
            self._watches.pop(api_key_id, None)

    async def end_revoked_forever(self) -> None:
        """Looks every few seconds. While the database is away, the watches go on."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            if not self._watches:
                continue
            asked = [*self._watches]
            try:
                revoked = await loop.run_in_executor(self._pool, keys.revoked, self._db, asked)
            except DependencyUnavailable:
                log.warning("api_keys_not_checked", watched=len(asked))
                continue
            for api_key_id in revoked:
                for watch in self._watches.get(api_key_id, ()):
                    watch.revoke()
