"""What users do with their webhooks, and how one is disabled that takes nothing.

Who writes a webhook's state holds its user's lock, because the user's row keeps which webhooks are
on (`core.store.outbox`). So a change either sees a webhook on and writes its deliveries before it
is off, or does not see it at all.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from core.errors import NotFound, ResourceLimitReached
from core.events import Beside, UserChange
from core.ids import new_id
from core.notifications import Kind as NotificationKind
from core.notifications import webhook_disabled
from core.store.change import append_beside, hold, lock_user
from core.store.deliveries import WEBHOOK_NAMES, webhook_from_row
from core.store.engine.database import Database, Session, Undo
from core.store.engine.sql import Statement
from core.store.notifications import Writer
from core.webhooks import FORMER_MS, State, Webhook, hooks_to_json

# All of a user, the oldest first. Index: `webhook_user`.
_ALL = Statement("""
    SELECT {webhook_columns} FROM webhook WHERE user_id = :user_id
    ORDER BY create_time, webhook_id
""")
# Index of these: the primary key.
_GET = Statement("""
    SELECT {webhook_columns} FROM webhook
    WHERE webhook_id = :webhook_id AND user_id || '' = :user_id
""")
_PUT = Statement(f"""
    INSERT INTO webhook ({", ".join(WEBHOOK_NAMES)})
    VALUES ({", ".join(f":{name}" for name in WEBHOOK_NAMES)})
""")
_CHANGE = Statement("""
    UPDATE webhook SET url = :url, kinds = :kinds, labels = :labels, description = :description,
        state = :state, enable_time = :enable_time,
        failing_time = CASE WHEN :is_anew THEN NULL ELSE failing_time END
    WHERE webhook_id = :webhook_id
""")
_ROTATE = Statement("""
    UPDATE webhook SET former_salt = salt, former_until = {now} + :former_ms, salt = :salt
    WHERE webhook_id = :webhook_id
""")
_DELETE = Statement("DELETE FROM webhook WHERE webhook_id = :webhook_id")
_KEEP = Statement("UPDATE user_stream SET webhooks = :webhooks WHERE user_id = :user_id")


@dataclass(frozen=True, slots=True)
class Disabled:
    """A webhook that was disabled, and the change that tells its user, if the user wants that."""

    webhook: Webhook | None = None
    change: UserChange | None = None


def all_of(db: Database, user_id: str) -> list[Webhook]:
    """The user's webhooks, the oldest first."""
    return [webhook_from_row(row) for row in db.rows(_ALL, user_id=user_id)]


def get(db: Database | Session, user_id: str, webhook_id: str) -> Webhook:
    """The user's webhook.

    Raises:
        NotFound: naming the field, when the user has no such webhook.
    """
    row = db.row(_GET, user_id=user_id, webhook_id=webhook_id)
    if row is None:
        raise NotFound("webhook", "webhook_id")
    return webhook_from_row(row)


def create(db: Database, made: Webhook, most: int) -> Webhook:
    """Keeps a new webhook of a user who may have `most`; it is on from now.

    Raises:
        ResourceLimitReached: when the user has as many.
    """

    def work(session: Session) -> Webhook:
        hold(session, made.user_id)
        before = _all(session, made.user_id)
        if len(before) >= most:
            raise ResourceLimitReached("webhooks", most)
        now_ms = session.now_ms()
        new = replace(made, create_time=now_ms, enable_time=now_ms)
        session.later(_PUT, **_columns(new))
        _keep(session, made.user_id, [*before, new])
        return new

    return db.write(work)


def update(
    db: Database, user_id: str, webhook_id: str, change: Callable[[Webhook], Webhook]
) -> Webhook:
    """Changes the webhook to what `change` makes of it. What it does not send any more is to be
    given up afterwards (`deliveries.give_up`).

    Raises:
        NotFound: naming the field, when the user has no such webhook.
    """

    def work(session: Session) -> Webhook:
        hold(session, user_id)
        before = get(session, user_id, webhook_id)
        after = change(before)
        is_anew = after.state is State.ENABLED and before.state is not State.ENABLED
        if is_anew:
            after = replace(after, enable_time=session.now_ms(), failing_time=None)
        session.later(_CHANGE, **_columns(after), is_anew=is_anew)
        _keep(session, user_id, _with(_all(session, user_id), after))
        return after

    return db.write(work)


def delete(db: Database, user_id: str, webhook_id: str) -> bool:
    """Removes the webhook, not yet its deliveries (`deliveries.erase`); whether it was there."""

    def work(session: Session) -> bool:
        hold(session, user_id)
        if session.row(_GET, user_id=user_id, webhook_id=webhook_id) is None:
            raise Undo(False)
        session.later(_DELETE, webhook_id=webhook_id)
        left = [one for one in _all(session, user_id) if one.webhook_id != webhook_id]
        _keep(session, user_id, left)
        return True

    return db.write(work)


def rotate(db: Database, user_id: str, webhook_id: str, salt: str) -> Webhook:
    """Gives the webhook another secret; the one before signs too for a while.

    Raises:
        NotFound: naming the field, when the user has no such webhook.
    """

    def work(session: Session) -> Webhook:
        hold(session, user_id)
        get(session, user_id, webhook_id)
        session.later(_ROTATE, webhook_id=webhook_id, salt=salt, former_ms=FORMER_MS)
        return get(session, user_id, webhook_id)

    return db.write(work)


def disable(db: Database, user_id: str, webhook_id: str, cause: str) -> Disabled:
    """Disables a webhook that is on because it takes nothing, and tells its user why."""

    def work(session: Session) -> Disabled:
        hold(session, user_id)
        row = session.row(_GET, user_id=user_id, webhook_id=webhook_id)
        before = webhook_from_row(row) if row else None
        if before is None or before.state is not State.ENABLED:
            raise Undo(Disabled())
        after = replace(before, state=State.DISABLED_AFTER_FAILURES)
        locked = lock_user(session, user_id)
        session.later(_CHANGE, **_columns(after), is_anew=False)
        _keep(session, user_id, _with(_all(session, user_id), after))
        writer = Writer(session, user_id, locked.inbox, locked.revision)
        if locked.inbox.settings.makes(NotificationKind.WEBHOOK_DISABLED):
            writer.put(webhook_disabled(after.url, cause, new_id(), locked.now_ms))
        # Without a notification the change says nothing: a revision that was counted has one.
        hooks = tuple(one for one in locked.inbox.hooks if one.webhook_id != webhook_id)
        locked = replace(locked, inbox=replace(locked.inbox, hooks=hooks))
        told = append_beside(session, locked, Beside(notifications=writer.done()))
        return Disabled(after, told)

    return db.write(work)


def _all(session: Session, user_id: str) -> list[Webhook]:
    return [webhook_from_row(row) for row in session.rows(_ALL, user_id=user_id)]


def _with(webhooks: list[Webhook], changed: Webhook) -> list[Webhook]:
    return [changed if one.webhook_id == changed.webhook_id else one for one in webhooks]


def _keep(session: Session, user_id: str, webhooks: list[Webhook]) -> None:
    session.later(_KEEP, user_id=user_id, webhooks=hooks_to_json(webhooks))


def _columns(webhook: Webhook) -> dict[str, object]:
    values = {name: getattr(webhook, name) for name in WEBHOOK_NAMES}
    return values | {
        "kinds": " ".join(webhook.kinds),
        "labels": json.dumps(dict(webhook.labels)),
    }
