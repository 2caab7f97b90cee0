"""Accepting a job: once this transaction has committed, the job survives whatever dies."""

import json
from dataclasses import dataclass, field

from core.errors import QueueFull, RequestIdConflict
from core.events import Event
from core.ids import new_id
from core.jobs import Cost, CostState, EventType, Job, Stage, Step, move
from core.kinds import KINDS
from core.media import Media
from core.process import failpoints
from core.specs import Spec, spec_to_json
from core.store import budgets, flows, turns
from core.store.change import append_event, bump
from core.store.engine.database import Database, Session, Undo
from core.store.engine.sql import Statement
from core.store.models import JobRow
from core.store.rows import insert_labels, insert_media, job_from_columns, jobs_from_rows

# The job that a request_id made, while it is remembered. Indexes: both primary keys.
_FIND_REQUEST = Statement("""
    SELECT request_key.fingerprint, {job_columns}
    FROM request_key JOIN job ON job.job_id = request_key.job_id
    WHERE request_key.user_id = :user_id AND request_key.request_id = :request_id
        AND request_key.expire_time > {now}
""")
# Remembers which job the request_id made; one that was forgotten may be used again.
# Index: the primary key.
_REMEMBER_REQUEST = Statement("""
    INSERT INTO request_key (user_id, request_id, fingerprint, job_id, expire_time)
    VALUES (:user_id, :request_id, :fingerprint, :job_id, {now} + :ttl_ms)
    ON CONFLICT (user_id, request_id) DO UPDATE SET fingerprint = excluded.fingerprint,
        job_id = excluded.job_id, expire_time = excluded.expire_time
""")
# Keeps the turn of the user's newest job. Index: the primary key.
_SET_TURN = Statement("UPDATE user_stream SET last_turn = :turn WHERE user_id = :user_id")
_INSERT_JOB = Statement("INSERT INTO job ({job_names}) VALUES ({job_values})")
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
    retry_of: str = ""
    inputs: tuple[Media, ...] = ()
    queue: str = ""  # empty: the queue of its kind

    @property
    def queue_name(self) -> str:
        """Where it waits."""
        return self.queue or KINDS[self.spec.kind].queue


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of a request: a new job with its event, or the first job of its request_id."""

    job: Job
    event: Event | None
    deduplicated: bool = False


def accept(db: Database, new: NewJob) -> Accepted:
    """Makes the job durable, or finds the one that its request_id made before.

    Raises:
        RequestIdConflict: when the request_id belongs to another request.
        QueueFull: when too many jobs of the user wait.
        BudgetExceeded: when a budget has no room for the estimate.
    """

    def work(session: Session) -> Accepted:
        bump(session, new.user_id)
        _refuse_repeated(session, new)
        next = turns.read_next(session, new.user_id, new.queue_name)
        refuse_full_queue(next, new.max_queued)
        job_id, now = new_id(), next.now_ms
        session.later(_SET_TURN, user_id=new.user_id, turn=next.turn)
        row = _columns(new, job_id, next)
        session.later(_INSERT_JOB, **row)
        flows.enter(session, row, next.busy)
        insert_labels(session, new.user_id, job_id, now, new.labels)
        for media in new.inputs:
            insert_media(session, media)
        if new.request_id:
            _remember(session, new, job_id)
        queued = Event(next.revision, EventType.QUEUED, now, job_from_columns(row))
        event = append_event(session, queued)
        budgets.reserve(session, new.user_id, new.cost.estimated_micros, now)
        failpoints.hit("accept.before_commit")
        return Accepted(event.job, event)

    accepted = db.write(work)
    failpoints.hit("accept.after_commit")
    return accepted


def find_request(db: Database, user_id: str, request_id: str, fingerprint: str) -> Job | None:
    """The job that the request_id made, if it is remembered.

    Raises:
        RequestIdConflict: when it belongs to another request.
    """
    # Most are new. That takes one round trip; a read of several statements would take two.
    if db.row(_FIND_REQUEST, user_id=user_id, request_id=request_id) is None:
        return None
    return db.read(lambda session: _find(session, user_id, request_id, fingerprint))


def refuse_full_queue(next: turns.Next, max_queued: int) -> None:
    """Refuses one more job of the user when as many wait as may.

    Raises:
        QueueFull: when too many jobs of the user wait.
    """
    if next.waiting >= max_queued:
        raise QueueFull(limit=max_queued)


def _find(session: Session, user_id: str, request_id: str, fingerprint: str) -> Job | None:
    row = session.row(_FIND_REQUEST, user_id=user_id, request_id=request_id)
    if row is None:
        return None
    [job] = jobs_from_rows(session, [row[1:]])
    if row[0] != fingerprint:
        raise RequestIdConflict(job_id=job.job_id)
    return job


def _refuse_repeated(session: Session, new: NewJob) -> None:
    if new.request_id:
        job = _find(session, new.user_id, new.request_id, new.fingerprint)
        if job is not None:
            raise Undo(Accepted(job, None, deduplicated=True))


def _remember(session: Session, new: NewJob, job_id: str) -> None:
    session.later(
        _REMEMBER_REQUEST,
        user_id=new.user_id,
        request_id=new.request_id,
        fingerprint=new.fingerprint,
        job_id=job_id,
        ttl_ms=new.request_ttl_ms,
    )


def _columns(new: NewJob, job_id: str, next: turns.Next) -> dict[str, object]:
    now = next.now_ms
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
        "revision": next.revision,
        "turn": next.turn,
        "next_run_time": now,
        "cost_state": CostState.RESERVED,
        "cost_estimated": new.cost.estimated_micros,
        "price_revision": new.cost.price_revision,
        "request_id": new.request_id,
        "final_prompt": new.final_prompt,
        "retry_of": new.retry_of,
        "create_time": now,
        "start_deadline": None if new.start_within_ms is None else now + new.start_within_ms,
        "finish_deadline": now + new.finish_within_ms,
    }
