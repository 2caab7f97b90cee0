"""Usage: each user's money and jobs by day and model, kept longer than the jobs are.

A job counts in the day (UTC) in which it was accepted. Invariant: the rows of a user and a day say
together what the budgets' books say (`core.store.budgets`): `reserved` the same, `charged` and
`uncertain` what is spent. As long as the jobs are kept, the counts are theirs. The transactions
that move the money write both, these rows first.

Jobs are forgotten before their usage is. So groups by labels, which only jobs have, come from the
jobs that are kept.
"""

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.jobs import State
from core.store.budgets import Period, owner_of, span
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement

DAY_MS = 24 * 3600 * 1000
# The budgets' books of days are kept for 60, and usage is kept no shorter.
_COMPARED_DAYS = 59
_MONEY = ("charged", "reserved", "uncertain")
_COUNTS = ("unfinished", "succeeded", "failed", "cancelled")
_VALUES = (*_MONEY, *_COUNTS)
_COUNT_OF = {
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}

# Adds to rows, which begin with it. Index: the primary key.
_ADD = Statement(f"""
    INSERT INTO usage_day (user_id, day, model, {", ".join(_VALUES)})
    SELECT user_id, day, model, {", ".join(_VALUES)} FROM ({{given_usage}}) given WHERE TRUE
    ON CONFLICT (user_id, day, model) DO UPDATE
        SET {", ".join(f"{name} = usage_day.{name} + excluded.{name}" for name in _VALUES)}
""")
# Index: `usage_day_day`, then the primary key.
_FORGET = Statement("""
    DELETE FROM usage_day WHERE (user_id, day, model) IN (
        SELECT user_id, day, model FROM usage_day WHERE day < :day ORDER BY day LIMIT :part
    )
""")
# What a job counts. Its cost is uncertain while it is reconciled too, but it is still reserved.
_OF_A_JOB = {
    "charged": "CASE WHEN job.cost_state = 'CHARGED' THEN job.cost_actual ELSE 0 END",
    "reserved": "CASE WHEN job.end_time IS NULL THEN job.cost_estimated ELSE 0 END",
    "uncertain": """
        CASE WHEN job.end_time IS NOT NULL AND job.cost_state = 'UNCERTAIN'
        THEN job.cost_estimated ELSE 0 END
    """,
    "unfinished": "CASE WHEN job.end_time IS NULL THEN 1 ELSE 0 END",
    **{
        name: f"CASE WHEN job.state = '{state}' THEN 1 ELSE 0 END"
        for state, name in _COUNT_OF.items()
    },
}
# Some users, for those who look at all. Index: the primary key.
_USERS = Statement("""
    SELECT user_id FROM user_stream WHERE user_id > :after ORDER BY user_id LIMIT :most
""")
# Those of the users whose usage is not what their books say. Index of both tables: the primary key.
_NOT_BOOKED = Statement("""
    WITH used AS (
        SELECT user_id, day, sum(reserved) AS reserved, sum(charged + uncertain) AS spent
        FROM usage_day WHERE user_id = ANY(:user_ids) AND day >= :day GROUP BY user_id, day
    ), booked AS (
        SELECT substr(owner, 6) AS user_id, span AS day, reserved, spent
        FROM spending WHERE owner = ANY(:owners) AND length(span) > 7 AND span >= :day
    ), sides AS (
        SELECT * FROM used WHERE reserved <> 0 OR spent <> 0
        UNION ALL SELECT * FROM booked WHERE reserved <> 0 OR spent <> 0
    )
    SELECT DISTINCT user_id FROM (
        SELECT user_id FROM sides GROUP BY user_id, day, reserved, spent HAVING count(*) <> 2
    ) different
""")
# Those of the users whose usage is not what their jobs say. What is charged is not compared: late
# operations of jobs that were free come on top. Indexes: `job_user`, the primary key.
_COMPARED = ", ".join(name for name in _VALUES if name != "charged")
_NOT_OF_JOBS = Statement(f"""
    WITH used AS (
        SELECT user_id, day, model, {_COMPARED}
        FROM usage_day WHERE user_id = ANY(:user_ids) AND day >= :day
            AND unfinished + succeeded + failed + cancelled <> 0
    ), counted AS (
        SELECT user_id, day, model,
            {", ".join(f"sum({name}) AS {name}" for name in _COMPARED.split(", "))}
        FROM (
            SELECT job.user_id, {{job_day}} AS day, job.model,
                {", ".join(f"{_OF_A_JOB[name]} AS {name}" for name in _COMPARED.split(", "))}
            FROM job {{by_job_user}}
            WHERE job.user_id = ANY(:user_ids) AND job.create_time >= :from_ms
        ) each
        GROUP BY user_id, day, model
    ), sides AS (SELECT * FROM used UNION ALL SELECT * FROM counted)
    SELECT DISTINCT user_id FROM (
        SELECT user_id FROM sides GROUP BY user_id, day, model, {_COMPARED} HAVING count(*) <> 2
    ) different
""")
_USERS_AT_ONCE = 200


class Key(StrEnum):
    """By what usage is grouped."""

    DAY = "day"
    MODEL = "model"
    LABEL = "label_value"
    USER = "user_id"


@dataclass(frozen=True, slots=True)
class Usage:
    """Money in micro-units and jobs by state; keys that were not asked for are empty."""

    day: str = ""
    model: str = ""
    label_value: str = ""
    user_id: str = ""
    charged: int = 0
    reserved: int = 0
    uncertain: int = 0
    unfinished: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def position(self) -> list[Any]:
        """Where it stands in a list: by day, then by the most money."""
        money = self.charged + self.reserved + self.uncertain
        return [self.day, -money, self.model, self.label_value, self.user_id]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """Whose usage of which days, both ends included, and how it is grouped.

    Without `user_id` it is that of all users together. Days are like "2026-11-30".
    """

    user_id: str | None
    first_day: str
    last_day: str
    from_ms: int
    until_ms: int
    keys: tuple[Key, ...] = ()
    label_key: str = ""


def accepted(session: Session, jobs: Iterable[Mapping[str, Any]]) -> None:
    """Counts new jobs, given by their columns; their users are locked."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for job in jobs:
        key = (job["user_id"], _day(job["create_time"]), job["model"])
        row = rows.setdefault(key, _row(*key))
        row["unfinished"] += 1
        row["reserved"] += job["cost_estimated"]
    session.later(_ADD, usage=json.dumps(list(rows.values())))


def ended(
    session: Session, job: Mapping[str, Any], state: State, charged: int, uncertain: int
) -> None:
    """Counts the end of a job, given by its columns as they were; its user is locked."""
    changes = {"unfinished": -1, "reserved": -job["cost_estimated"], _COUNT_OF[state]: 1}
    key = (job["user_id"], _day(job["create_time"]), job["model"])
    row = _row(*key) | changes | {"charged": charged, "uncertain": uncertain}
    session.later(_ADD, usage=json.dumps([row]))


def settled(
    session: Session,
    user_id: str,
    accept_ms: int,
    model: str,
    *,
    charged: int = 0,
    uncertain: int = 0,
) -> None:
    """Adds what turned out about an ended job's money; a negative amount takes some back."""
    row = _row(user_id, _day(accept_ms), model) | {"charged": charged, "uncertain": uncertain}
    session.later(_ADD, usage=json.dumps([row]))


def forget(session: Session, keep_days: int, part: int) -> int:
    """Removes up to `part` rows of days that are too old; tells how many.

    What is settled after that begins a row with an amount below zero. Nobody can ask for its day,
    and the next round removes it.
    """
    oldest = _day(session.now_ms() - keep_days * DAY_MS)
    return session.run(_FORGET, day=oldest, part=part)


def page(
    db: Database, query: UsageQuery, *, after: list[Any] | None, limit: int
) -> tuple[list[Usage], Usage | None]:
    """Groups by day, then by the most money, after the position; without one also the total."""
    values: dict[str, Any] = {
        "user_id": query.user_id,
        "first_day": query.first_day,
        "last_day": query.last_day,
    }

    def work(session: Session) -> tuple[list[Usage], Usage | None]:
        total = None if after else session.row(_total(query.user_id is None), **values)
        groups = _groups_of(query, after)
        rows = session.rows(groups, **{**values, **more}) if query.keys else []
        sums = None if total is None else _usage(("", "", "", "", *total))
        return [_usage(row) for row in rows], sums

    names = ("after_day", "after_less", "after_model", "after_label", "after_user")
    more = {"most": limit, **dict(zip(names, after or (), strict=False))}
    if after and Key.DAY in query.keys:
        more["first_day"] = max(query.first_day, str(after[0]))
    if Key.LABEL in query.keys:
        more |= {
            "from_ms": query.from_ms,
            "until_ms": query.until_ms,
            "label_key": query.label_key,
        }
    return db.read(work)


def different(db: Database, jobs_kept_days: int) -> list[str]:
    """Users whose usage is not what their books and jobs say; there should be none."""
    now_ms = db.now_ms()
    booked = _day(now_ms - _COMPARED_DAYS * DAY_MS)
    # The first day of which no job can be forgotten.
    from_ms = (now_ms - jobs_kept_days * DAY_MS) // DAY_MS * DAY_MS + DAY_MS
    found: list[str] = []
    after = ""
    while users := [row[0] for row in db.rows(_USERS, after=after, most=_USERS_AT_ONCE)]:
        owners = [owner_of(user_id) for user_id in users]
        wrong = db.rows(_NOT_BOOKED, user_ids=users, owners=owners, day=booked)
        wrong += db.rows(_NOT_OF_JOBS, user_ids=users, day=_day(from_ms), from_ms=from_ms)
        found += sorted({row[0] for row in wrong})
        after = users[-1]
    return found


def _day(ms: int) -> str:
    return span(Period.DAY, ms)


def _row(user_id: str, day: str, model: str) -> dict[str, Any]:
    return {"user_id": user_id, "day": day, "model": model, **dict.fromkeys(_VALUES, 0)}


def _usage(row: tuple[Any, ...]) -> Usage:
    return Usage(*row[:4], *(int(value or 0) for value in row[4:]))


def _groups_of(query: UsageQuery, after: list[Any] | None) -> Statement:
    return _groups(tuple(sorted(set(query.keys))), query.user_id is None, after is not None)


@functools.cache
def _groups(keys: tuple[Key, ...], of_all: bool, goes_on: bool) -> Statement:
    """The groups of usage, after a position if it goes on.

    Index: the primary key, for all users `usage_day_day`; by labels also `job_user`.
    """
    names = ", ".join(key if key in keys else f"'' AS {key}" for key in Key)
    sums = ", ".join(f"sum({name}) AS {name}" for name in _VALUES)
    source = _jobs(of_all) if Key.LABEL in keys else _usage_of(of_all, by_day=Key.DAY in keys)
    position = "(day, less, model, label_value, user_id)"
    after = "(:after_day, :after_less, :after_model, :after_label, :after_user)"
    return Statement(f"""
        SELECT day, model, label_value, user_id, {", ".join(_VALUES)} FROM (
            SELECT {names}, {sums}, -sum(charged + reserved + uncertain) AS less
            FROM {source} GROUP BY {", ".join(keys)}
        ) found
        {f"WHERE {position} > {after}" if goes_on else ""}
        ORDER BY day, less, model, label_value, user_id LIMIT :most
    """)


def _usage_of(of_all: bool, *, by_day: bool) -> str:
    """Rows of usage. By day, a page needs no more days than it has groups, and the day that the one
    before it ended in."""
    of = _of(of_all)
    if not by_day:
        return f"usage_day WHERE {of}"
    days = f"SELECT DISTINCT day FROM usage_day WHERE {of} ORDER BY day LIMIT :most + 1"
    return f"usage_day WHERE {of} AND day <= (SELECT max(day) FROM ({days}) needed)"


@functools.cache
def _total(of_all: bool) -> Statement:
    """The sums of all. Index: the primary key, for all users `usage_day_day`."""
    sums = ", ".join(f"sum({name})" for name in _VALUES)
    return Statement(f"SELECT {sums} FROM usage_day WHERE {_of(of_all)}")


def _of(of_all: bool) -> str:
    whose = "" if of_all else "user_id = :user_id AND "
    return f"{whose}day >= :first_day AND day <= :last_day"


def _jobs(of_all: bool) -> str:
    """Kept jobs as rows of usage. Those of all users are found through who used something then."""
    users = f"(SELECT DISTINCT user_id FROM usage_day WHERE {_of(True)}) users CROSS JOIN job"
    each = ", ".join(f"{value} AS {name}" for name, value in _OF_A_JOB.items())
    return f"""(
        SELECT {{job_day}} AS day, job.model, {{label_value}} AS label_value, job.user_id, {each}
        FROM {users if of_all else "job"} {{by_job_user}}
        WHERE job.user_id = {"users.user_id" if of_all else ":user_id"}
            AND job.create_time >= :from_ms AND job.create_time < :until_ms
    ) jobs"""
