"""What a run left behind: the database, the blobs and the provider's own ledger."""

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from core.store.engine.database import Database, connect
from core.store.engine.sql import Statement, columns
from core.store.models import (
    BudgetRow,
    DeliveryRow,
    FlowRow,
    IntentRow,
    JobEvent,
    JobRow,
    MediaRow,
    NotificationRow,
    RecipeRow,
    RequestKey,
    ShareRow,
    SpendingRow,
    UsageDay,
    UserStream,
    ViewRow,
    WebhookRow,
)
from tests.crash.history import BESIDE, Line

TABLES = {
    "job": JobRow,
    "event": JobEvent,
    "intent": IntentRow,
    "spending": SpendingRow,
    "budget": BudgetRow,
    "media": MediaRow,
    "recipe": RecipeRow,
    "request_key": RequestKey,
    "stream": UserStream,
    "flow": FlowRow,
    "notification": NotificationRow,
    "usage": UsageDay,
    "view": ViewRow,
    "webhook": WebhookRow,
    "delivery": DeliveryRow,
    "share": ShareRow,
}


@dataclass(frozen=True)
class Final:
    """Rows as lines whose `kind` is their table; `blobs` are {"key", "size", "sha256"}.

    `event` are changes of jobs, and `beside` those of notifications or views alone.
    """

    job: list[Line] = field(default_factory=list)
    event: list[Line] = field(default_factory=list)
    beside: list[Line] = field(default_factory=list)
    intent: list[Line] = field(default_factory=list)
    spending: list[Line] = field(default_factory=list)
    budget: list[Line] = field(default_factory=list)
    media: list[Line] = field(default_factory=list)
    recipe: list[Line] = field(default_factory=list)
    request_key: list[Line] = field(default_factory=list)
    stream: list[Line] = field(default_factory=list)
    flow: list[Line] = field(default_factory=list)
    notification: list[Line] = field(default_factory=list)
    usage: list[Line] = field(default_factory=list)
    view: list[Line] = field(default_factory=list)
    webhook: list[Line] = field(default_factory=list)
    delivery: list[Line] = field(default_factory=list)
    share: list[Line] = field(default_factory=list)
    ledger: list[Line] = field(default_factory=list)
    blob: list[Line] = field(default_factory=list)

    @cached_property
    def jobs(self) -> dict[str, Line]:
        """Jobs by their id."""
        return {row["job_id"]: row for row in self.job}

    @cached_property
    def heads(self) -> dict[str, int]:
        """Users to their revision."""
        return {row["user_id"]: row["revision"] for row in self.stream}

    @cached_property
    def events_of(self) -> dict[str, list[Line]]:
        """Jobs to their events, in order."""
        found = defaultdict(list)
        for row in sorted(self.event, key=lambda row: row["revision"]):
            found[row["job_id"]].append(row)
        return found

    @cached_property
    def changes(self) -> list[Line]:
        """All changes of users, in order."""
        return sorted([*self.event, *self.beside], key=lambda row: row["revision"])

    @cached_property
    def event_at(self) -> dict[tuple[str, int], Line]:
        """User and revision to the change there."""
        return {(row["user_id"], row["revision"]): row for row in self.changes}

    @cached_property
    def intents_of(self) -> dict[str, list[Line]]:
        """Jobs to their intents, in order."""
        found = defaultdict(list)
        for row in sorted(self.intent, key=lambda row: row["number"]):
            found[row["job_id"]].append(row)
        return found

    @cached_property
    def paid(self) -> dict[str, list[Line]]:
        """Jobs to the submits that the provider accepted and charges for, by its own ledger."""
        found = defaultdict(list)
        for line in self.ledger:
            if line.get("event", "accepted") == "accepted":
                found[line["job_id"]].append(line)
        return found


def collect(database_url: str, data_dir: Path, ledger: Path | None = None) -> Final:
    """Reads everything; nothing may run on it any more, or the rows are of different moments."""
    db = connect(database_url, 2)
    try:
        rows = {table: _rows(db, table) for table in TABLES}
    finally:
        db.close()
    rows["beside"] = [row for row in rows["event"] if row["event"] == BESIDE]
    rows["event"] = [row for row in rows["event"] if row["event"] != BESIDE]
    return Final(**rows, ledger=_ledger(ledger), blob=_blobs(data_dir / "blobs"))


def job_view(job: dict[str, Any]) -> Line:
    """What `history.view_of` says of a job, from the JSON of an event."""
    cost, failure = job["cost"], job.get("failure") or {}
    return {
        "job_id": job["job_id"],
        "user_id": job["user_id"],
        "state": job["state"],
        "attempt": job.get("attempt", 0),
        "revision": job.get("revision", 0),
        "outputs": [media["media_id"] for media in job["outputs"]],
        "cost": cost["state"],
        "micros": cost.get("actual_micros") or 0,
        "estimated": cost["estimated_micros"],
        "failure": failure.get("reason", ""),
    }


def _rows(db: Database, table: str) -> list[Line]:
    model = TABLES[table]
    names = tuple(f.column_name for f in model._meta.sorted_fields)
    found = db.rows(Statement(f"SELECT {columns(names)} FROM {model._meta.table_name}"))
    lines = [{**dict(zip(names, row, strict=True)), "kind": table} for row in found]
    if table in ("notification", "delivery"):
        kinds = [row[names.index("kind")] for row in found]
        lines = [line | {table: kind} for line, kind in zip(lines, kinds, strict=True)]
    return [UNFOLD[table](line) for line in lines] if table in UNFOLD else lines


def _event(row: Line) -> Line:
    payload = json.loads(row.pop("payload"))
    told = {
        "notifications": [_heard(one) for one in payload.get("notifications", [])],
        "views": [_seen(one) for one in payload.get("views", [])],
    }
    job = payload.get("job")
    if job is None:
        return {**row, "event": BESIDE, **told}
    told["view"] = job.get("apply_to_view", "")
    return {**row, "event": payload["type"], "job": job_view(job), **told}


def _heard(change: Line) -> Line:
    """What `history` says of a change of notifications."""
    told = {"type": change["type"], "unread": change["unread_count"]}
    if one := change.get("notification"):
        told |= {"kind": one["kind"], "id": one["notification_id"], "made": one["create_time"]}
    names = {"notification_ids": "ids", "until_time": "until"}
    return told | {names[name]: value for name, value in change.items() if name in names}


def _seen(change: Line) -> Line:
    """What `history` says of a change of views."""
    view = change["view"]
    media_id = view.get("media", {}).get("media_id", "")
    return {"type": change["type"], "view": view["view"], "media_id": media_id}


def _notification(row: Line) -> Line:
    """Without what is long. `notification` is its kind, and `kind` that of the line."""
    hidden = ("title", "text", "action")
    return {name: value for name, value in row.items() if name not in hidden}


def _job(row: Line) -> Line:
    """Without what is long, and what nobody else may read."""
    wanted = json.loads(row["spec"]).get("output_count") or 1
    hidden = ("spec", "labels", "final_prompt")
    return {n: v for n, v in row.items() if n not in hidden} | {"output_count": wanted}


def _media(row: Line) -> Line:
    return {n: v for n, v in row.items() if n not in ("prompt", "revised_prompt", "labels")}


def _webhook(row: Line) -> Line:
    """Without what its secrets are made of."""
    return {n: v for n, v in row.items() if n not in ("salt", "former_salt")}


UNFOLD = {
    "event": _event,
    "webhook": _webhook,
    "job": _job,
    "media": _media,
    "notification": _notification,
}


def _ledger(path: Path | None) -> list[Line]:
    """The ledger's lines; a process that died in the middle of one did not answer either."""
    if path is None or not path.exists():
        return []
    found = []
    for text in path.read_text().splitlines():
        try:
            found.append({"kind": "ledger", **json.loads(text)})
        except json.JSONDecodeError:
            continue
    return found


def _blobs(root: Path) -> list[Line]:
    return [
        _blob(path, path.relative_to(root).as_posix())
        for path in sorted(root.rglob("*"))
        if path.is_file()
    ]


def _blob(path: Path, key: str) -> Line:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"kind": "blob", "key": key, "size": path.stat().st_size, "sha256": digest}
