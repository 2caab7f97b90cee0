"""What webhooks cost: many deliveries in flight, and a thousand receivers that never answer.

Run it from the repository: `.venv/bin/python -m bench.webhooks [--deliveries 10000]`. The worker is
the one that is shipped, and runs no jobs. Its receivers are one process on loopback.

In flight: a thousand webhooks have more than is sent at once, and their receivers answer after nine
seconds. The worker may send a fifth more than are to be there, because some are on their way to or
from the database. CPU is counted from the moment at which so many are there until all have come
that there are. Beside dead receivers: accepts and claims on the same database, one at a time, while
the worker tries a thousand webhooks whose receivers never answer, and while that worker is stopped.
"""

import argparse
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from bench.harness import command
from bench.harness.measure import Values
from bench.harness.processes import cpu_seconds, resident_kib
from bench.harness.report import metric, times
from bench.harness.results import Row, percentile, row_of
from bench.installation import DATABASES, Installation, end, installation
from core.ids import new_id
from core.jobs import Cost, CostState
from core.process.settings import read_settings
from core.specs import ImageSpec
from core.store import Database, open_database, starts, webhooks
from core.store.accept import NewJob, accept, accept_all
from core.store.engine.sql import Statement
from core.webhooks import Kind, Webhook

WEBHOOKS = 1000
HOLD_SECONDS = 9.0
NEVER_SECONDS = 3600.0
BATCH = 100
MOST_SECONDS = 100
SETTINGS = {"RUSHES_WEBHOOKS": "loopback"}
# Of those that are to be at the receivers.
AT_ONCE = 1.2
FLIGHT = [
    metric("in flight", "in_flight"),
    metric("deliveries/s", "per_s"),
    metric("worker, cores", "cores", 2),
    metric("CPU of a delivery, ms", "delivery_ms", 2),
    metric("database, cores", "database_cores", 2),
    metric("peak MiB", "peak_mib"),
]
BESIDE = [
    metric("accept p50 ms", "accept_ms", 2),
    times("of it without", "accept_ms", "without"),
    metric("claim p50 ms", "claim_ms", 2),
    times("of that without", "claim_ms", "without"),
    metric("tries/s", "tries_per_s"),
]
_WAITING = Statement("SELECT count(*) FROM delivery WHERE state = 'PENDING' AND fence = 0")
_TRIES = Statement("SELECT coalesce(sum(try_count), 0) FROM delivery")


@dataclass(frozen=True)
class Site:
    """An installation with a receiver, and the worker that sends there."""

    running: Installation
    db: Database
    port: int
    worker: "subprocess.Popen[bytes]"

    def there(self) -> tuple[int, int]:
        """How many deliveries are at the receiver now, and how many ever were."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
            now, ever = map(int, answer.read().split())
        return now, ever


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__, repetitions=3)
    parser.add_argument("--deliveries", type=int, default=10_000, help="in flight at once")
    parser.add_argument("--calls", type=int, default=300, help="accepts and claims of a repetition")
    parser.add_argument("--database", choices=DATABASES, default="postgres")
    parser.add_argument("--only", choices=("flight", "beside"), help="one of both parts")
    asked = parser.parse_args()
    run = command.begin()
    rows: list[Row] = []
    if asked.only != "beside":
        cell = f"in flight, {asked.database}"
        flights = [_in_flight(asked) for _ in range(asked.repetitions)]
        rows.append(row_of(cell, "rushes", run, flights))
    if asked.only != "flight":
        cell = f"beside {WEBHOOKS:,} dead receivers, {asked.database}"
        sides = zip(*(_beside(asked, turn) for turn in range(asked.repetitions)), strict=True)
        rows += [
            row_of(cell, system, run, each)
            for system, each in zip(("rushes", "without"), sides, strict=True)
        ]
    command.finish("webhooks", rows, FLIGHT, asked.write, costs=BESIDE)


def _in_flight(asked: argparse.Namespace) -> Values:
    with ExitStack() as stack:
        at_once = int(AT_ONCE * asked.deliveries)
        limits = {
            "RUSHES_MAX_WEBHOOK_TRIES": str(at_once),
            "RUSHES_MAX_TRIES_OF_WEBHOOK": str(max(at_once // WEBHOOKS, 1)),
        }
        each = 3 * asked.deliveries // WEBHOOKS
        site = _open(stack, asked.database, HOLD_SECONDS, each, limits)
        _wait(lambda: site.there()[0] >= 0.95 * asked.deliveries)
        database = site.running.processes.get("postgres")
        begun, before, first = time.monotonic(), cpu_seconds(site.worker.pid), site.there()[1]
        db_before = cpu_seconds(database.pid) if database else 0.0
        seen = []
        while _count(site.db, _WAITING):
            seen.append(site.there()[0])
            if time.monotonic() - begun > MOST_SECONDS:
                break
            time.sleep(0.5)
        seconds, cpu = time.monotonic() - begun, cpu_seconds(site.worker.pid) - before
        sent = site.there()[1] - first
        return {
            "in_flight": sum(seen) / max(len(seen), 1),
            "per_s": sent / seconds,
            "cores": cpu / seconds,
            "delivery_ms": cpu * 1000 / max(sent, 1),
            "database_cores": (cpu_seconds(database.pid) - db_before) / seconds if database else 0,
            "peak_mib": resident_kib(site.worker.pid, "VmHWM") / 1024,
        }


def _beside(asked: argparse.Namespace, repetition: int) -> tuple[Values, Values]:
    """With the worker that sends, and with it stopped: which comes first changes by turns.

    Each repetition has its own installation: back-off makes tries rare after some minutes.
    """
    with ExitStack() as stack:
        site = _open(stack, asked.database, NEVER_SECONDS, 10)
        _wait(lambda: site.there()[0] >= 0.95 * WEBHOOKS)
        _calls(site, asked.calls)
        # The first tries end now. Once a webhook has failed, one delivery at a time is tried.
        _wait(lambda: _count(site.db, _TRIES) >= WEBHOOKS)
        if repetition % 2:
            return _calls(site, asked.calls), _without(site, asked.calls)
        without = _without(site, asked.calls)
        return _calls(site, asked.calls), without


def _without(site: Site, count: int) -> Values:
    site.worker.send_signal(signal.SIGSTOP)
    try:
        return _calls(site, count)
    finally:
        site.worker.send_signal(signal.SIGCONT)


def _calls(site: Site, count: int) -> Values:
    """Accepts of a user without webhooks and claims of its jobs, one after the other."""
    tries, begun = _count(site.db, _TRIES), time.monotonic()
    accepts = [_timed(lambda: accept(site.db, _job("caller"))) for _ in range(count)]
    found = [_timed(lambda: _claim(site.db)) for _ in range(count)]
    seconds = time.monotonic() - begun
    return {
        "accept_ms": percentile(sorted(accepts), 0.5) * 1000,
        "claim_ms": percentile(sorted(found), 0.5) * 1000,
        "tries_per_s": (_count(site.db, _TRIES) - tries) / seconds,
    }


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _claim(db: Database) -> None:
    assert starts.claim_and_start(db, "claimed", "bench", 3_600_000, 1_000_000, ["builtin"])


def _open(
    stack: ExitStack,
    database: str,
    hold: float,
    each: int,
    limits: Mapping[str, str] | None = None,
) -> Site:
    """An installation whose thousand webhooks have `each` deliveries, and the worker for them."""
    settings = SETTINGS | dict(limits or {})
    running = stack.enter_context(installation(database, 0, settings=settings))
    db = open_database(read_settings(database_url=running.database_url))
    stack.callback(db.close)
    receiver = _start(stack, running, "-m", "bench.receivers", f"--hold={hold:g}")
    assert receiver.stdout is not None
    port = int(receiver.stdout.readline())
    users = [f"user-{number}" for number in range(WEBHOOKS)]
    for user_id in users:
        url = f"http://127.0.0.1:{port}/{user_id}"
        kinds = (Kind.JOB_QUEUED,)
        webhook_id = new_id()
        webhooks.create(
            db,
            Webhook(webhook_id=webhook_id, user_id=user_id, url=url, kinds=kinds, labels={}),
            1,
        )
    for _ in range(each):
        for first in range(0, WEBHOOKS, BATCH):
            accept_all(db, [_job(user_id, "never") for user_id in users[first : first + BATCH]])
    worker = _start(stack, running, "-m", "workers", "--queues", "none")
    return Site(running, db, port, worker)


def _start(stack: ExitStack, running: Installation, *arguments: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, *arguments], env=running.environment, stdout=subprocess.PIPE
    )
    stack.callback(end, process)
    return process


def _job(user_id: str, queue: str = "claimed") -> NewJob:
    spec = ImageSpec(prompt="a pixel", model="noop", aspect_ratio="1:1", size="256x256")
    return NewJob(
        user_id=user_id,
        spec=spec,
        provider="builtin",
        cost=Cost(state=CostState.ESTIMATED, estimated_micros=0),
        finish_within_ms=3_600_000,
        max_queued=1_000_000,
        queue=queue,
    )


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MOST_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the worker did not come so far")
        time.sleep(0.2)


def _count(db: Database, statement: Statement) -> int:
    row = db.row(statement)
    return int(row[0]) if row else 0


if __name__ == "__main__":
    main()
