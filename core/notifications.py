"""Notifications: durable messages to one user, and what the moves of its jobs say in them.

The server's own never hold a prompt. Times are in milliseconds of the database.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from core.jobs import EventType, Job, State
from core.media import MediaType
from core.money import amount
from core.times import iso


class Kind(StrEnum):
    """Names of rushes.v1.Notification.Kind."""

    JOB_STARTED = "JOB_STARTED"
    JOB_RECONCILING = "JOB_RECONCILING"
    JOB_SUCCEEDED = "JOB_SUCCEEDED"
    JOB_FAILED = "JOB_FAILED"
    JOB_CANCELLED = "JOB_CANCELLED"
    BATCH_ENDED = "BATCH_ENDED"
    DIGEST = "DIGEST"
    BUDGET_ALERT = "BUDGET_ALERT"
    MEDIA_SHARED = "MEDIA_SHARED"
    WEBHOOK_DISABLED = "WEBHOOK_DISABLED"
    MESSAGE = "MESSAGE"


class Severity(StrEnum):
    """Names of rushes.v1.Notification.Severity."""

    INFO = "INFO"
    SUCCESS = "SUCCESS"
    WARNING = "WARNING"
    ERROR = "ERROR"


class ChangeType(StrEnum):
    """Names of rushes.v1.NotificationEvent.Type, without that of a snapshot."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    READ = "READ"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button. `target` names one of the fields of rushes.v1.Notification.Action."""

    label: str
    target: str
    value: str

    def to_json(self) -> dict[str, str]:
        """Its fields."""
        return {"label": self.label, "target": self.target, "value": self.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A message. `counts` says of a digest how many of each kind it stands for."""

    notification_id: str
    kind: Kind
    severity: Severity
    title: str
    text: str = ""
    action: Action | None = None
    job_id: str = ""
    batch_id: str = ""
    sender: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    create_time: int
    read_time: int | None = None
    # Of the change that wrote it: the order of the user's notifications. Events tell it themselves.
    revision: int = 0

    def to_json(self) -> dict[str, Any]:
        """Its fields that are not empty."""
        values = {name: getattr(self, name) for name in _NAMES}
        values["action"] = self.action and self.action.to_json()
        values["counts"] = dict(self.counts)
        return {name: value for name, value in values.items() if value}


_NAMES = tuple(one.name for one in dataclasses.fields(Notification) if one.name != "revision")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationChange:
    """A change of the user's notifications. READ and DELETED name ids, or all up to a time."""

    type: ChangeType
    unread_count: int
    notification: Notification | None = None
    notification_ids: tuple[str, ...] = ()
    until_time: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Its fields that are not empty; the count always."""
        values: dict[str, Any] = {"type": self.type, "unread_count": self.unread_count}
        if self.notification is not None:
            values["notification"] = self.notification.to_json()
        if self.notification_ids:
            values["notification_ids"] = list(self.notification_ids)
        if self.until_time is not None:
            values["until_time"] = self.until_time
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSettings:
    """What the user wants to be told. `digest_after_ms` 0 = never."""

    kinds: tuple[Kind, ...] = tuple(Kind)
    digest_after_ms: int = 0
    budget_alert_percents: tuple[int, ...] = (50, 80, 100)

    def to_json(self) -> str:
        """The settings as the database keeps them."""
        return json.dumps(dataclasses.asdict(self))

    def makes(self, kind: Kind) -> bool:
        """Whether the user wants notifications of the kind. A message is always made."""
        return kind is Kind.MESSAGE or kind in self.kinds


DEFAULT_SETTINGS = NotificationSettings()


@functools.lru_cache(1024)
def settings_from_json(kept: str) -> NotificationSettings:
    """The settings that the database keeps; the default ones where it keeps none."""
    if not kept:
        return DEFAULT_SETTINGS
    values = json.loads(kept)
    return NotificationSettings(
        kinds=tuple(Kind(kind) for kind in values["kinds"]),
        digest_after_ms=values["digest_after_ms"],
        budget_alert_percents=tuple(values["budget_alert_percents"]),
    )


# Which move of a job makes which kind.
JOB_KINDS = {
    EventType.STARTED: Kind.JOB_STARTED,
    EventType.RECONCILING: Kind.JOB_RECONCILING,
    EventType.SUCCEEDED: Kind.JOB_SUCCEEDED,
    EventType.FAILED: Kind.JOB_FAILED,
    EventType.CANCELLED: Kind.JOB_CANCELLED,
}
_SEVERITIES = {
    Kind.JOB_STARTED: Severity.INFO,
    Kind.JOB_RECONCILING: Severity.WARNING,
    Kind.JOB_SUCCEEDED: Severity.SUCCESS,
    Kind.JOB_FAILED: Severity.ERROR,
    Kind.JOB_CANCELLED: Severity.INFO,
}
_TITLES = {
    Kind.JOB_STARTED: "Your {kind} is being made",
    Kind.JOB_RECONCILING: "Finding out what became of your {kind}",
    Kind.JOB_SUCCEEDED: "Your {kind} is ready",
    Kind.JOB_FAILED: "Your {kind} could not be made",
    Kind.JOB_CANCELLED: "Your {kind} was cancelled",
}
# Of messages and announcements too.
MAX_TITLE_CHARACTERS = 120
MAX_TEXT_CHARACTERS = 1000
_SHARED_TITLES = {
    MediaType.IMAGE: "An image was shared with you",
    MediaType.VIDEO: "A video was shared with you",
}


def of_job(kind: Kind, job: Job, notification_id: str, now_ms: int) -> Notification:
    """The notification of a job that has moved on to `kind`."""
    text = f"With {job.spec.model}."
    if kind is Kind.JOB_FAILED and job.failure is not None:
        text = job.failure.message or text
    done = kind is Kind.JOB_SUCCEEDED
    action = Action(label="View result" if done else "View job", target="job_id", value=job.job_id)
    return Notification(
        notification_id=notification_id,
        kind=kind,
        severity=_SEVERITIES[kind],
        title=_TITLES[kind].format(kind=job.spec.kind),
        text=text[:MAX_TEXT_CHARACTERS],
        action=action,
        job_id=job.job_id,
        create_time=now_ms,
    )


def of_batch(
    ends: Mapping[State, int], batch_id: str, notification_id: str, now_ms: int
) -> Notification:
    """The notification of a batch of which so many jobs have come to each end."""
    total, ready = sum(ends.values()), ends.get(State.SUCCEEDED, 0)
    failed = ends.get(State.FAILED, 0)
    words = {State.SUCCEEDED: "ready", State.FAILED: "failed", State.CANCELLED: "cancelled"}
    said = [f"{ends[state]} {word}" for state, word in words.items() if ends.get(state)]
    if ready == total:
        severity = Severity.SUCCESS
    elif failed:
        severity = Severity.WARNING if ready else Severity.ERROR
    else:
        severity = Severity.INFO
    jobs = "1 job" if total == 1 else f"{total} jobs"
    return Notification(
        notification_id=notification_id,
        kind=Kind.BATCH_ENDED,
        severity=severity,
        title=f"Your batch of {jobs} {'is ready' if ready == total else 'has ended'}",
        text=", ".join(said) + ".",
        action=Action(label="View batch", target="batch_id", value=batch_id),
        batch_id=batch_id,
        create_time=now_ms,
    )


def budget_alert(
    percent: int,
    period: str,
    used_micros: int,
    limit_micros: int,
    reset_time: int,
    notification_id: str,
    now_ms: int,
) -> Notification:
    """Says that so much of the user's daily or monthly budget is used. Money in micro-units."""
    used, limit = amount(used_micros), amount(limit_micros)
    return Notification(
        notification_id=notification_id,
        kind=Kind.BUDGET_ALERT,
        severity=Severity.WARNING if percent < 100 else Severity.ERROR,
        title=f"{percent} % of your {period} budget is used",
        text=f"{used} of {limit} is spent or reserved. It begins anew at {iso(reset_time)}.",
        create_time=now_ms,
    )


def media_shared(
    share_id: str, type: MediaType, message: str, sender: str, notification_id: str, now_ms: int
) -> Notification:
    """Says that the sender shared an item; `message` is the sender's own text."""
    return Notification(
        notification_id=notification_id,
        kind=Kind.MEDIA_SHARED,
        severity=Severity.INFO,
        title=_SHARED_TITLES[type],
        text=message,
        action=Action(label="View", target="share_id", value=share_id),
        sender=sender,
        create_time=now_ms,
    )


def webhook_disabled(url: str, cause: str, notification_id: str, now_ms: int) -> Notification:
    """Says that a webhook gets nothing any more, and why."""
    return Notification(
        notification_id=notification_id,
        kind=Kind.WEBHOOK_DISABLED,
        severity=Severity.ERROR,
        title="A webhook was disabled",
        text=f"{url} {cause}. Enable it again when it works; what happens meanwhile is not sent."[
            -MAX_TEXT_CHARACTERS:
        ],
        create_time=now_ms,
    )


def digest_of(counts: Mapping[str, int], notification_id: str, now_ms: int) -> Notification:
    """The digest that stands for so many notifications of each kind."""
    total = sum(counts.values())
    words = {
        Kind.JOB_STARTED: "started",
        Kind.JOB_RECONCILING: "uncertain",
        Kind.JOB_SUCCEEDED: "ready",
        Kind.JOB_FAILED: "failed",
        Kind.JOB_CANCELLED: "cancelled",
        Kind.BATCH_ENDED: "batches ended",
    }
    said = [f"{counts[kind]} {word}" for kind, word in words.items() if counts.get(kind)]
    return Notification(
        notification_id=notification_id,
        kind=Kind.DIGEST,
        severity=Severity.ERROR if counts.get(Kind.JOB_FAILED) else Severity.INFO,
        title=f"{total} {'update' if total == 1 else 'updates'} while you were away",
        text=", ".join(said) + ".",
        counts=dict(counts),
        create_time=now_ms,
    )
