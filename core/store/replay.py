"""What returning watchers missed: one look at the database for many of them.

After a lost connection or a restart, watchers return by the thousand. What each of them needs is
small, so a look for each would cost much more than what it finds.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.events import UserChange
from core.jobs import UNFINISHED, State
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement, name_part_by_dialect
from core.store.events import change_from_row

# The returns that one statement looks at, as a table; `:returns` is a JSON array of arrays.
name_part_by_dialect(
    "given_returns",
    sqlite="""
    SELECT key AS number, json_extract(value, '$[0]') AS user_id,
        json_extract(value, '$[1]') AS revision
    FROM json_each(:returns)
    """,
    postgres="""
    SELECT number - 1 AS number, value ->> 0 AS user_id, CAST(value ->> 1 AS BIGINT) AS revision
    FROM json_array_elements(CAST(:returns AS json)) WITH ORDINALITY AS given (value, number)
    """,
)
# The revision of each user and its oldest change that is kept. Indexes: both primary keys.
_HEADS = Statement("""
    SELECT user_id, revision,
        (SELECT min(e.revision) FROM job_event e WHERE e.user_id = user_stream.user_id)
    FROM user_stream WHERE user_id = ANY(:user_ids)
""")
# The users' jobs that have not ended. Index: `job_user_state`.
_LIVE = Statement("""
    SELECT user_id, job_id, state, labels, batch_id FROM job
    WHERE user_id = ANY(:user_ids) AND state = ANY(:unfinished)
""")
# The changes above the revision of each return, at most `limit` of each: a user has one change at
# each revision. Index: the primary key.
_CHANGES = Statement("""
    SELECT given.number, e.user_id, e.revision, e.kind, e.event_time, e.payload, e.job_id
    FROM ({given_returns}) given
    JOIN job_event e ON e.user_id = given.user_id
        AND e.revision > given.revision AND e.revision <= given.revision + :limit
    ORDER BY given.number, e.revision
""")
_UNFINISHED = sorted(UNFINISHED)


@dataclass(frozen=True, slots=True)
class Return:
    """A watcher of the user comes back and has seen everything up to the revision."""

    user_id: str
    revision: int


class LiveJob(NamedTuple):
    """A job that has not ended; `labels_json` are its labels as the database keeps them."""

    job_id: str
    state: State
    labels_json: str
    batch_id: str

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the job."""
        labels: dict[str, str] = json.loads(self.labels_json)
        return labels


@dataclass(slots=True)
class Replay:
    """What a watcher missed, as of one moment.

    `head` is the user's revision and `live` are its jobs that have not ended, by id. `changes` are
    the first ones that were missed, in order. `is_whole` is False when the watcher's revision was
    never reached, or when not every change above it is still kept.
    """

    head: int
    live: dict[str, LiveJob]
    is_whole: bool
    changes: list[UserChange] = field(default_factory=list)


def replays(db: Database, returns: Sequence[Return], limit: int) -> list[Replay]:
    """What each of the returns missed, in their order, with at most `limit` changes each."""
    return db.read(lambda session: _replays(session, returns, limit))


def _replays(session: Session, returns: Sequence[Return], limit: int) -> list[Replay]:
    user_ids = sorted({one.user_id for one in returns})
    heads = {row[0]: row[1:] for row in session.rows(_HEADS, user_ids=user_ids)}
    live: dict[str, dict[str, LiveJob]] = {user_id: {} for user_id in user_ids}
    for user_id, *row in session.rows(_LIVE, user_ids=user_ids, unfinished=_UNFINISHED):
        job_id, state, labels, batch_id = row
        live[user_id][job_id] = LiveJob(job_id, State(state), labels, batch_id)
    found = []
    for one in returns:
        head, oldest = heads.get(one.user_id, (0, None))
        kept_after = int(head if oldest is None else oldest - 1)
        is_whole = kept_after <= one.revision <= int(head)
        found.append(Replay(int(head), live[one.user_id], is_whole))
    for replayed, missed in zip(found, changes(session, returns, limit), strict=True):
        replayed.changes = missed
    return found


def changes(session: Session, returns: Sequence[Return], limit: int) -> list[list[UserChange]]:
    """The first changes above the revision of each of the returns, in order, at most `limit`."""
    found: list[list[UserChange]] = [[] for _ in returns]
    given = json.dumps([(one.user_id, one.revision) for one in returns])
    for number, *row in session.rows(_CHANGES, returns=given, limit=limit):
        found[int(number)].append(change_from_row(row))
    return found
