"""What happened, as its witnesses saw it: one JSON line per call, answer, frame and fault.

Every line has `t` (monotonic, ns), `wall` (ms of the epoch) and `kind`:

    call        call, user, method, request_id or job_id       one try, also a repeated one
    answer      call, user, method, request_id, job, names     what the server said
    error       call, user, method, code, reason, text, metadata
    connect     watch, user, token, recent                     a stream was asked for
    frame       watch, user, token, events, names              a response, before the SDK sees it
    disconnect  watch, user, code, reason                      why the stream ended
    applied     watch, session, revision or reset              what the SDK handed on
    delivered   user, delivery_id, type, revision, job_id, ...  what the user's webhook received
    fault       fault, target, detail                          what the nemesis did
    link        share, media, expires                          an item is shared by link (ms)
    ending      share, how                                     somebody is about to end the share
    ended       share, how                                     the server said that it has ended
    look        share, asked, asked_ms, status                 what a visitor of the link got
    paused      queue                                          the server said that it is paused
    resuming    queue                                          somebody is about to resume it
    draining    worker, pid                                    the server said that it shall end
    drained     worker, pid, ended                             whether it did, after a while
    end                                                        all is quiet, all was told

`names` are the users of whom the raw bytes speak, by their id or by the secret in their prompts.
"""

import json
import re
import threading
import time
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from rushes.errors import RushesError, reason_name
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.job_pb2 import Cost, Job
from rushes.v1.notification_pb2 import Notification, NotificationEvent
from rushes.v1.view_pb2 import ViewEvent

Line = dict[str, Any]

USER, SECRET = "user-", "secret-"
THIEF = "thief-"
# What an event is that is about no job: notifications or views alone.
BESIDE = "beside"
_NAMES = re.compile(rb"(?:user|secret)-(\d+)")


def user_name(number: int) -> str:
    """The id of a user of the load."""
    return f"{USER}{number:02}"


def is_user(name: str) -> bool:
    """Whether it is a user of the load, all of whose calls are recorded."""
    return name.startswith(USER)


def secret_of(user: str, tail: str) -> str:
    """A word for a prompt of the user that must turn up nowhere but in the user's own answers."""
    return f"{SECRET}{user.removeprefix(USER)}-{tail}"


def is_thief(watch: str) -> bool:
    """Whether the watch was opened with another user's token, and should have been refused."""
    return watch.startswith(THIEF)


def names_in(message: Message) -> list[str]:
    """The users of whom the message speaks."""
    found = set(_NAMES.findall(message.SerializeToString()))
    return sorted(f"{USER}{number.decode()}" for number in found)


def view_of(job: Job) -> Line:
    """What the checker wants to know of a job; `final` has the same shape for the database's."""
    return {
        "job_id": job.job_id,
        "user_id": job.user_id,
        "state": Job.State.Name(job.state),
        "attempt": job.attempt,
        "revision": job.revision,
        "outputs": [media.media_id for media in job.outputs],
        "cost": Cost.State.Name(job.cost.state),
        "micros": job.cost.actual.units * 1_000_000 + job.cost.actual.nanos // 1000,
        "failure": reason_name(job.error.reason),
        "message": job.error.message,
    }


def event_of(event: pb.WatchEvent) -> Line:
    """One event of a frame: `event` is its type, or progress, synced, reset, end, or `beside`."""
    kind = event.WhichOneof("event") or BESIDE
    if kind in ("job", BESIDE):
        told: Line = {"event": kind, "revision": event.revision}
        if kind == "job":
            told |= {"event": pb.JobEvent.Type.Name(event.job.type), "job": view_of(event.job.job)}
        if event.notifications:
            told["notifications"] = [_heard(one) for one in event.notifications]
        if event.views:
            told["views"] = [_seen(one) for one in event.views]
        return told
    if kind == "progress":
        tick = event.progress
        return {"event": kind, "job_id": tick.job_id, "attempt": tick.attempt}
    if kind == "reset":
        return {"event": kind, "cause": event.reset.cause}
    if kind == "end":
        return {"event": kind, "reason": reason_name(event.end.reason)}
    return {"event": kind}


def _heard(change: NotificationEvent) -> Line:
    told: Line = {
        "type": NotificationEvent.Type.Name(change.type),
        "unread": change.unread_count,
    }
    if change.HasField("notification"):
        one = change.notification
        told |= {"kind": Notification.Kind.Name(one.kind), "id": one.notification_id}
        told["made"] = one.create_time.ToMilliseconds()
    if change.notification_ids:
        told["ids"] = list(change.notification_ids)
    if change.HasField("until_time"):
        told["until"] = change.until_time.ToMilliseconds()
    return told


def _seen(change: ViewEvent) -> Line:
    view = change.view
    told = {"type": ViewEvent.Type.Name(change.type), "view": view.view}
    return told | {"media_id": view.media.media_id}


class Recorder:
    """Appends lines to a file, from any thread; the order in the file is the order of `t`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self._calls = 0

    def write(self, kind: str, **fields: Any) -> None:
        """Appends a line."""
        with self._lock:
            stamp = {"t": time.monotonic_ns(), "wall": time.time_ns() // 1_000_000}
            text = json.dumps({**stamp, "kind": kind, **fields}, separators=(",", ":"))
            self._file.write(text + "\n")

    def call(self, user: str, method: str, request: Any) -> int:
        """A call goes out; its number."""
        with self._lock:
            self._calls += 1
            number = self._calls
        asked: Line = {"job_id": job_id} if (job_id := getattr(request, "job_id", "")) else {}
        if options := getattr(request, "options", None):
            asked["request_id"] = options.request_id
        if getattr(request, "only_if_free", False):
            asked["only_if_free"] = True
        self.write("call", call=number, user=user, method=method, **asked)
        return number

    def answer(self, call: int, user: str, method: str, answer: Any) -> None:
        """The call was answered."""
        said: Line = {"names": names_in(answer)}
        if job := getattr(answer, "job", None):
            said |= {"job": view_of(job), "request_id": job.request_id}
        if getattr(answer, "deduplicated", False):
            said["deduplicated"] = True
        self.write("answer", call=call, user=user, method=method, **said)

    def refused(self, call: int, user: str, method: str, error: RushesError) -> None:
        """The call was refused, or failed on the way."""
        self.write("error", call=call, user=user, method=method, **_told(error))

    def connected(self, watch: str, user: str, request: pb.WatchJobsRequest) -> None:
        """A stream is asked for."""
        recent = request.recent.ToMilliseconds()
        self.write("connect", watch=watch, user=user, token=request.resume_token, recent=recent)

    def frame(self, watch: str, user: str, response: pb.WatchJobsResponse) -> None:
        """A response came, as it was on the wire."""
        events = [event_of(event) for event in response.events]
        told = {"token": response.resume_token, "events": events, "names": names_in(response)}
        self.write("frame", watch=watch, user=user, **told)

    def disconnected(self, watch: str, user: str, error: RushesError | None) -> None:
        """The stream ended: by an error, or because this side hung up."""
        self.write("disconnect", watch=watch, user=user, **(_told(error) if error else {}))

    def fault(self, fault: str, target: str = "", detail: Any = None) -> None:
        """The nemesis did something."""
        self.write("fault", fault=fault, target=target, detail=detail)

    def end(self) -> None:
        """All is quiet, and watchers had time to catch up: from here on they may leave."""
        self.write("end")

    def lines(self) -> list[Line]:
        """Everything so far."""
        with self._lock:
            self._file.flush()
        return read_history(self.path)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_history(path: Path) -> list[Line]:
    """The lines of a file, in order."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(text) for text in file]


def _told(error: RushesError) -> Line:
    code = error.code.name if error.code else ""
    return {
        "code": code,
        "reason": error.reason,
        "text": error.message,
        "metadata": error.metadata,
    }
