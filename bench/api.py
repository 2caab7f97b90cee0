"""Unary calls beside the floor of gRPC, and one user's calls beside another's slow ones.

Run it from the repository: `.venv/bin/python -m bench.api [--database sqlite]`.
The floor is a bare grpc.aio server on uvloop. It answers each call with as many bytes as the
product does, in the same minute. Slow searches wait for a lock that this bench holds in PostgreSQL,
so that they take threads of the server but no CPU.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import psycopg2

from bench.harness import command
from bench.harness.processes import Child, cpu_seconds, python
from bench.harness.report import metric, times
from bench.harness.results import Row, Run, percentile, row_of
from bench.installation import DATABASES, Installation, installation
from bench.systems.unary import PATH
from bench.throughput import run_jobs, submit
from core.api_keys import ApiKey, hash_of, new_secret
from core.events import Beside
from core.ids import new_id
from core.notifications import budget_alert
from core.process.settings import read_settings
from core.store import Database, keys, open_database, usage_days
from core.store.change import append_beside, lock_user
from core.store.engine.database import Session
from core.store.engine.sql import Statement
from core.store.notifications import Writer
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from rushes.v1.account_service_pb2 import GetBudgetRequest, GetUsageRequest, ListApiKeysRequest
from rushes.v1.account_service_pb2_grpc import AccountServiceStub
from rushes.v1.notification_service_pb2 import (
    ListNotificationsRequest,
    MarkNotificationsReadRequest,
)
from rushes.v1.notification_service_pb2_grpc import NotificationServiceStub
from rushes.v1.view_service_pb2 import GetViewRequest, ListViewsRequest
from rushes.v1.view_service_pb2_grpc import ViewServiceStub

USER = "user-0"
JOBS = 100
AT_ONCE = (1, 16)
API_KEYS = 50
MODELS = ("builtin-image", "builtin-video", "simulator-image")
SLOW_CALLS = 100
VIEWS = 1000
NOTIFICATIONS = 1000
USAGE_DAYS = 400
# They show the user's items in turn.
_VIEWS = Statement("""
    WITH RECURSIVE numbers (n) AS (
        SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count
    ), items AS (
        SELECT media_id, row_number() OVER (ORDER BY create_time) AS place, count(*) OVER () AS most
        FROM media WHERE user_id = :user_id
    )
    INSERT INTO view (user_id, view, media_id, apply_time, wish)
    SELECT :user_id, 'card/' || n, media_id, :now_ms, 1
    FROM numbers JOIN items ON place = 1 + n % most
""")
# Of a table that every search reads. GetJob does not.
LOCK = "LOCK TABLE media_segment IN ACCESS EXCLUSIVE MODE"
Values = dict[str, float]
Caller = Callable[[], Awaitable[Any]]
COLUMNS = [
    metric("p50 ms", "p50_ms", 2),
    metric("p99 ms", "p99_ms", 2),
    metric("calls/s", "per_s"),
    metric("server CPU µs", "server_us"),
    times("of the floor", "server_us"),
]
COSTS = [
    metric("database CPU µs", "database_us", range=False),
    metric("client CPU µs", "client_us", range=False),
    metric("bytes", "bytes", range=False),
]
FAIR = [
    metric("p50 ms", "p50_ms", 1),
    metric("p99 ms", "p99_ms", 1),
    metric("most ms", "most_ms"),
    metric("calls", "calls", range=False),
    metric("slow calls that ended", "slow", range=False),
]


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__)
    parser.add_argument("--part", action="append", choices=["calls", "fair"])
    parser.add_argument("--calls", type=int, default=400, help="of each kind in a repetition")
    parser.add_argument(
        "--seconds", type=float, default=6.0, help="of a repetition beside slow calls"
    )
    parser.add_argument("--database", action="append", choices=DATABASES, help="instead of both")
    asked = parser.parse_args()
    parts = asked.part or ["calls", "fair"]
    run = command.begin()
    if "calls" in parts:
        rows = [row for name in asked.database or DATABASES for row in _calls(name, asked, run)]
        command.finish("api", rows, COLUMNS, asked.write, costs=COSTS)
    if "fair" in parts:
        command.finish("api-fair", _fair(asked, run), FAIR, asked.write)


def _calls(database: str, asked: argparse.Namespace, run: Run) -> list[Row]:
    with ExitStack() as stack:
        running = stack.enter_context(installation(database, 1, in_memory=True))
        floor = Child(python("bench.systems.unary", running.address + ".floor"))
        stack.callback(floor.end)
        floor.hello()
        db = open_database(read_settings(database_url=running.database_url))
        run_jobs(running, db, JOBS, users=1, at_once=8)
        _fill_account(db)
        _fill_inbox(db)
        db.close()
        return asyncio.run(_measured(running, floor, asked, run))


def _fill_account(db: Database) -> None:
    """Gives the user usage of all days that are kept, and as many API keys as it may have."""
    today = db.now_ms()

    rows = [
        usage_days._row(USER, usage_days._day(today - day * usage_days.DAY_MS), model)
        | {"charged": 40_000}
        for day in range(1, USAGE_DAYS)
        for model in MODELS
    ]
    db.write(lambda session: session.run(usage_days._ADD, usage=json.dumps(rows)))
    for number in range(API_KEYS):
        key = ApiKey(
            api_key_id=new_id(),
            user_id=USER,
            label=f"key {number}",
            secret_prefix="rushes_abcde",
            scopes=("jobs.read", "jobs.write"),
            create_time=today,
            expire_time=today + usage_days.DAY_MS,
        )
        keys.create(db, key, hash_of(new_secret()), API_KEYS)


def _fill_inbox(db: Database) -> None:
    """Gives the user as many notifications as are kept, and as many views as may show something."""

    def work(session: Session) -> None:
        locked = lock_user(session, USER)
        writer = Writer(session, USER, locked.inbox, locked.revision)
        for notification_id in sorted(new_id() for _ in range(NOTIFICATIONS)):
            told = budget_alert(50, "daily", 1, 2, locked.now_ms, notification_id, locked.now_ms)
            writer.put(told)
        append_beside(session, locked, Beside(notifications=writer.done()[:1]))
        session.run(_VIEWS, user_id=USER, count=VIEWS, now_ms=locked.now_ms)

    db.write(work)


async def _measured(
    running: Installation, floor: Child, asked: argparse.Namespace, run: Run
) -> list[Row]:
    found: dict[tuple[str, str], list[Values]] = {}
    pids = {name: process.pid for name, process in running.processes.items()}
    database = "postgres" if "postgres" in pids else "sqlite"
    async with (
        grpc.aio.insecure_channel(running.address) as channel,
        grpc.aio.insecure_channel(running.address + ".floor") as bare,
    ):
        answer: Any = bare.unary_unary(PATH)
        for name, call in (await _callers(running, channel)).items():
            size = (await call()).ByteSize()
            base = lambda size=size: answer(str(size).encode())  # noqa: E731
            for _ in range(asked.repetitions):
                for at_once in AT_ONCE:
                    cell = f"{name} on {database}, {at_once} at once"
                    ours = await _measure(call, asked.calls, at_once, pids)
                    below = await _measure(base, asked.calls, at_once, {"server": floor.pid})
                    found.setdefault((cell, "rushes"), []).append(ours | {"bytes": size})
                    found.setdefault((cell, "floor"), []).append(below | {"bytes": size})
    return [row_of(cell, system, run, each) for (cell, system), each in found.items()]


async def _measure(call: Caller, count: int, at_once: int, pids: dict[str, int]) -> Values:
    """Latency and CPU of so many calls."""
    roles = {"server": "server", "postgres": "database"}
    counted = {roles[name]: pid for name, pid in pids.items() if name in roles}
    left, ages = iter(range(count)), []

    async def some() -> None:
        for _ in left:
            begun = time.perf_counter()
            await call()
            ages.append(time.perf_counter() - begun)

    before = {role: cpu_seconds(pid) for role, pid in counted.items()}
    client, begun = time.process_time(), time.perf_counter()
    await asyncio.gather(*(some() for _ in range(at_once)))
    seconds, client = time.perf_counter() - begun, time.process_time() - client
    used = {role: cpu_seconds(pid) - before[role] for role, pid in counted.items()}
    return _ages(ages) | {
        "per_s": count / seconds,
        "client_us": client * 1e6 / count,
        **{f"{role}_us": spent * 1e6 / count for role, spent in used.items()},
    }


async def _callers(running: Installation, channel: grpc.aio.Channel) -> dict[str, Caller]:
    """Each kind of call, ready to be made."""
    stub: Any = rpc.MediaServiceStub(channel)
    makes: tuple[Any, ...] = (AccountServiceStub, NotificationServiceStub, ViewServiceStub)
    stubs = [stub, *(make(channel) for make in makes)]
    headers = _headers(running, USER)
    usage = GetUsageRequest(group_by=[GetUsageRequest.DAY, GetUsageRequest.MODEL])
    usage.start_time.seconds = int(time.time()) - (USAGE_DAYS - 1) * 24 * 3600
    jobs = await stub.ListJobs(pb.ListJobsRequest(page_size=20), metadata=headers)
    image = job_pb2.ImageSpec(prompt="a pixel")
    requests = {
        "GetJob": pb.GetJobRequest(job_id=jobs.jobs[0].job_id),
        "ListJobs": pb.ListJobsRequest(page_size=20),
        "ListMedia": pb.ListMediaRequest(page_size=20),
        "EstimateCost": pb.EstimateCostRequest(image=image),
        "GenerateImage": pb.GenerateImageRequest(spec=image),
        "GetUsage": usage,
        "GetBudget": GetBudgetRequest(),
        "ListApiKeys": ListApiKeysRequest(),
        "ListNotifications": ListNotificationsRequest(page_size=20),
        "MarkNotificationsRead": MarkNotificationsReadRequest(notification_ids=[new_id()]),
        "ListViews": ListViewsRequest(page_size=20),
        f"ListViews of {VIEWS:,}": ListViewsRequest(page_size=VIEWS),
        "GetView": GetViewRequest(view="card/7"),
    }

    def caller(name: str, request: Any) -> Caller:
        method_name = name.partition(" ")[0]
        [method] = [getattr(one, method_name) for one in stubs if hasattr(one, method_name)]
        return lambda: method(request, metadata=headers)

    return {name: caller(name, request) for name, request in requests.items()}


def _fair(asked: argparse.Namespace, run: Run) -> list[Row]:
    """One user's GetJob while another user has slow searches under way, and without them."""
    found: dict[str, list[Values]] = {"alone": [], f"beside {SLOW_CALLS} slow searches": []}
    with installation("postgres", 0, in_memory=True) as running:
        submit(running, 1, users=1, at_once=1)
        for _ in range(asked.repetitions):
            for name, each in found.items():
                slow = 0 if name == "alone" else SLOW_CALLS
                with _locked(running.database_url):
                    each.append(asyncio.run(_beside(running, slow, asked.seconds)))
    cell = "another user's GetJob"
    return [row_of(f"{cell} {name}", "rushes", run, each) for name, each in found.items()]


async def _beside(running: Installation, slow: int, seconds: float) -> Values:
    async with grpc.aio.insecure_channel(running.address) as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        [job] = (await stub.ListJobs(pb.ListJobsRequest(), metadata=_headers(running, USER))).jobs
        request = pb.GetJobRequest(job_id=job.job_id)
        ends = time.perf_counter() + seconds
        async with asyncio.TaskGroup() as group:
            searches = [group.create_task(_search(running, stub, ends)) for _ in range(slow)]
            if slow:
                await asyncio.sleep(0.5)  # until they have the threads
            ages = await _get(running, stub, request, ends)
        return _ages(ages) | {
            "calls": len(ages),
            "slow": sum(search.result() for search in searches),
        }


async def _search(running: Installation, stub: Any, ends: float) -> int:
    """Searches again and again; how many searches ended, however they did."""
    request, headers = pb.ListMediaRequest(query="sea", labels=["a=b"]), _headers(running, "slow")
    count = 0
    while (left := ends - time.perf_counter()) > 0:
        try:
            await stub.ListMedia(request, metadata=headers, timeout=left)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and time.perf_counter() >= ends:
                break
        count += 1
    return count


async def _get(
    running: Installation, stub: Any, request: pb.GetJobRequest, ends: float
) -> list[float]:
    """Seconds of each call, one after the other; one that fails or hangs counts until it ends."""
    headers = _headers(running, USER)
    ages: list[float] = []
    while time.perf_counter() < ends or not ages:
        begun = time.perf_counter()
        await stub.GetJob(request, metadata=headers)
        ages.append(time.perf_counter() - begun)
        await asyncio.sleep(0.01)
    return ages


@contextmanager
def _locked(url: str) -> Iterator[None]:
    """The lock is held meanwhile."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(LOCK)
        yield
    finally:
        connection.close()


def _ages(ages: list[float]) -> Values:
    ordered = sorted(ages)
    shares = {"p50_ms": 0.5, "p99_ms": 0.99, "most_ms": 1.0}
    return {name: percentile(ordered, share) * 1000 for name, share in shares.items()}


def _headers(running: Installation, user: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {running.token(user)}"),)


if __name__ == "__main__":
    main()
