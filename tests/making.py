"""Values that tests need again and again, with only what matters in view."""

from typing import Any

from core import api_keys
from core.api_keys import ApiKey
from core.events import UserChange
from core.ids import new_id
from core.jobs import Cost, CostState, Job, Progress, State
from core.media import Media, MediaType
from core.specs import ImageSpec, VideoSpec
from core.store import Database, accept, budgets, claims, keys, submits, transitions
from core.store.accept import Accepted, NewJob
from core.store.change import append, bump
from core.store.claims import Claim
from core.store.engine.database import Session
from core.store.jobs import revision
from core.store.replay import Return, replays

VIDEO = VideoSpec(
    prompt="sea",
    model="builtin-video",
    duration_ms=1000,
    aspect_ratio="16:9",
    resolution="360p",
)
IMAGE = ImageSpec(prompt="boat", model="builtin-image", aspect_ratio="1:1", size="256x256")
MICROS = 250_000
PRICE = Cost(state=CostState.ESTIMATED, estimated_micros=MICROS)


def new_job(user_id: str = "alice", **changes: Any) -> NewJob:
    values: dict[str, Any] = {
        "spec": VIDEO,
        "provider": "builtin",
        "cost": Cost(state=CostState.ESTIMATED, estimated_micros=0),
        "finish_within_ms": 600_000,
        "max_queued": 1000,
    }
    return NewJob(user_id=user_id, **{**values, **changes})


def accepted(db: Database, user_id: str = "alice", **changes: Any) -> Accepted:
    return accept.accept(db, new_job(user_id, **changes))


def paid(db: Database, user_id: str = "alice", **changes: Any) -> str:
    """The id of a job that costs MICROS, which are reserved."""
    return accepted(db, user_id, **({"provider": "paid", "cost": PRICE} | changes)).job.job_id


def noted(db: Database, user_id: str = "alice", **changes: Any) -> UserChange:
    """A change of a kind that no version knows, stored at the user's next revision."""

    def work(session: Session) -> UserChange:
        bump(session, user_id)
        values: dict[str, Any] = {
            "revision": revision(session, user_id),
            "kind": "note_of_a_test",
            "time": session.now_ms(),
            "payload": '{"note":"read the book"}',
        }
        change = UserChange(user_id=user_id, **{**values, **changes})
        append(session, change)
        return change

    return db.write(work)


def claimed(db: Database, worker_id: str = "worker", lease_ms: int = 60_000) -> Claim:
    claim = claims.claim(db, "video", worker_id, lease_ms, user_concurrency=100)
    assert claim is not None
    return claim


def started(db: Database, worker_id: str = "worker", lease_ms: int = 60_000) -> Claim:
    claim = claimed(db, worker_id, lease_ms)
    assert transitions.start(db, claim.run, user_concurrency=100) is not None
    return claim


def begun(db: Database, worker_id: str = "worker", lease_ms: int = 60_000) -> Claim:
    """The next job, claimed, with its first intent written."""
    claim = claimed(db, worker_id, lease_ms)
    assert submits.begin(db, claim.run, worker_id, user_concurrency=100) is not None
    return claim


def money(db: Database, user_id: str = "alice") -> tuple[int, int]:
    """What the user has reserved and spent; the same in all of its books."""
    [book] = {
        (b.reserved_micros, b.spent_micros)
        for b in budgets.show(db, user_id)
        if b.owner == budgets.owner_of(user_id)
    }
    return book


def continuable(db: Database, user_id: str, after: int) -> int | None:
    """The user's revision, if a watcher who has seen everything up to `after` can go on."""
    [found] = replays(db, [Return(user_id, after)], limit=1)
    return found.head if found.is_whole else None


def new_key(user_id: str = "alice", **changes: Any) -> ApiKey:
    """An API key that nobody has yet."""
    values: dict[str, Any] = {
        "api_key_id": new_id(),
        "label": "laptop",
        "secret_prefix": "rushes_abcde",
        "scopes": ("jobs.read",),
        "create_time": 0,
        "expire_time": 2**50,
    }
    return ApiKey(user_id=user_id, **{**values, **changes})


def kept_key(db: Database, user_id: str = "alice", **changes: Any) -> tuple[ApiKey, str]:
    """An API key that the database knows, with its secret."""
    secret = api_keys.new_secret()
    key = new_key(user_id, secret_prefix=secret[:12], **changes)
    return keys.create(db, key, api_keys.hash_of(secret), most=1000), secret


def new_media(user_id: str = "alice", **changes: Any) -> Media:
    media_id = new_id()
    values: dict[str, Any] = {
        "media_id": media_id,
        "type": MediaType.VIDEO,
        "mime_type": "video/mp4",
        "size_bytes": 3,
        "sha256": "00",
        "width": 640,
        "height": 360,
        "blob_key": f"media/{media_id}",
        "create_time": 1,
    }
    return Media(user_id=user_id, **{**values, **changes})


def job_value(user_id: str = "alice", **changes: Any) -> Job:
    """A job that no database knows."""
    values: dict[str, Any] = {
        "job_id": new_id(),
        "spec": VIDEO,
        "state": State.QUEUED,
        "progress": Progress(),
        "cost": Cost(state=CostState.RESERVED, estimated_micros=0),
        "provider": "builtin",
        "create_time": 1,
    }
    return Job(user_id=user_id, **{**values, **changes})
