"""Runs told by hand, line by line: for tests of the checker, which break one thing in them."""

import copy
import json
from dataclasses import dataclass, field
from typing import Any

from tests.crash.checker import Final, Violation, check
from tests.crash.checker.usage import COUNTS, NAMES
from tests.crash.history import BESIDE, Line

USER, OTHER = "user-01", "user-02"
WATCH = "watch-01"
PRICE = 40_000
DAY = "2026-11-21"
NOON_MS = 1_795_262_400_000  # of that day, UTC
STATES = {"QUEUED": "QUEUED", "STARTED": "RUNNING", "UPDATED": "RUNNING"}


class Story:
    """A history and its end, which grow together; time moves on by one second with every line."""

    def __init__(self) -> None:
        self.history: list[Line] = []
        self.final = Final()
        self._seconds = 0
        self._tokens = 0

    def say(self, kind: str, **fields: Any) -> Line:
        """Appends a line to the history."""
        seconds = self._tick()
        line = {"t": seconds * 10**9, "wall": NOON_MS + seconds * 1000, "kind": kind, **fields}
        self.history.append(line)
        return line

    def submit(self, user: str, job_id: str) -> str:
        """The user submits a job: a call, its answer, the row and the event."""
        request_id = f"r-{job_id}"
        asked = {"user": user, "method": "GenerateImage", "request_id": request_id}
        self.say("call", call=len(self.history), **asked)
        row: Line = {"kind": "job", "job_id": job_id, "user_id": user, "request_id": request_id}
        row |= {"output_count": 1, "attempt": 0, "create_time": self.now_ms}
        row |= {"queue": "image", "provider": "simulator", "turn": len(self.final.job)}
        row |= {"model": "simulator-image", "end_time": None}
        row |= {"cost_state": "RESERVED", "cost_estimated": PRICE, "cost_actual": None}
        self.final.job.append(row)
        told = self.move(job_id, "QUEUED")
        self.say("answer", call=len(self.history) - 1, job=told["job"], names=[user], **asked)
        return job_id

    def move(self, job_id: str, event: str, **changes: Any) -> Line:
        """The job changes; the event as a frame carries it. `changes` are columns of its row."""
        row = self.row(job_id)
        stream = next((s for s in self.final.stream if s["user_id"] == row["user_id"]), None)
        if stream is None:
            stream = {"kind": "stream", "user_id": row["user_id"], "revision": 0, "busy": False}
            stream |= {"unread": 0, "notification_count": 0}
            self.final.stream.append(stream)
        stream["revision"] += 1
        row |= {"state": STATES.get(event, event), "revision": stream["revision"], **changes}
        if row["state"] in COUNTS:
            row["end_time"] = self.now_ms
        self._keep(row, stream)
        told = {"event": event, "revision": row["revision"], "job": self._view(row)}
        if notifications := self._notify(row, stream, event):
            told["notifications"] = notifications
        kept = {"user_id": row["user_id"], "job_id": job_id, "event_time": self._tick_ms()}
        self.final.event.append(
            {
                **{"kind": "event", "notifications": [], "views": [], "view": ""},
                **kept,
                **copy.deepcopy(told),
            }
        )
        told["job"].pop("estimated")
        return told

    def read(self, user: str, **how: Any) -> Line:
        """The user marks all notifications as read; the change as a frame carries it."""
        stream = next(s for s in self.final.stream if s["user_id"] == user)
        stream |= {"revision": stream["revision"] + 1, "unread": 0}
        for row in self.final.notification:
            row["read_time"] = self.now_ms if row["user_id"] == user else row["read_time"]
        told = {"event": BESIDE, "revision": stream["revision"]}
        told["notifications"] = [{"type": "READ", "unread": 0, **how}]
        kept = {"kind": "event", "user_id": user, "job_id": "", "event_time": self._tick_ms()}
        self.final.beside.append({**kept, "views": [], **copy.deepcopy(told)})
        return told

    def intend(self, job_id: str, number: int = 1) -> Line:
        """An intent is written."""
        row = {"kind": "intent", "job_id": job_id, "number": number, "micros": PRICE}
        row |= {"outcome": "OPEN", "operation": "", "outcome_time": None}
        self.final.intent.append(row | {"create_time": self._tick_ms()})
        return self.final.intent[-1]

    def pay(self, job_id: str, number: int = 1) -> Line:
        """The provider accepts a submit."""
        line = {"kind": "ledger", "key": f"{job_id}.{number}", "job_id": job_id, "micros": PRICE}
        operation = f"op-{job_id}-{len(self.final.ledger)}"
        self.final.ledger.append(line | {"operation": operation, "time": self._tick_ms()})
        return self.final.ledger[-1]

    def record(self, intent: Line, operation: str) -> None:
        """The operation of an intent is recorded."""
        intent |= {"outcome": "ACCEPTED", "operation": operation, "outcome_time": self._tick_ms()}

    def store(self, job_id: str) -> str:
        """The result is stored and has its row."""
        media_id, user = f"m-{job_id}", self.row(job_id)["user_id"]
        keys = {"blob_key": f"media/{media_id}", "thumbnail_key": f"thumbnails/{media_id}.webp"}
        for key in keys.values():
            self.final.blob.append({"kind": "blob", "key": key, "size": 3, "sha256": "abc"})
        item = {"kind": "media", "media_id": media_id, "job_id": job_id, "user_id": user}
        item["delete_time"] = None
        item |= {"output_index": 0, "size_bytes": 3, "sha256": "abc"}
        self.final.media.append(item | keys)
        self.final.recipe.append({"kind": "recipe", "media_id": media_id})
        return media_id

    def book(self, user: str, spent: int) -> None:
        """The user's and the installation's books, for the day and the month."""
        for owner in (f"user:{user}", "installation"):
            for span in (DAY, DAY[:7]):
                row = {"kind": "spending", "owner": owner, "span": span, "reserved": 0}
                self.final.spending.append(row | {"spent": spent})

    def connect(self, watch: str, user: str, token: str = "") -> Line:
        """A watcher asks for a stream, with every job that ended lately in its snapshot."""
        return self.say("connect", watch=watch, user=user, token=token, recent=3_600_000)

    def frame(self, watch: str, user: str, *events: Line, token: str = "") -> str:
        """A watcher is told something; the token of the response."""
        self._tokens += 1
        token = token or f"token-{self._tokens}"
        self.say("frame", watch=watch, user=user, token=token, events=list(events), names=[user])
        return token

    def row(self, job_id: str) -> Line:
        """The job's row."""
        return next(row for row in self.final.job if row["job_id"] == job_id)

    def check(self, policy: str = "never_resubmit") -> list[Violation]:
        """What the checker says of a copy, so that nothing is remembered."""
        final = Final(**copy.deepcopy({name: getattr(self.final, name) for name in TABLES}))
        final.usage[:] = final.usage or self.usage()
        return check(json.loads(json.dumps(self.history)), final, policy)

    def usage(self) -> list[Line]:
        """What usage should say: the jobs, and what is booked on top of them."""
        rows: dict[str, Line] = {}
        for job in self.final.job:
            user = job["user_id"]
            names = dict.fromkeys(NAMES, 0) | {"user_id": user, "day": DAY, "model": job["model"]}
            row = rows.setdefault(user, {"kind": "usage", **names})
            row[COUNTS.get(job["state"], "unfinished")] += 1
            if job["end_time"] is None:
                row["reserved"] += job["cost_estimated"]
            elif job["cost_state"] == "UNCERTAIN":
                row["uncertain"] += job["cost_estimated"]
        for book in self.final.spending:
            user = book["owner"].removeprefix("user:")
            if book["span"] == DAY and user in rows:
                rows[user]["charged"] = book["spent"] - rows[user]["uncertain"]
        return list(rows.values())

    @property
    def now_ms(self) -> int:
        """The database's clock."""
        return NOON_MS + self._seconds * 1000

    def _tick(self) -> int:
        self._seconds += 1
        return self._seconds

    def _tick_ms(self) -> int:
        self._tick()
        return self.now_ms

    def _notify(self, row: Line, stream: Line, event: str) -> list[Line]:
        """What the move tells the user."""
        kind = f"JOB_{event}" if event not in ("QUEUED", "UPDATED") else ""
        if not kind:
            return []
        mine = [one for one in self.final.notification if one["job_id"] == row["job_id"]]
        if mine and event == "STARTED":
            return []  # only the first start is told
        if not mine:
            stream["unread"] += 1
            stream["notification_count"] += 1
        name = f"n-{row['job_id']}"
        names = {"user_id": row["user_id"], "job_id": row["job_id"], "notification": kind}
        names |= {"notification_id": name, "read_time": None}
        others = [one for one in self.final.notification if one not in mine]
        self.final.notification[:] = [*others, {"kind": "notification", **names}]
        type = "UPDATED" if mine else "CREATED"
        told = {"type": type, "kind": kind, "unread": stream["unread"]}
        return [told | {"id": name, "made": self.now_ms}]

    def _keep(self, row: Line, stream: Line) -> None:
        """Keeps what waits and runs; no story has two jobs of one user that wait."""
        mine = [job for job in self.final.job if job["user_id"] == row["user_id"]]
        stream["running"] = sum(job.get("state") == "RUNNING" for job in mine)
        flow = {name: row[name] for name in ("user_id", "queue", "provider", "turn", "job_id")}
        flow |= {"kind": "flow", "waiting": 1, "last_turn": row["turn"], "busy": False}
        others = [one for one in self.final.flow if one["job_id"] != row["job_id"]]
        self.final.flow[:] = [*others, flow] if row["state"] == "QUEUED" else others

    def _view(self, row: Line) -> Line:
        same = ("job_id", "user_id", "state", "attempt", "revision")
        outputs = [m["media_id"] for m in self.final.media if m["job_id"] == row["job_id"]]
        cost = {"cost": row["cost_state"], "micros": row["cost_actual"] or 0}
        rest = {"outputs": outputs, "estimated": row["cost_estimated"], "failure": ""}
        return {name: row[name] for name in same} | cost | rest | {"message": ""}


TABLES = tuple(Final.__dataclass_fields__)
SYNCED = {"event": "synced"}
# What a snapshot says of the one notification of `Told`.
UNREAD = {"event": "beside", "revision": 0, "notifications": [{"type": "CURRENT", "unread": 1}]}
RESET = {"event": "reset", "cause": ""}


def current(event: Line) -> Line:
    """The job of an event as a snapshot shows it."""
    return {"event": "CURRENT", "revision": 0, "job": event["job"]}


@dataclass
class Told:
    """A good story of one paid job and its watcher, who came back once."""

    story: Story = field(default_factory=Story)
    events: list[Line] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    intent: Line = field(default_factory=dict)

    def __post_init__(self) -> None:
        story = self.story
        story.connect(WATCH, USER)
        self.tokens.append(story.frame(WATCH, USER, SYNCED))
        story.submit(USER, "a")
        self.tell({"event": "QUEUED", "revision": 1, "job": self.frame_view()})
        self.intent = story.intend("a")
        self.tell(story.move("a", "STARTED", attempt=1))
        operation = story.pay("a")["operation"]
        story.record(self.intent, operation)
        self.tell(story.move("a", "UPDATED"))
        story.say("disconnect", watch=WATCH, user=USER)
        story.connect(WATCH, USER, self.tokens[-1])
        story.store("a")
        story.book(USER, PRICE)
        self.tell(story.move("a", "SUCCEEDED", cost_state="CHARGED", cost_actual=PRICE), SYNCED)
        story.say("end")

    def tell(self, event: Line, *more: Line) -> None:
        """The watcher is told of the event, and hands it on."""
        self.events.append(event)
        self.tokens.append(self.story.frame(WATCH, USER, event, *more))
        revision = event["revision"]
        self.story.say("applied", watch=WATCH, session=1, revision=revision)

    def frame_view(self) -> Line:
        return {k: v for k, v in self.story.final.event[-1]["job"].items() if k != "estimated"}

    def frames(self) -> list[Line]:
        return [line for line in self.story.history if line["kind"] == "frame"]

    def line(self, kind: str, index: int = 0) -> Line:
        return [line for line in self.story.history if line["kind"] == kind][index]

    def drop(self, line: Line) -> None:
        self.story.history.remove(line)
