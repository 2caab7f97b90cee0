"""Deliveries to webhooks: claims of what is due, what came of tries, and the list of them.

A claim puts the next try off by a lease and raises the fence, so that what a dead worker had is due
again by itself. Nothing here locks a user, a job or a webhook that a transition waits for.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import NotFound
from core.events import UserChange
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement, columns, name_part, name_part_by_dialect
from core.webhooks import Delivery, DeliveryState, Kind, Response, State, Webhook

NAMES = (
    *("delivery_id", "webhook_id", "user_id", "kind", "revision", "job_id", "state"),
    *("create_time", "next_try_time", "fence", "once", "try_count", "try_time"),
    *("response_status", "response_text", "response_ms", "error"),
)
WEBHOOK_NAMES = (
    *("webhook_id", "user_id", "url", "kinds", "labels", "description", "state", "create_time"),
    *("enable_time", "success_time", "failing_time", "failure_count"),
    *("salt", "former_salt", "former_until"),
)
name_part("delivery_columns", columns(NAMES, "delivery"))
name_part("webhook_columns", columns(WEBHOOK_NAMES, "webhook"))
# When the next try is due. Index: `delivery_due`.
_NEXT = Statement("""
    SELECT next_try_time - {now} FROM delivery WHERE state = 'PENDING'
    ORDER BY next_try_time LIMIT 1
""")
# What has been due for longest. Index: `delivery_due`.
_DUE = Statement("""
    SELECT delivery_id, webhook_id FROM delivery
    WHERE state = 'PENDING' AND next_try_time <= {moment}
    ORDER BY next_try_time LIMIT :window
""")
# The first ones that are due of each webhook that has some. It steps from webhook to webhook, so
# that one with very many is passed by one step. Index: `delivery_pending`.
name_part_by_dialect(
    "each_first_due",
    sqlite="""
    JOIN delivery ON delivery.delivery_id IN (
        SELECT d.delivery_id FROM delivery d INDEXED BY delivery_pending
        WHERE d.webhook_id = hook.webhook_id AND d.state = 'PENDING'
            AND d.next_try_time <= :now_ms
        ORDER BY d.next_try_time LIMIT :each
    )
    """,
    postgres="""
    CROSS JOIN LATERAL (
        SELECT d.delivery_id, d.webhook_id FROM delivery d
        WHERE d.webhook_id = hook.webhook_id AND d.state = 'PENDING'
            AND d.next_try_time <= :now_ms
        ORDER BY d.next_try_time LIMIT :each
    ) delivery
    """,
)
name_part_by_dialect("by_delivery_pending", sqlite="INDEXED BY delivery_pending", postgres="")
_DUE_OF_EACH = Statement("""
    WITH RECURSIVE hook(webhook_id) AS (
        SELECT (
            SELECT webhook_id FROM delivery {by_delivery_pending} WHERE state = 'PENDING'
            ORDER BY webhook_id LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT d.webhook_id FROM delivery d {by_delivery_pending}
            WHERE d.state = 'PENDING' AND d.webhook_id > hook.webhook_id
            ORDER BY d.webhook_id LIMIT 1
        )
        FROM hook WHERE hook.webhook_id IS NOT NULL
    )
    SELECT delivery.delivery_id, delivery.webhook_id FROM hook {each_first_due}
""")
# Index of these: the primary keys.
_CLAIM = Statement("""
    UPDATE delivery SET next_try_time = {now} + :lease_ms, fence = fence + 1
    WHERE delivery_id IN (
        SELECT delivery_id FROM delivery
        WHERE delivery_id = ANY(:delivery_ids) AND coalesce(state, '') = 'PENDING'
            AND next_try_time + 0 <= {now} {skip_locked}
    )
    RETURNING delivery_id
""")
_READ = Statement("""
    SELECT {epoch}, job_event.kind, job_event.event_time, job_event.payload, webhook.webhook_id,
        {delivery_columns}, {webhook_columns}
    FROM delivery
    LEFT JOIN webhook ON webhook.webhook_id = delivery.webhook_id
    LEFT JOIN job_event ON job_event.user_id = delivery.user_id
        AND job_event.revision = delivery.revision
    WHERE delivery.delivery_id = ANY(:delivery_ids)
""")
# What came of tries. A delivery that was claimed or ended since is left as it is. One that was not
# sent keeps what came of its last try, and one that was handed back is still to be tried `once`.
_SETTLE = Statement("""
    UPDATE delivery SET state = given.state, next_try_time = CASE
            WHEN given.state = 'PENDING' THEN {now} + given.pause_ms END,
        once = delivery.once AND given.tries = 0, try_count = delivery.try_count + given.tries,
        try_time = CASE WHEN given.tries > 0 THEN {now} - given.response_ms
            ELSE delivery.try_time END,
        response_status = coalesce(given.response_status, delivery.response_status),
        response_text = coalesce(given.response_text, delivery.response_text),
        response_ms = coalesce(given.response_ms, delivery.response_ms),
        error = coalesce(given.error, delivery.error)
    FROM ({given_tries}) given
    WHERE delivery.delivery_id = given.delivery_id AND delivery.fence = given.fence
        AND coalesce(delivery.state, '') = 'PENDING'
""")
_DROP = Statement("DELETE FROM delivery WHERE delivery_id = ANY(:delivery_ids)")
# How webhooks fare after tries: whether one was taken, and how many failed since. Index: the
# primary key.
_FARE = Statement("""
    UPDATE webhook SET
        success_time = CASE WHEN given.taken > 0 THEN {now} ELSE webhook.success_time END,
        failure_count = given.failures
            + CASE WHEN given.taken > 0 THEN 0 ELSE webhook.failure_count END,
        failing_time = CASE
            WHEN given.taken = 0 AND webhook.failing_time IS NOT NULL THEN webhook.failing_time
            WHEN given.failures > 0 THEN {now} END
    FROM ({given_fares}) given WHERE webhook.webhook_id = given.webhook_id
    RETURNING webhook.webhook_id, webhook.user_id, webhook.failing_time,
        CASE WHEN webhook.state = 'ENABLED' THEN 1 ELSE 0 END, {now}
""")
# Those of a webhook in one state, the newest first. Index: `delivery_webhook`.
_PAGE = Statement("""
    SELECT {delivery_columns} FROM delivery
    WHERE webhook_id = :webhook_id AND state = :state
        AND (create_time, delivery_id) < (:below_time, :below_id)
    ORDER BY create_time DESC, delivery_id DESC LIMIT :limit
""")
# Index of these: the primary key.
_GET = Statement("SELECT {delivery_columns} FROM delivery WHERE delivery_id = :delivery_id")
_AGAIN = Statement("""
    UPDATE delivery SET state = 'PENDING', next_try_time = {now}, fence = fence + 1,
        once = CASE WHEN state = 'PENDING' AND :is_on THEN once ELSE TRUE END
    WHERE delivery_id = :delivery_id AND webhook_id || '' = :webhook_id
    RETURNING {delivery_columns}
""")
_INSERT = Statement(
    f"INSERT INTO delivery ({columns(NAMES)}) VALUES ({', '.join(f':{name}' for name in NAMES)})"
)
# Part of what a webhook that is off has not sent. Index: `delivery_pending`.
_GIVE_UP = Statement("""
    UPDATE delivery SET state = 'FAILED', next_try_time = NULL, error = :error
    WHERE delivery_id IN (
        SELECT delivery_id FROM delivery {by_delivery_pending}
        WHERE webhook_id = :webhook_id AND state = 'PENDING' AND NOT once
        ORDER BY next_try_time LIMIT :part
    )
""")
# Part of what a webhook that is gone has left. Index: `delivery_webhook`.
_ERASE = Statement("""
    DELETE FROM delivery WHERE delivery_id IN (
        SELECT delivery_id FROM delivery WHERE webhook_id = :webhook_id
        ORDER BY state, create_time, delivery_id LIMIT :part
    )
""")
# Index: `delivery_time`, then the primary key.
_FORGET = Statement("""
    DELETE FROM delivery WHERE delivery_id IN (
        SELECT delivery_id FROM delivery WHERE create_time < {moment} - :keep_ms
        ORDER BY create_time LIMIT :part
    )
""")
_NOW = Statement("SELECT {now}")
_PART = 200
OFF = "its webhook is off"
FIRST = (2**62, "~")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this worker tries. `event` is None when it is not kept any more, `webhook`
    when that is gone."""

    delivery: Delivery
    webhook: Webhook | None
    event: UserChange | None
    epoch: str


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a claimed delivery, and in which state it is: PENDING for `pause_ms` more.

    Without `response` nothing was sent, and `error` says why.
    """

    delivery: Delivery
    state: DeliveryState
    response: Response | None = None
    error: str = ""
    pause_ms: int = 0


@dataclass(frozen=True, slots=True)
class Fare:
    """How a webhook fares after tries: since when none was taken, and whether it is on."""

    webhook_id: str
    user_id: str
    failing_ms: int
    is_on: bool


def next_try_ms(db: Database) -> int | None:
    """In how many milliseconds the next try is due; None when nothing waits."""
    row = db.row(_NEXT)
    return None if row is None else int(row[0])


def look(
    db: Database, under_way: Mapping[str, int], room: Mapping[str, int], usual: int, window: int
) -> tuple[list[str], bool]:
    """The deliveries to claim now, and whether more wait than were looked at.

    `under_way` counts those of each webhook that this process tries already, `room` says how many
    those may have at once of which it is not `usual`. So a webhook that is slow, dead or flooded
    takes no place from others.
    """
    rows = db.rows(_DUE, window=window)
    flooded = len(rows) == window
    if flooded:
        rows = db.rows(_DUE_OF_EACH, now_ms=db.now_ms(), each=usual)
    counts = Counter(under_way)
    chosen = []
    for delivery_id, webhook_id in rows:
        if counts[webhook_id] < room.get(webhook_id, usual):
            counts[webhook_id] += 1
            chosen.append((counts[webhook_id], delivery_id[::-1], delivery_id))
    if flooded:
        # They come by webhook. Those of all webhooks take turns, in no order of the webhooks: an
        # id ends in chance.
        chosen.sort()
    return [delivery_id for _, _, delivery_id in chosen], flooded


def claim(db: Database, delivery_ids: Sequence[str], lease_ms: int) -> list[Claimed]:
    """Takes those of the deliveries that are still due and that nobody else takes just now."""

    def work(session: Session) -> list[Claimed]:
        ids = list(delivery_ids)
        taken = [row[0] for row in session.rows(_CLAIM, delivery_ids=ids, lease_ms=lease_ms)]
        return [_claimed(row) for row in session.rows(_READ, delivery_ids=taken)] if taken else []

    return db.write(work)


def settle(db: Database, tried: Sequence[Tried]) -> list[Fare]:
    """Writes down what came of tries; gives how their webhooks fare.

    A delivery whose webhook is gone is removed.
    """
    if not tried:
        return []

    def work(session: Session) -> list[Fare]:
        session.later(_SETTLE, tries=json.dumps([_try(one) for one in tried]))
        fares = session.rows(_FARE, fares=json.dumps(_fares(tried)))
        return [
            Fare(webhook_id, user_id, 0 if since is None else int(now) - since, bool(is_on))
            for webhook_id, user_id, since, is_on, now in fares
        ]

    return db.write(work)


def drop(db: Database, delivery_ids: Collection[str]) -> None:
    """Removes deliveries whose webhook is gone."""
    db.write(lambda session: session.run(_DROP, delivery_ids=sorted(delivery_ids)))


def page(
    db: Database,
    webhook_id: str,
    *,
    states: Collection[DeliveryState],
    below: tuple[int, str] = FIRST,
    limit: int,
) -> list[Delivery]:
    """Deliveries in the states, the newest first, below the position (create_time, id)."""

    def work(session: Session) -> list[Delivery]:
        values = {"webhook_id": webhook_id, "below_time": below[0], "below_id": below[1]}
        rows = [
            row
            for state in sorted(states)
            for row in session.rows(_PAGE, **values, state=state, limit=limit)
        ]
        found = [delivery_from_row(row) for row in rows]
        found.sort(key=lambda one: (one.create_time, one.delivery_id), reverse=True)
        return found[:limit]

    return db.read(work)


def try_again(db: Database, webhook: Webhook, delivery_id: str) -> Delivery:
    """Makes the delivery due now, whatever came of it; gives it.

    Raises:
        NotFound: naming the field, when the webhook has no such delivery.
    """
    values = {"delivery_id": delivery_id, "webhook_id": webhook.webhook_id}
    is_on = webhook.state is State.ENABLED
    row = db.write(lambda session: session.row(_AGAIN, **values, is_on=is_on))
    if row is None:
        raise NotFound("delivery", "delivery_id")
    return delivery_from_row(row)


def add(db: Database, delivery: Delivery) -> None:
    """Keeps a delivery that was tried already. Its webhook fares well if it was taken."""
    values = {name: getattr(delivery, name) for name in NAMES}

    def work(session: Session) -> None:
        session.later(_INSERT, **values)
        if delivery.state is DeliveryState.SUCCEEDED:
            fare = {"webhook_id": delivery.webhook_id, "taken": 1, "failures": 0}
            session.rows(_FARE, fares=json.dumps([fare]))

    db.write(work)


def give_up(db: Database, webhook_id: str) -> None:
    """Ends what a webhook that is off has not sent."""
    values = {"webhook_id": webhook_id, "error": OFF, "part": _PART}
    while db.write(lambda session: session.run(_GIVE_UP, **values)) == _PART:
        pass


def erase(db: Database, webhook_id: str) -> None:
    """Removes all deliveries of a webhook that is gone."""
    while db.write(lambda session: session.run(_ERASE, webhook_id=webhook_id, part=_PART)) == _PART:
        pass


def forget(session: Session, keep_ms: int, part: int) -> int:
    """Removes up to `part` deliveries older than `keep_ms`; tells how many."""
    return session.run(_FORGET, keep_ms=keep_ms, part=part)


def delivery_from_row(row: Row) -> Delivery:
    """The delivery of a row with `{delivery_columns}`."""
    values: dict[str, Any] = dict(zip(NAMES, row, strict=True))
    values |= {"kind": Kind(values["kind"]), "state": DeliveryState(values["state"])}
    values["once"] = bool(values["once"])
    return Delivery(**values)


def webhook_from_row(row: Row) -> Webhook:
    """The webhook of a row with `{webhook_columns}`."""
    values: dict[str, Any] = dict(zip(WEBHOOK_NAMES, row, strict=True))
    values["kinds"] = tuple(map(Kind, values["kinds"].split()))
    values["labels"] = json.loads(values["labels"])
    values["state"] = State(values["state"])
    return Webhook(**values)


def _claimed(row: Row) -> Claimed:
    epoch, kind, event_time, payload, webhook_id = row[:5]
    delivery = delivery_from_row(row[5 : 5 + len(NAMES)])
    webhook = webhook_from_row(row[5 + len(NAMES) :]) if webhook_id else None
    event = None
    if payload is not None:
        event = UserChange(
            user_id=delivery.user_id,
            revision=delivery.revision,
            kind=kind,
            time=int(event_time),
            payload=payload,
            job_id=delivery.job_id,
        )
    return Claimed(delivery, webhook, event, str(epoch))


def _try(tried: Tried) -> dict[str, Any]:
    response = tried.response
    return {
        "delivery_id": tried.delivery.delivery_id,
        "fence": tried.delivery.fence,
        "state": tried.state,
        "pause_ms": tried.pause_ms,
        "tries": int(response is not None),
        "response_status": response.status if response else None,
        "response_text": response.text if response else None,
        "response_ms": response.ms if response else None,
        "error": response.error if response else tried.error or None,
    }


def _fares(tried: Sequence[Tried]) -> list[dict[str, Any]]:
    """What the tries, in the order in which they ended, say of each webhook; by the webhooks' ids,
    so that two workers lock them in one order."""
    fares: dict[str, dict[str, Any]] = {}
    for one in tried:
        if one.response is None:
            continue
        webhook_id = one.delivery.webhook_id
        fare = fares.setdefault(webhook_id, {"webhook_id": webhook_id, "taken": 0, "failures": 0})
        if one.response.taken:
            fare |= {"taken": 1, "failures": 0}
        else:
            fare["failures"] += 1
    return [fares[webhook_id] for webhook_id in sorted(fares)]
