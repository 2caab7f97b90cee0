"""The rows of a history and of a live load, as dictionaries by column; a seed makes them.

What a row does not name gets the default of its model.
"""

import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.history.words import Prompts
from core.store.budgets import INSTALLATION, Period, owner_of, span
from core.store.rows import terms_of

Made = tuple[str, dict[str, Any]]

ONE = "historian"
SEED = 1
DAY_MS = 24 * 3600 * 1000
# The default of the setting.
USER_CONCURRENCY = 4
_STATES = {"SUCCEEDED": 90, "FAILED": 6, "CANCELLED": 4}
_BIN_MS = 30 * DAY_MS
_REQUEST_MS = 7 * DAY_MS
_MICROS = 40_000
_FAILURE = json.dumps({"reason": "RESULT_INVALID", "message": "broken", "metadata": {}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much there shall be: a history of `of_one` and `of_others` jobs, and what is live."""

    of_one: int = 0
    of_others: int = 0
    others: int = 10_000
    queued: int = 0
    running: int = 0
    days: int = 365


_KEYS = 4
_USAGE = (
    *("charged", "reserved", "uncertain"),
    *("unfinished", "succeeded", "failed", "cancelled"),
)


class History:
    """Jobs that ended, each with its last event and a media item, in the order of time."""

    def __init__(self, size: Size, seed: int, until: int) -> None:
        self._size = size
        self._rng = random.Random(seed)
        self._prompts = Prompts(self._rng)
        self._since = until - size.days * DAY_MS
        self._until = until
        self._revisions: Counter[str] = Counter()
        self._spent: Counter[tuple[str, str]] = Counter()
        self._used: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)

    def rows(self) -> Iterator[Made]:
        """Every row, with the name of its table."""
        size = self._size
        count = size.of_one + size.of_others
        step = size.days * DAY_MS / max(count, 1)
        for number in range(count):
            # Both kinds of users take turns, so that their rows lie among each other.
            is_one = number * size.of_one // count != (number + 1) * size.of_one // count
            user_id = ONE if is_one else f"other-{self._rng.randrange(size.others):05}"
            yield from self._job(number, user_id, int(self._since + number * step))
        for user_id, revision in self._revisions.items():
            for number in range(_KEYS):
                yield "api_key", _api_key(user_id, number, self._until - number * DAY_MS)
            yield (
                "user_stream",
                {
                    "user_id": user_id,
                    "revision": revision,
                    "last_turn": 1 + count // 100,
                },
            )
        for (owner, day), micros in self._spent.items():
            yield "spending", {"owner": owner, "span": day, "reserved": 0, "spent": micros}
        for (user_id, day, model), counts in self._used.items():
            key = {"user_id": user_id, "day": day, "model": model}
            yield "usage_day", key | {name: counts[name] for name in _USAGE}

    def _job(self, number: int, user_id: str, time: int) -> Iterator[Made]:
        rng = self._rng
        self._revisions[user_id] += 1
        is_video, paid = rng.random() < 0.4, rng.random() < 0.5
        [state] = rng.choices(list(_STATES), list(_STATES.values()))
        uncertain = paid and state == "FAILED" and rng.random() < 0.01
        job = job_row(rng, user_id, time, is_video, self._prompts.prompt(number))
        ran_ms = rng.randint(2_000, 90_000)
        succeeded = state == "SUCCEEDED"
        job |= {
            "provider": "gemini" if paid else "builtin",
            "state": state,
            "step": "FETCH",
            "stage": "FINISHED",
            "operation": f"op-{number}" if paid else "",
            "revision": self._revisions[user_id],
            "fence": 3,
            "attempt": 1,
            "next_run_time": None,
            "turn": 1 + number // 100,
            "percent": 100 if succeeded else 40,
            "failure": _FAILURE if state == "FAILED" else None,
            "cost_state": "UNCERTAIN" if uncertain else "CHARGED" if succeeded else "RELEASED",
            "cost_estimated": _MICROS if paid else 0,
            "cost_actual": (_MICROS if paid else 0) if succeeded else None,
            "at_risk": paid,
            "start_time": time + rng.randint(5, 3_000),
            "end_time": time + 3_000 + ran_ms,
        }
        labels = {"project": f"p{int(50 * rng.random() ** 2)}"} if rng.random() < 0.3 else {}
        if rng.random() < 0.1:
            labels["scene"] = f"s{rng.randrange(1000)}"
        if number % 10_000 < 2:
            labels["rare"] = "yes"
        job["labels"] = json.dumps(labels)
        yield "job", job
        yield from label_rows(job, labels)
        media = self._media(number, job, labels, succeeded)
        yield "media", media | {"terms": terms_of(media["title"], media["prompt"])}
        yield "job_event", event_row(job, [media] if succeeded else [])
        used = self._used[user_id, span(Period.DAY, time), job["model"]]
        used.update({state.lower(): 1, "charged": job["cost_estimated"]})
        if paid:
            yield "intent", _intent(job, "UNKNOWN" if uncertain else "ACCEPTED")
            self._spend(user_id, time)
        if rng.random() < 0.2 and time > self._until - _REQUEST_MS:
            yield "request_key", request_row(job)

    def _spend(self, user_id: str, time: int) -> None:
        for owner in (owner_of(user_id), INSTALLATION):
            for period in Period:
                if period is Period.MONTH or time > self._until - 60 * DAY_MS:
                    self._spent[owner, span(period, time)] += _MICROS

    def _media(
        self, number: int, job: dict[str, Any], labels: dict[str, str], succeeded: bool
    ) -> dict[str, Any]:
        """The result of the job; of a job without a result, an input that its user gave."""
        rng, is_video = self._rng, job["kind"] == "video"
        media_id = _id(rng, job["create_time"] + 1)
        deleted = job["end_time"] if rng.random() < 0.02 else None
        if deleted is not None:
            deleted = self._until - rng.randrange(_BIN_MS - DAY_MS)
        return {
            "media_id": media_id,
            "user_id": job["user_id"],
            "job_id": job["job_id"] if succeeded else "",
            "output_index": 0,
            "type": "VIDEO" if is_video else "IMAGE",
            "mime_type": "video/mp4" if is_video else "image/png",
            "size_bytes": rng.randint(100_000, 9_000_000),
            "sha256": f"{rng.getrandbits(256):064x}",
            "width": 1280,
            "height": 720,
            "duration_ms": 5000 if is_video else None,
            "blob_key": f"media/{media_id}",
            "thumbnail_key": f"thumbnails/{media_id}",
            "title": self._prompts.prompt(number)[:60] if rng.random() < 0.2 else "",
            "prompt": json.loads(job["spec"])["prompt"] if succeeded else "",
            "provider": job["provider"] if succeeded else "",
            "model": job["model"] if succeeded else "",
            "cost_micros": job["cost_actual"],
            "generation_ms": job["end_time"] - job["start_time"] if succeeded else None,
            "labels": json.dumps(labels if succeeded else {}),
            "starred": rng.random() < 0.01,
            "create_time": job["end_time"] if succeeded else job["create_time"],
            "delete_time": deleted,
            "purge_time": None if deleted is None else deleted + _BIN_MS,
        }


def _api_key(user_id: str, number: int, create_time: int) -> dict[str, Any]:
    digest = hashlib.sha256(f"{user_id} {number}".encode()).hexdigest()
    return {
        "api_key_id": digest[:32],
        "user_id": user_id,
        "label": f"key {number}",
        "secret_prefix": f"rushes_{digest[:5]}",
        "secret_hash": digest,
        "scopes": "jobs.read jobs.write",
        "create_time": create_time,
        "expire_time": create_time + 90 * DAY_MS,
        "end_time": create_time + (90 if number % 2 else 1) * DAY_MS,
        "last_use_time": create_time,
        "revoke_time": None if number % 2 else create_time + DAY_MS,
    }


def live_rows(size: Size, seed: int, now: int, turn: int) -> Iterator[Made]:
    """The jobs that wait and run. `turn` is what the queues have reached.

    Each of many users runs as many as it may. Most of those that wait belong to a hundred of these;
    some belong to users who could start more.
    """
    rng = random.Random(seed + 1)
    prompts = Prompts(rng)
    revisions: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    flows: dict[tuple[str, str, str], dict[str, Any]] = {}
    heavy = max(min(100, size.queued // 10), 1)
    for number in range(size.running):
        user_id = f"live-{number // USER_CONCURRENCY:05}"
        revisions[user_id] += 1
        runs[user_id] += 1
        yield from _running(rng, user_id, now, turn, revisions[user_id], prompts.prompt(number))
    for number in range(size.queued):
        many = number % 4 != 3
        which = number // 4
        user_id = f"live-{which % heavy:05}" if many else f"new-{which % 5000:05}"
        own = number // heavy if many else which // 5000
        revisions[user_id] += 1
        time = now - (size.queued - number)
        job = job_row(rng, user_id, time, which % 2 == 0, prompts.prompt(number))
        job |= {"revision": revisions[user_id], "turn": turn + 1 + own, "next_run_time": time}
        yield "job", job
        yield "job_event", event_row(job, [])
        busy = runs[user_id] >= USER_CONCURRENCY
        _enter(flows.setdefault((user_id, job["queue"], job["provider"]), {"busy": busy}), job)
    for flow in flows.values():
        yield "flow", flow
    for user_id, revision in revisions.items():
        stream = {"user_id": user_id, "revision": revision, "running": runs[user_id]}
        stream |= {"busy": runs[user_id] >= USER_CONCURRENCY}
        yield "user_stream", stream | {"last_turn": turn + 1 + size.queued // heavy}


def _enter(flow: dict[str, Any], job: dict[str, Any]) -> None:
    mine = (job["turn"], job["job_id"])
    flow["turn"], flow["job_id"] = (
        min((flow["turn"], flow["job_id"]), mine) if "turn" in flow else mine
    )
    flow |= {name: job[name] for name in ("user_id", "queue", "provider")}
    flow["waiting"] = flow.get("waiting", 0) + 1
    flow["last_turn"] = max(flow.get("last_turn", 0), job["turn"])


def _running(
    rng: random.Random, user_id: str, now: int, turn: int, revision: int, prompt: str
) -> Iterator[Made]:
    time = now - rng.randint(60_000, 600_000)
    job = job_row(rng, user_id, time, rng.random() < 0.5, prompt)
    polls = rng.random() < 0.99
    job |= {
        "provider": "gemini" if polls else "builtin",
        "state": "RUNNING",
        "step": "POLL" if polls else "FETCH",
        "stage": "GENERATING",
        "operation": f"op-{rng.getrandbits(48)}" if polls else "",
        "revision": revision,
        "fence": 1,
        "attempt": 1,
        "turn": turn,
        "at_risk": polls,
        "worker_id": None if polls else "worker",
        # Nothing of it comes due while somebody measures.
        "next_run_time": now + 30 * DAY_MS + rng.randrange(600_000) if polls else time,
        "lease_expire_time": None if polls else now + 30 * DAY_MS,
        "start_time": time + 500,
        "submit_time": time + 700 if polls else None,
    }
    yield "job", job
    yield "job_event", event_row(job, [])
    if polls:
        yield "intent", _intent(job, "ACCEPTED")


def job_row(
    rng: random.Random, user_id: str, time: int, is_video: bool, prompt: str
) -> dict[str, Any]:
    """A job that waits."""
    model = "builtin-video" if is_video else "builtin-image"
    spec: dict[str, Any] = {"prompt": prompt, "model": model}
    if is_video:
        spec |= {"duration_ms": 5000, "aspect_ratio": "16:9", "resolution": "720p"}
    else:
        spec |= {"aspect_ratio": "1:1", "size": "1024x1024"}
    return {
        "job_id": _id(rng, time),
        "user_id": user_id,
        "kind": "video" if is_video else "image",
        "queue": "video" if is_video else "image",
        "spec": json.dumps(spec),
        "labels": "{}",
        "provider": "builtin",
        "model": model,
        "state": "QUEUED",
        "step": "SUBMIT",
        "stage": "WAITING",
        "cost_state": "RESERVED",
        "cost_estimated": 0,
        "price_revision": "1",
        "request_id": f"{rng.getrandbits(128):032x}" if rng.random() < 0.2 else "",
        "create_time": time,
        "finish_deadline": time + 400 * DAY_MS,
    }


def label_rows(job: dict[str, Any], labels: dict[str, str]) -> Iterator[Made]:
    """The rows by which the labels are found."""
    for key, value in labels.items():
        found = {name: job[name] for name in ("user_id", "create_time", "job_id")}
        yield "job_label", found | {"label": f"{key}={value}"}


def event_row(job: dict[str, Any], outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """The last event of the job, as long as those that the product writes."""
    plain = {name: value for name, value in job.items() if name in _SHOWN and value not in _EMPTY}
    plain |= {
        "labels": json.loads(job["labels"]),
        "spec": json.loads(job["spec"]),
        "progress": {"stage": job["stage"], "percent": job.get("percent", 0), "estimated": False},
        "cost": {"state": job["cost_state"], "estimated_micros": job["cost_estimated"]},
        "outputs": [
            {name: value for name, value in item.items() if value not in _EMPTY} for item in outputs
        ],
    }
    for item in plain["outputs"]:
        item["labels"] = json.loads(item["labels"])
    type = "STARTED" if job["state"] == "RUNNING" else job["state"]
    time = job.get("end_time") or job.get("start_time") or job["create_time"]
    payload = {"type": type, "event_time": time, "job": plain}
    return {
        "user_id": job["user_id"],
        "revision": job["revision"],
        "job_id": job["job_id"],
        "event_time": time,
        "payload": _encode(payload),
    }


_EMPTY = (None, "")
_encode = json.JSONEncoder(separators=(",", ":")).encode
_SHOWN = {
    *("job_id", "user_id", "provider", "attempt", "revision", "kind", "state", "create_time"),
    *("start_time", "end_time", "start_deadline", "finish_deadline", "request_id"),
}


def request_row(job: dict[str, Any]) -> dict[str, Any]:
    """What is remembered of the job's request_id."""
    request_id = job["request_id"] or job["job_id"]
    return {
        "user_id": job["user_id"],
        "request_id": request_id,
        "fingerprint": "f" * 64,
        "job_id": job["job_id"],
        "expire_time": job["create_time"] + _REQUEST_MS,
    }


def _intent(job: dict[str, Any], outcome: str) -> dict[str, Any]:
    return {
        "job_id": job["job_id"],
        "number": 1,
        "user_id": job["user_id"],
        "worker_id": "worker",
        "provider": job["provider"],
        "model": job["model"],
        "micros": _MICROS,
        "outcome": outcome,
        "operation": job["operation"],
        "create_time": job["create_time"] + 1,
        "outcome_time": job["create_time"] + 500,
    }


def _id(rng: random.Random, time: int) -> str:
    """An id as the product makes them, for that time."""
    text = f"{time:012x}7{rng.getrandbits(76):019x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-8{text[17:20]}-{text[20:]}"
