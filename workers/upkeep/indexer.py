"""The indexer: indexes the items of large libraries, in one worker process at a time.

It looks at each user in turn, a hundred a second. It rests after each of its short transactions, so
that nobody waits for it.
"""

import contextlib

import structlog

from core.store import Database, media_index, workers
from workers.loop import Loop, LoopPart
from workers.upkeep.rest import Rest, RoundOver

log = structlog.get_logger()

ROUND_SECONDS = 1.0
DUTY = "indexing"
# A segment takes about a second.
_LEASE_MS = 30_000


class Indexer(LoopPart):
    """Indexes in a thread of its own, because a library that was never indexed takes its time."""

    vital = False

    def __init__(self, db: Database, worker_id: str, round_seconds: float = ROUND_SECONDS) -> None:
        self._db = db
        self._worker_id = worker_id
        # The user that was looked at last.
        self._at = ""
        self._loop = Loop(
            "indexer", self.index, round_seconds, rests_first=True, patience_seconds=1.0
        )

    def index(self) -> bool:
        """Indexes what waits of the next users if this worker leads; whether it does.

        Raises:
            DependencyUnavailable: when the database is away.
        """
        if not self._leads():
            return False
        users, self._at = media_index.next_users(self._db, self._at)
        rest = Rest(self._loop)
        # What is half done at the end of the process is begun again by the next leader.
        with contextlib.suppress(RoundOver):
            for user_id in users:
                while self._leads() and media_index.index_segment(self._db, user_id, rest):
                    log.info("library_indexed", user_id=user_id)
        return True

    def _leads(self) -> bool:
        return workers.lead(self._db, DUTY, self._worker_id, _LEASE_MS)
