"""How much one worker process uses to keep many operations of a provider in flight.

Run it from the repository:
`.venv/bin/python -m bench.poller [--operations 10000] [--seconds 60] [--database postgres]`.
It is the worker as it is with its Gemini adapter, and both SDKs in memory as in one that submits.
Each operation is polled every 30 s (up to 20 % later) at a server on loopback that takes 200 ms.
"""

import argparse
import os
import subprocess
import sys
import time
from bisect import bisect_right
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from bench.harness import command
from bench.harness.measure import Values
from bench.harness.processes import cpu_seconds, resident_kib
from bench.harness.report import metric
from bench.harness.results import percentile, row_of
from bench.installation import DATABASES, Installation, end, installation
from core.jobs import Cost, CostState
from core.process.settings import read_settings
from core.specs import VideoSpec
from core.store import Database, accept, claims, open_database, submits
from core.store.accept import NewJob
from core.store.engine.sql import Statement, columns
from core.store.rows import JOB_NAMES

POLL_SECONDS = 30
TYPICAL_SECONDS = 600
WARM_UP_SECONDS = 15
SAMPLE_SECONDS = 5
USERS = 100
MODEL = f"""
[film]
provider = "gemini"
display_name = "Operations that never end"
price_revision = "1"
poll_seconds = {POLL_SECONDS}
typical_seconds = {TYPICAL_SECONDS}

[film.video]
aspect_ratios = ["16:9"]
resolutions = ["720p"]
durations = {{ from = 1, to = 10 }}
default_duration = 8
max_output_count = 1
max_references = 0
fields = []
qualities = ["STANDARD"]
cancellable = true
prices = [{{ micros_per_second = 100_000, text = "per second" }}]
"""
COLUMNS = [
    metric("polls/s", "polls_per_s"),
    metric("worker, cores", "cores", 2),
    metric("CPU of a poll, ms", "poll_ms", 2),
    metric("database, cores", "database_cores", 2),
    metric("peak MiB", "peak_mib"),
    metric("late p50 ms", "late_p50_ms"),
    metric("late p99 ms", "late_p99_ms"),
    metric("late at most, ms", "late_most_ms"),
]
WORKER = (
    "import runpy, google.genai, openai;"
    " runpy.run_module('workers', run_name='__main__', alter_sys=True)"
)
_CHANGED = {
    "job_id": "job_id || '-' || place",
    "user_id": f"'user-' || (place % {USERS})",
    "operation": "'op-' || place",
    # Spread over the time between two polls, and near the end that is expected.
    "next_run_time": "{now} + :first_ms + CAST(:poll_ms * place / :count AS BIGINT)",
    # Now is when it is expected to end.
    "start_time": "{now} - :typical_ms",
    "submit_time": "{now} - :typical_ms",
}
_COPY = Statement(
    "WITH RECURSIVE places(place) AS (SELECT 1 UNION ALL SELECT place + 1 FROM places"
    f" WHERE place < :count) INSERT INTO job ({columns(JOB_NAMES)}) SELECT"
    f" {columns([_CHANGED.get(name, name) for name in JOB_NAMES])} FROM job, places"
)
_DROP = Statement("DELETE FROM job WHERE operation = 'op-0'")
_TIMES = Statement("SELECT operation, next_run_time FROM job WHERE state = 'RUNNING'")


def main() -> None:
    """Prints the figures."""
    parser = command.options(__doc__, repetitions=1)
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=60, help="measured after a warm-up")
    parser.add_argument("--latency-ms", type=int, default=200, help="of the provider")
    parser.add_argument("--database", choices=DATABASES, default="postgres")
    asked = parser.parse_args()
    run = command.begin()
    each = [_repetition(asked) for _ in range(asked.repetitions)]
    row = row_of(f"polls-{asked.database}", "rushes", run, each)
    command.finish("poller", [row], COLUMNS, asked.write)


def _repetition(asked: argparse.Namespace) -> Values:
    with ExitStack() as stack:
        running = stack.enter_context(installation(asked.database, 0))
        settings = read_settings(database_url=running.database_url)
        db = open_database(settings)
        stack.callback(db.close)
        _insert(db, asked.operations)
        log = running.data.with_name("polls")
        latency = f"--latency-ms={asked.latency_ms}"
        provider = _start(stack, {}, "-m", "bench.operations", str(log), latency)
        assert provider.stdout is not None
        address = f"http://127.0.0.1:{int(provider.stdout.readline())}"
        models = running.data.with_name("poller.toml")
        models.write_text(MODEL)
        env = running.environment | {
            "RUSHES_MODELS_FILE": str(models),
            "RUSHES_GEMINI_API_KEY": "key",
            "RUSHES_GEMINI_BASE_URL": address,
        }
        worker = _start(stack, env, "-c", WORKER)
        return _measure(asked, running, db, worker, provider, log)


def _start(stack: ExitStack, env: dict[str, str], *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, env=os.environ | env, stdout=subprocess.PIPE)
    stack.callback(end, process)
    return process


def _insert(db: Database, count: int) -> None:
    """One job that is to be polled, made as all are, and then its copies."""
    new = NewJob(
        user_id="user-0",
        spec=VideoSpec(
            prompt="The sea at night. " * 30,
            model="film",
            duration_ms=8000,
            aspect_ratio="16:9",
            resolution="720p",
        ),
        provider="gemini",
        cost=Cost(state=CostState.ESTIMATED, estimated_micros=800_000),
        finish_within_ms=3_600_000,
        max_queued=1,
    )
    job_id = accept.accept(db, new).job.job_id
    claim = claims.claim(db, "video", "bench", 60_000, 1)
    assert claim is not None
    assert submits.begin(db, claim.run, "bench", 1) is not None
    assert submits.accepted(db, job_id, 1, "op-0") is not None
    values = {
        "count": count,
        "poll_ms": POLL_SECONDS * 1000,
        "typical_ms": TYPICAL_SECONDS * 1000,
        "first_ms": 5000,
    }
    db.write(lambda session: session.run(_COPY, **values))
    db.write(lambda session: session.run(_DROP))


def _measure(
    asked: argparse.Namespace,
    running: Installation,
    db: Database,
    worker: "subprocess.Popen[bytes]",
    provider: "subprocess.Popen[bytes]",
    log: Path,
) -> Values:
    samples: list[tuple[float, dict[int, float]]] = []
    time.sleep(WARM_UP_SECONDS - SAMPLE_SECONDS)
    samples.append(_sample(db))
    time.sleep(SAMPLE_SECONDS)
    database = running.processes.get("postgres")
    begun, before = time.time(), cpu_seconds(worker.pid)
    db_before = cpu_seconds(database.pid) if database else 0.0
    while time.time() - begun < asked.seconds:
        samples.append(_sample(db))
        time.sleep(SAMPLE_SECONDS)
    ended, after = time.time(), cpu_seconds(worker.pid)
    db_after = cpu_seconds(database.pid) if database else 0.0
    peak, now = resident_kib(worker.pid, "VmHWM"), resident_kib(worker.pid)
    end(provider)
    polls = [(int(place), float(at)) for place, at in map(str.split, log.read_text().splitlines())]
    span = ended - begun
    inside = [poll for poll in polls if begun <= poll[1] < ended]
    lags = sorted(_lags(samples, inside))
    return {
        "polls_per_s": len(inside) / span,
        "cores": (after - before) / span,
        "poll_ms": (after - before) * 1000 / max(len(inside), 1),
        "database_cores": (db_after - db_before) / span,
        "peak_mib": peak / 1024,
        "now_mib": now / 1024,
        "late_p50_ms": percentile(lags, 0.5),
        "late_p99_ms": percentile(lags, 0.99),
        "late_most_ms": lags[-1],
    }


def _sample(db: Database) -> tuple[float, dict[int, float]]:
    """When each operation is to be polled next, in seconds."""
    rows = db.rows(_TIMES)
    return time.time(), {int(row[0][3:]): row[1] / 1000 for row in rows}


def _lags(
    samples: list[tuple[float, dict[int, float]]], polls: list[tuple[int, float]]
) -> list[float]:
    """How late each poll was, in milliseconds: what was planned stood in the sample before it."""
    due: dict[int, list[float]] = defaultdict(list)
    for _, times in samples:
        for place, at in times.items():
            if not due[place] or due[place][-1] != at:
                due[place].append(at)
    found = []
    for place, at in polls:
        before = bisect_right(due[place], at)
        if before:
            found.append((at - due[place][before - 1]) * 1000)
    return found


if __name__ == "__main__":
    main()
