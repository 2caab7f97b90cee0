"""Each call of the API that reads or begins a job, by gRPC, ready to be made again and again.

Each says how many jobs or items it brought. Those of lists ask for pages of 20.
"""

import json
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from bench.history.rows import DAY_MS, ONE, SEED
from bench.history.words import Prompts
from bench.installation import Installation
from core.jobs import State
from core.media import MediaType
from core.process.keys import read_or_make_key
from core.store import Database
from core.store.engine.sql import Statement
from core.tokens import Tokens
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from server.commands.library import _listing
from server.commands.requests import MediaList

Caller = Callable[[], Awaitable[int]]
SIZE = 20
PROMPT = "a pixel"
# It passes all layers of the server and a thread of its pool, and asks no database.
FLOOR = "floor: ListPromptTemplates"
_JOBS = {"RUNNING": ["RUNNING"], "FAILED": ["FAILED"], "FAILED, CANCELLED": ["FAILED", "CANCELLED"]}
_LABELS = {
    "label": ["project=p1"],
    "rare label": ["rare=yes"],
    "label that nothing has": ["project=none"],
    "two labels": ["project=p1", "scene=s1"],
}
# By what they find. A prompt has two of the rare words, of rank n in one of 10 n prompts or so.
_RARE = Prompts(random.Random(SEED)).rare
_WORDS = {
    "many": "lighthouse",
    "one in 1,000": _RARE[200],
    "one in 10,000": _RARE[2_000],
    "one in 100,000": _RARE[-10],
    "none": "nothing-has-this",
    "two": f"lighthouse {_RARE[200]}",
    "the beginning of one": _RARE[200][:-1],
}
_BEGUN = Statement("""
    SELECT create_time, job_id FROM job
    WHERE user_id = :user_id AND create_time >= :time AND state = 'SUCCEEDED'
    ORDER BY create_time, job_id LIMIT 1
""")
_ITEM = Statement("""
    SELECT create_time, media_id FROM media WHERE job_id = :job_id AND job_id <> ''
""")
_MIDDLE, _END = 180, 360  # in days ago
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Side:
    """A server on one of the databases, and a channel to it."""

    running: Installation
    db: Database
    stub: Any

    @classmethod
    def of(cls, running: Installation, db: Database, channel: grpc.aio.Channel) -> "Side":
        """What speaks with the server."""
        return cls(running, db, rpc.MediaServiceStub(channel))

    def headers(self, user: str = ONE) -> tuple[tuple[str, str], ...]:
        """What the user signs in with."""
        return (("authorization", f"Bearer {self.running.token(user)}"),)

    def tokens(self) -> Tokens:
        """What makes the server's page tokens."""
        return Tokens(read_or_make_key(self.running.data / "keys" / "signing.key"))


async def callers(side: Side) -> list[tuple[str, Caller]]:
    """The calls by name. Those that read come first."""
    await _cancel_made(side)
    waiting = await _generate(side, ONE)
    calls = [*_jobs(side, waiting), *_watches(side), *_media(side)]
    return [
        (FLOOR, lambda: _floor(side)),
        *calls,
        ("GenerateImage", lambda: _accept(side, f"bench-{next(_numbers)}")),
        ("GenerateImage, long history", lambda: _accept(side, ONE)),
    ]


def _jobs(side: Side, waiting: str) -> Iterator[tuple[str, Caller]]:
    middle, end = _job(side, _MIDDLE), _job(side, _END)
    events = pb.ListJobEventsRequest(job_id=middle[1])
    yield "GetJob", _getter(side, middle[1])
    yield "GetJob, with its place", _getter(side, waiting)
    yield "ListJobEvents", _lister(side, "ListJobEvents", events, "events")
    yield "ListJobs", _job_list(side)
    yield "ListJobs, page in the middle", _job_list(side, middle)
    yield "ListJobs, last page", _job_list(side, end)
    for name, states in _JOBS.items():
        yield f"ListJobs {name}", _job_list(side, states=states)
    yield "ListJobs SUCCEEDED, last page", _job_list(side, end, states=["SUCCEEDED"])
    for name, labels in _LABELS.items():
        yield f"ListJobs, {name}", _job_list(side, labels=labels)
    yield "ListJobs, label, page in the middle", _job_list(side, middle, labels=_LABELS["label"])
    for state in ("QUEUED", "FAILED"):
        yield f"ListJobs {state}, label", _job_list(side, states=[state], labels=_LABELS["label"])
    yield (
        "ListJobs CANCELLED, rare label",
        _job_list(side, states=["CANCELLED"], labels=_LABELS["rare label"]),
    )


def _watches(side: Side) -> Iterator[tuple[str, Caller]]:
    minute, old = Duration(seconds=60), _job(side, _MIDDLE)[1]
    yield "WatchJobs, snapshot", lambda: _snapshot(side)
    yield "WatchJobs, snapshot with the last minute", lambda: _snapshot(side, recent=minute)
    yield "WatchJobs, snapshot of one old job", lambda: _snapshot(side, job_ids=[old])


def _media(side: Side) -> Iterator[tuple[str, Caller]]:
    middle = _item(side, _MIDDLE)
    yield "ListMedia", _media_list(side)
    yield "ListMedia, page in the middle", _media_list(side, middle)
    yield "ListMedia, last page", _media_list(side, _item(side, _END))
    yield "ListMedia, type", _media_list(side, type=MediaType.VIDEO)
    yield "ListMedia, starred", _media_list(side, starred=True)
    yield "ListMedia, starred, page in the middle", _media_list(side, middle, starred=True)
    yield "ListMedia, bin", _media_list(side, deleted=True)
    for name, labels in _LABELS.items():
        yield (
            f"ListMedia, {name}",
            _media_list(side, labels=dict(one.split("=") for one in labels)),
        )
    now = side.db.now_ms()
    month: dict[str, Any] = {
        "create_time_from": now - 200 * DAY_MS,
        "create_time_until": now - 170 * DAY_MS,
    }
    yield "ListMedia, time", _media_list(side, **month)
    yield (
        "ListMedia, type, starred, label, time",
        _media_list(side, type=MediaType.IMAGE, starred=True, labels={"project": "p1"}, **month),
    )
    for name, query in _WORDS.items():
        yield f"ListMedia, words: {name}", _media_list(side, query=query)
    yield (
        "ListMedia, words: many, starred, bin",
        _media_list(side, query="lighthouse", starred=True, deleted=True),
    )


def _job(side: Side, days_ago: int) -> tuple[int, str]:
    """A place in the list of jobs, at one that has a result."""
    row = side.db.row(_BEGUN, user_id=ONE, time=side.db.now_ms() - days_ago * DAY_MS)
    assert row is not None, "the user has no job so old"
    return int(row[0]), row[1]


def _item(side: Side, days_ago: int) -> tuple[int, str]:
    """A place in the library."""
    row = side.db.row(_ITEM, job_id=_job(side, days_ago)[1])
    assert row is not None, "the job has no result"
    return int(row[0]), row[1]


def _getter(side: Side, job_id: str) -> Caller:
    async def get() -> int:
        await side.stub.GetJob(pb.GetJobRequest(job_id=job_id), metadata=side.headers())
        return 1

    return get


def _lister(side: Side, method: str, request: Any, found: str) -> Caller:
    call, headers = getattr(side.stub, method), side.headers()

    async def listed() -> int:
        return len(getattr(await call(request, metadata=headers), found))

    return listed


def _job_list(
    side: Side,
    after: tuple[int, str] | None = None,
    states: list[str] | None = None,
    labels: list[str] | None = None,
) -> Caller:
    states, labels = states or [], labels or []
    named = [State(state) for state in states]
    listing = "jobs:" + json.dumps([named, sorted(one.split("=") for one in labels)])
    request = pb.ListJobsRequest(
        page_size=SIZE,
        states=states,
        labels=labels,
        page_token=_token(side, listing, after),
    )
    return _lister(side, "ListJobs", request, "jobs")


def _media_list(side: Side, after: tuple[int, str] | None = None, **filters: Any) -> Caller:
    wanted = MediaList(page_size=SIZE, **filters)
    request = pb.ListMediaRequest(
        page_size=SIZE,
        page_token=_token(side, _listing(wanted), after),
        type=wanted.type.value if wanted.type else None,
        labels=[f"{key}={value}" for key, value in wanted.labels.items()],
        query=wanted.query,
        starred=wanted.starred,
        deleted=wanted.deleted,
        create_time_from=_timestamp(wanted.create_time_from),
        create_time_until=_timestamp(wanted.create_time_until),
    )
    return _lister(side, "ListMedia", request, "media")


def _token(side: Side, listing: str, after: tuple[int, str] | None) -> str:
    """The token of the page after a position, as the server makes it."""
    if after is None:
        return ""
    return side.tokens().page(ONE, listing, list(after), int(time.time() * 1000))


def _timestamp(ms: int | None) -> Timestamp | None:
    if ms is None:
        return None
    made = Timestamp()
    made.FromMilliseconds(ms)
    return made


async def _snapshot(side: Side, **fields: Any) -> int:
    """Opens a watch and closes it when it is live."""
    jobs = 0
    watch = side.stub.WatchJobs(pb.WatchJobsRequest(**fields), metadata=side.headers())
    async for response in watch:
        kinds = [event.WhichOneof("event") for event in response.events]
        jobs += kinds.count("job")
        if "synced" in kinds:
            break
    watch.cancel()
    return jobs


async def _floor(side: Side) -> int:
    await side.stub.ListPromptTemplates(pb.ListPromptTemplatesRequest(), metadata=side.headers())
    return 1


async def _cancel_made(side: Side) -> None:
    """Cancels what earlier runs made of the one user, or snapshots would grow from run to run."""
    request = pb.ListJobsRequest(states=[job_pb2.Job.QUEUED], page_size=200)
    while True:
        page = await side.stub.ListJobs(request, metadata=side.headers())
        for job in page.jobs:
            if job.image.prompt == PROMPT:
                cancel = pb.CancelJobRequest(job_id=job.job_id)
                await side.stub.CancelJob(cancel, metadata=side.headers())
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


async def _generate(side: Side, user: str) -> str:
    """The id of a new job of the user."""
    request = pb.GenerateImageRequest(spec=job_pb2.ImageSpec(prompt=PROMPT))
    answer = await side.stub.GenerateImage(request, metadata=side.headers(user))
    return str(answer.job.job_id)


async def _accept(side: Side, user: str) -> int:
    await _generate(side, user)
    return 1
