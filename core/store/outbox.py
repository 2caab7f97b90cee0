"""The outbox: what a change sends to webhooks is written in the change's own transaction.

The user's row keeps which webhooks are on, and every change reads it with its lock. So a user
without webhooks costs nothing, and one with some costs no round trip.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from core.events import Beside, Event
from core.ids import new_id
from core.store.engine.database import Session
from core.store.engine.sql import Statement
from core.webhooks import DeliveryState, Hook, kinds_of

_INSERT = Statement("""
    INSERT INTO delivery (
        delivery_id, webhook_id, user_id, kind, revision, job_id, state, create_time, next_try_time
    )
    SELECT delivery_id, webhook_id, user_id, kind, revision, job_id, state, create_time,
        next_try_time
    FROM ({given_deliveries}) given
""")


def of_event(event: Event, hooks: Sequence[Hook]) -> list[dict[str, Any]]:
    """The deliveries of an event of a job, and of what its transaction did beside."""
    if not hooks:
        return []
    job = event.job
    return [
        _row(hook, kind, job.user_id, event.revision, event.event_time, job.job_id)
        for kind in kinds_of(event.type, event.beside)
        for hook in hooks
        if hook.wants(kind, job.labels)
    ]


def of_beside(
    user_id: str, revision: int, now_ms: int, beside: Beside, hooks: Sequence[Hook]
) -> list[dict[str, Any]]:
    """The deliveries of a change that is about no job."""
    if not hooks:
        return []
    return [
        _row(hook, kind, user_id, revision, now_ms, "")
        for kind in kinds_of(None, beside)
        for hook in hooks
        if hook.wants(kind, {})
    ]


def write(session: Session, deliveries: Iterable[dict[str, Any]]) -> int:
    """Writes deliveries, which are due at once; how many."""
    rows = list(deliveries)
    if rows:
        session.later(_INSERT, deliveries=json.dumps(rows))
    return len(rows)


def _row(
    hook: Hook, kind: str, user_id: str, revision: int, now_ms: int, job_id: str
) -> dict[str, Any]:
    return {
        "delivery_id": new_id(),
        "webhook_id": hook.webhook_id,
        "user_id": user_id,
        "kind": kind,
        "revision": revision,
        "job_id": job_id,
        "state": DeliveryState.PENDING,
        "create_time": now_ms,
        "next_try_time": now_ms,
    }
