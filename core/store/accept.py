"""Accepting jobs: once this transaction has committed, they survive whatever dies.

One transaction accepts several jobs as easily as one, with the same statements: each of them takes
all jobs at once. So callers who come together share the round trips and the wait for the disk
(group commit). A job that is refused takes nothing from the others.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import peewee

from core.errors import BudgetExceeded, QueueFull, RequestError, RequestIdConflict
from core.events import Beside, Event
from core.ids import new_id
from core.jobs import Cost, CostState, EventType, Job, Stage, Step, move
from core.kinds import KINDS
from core.media import Media
from core.notifications import Kind, Notification, NotificationChange, budget_alert
from core.process import failpoints
from core.specs import Spec, spec_to_json
from core.store import flows, outbox, usage_days
from core.store.budgets import Budget, Reservations
from core.store.change import append_all
from core.store.engine.database import Database, Session, Undo
from core.store.engine.sql import Statement
from core.store.models import JobRow
from core.store.notifications import Inbox, Writer, inbox_of
from core.store.rows import insert_labels, insert_media, job_from_columns, jobs_from_rows
from core.store.turns import next_turn

# The job that a request_id made, while it is remembered. Indexes: both primary keys.
_FIND_REQUEST = Statement("""
    SELECT request_key.fingerprint, {job_columns}
    FROM request_key JOIN job ON job.job_id = request_key.job_id
    WHERE request_key.user_id = :user_id AND request_key.request_id = :request_id
        AND request_key.expire_time > {now}
""")
# The jobs of the batch that a request_id made, in their order, while it is remembered.
# Indexes: the primary key of the requests, `job_batch`.
_FIND_BATCH = Statement("""
    SELECT request_key.fingerprint, {job_columns}
    FROM request_key
    JOIN job ON job.batch_id = request_key.job_id AND job.batch_id <> ''
    WHERE request_key.user_id = :user_id AND request_key.request_id = :request_id
        AND request_key.expire_time > {now}
    ORDER BY job.create_time, job.job_id
""")
# Makes the rows of users who have none, for the locks. Index: the primary key.
_KNOW = Statement("""
    INSERT INTO user_stream (user_id, revision, last_turn)
    SELECT user_id, revision, last_turn FROM ({given_users}) given WHERE TRUE
    ON CONFLICT (user_id) DO NOTHING
""")
# Locks users, and waits for whoever holds them. Index: the primary key.
_LOCK = Statement("""
    SELECT user_id FROM user_stream WHERE user_id = ANY(:user_ids) ORDER BY user_id {for_update}
""")
# Locks the users of whom nobody changes anything now, and gives for each job: the user, the queue
# and the request_id; the time; the user's revision as it is, and as it was when the statement
# began; the user's last turn, load and inbox; how many of its jobs wait, the latest turn of those
# in this queue, and the turn that the queue has reached; and the job that the request_id made
# before. Indexes: primary keys for the user, its flows and the request, `job_reached` for the
# queue.
_LOOK = Statement("""
    SELECT asked.user_id, asked.queue, asked.request_id, {now}, user_stream.revision,
        (SELECT u.revision FROM user_stream u WHERE u.user_id = asked.user_id),
        user_stream.last_turn, user_stream.running, user_stream.busy, user_stream.unread,
        user_stream.notification_count, user_stream.notification_settings, user_stream.watched_time,
        user_stream.webhooks,
        (SELECT sum(flow.waiting) FROM flow WHERE flow.user_id = asked.user_id),
        (
            SELECT max(flow.last_turn) FROM flow
            WHERE flow.user_id = asked.user_id AND flow.queue = asked.queue
        ),
        (
            SELECT max(job.turn) FROM job
            WHERE job.queue = asked.queue AND job.start_time IS NOT NULL
        ),
        (
            SELECT k.job_id FROM request_key k
            WHERE k.user_id = asked.user_id AND k.request_id = asked.request_id
                AND asked.request_id <> '' AND k.expire_time > {now}
        )
    FROM ({given_asked}) asked JOIN user_stream ON user_stream.user_id = asked.user_id
    ORDER BY asked.user_id
    {skip_locked_users}
""")
# Counts revisions and turns of users up. Index: the primary key.
_ADVANCE = Statement("""
    UPDATE user_stream SET revision = given.revision, last_turn = given.last_turn
    FROM ({given_users}) given WHERE user_stream.user_id = given.user_id
""")
_INSERT_JOBS = Statement(
    "INSERT INTO job ({job_names}) SELECT {job_names} FROM ({given_jobs}) given"
)
# Remembers which jobs and batches the request_ids made; one that was forgotten may be used again.
# Index: the primary key.
_REMEMBER = Statement("""
    INSERT INTO request_key (user_id, request_id, fingerprint, job_id, expire_time)
    SELECT user_id, request_id, fingerprint, job_id, expire_time FROM ({given_requests}) given
    WHERE TRUE
    ON CONFLICT (user_id, request_id) DO UPDATE SET fingerprint = excluded.fingerprint,
        job_id = excluded.job_id, expire_time = excluded.expire_time
""")
T = TypeVar("T")
_DEFAULTS = {f.column_name: f.default for f in JobRow._meta.sorted_fields}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A request that passed every check. Times in milliseconds; `inputs` are new media items."""

    user_id: str
    spec: Spec
    provider: str
    cost: Cost
    finish_within_ms: int
    start_within_ms: int | None = None
    max_queued: int
    labels: dict[str, str] = field(default_factory=dict)
    request_id: str = ""
    fingerprint: str = ""
    request_ttl_ms: int = 7 * 24 * 3600 * 1000
    final_prompt: str = ""
    # What the provider calls the model.
    provider_model: str = ""
    retry_of: str = ""
    apply_to_view: str = ""
    batch_id: str = ""
    inputs: tuple[Media, ...] = ()
    queue: str = ""  # empty: the queue of its kind

    @property
    def queue_name(self) -> str:
        """Where it waits."""
        return self.queue or KINDS[self.spec.kind].queue

    @property
    def request_key(self) -> str:
        """The request_id as it is remembered. Batches have request_ids of their own: no caller can
        write this one."""
        return batch_key(self.request_id) if self.batch_id else self.request_id

    @property
    def key(self) -> tuple[str, str]:
        """What equal requests share."""
        return self.user_id, self.request_key


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of a request: a new job with its event, or the first job of its request_id.

    Of a new job `turn` is its turn, and `running` says how many jobs of its user run.
    """

    job: Job
    event: Event | None
    deduplicated: bool = False
    turn: int = 0
    running: int = 0


# An error is what `accept` raises for the job.
Outcome = Accepted | RequestError


def accept(db: Database, new: NewJob) -> Accepted:
    """Makes the job durable, or finds the one that its request_id made before.

    Raises:
        RequestIdConflict: when the request_id belongs to another request.
        QueueFull: when too many jobs of the user wait.
        BudgetExceeded: when a budget has no room for the estimate.
    """
    [outcome] = _commit(db, [new], lambda entry: [entry.outcome(new)], waits=True)
    assert outcome is not None
    if isinstance(outcome, RequestError):
        raise outcome
    return outcome


def accept_all(db: Database, jobs: Sequence[NewJob]) -> list[Outcome | None]:
    """Does for the jobs what `accept` does, in one transaction that waits for no other.

    Gives what came of each, in their order. None says that a job needs a transaction of its own,
    by `accept`: another transaction holds its user.
    """
    try:
        return _commit(db, jobs, lambda entry: [entry.outcome(new) for new in jobs], waits=False)
    except (BudgetExceeded, peewee.DatabaseError):
        # A budget ran out meanwhile, or a job can't be stored. Nobody knows whose that was.
        return [None] * len(jobs)


def accept_batch(db: Database, jobs: Sequence[NewJob]) -> list[Accepted]:
    """Makes the jobs of one batch durable, all or none, or finds those that its request_id made.

    They are of one user, and share the batch_id and the request_id. What they cost is reserved as
    one sum.

    Raises:
        RequestIdConflict, QueueFull, BudgetExceeded: as `accept` does; then none is stored.
    """
    return _commit(db, jobs, lambda entry: entry.batch(jobs), waits=True)


def find_request(db: Database, user_id: str, request_id: str, fingerprint: str) -> Job | None:
    """The job that the request_id made, if it is remembered.

    Raises:
        RequestIdConflict: when it belongs to another request.
    """
    # Most are new. That takes one round trip; a read of several statements would take two.
    if db.row(_FIND_REQUEST, user_id=user_id, request_id=request_id) is None:
        return None
    return db.read(lambda session: _find(session, user_id, request_id, fingerprint))


def find_batch(db: Database, user_id: str, request_id: str, fingerprint: str) -> list[Job]:
    """The jobs of the batch that the request_id made, in their order; none when it made none.

    Raises:
        RequestIdConflict: when it belongs to another batch.
    """
    return db.read(lambda session: _find_batch(session, user_id, request_id, fingerprint))


def batch_key(request_id: str) -> str:
    """The request_id of a batch as it is remembered."""
    return f"batch:{request_id}"


def refuse_full_queue(waiting: int, max_queued: int, more: int = 1) -> None:
    """Refuses `more` jobs of a user of whom so many jobs wait, when `max_queued` may.

    Raises:
        QueueFull: when too many jobs of the user would wait.
    """
    if waiting + more > max_queued:
        raise QueueFull(limit=max_queued)


def _find(session: Session, user_id: str, request_id: str, fingerprint: str) -> Job | None:
    row = session.row(_FIND_REQUEST, user_id=user_id, request_id=request_id)
    if row is None:
        return None
    [job] = jobs_from_rows(session, [row[1:]])
    if row[0] != fingerprint:
        raise RequestIdConflict(job_id=job.job_id)
    return job


def _find_batch(session: Session, user_id: str, request_id: str, fingerprint: str) -> list[Job]:
    rows = session.rows(_FIND_BATCH, user_id=user_id, request_id=batch_key(request_id))
    jobs = jobs_from_rows(session, [row[1:] for row in rows])
    if rows and rows[0][0] != fingerprint:
        raise RequestIdConflict(batch_id=jobs[0].batch_id)
    return jobs


def _commit(
    db: Database,
    jobs: Sequence[NewJob],
    outcomes_of: Callable[["_Entry"], list[T]],
    *,
    waits: bool,
) -> list[T]:
    """Accepts jobs in one transaction, and gives what came of them.

    Nothing comes of the jobs of a user whom another transaction holds, unless it `waits` for that.
    """

    def work(session: Session) -> list[T]:
        entry = _Entry(session, jobs, _look(session, jobs, waits=waits))
        outcomes = outcomes_of(entry)
        if not entry.rows:
            raise Undo(outcomes)
        entry.write()
        failpoints.hit("accept.before_commit")
        return outcomes

    outcomes = db.write(work)
    failpoints.hit("accept.after_commit")
    return outcomes


@dataclass(slots=True)
class _User:
    """A user whom this transaction has locked, after the jobs that it has accepted so far.

    `own` has the latest turns of the user's jobs that wait, by queue.
    """

    revision: int
    last_turn: int
    running: int
    busy: bool
    waiting: int
    inbox: Inbox
    own: dict[str, int] = field(default_factory=dict)


_Asked = tuple[str, str, str]  # user, queue and request_id


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a transaction that accepts has read. Times in milliseconds.

    `reached` has the turn that each queue has reached. `made` has what was asked and seen: the id
    of the job that the request_id made before, or nothing. The user of what is missing there was
    held by another transaction.
    """

    now_ms: int
    users: dict[str, _User]
    reached: dict[str, int]
    made: dict[_Asked, str | None]


def _look(session: Session, jobs: Sequence[NewJob], *, waits: bool) -> _Seen:
    user_ids = sorted({new.user_id for new in jobs})
    asked = {_asked(new): None for new in jobs}
    values = [dict(zip(("user_id", "queue", "request_id"), one, strict=True)) for one in asked]
    begun = [{"user_id": user_id, "revision": 0, "last_turn": 0} for user_id in user_ids]
    session.later(_KNOW, users=json.dumps(begun))
    if waits:
        session.later(_LOCK, user_ids=user_ids)
    seen = _Seen(0, {}, {}, {})
    now_ms = 0
    for row in session.rows(_LOOK, asked=json.dumps(values)):
        user_id, queue, request_id = row[:3]
        revision, before, last_turn, running, busy = map(_number, row[4:9])
        waiting, own, reached = map(_number, row[14:17])
        now_ms = max(now_ms, int(row[3]))
        # Someone else may have changed the user after the statement began, before its lock.
        if revision != before:
            continue
        user = seen.users.setdefault(
            user_id,
            _User(revision, last_turn, running, bool(busy), waiting, inbox_of(*row[9:14])),
        )
        user.own[queue] = own
        seen.reached[queue] = reached
        seen.made[user_id, queue, request_id] = row[17]
    return replace(seen, now_ms=now_ms)


def _number(value: Any) -> int:
    return int(value or 0)


def _asked(new: NewJob) -> _Asked:
    return new.user_id, new.queue_name, new.request_key


class _Entry:
    """The jobs that one transaction accepts: first what comes of each, then all that it writes."""

    def __init__(self, session: Session, jobs: Sequence[NewJob], seen: _Seen) -> None:
        self._session = session
        self._seen = seen
        paying = {new.user_id for new in jobs if new.cost.estimated_micros}
        self._money = Reservations(session, sorted(paying & seen.users.keys()), seen.now_ms)
        self._writers: dict[str, Writer] = {}
        self._events: list[Event] = []
        self._deliveries: list[dict[str, Any]] = []
        self._news: list[NewJob] = []
        self._made: dict[tuple[str, str], tuple[NewJob, Job]] = {}
        # Ids of one millisecond have no order by themselves.
        self._ids = iter(sorted(new_id() for _ in jobs))
        self.rows: list[dict[str, Any]] = []

    def outcome(self, new: NewJob) -> Outcome | None:
        """What comes of the job; None when another transaction holds its user."""
        if _asked(new) not in self._seen.made:
            return None
        try:
            return self._repeated(new) or self._accepted(new, self._seen.users[new.user_id])
        except RequestError as error:
            return error

    def batch(self, jobs: Sequence[NewJob]) -> list[Accepted]:
        """What comes of the jobs of one batch, all or none.

        Raises:
            RequestIdConflict, QueueFull, BudgetExceeded: see `accept_batch`.
        """
        first = jobs[0]
        if first.request_id and self._seen.made[_asked(first)]:
            known = first.user_id, first.request_id, first.fingerprint
            if found := _find_batch(self._session, *known):
                return [Accepted(job, None, deduplicated=True) for job in found]
        user = self._seen.users[first.user_id]
        refuse_full_queue(user.waiting, first.max_queued, len(jobs))
        self._money.add(first.user_id, sum(new.cost.estimated_micros for new in jobs))
        return [self._entered(new, user) for new in jobs]

    def write(self) -> None:
        """Writes what was accepted, in the order of the locks: users, jobs, events, budgets."""
        later = self._session.later
        users = [_stream(user_id, self._seen.users[user_id]) for user_id in self._changed()]
        later(_ADVANCE, users=json.dumps(users))
        later(_INSERT_JOBS, jobs=json.dumps(self.rows))
        flows.enter(
            self._session, [(row, self._seen.users[row["user_id"]].busy) for row in self.rows]
        )
        entered = list(zip(self._news, self.rows, strict=True))
        insert_labels(self._session, [(row, new.labels) for new, row in entered])
        for media in (media for new in self._news for media in new.inputs):
            insert_media(self._session, media)
        # The jobs of a batch share one.
        requests = {
            new.key: _request(new, row, self._seen.now_ms) for new, row in entered if new.request_id
        }
        if requests:
            later(_REMEMBER, requests=json.dumps(list(requests.values())))
        append_all(self._session, [event.change for event in self._events])
        outbox.write(self._session, self._deliveries)
        usage_days.accepted(self._session, self.rows)
        self._money.write()

    def _changed(self) -> list[str]:
        return sorted({row["user_id"] for row in self.rows})

    def _repeated(self, new: NewJob) -> Accepted | None:
        """The job that the request_id made before, or in this transaction.

        Raises:
            RequestIdConflict: when it belongs to another request.
        """
        if not new.request_id:
            return None
        if new.key in self._made:
            first, job = self._made[new.key]
            if first.fingerprint != new.fingerprint:
                raise RequestIdConflict(job_id=job.job_id)
            return Accepted(job, None, deduplicated=True)
        if not self._seen.made[_asked(new)]:
            return None
        found = _find(self._session, new.user_id, new.request_id, new.fingerprint)
        return Accepted(found, None, deduplicated=True) if found else None

    def _accepted(self, new: NewJob, user: _User) -> Accepted:
        refuse_full_queue(user.waiting, new.max_queued)
        self._money.add(new.user_id, new.cost.estimated_micros)
        return self._entered(new, user)

    def _entered(self, new: NewJob, user: _User) -> Accepted:
        """A job that nothing speaks against, after those before it."""
        queue = new.queue_name
        turn = next_turn(self._seen.reached[queue], user.last_turn, user.own[queue])
        user.revision, user.last_turn, user.own[queue] = user.revision + 1, turn, turn
        user.waiting += 1
        row = _columns(new, next(self._ids), user.revision, turn, self._seen.now_ms)
        job = job_from_columns(row)
        beside = Beside(notifications=self._alerts(new.user_id, user))
        event = Event(user.revision, EventType.QUEUED, self._seen.now_ms, job, beside)
        if sent := outbox.of_event(event, user.inbox.hooks):
            self._deliveries += sent
            event = replace(event, deliveries=len(sent))
        self.rows.append(row)
        self._news.append(new)
        self._events.append(event)
        self._made[new.key] = new, job
        return Accepted(job, event, turn=turn, running=user.running)

    def _alerts(self, user_id: str, user: _User) -> tuple[NotificationChange, ...]:
        """Tells the user whose budget has come to a percentage by the job accepted last."""
        settings = user.inbox.settings
        if not settings.makes(Kind.BUDGET_ALERT):
            return ()
        passed = self._money.passed(user_id, settings.budget_alert_percents)
        if not passed:
            return ()
        writer = self._writers.setdefault(
            user_id, Writer(self._session, user_id, user.inbox, user.revision)
        )
        writer.revision = user.revision
        for budget, percent in passed:
            writer.put(_alert(budget, percent, self._seen.now_ms))
        return writer.done()


def _alert(budget: Budget, percent: int, now_ms: int) -> Notification:
    return budget_alert(
        percent,
        budget.period.adjective,
        budget.reserved_micros + budget.spent_micros,
        budget.limit_micros or 0,
        budget.reset_time,
        new_id(),
        now_ms,
    )


def _stream(user_id: str, user: _User) -> dict[str, Any]:
    return {"user_id": user_id, "revision": user.revision, "last_turn": user.last_turn}


def _request(new: NewJob, row: dict[str, Any], now_ms: int) -> dict[str, Any]:
    return {
        "user_id": new.user_id,
        "request_id": new.request_key,
        "fingerprint": new.fingerprint,
        "job_id": new.batch_id or row["job_id"],
        "expire_time": now_ms + new.request_ttl_ms,
    }


def _columns(new: NewJob, job_id: str, revision: int, turn: int, now: int) -> dict[str, Any]:
    return _DEFAULTS | {
        "job_id": job_id,
        "user_id": new.user_id,
        "kind": new.spec.kind,
        "queue": new.queue_name,
        "spec": json.dumps(spec_to_json(new.spec)),
        "labels": json.dumps(new.labels),
        "provider": new.provider,
        "model": new.spec.model,
        "state": move(None, EventType.QUEUED),
        "step": Step.SUBMIT,
        "stage": Stage.WAITING,
        "revision": revision,
        "turn": turn,
        "next_run_time": now,
        "cost_state": CostState.RESERVED,
        "cost_estimated": new.cost.estimated_micros,
        "price_revision": new.cost.price_revision,
        "request_id": new.request_id,
        "apply_to_view": new.apply_to_view,
        "wish": revision,
        "batch_id": new.batch_id,
        "final_prompt": new.final_prompt,
        "provider_model": new.provider_model,
        "retry_of": new.retry_of,
        "create_time": now,
        "start_deadline": None if new.start_within_ms is None else now + new.start_within_ms,
        "finish_deadline": now + new.finish_within_ms,
    }
