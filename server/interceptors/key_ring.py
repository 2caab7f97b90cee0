"""Finds the callers of API keys, and asks the database as seldom as it can.

What the database says of a secret is good for CACHE_SECONDS, in each process, so that a revoked
key is refused everywhere soon after. A stranger makes up secrets without end: those of the wrong
form are refused here, what is not known is remembered too, and the questions about secrets that
were not good before have a rate. Callers whose keys are in use do not wait for that rate.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from core.api_keys import ApiKey, hash_of, is_secret
from core.errors import CredentialsExpired, CredentialsInvalid, RateLimited
from core.process.telemetry import get_logger
from core.store import Database, keys
from server.interceptors.limit import Buckets
from server.principal import Principal

log = get_logger(__name__)

CACHE_SECONDS = 5.0
# Of each kind, those that are known and those that are not: a flood of the others drives none out.
MOST_REMEMBERED = 10_000
# Questions about secrets that were not good before.
NEW_PER_SECOND, NEW_BURST = 200, 1000
_HOUR_MS = 3600 * 1000
_UNKNOWN = "The API key is not valid: it is mistyped, or none of this server."
_EXPIRED = "The API key has expired; make a new one."
REVOKED = "The API key was revoked."


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the database said of a secret; `time` is when it was asked, on the monotonic clock."""

    time: float
    key: ApiKey | None


class KeyRing:
    """The API keys that callers of this process use. Belongs to one event loop.

    `pool` asks the database. `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        db: Database,
        pool: Executor,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._pool = pool
        self._clock = clock
        self._monotonic = monotonic
        self._known: OrderedDict[str, _Answer] = OrderedDict()
        self._unknown: OrderedDict[str, _Answer] = OrderedDict()
        self._asked: dict[str, asyncio.Future[ApiKey | None]] = {}
        self._new = Buckets(NEW_PER_SECOND, NEW_BURST, monotonic)

    async def verify(self, secret: str) -> Principal:
        """The caller that the secret speaks for.

        Raises:
            CredentialsInvalid: when it is no secret, is not known, or was revoked.
            CredentialsExpired: when its time is over.
            RateLimited: when too many that are not known are tried.
            DependencyUnavailable: when the database can't be reached.
        """
        if not is_secret(secret):
            raise CredentialsInvalid(_UNKNOWN)
        key = await self._find(hash_of(secret))
        if key is None:
            raise CredentialsInvalid(_UNKNOWN)
        if key.revoke_time is not None:
            raise CredentialsInvalid(REVOKED)
        if key.expire_time <= self._clock() * 1000:
            raise CredentialsExpired(_EXPIRED)
        return Principal(key.user_id, key.expire_time, key.known_scopes, key.api_key_id)

    async def _find(self, digest: str) -> ApiKey | None:
        answer = self._known.get(digest) or self._unknown.get(digest)
        if answer is not None and self._monotonic() < answer.time + CACHE_SECONDS:
            return answer.key
        asked = self._asked.get(digest)
        if asked is None:
            if digest not in self._known and not self._new.take(""):
                raise RateLimited("Too many API keys that are not known were tried; try again.")
            asked = self._ask(digest)
        # Several callers may wait for it, so that none of them may cancel it.
        return await asyncio.shield(asked)

    def _ask(self, digest: str) -> "asyncio.Future[ApiKey | None]":
        """Asks the database; calls that come meanwhile wait for the same answer."""
        begun = self._monotonic()
        loop = asyncio.get_running_loop()
        asked = loop.run_in_executor(self._pool, keys.find, self._db, digest)
        self._asked[digest] = asked

        def answered(found: "asyncio.Future[ApiKey | None]") -> None:
            del self._asked[digest]
            if not found.cancelled() and found.exception() is None:
                self._remember(digest, _Answer(begun, found.result()))

        asked.add_done_callback(answered)
        return asked

    def _remember(self, digest: str, answer: _Answer) -> None:
        place = self._unknown if answer.key is None else self._known
        for answers in (self._known, self._unknown):
            answers.pop(digest, None)
        place[digest] = answer
        if len(place) > MOST_REMEMBERED:
            place.popitem(last=False)
        if answer.key is not None and answer.key.revoke_time is None:
            self._mark_used(answer.key)

    def _mark_used(self, key: ApiKey) -> None:
        """Notes once an hour that the key is used; nobody waits for that."""
        now_ms = int(self._clock() * 1000)
        hour_ms = now_ms - now_ms % _HOUR_MS
        if key.expire_time > now_ms and (key.last_use_time or 0) < hour_ms:
            try:
                marked = self._pool.submit(keys.mark_used, self._db, key.api_key_id, hour_ms)
            except RuntimeError:
                return  # The process is ending.
            marked.add_done_callback(_log_failure)


def _log_failure(marked: "Future[None]") -> None:
    if not marked.cancelled() and (error := marked.exception()) is not None:
        log.warning("api_key_use_not_noted", error=type(error).__name__)
