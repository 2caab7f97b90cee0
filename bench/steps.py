"""What each step of an event costs a server by itself, with everything in the processor's caches.

Run it from the repository: `.venv/bin/python -m bench.steps`. The least of several runs is told. A
server under load takes some times as long for the same step: its next event is another user's, and
the client and the publisher share its cores.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from bench.harness import command
from bench.harness.measure import Values
from bench.harness.report import metric
from bench.harness.results import row_of
from core.blobs import open_blobs
from core.events import Event
from core.jobs import EventType, State
from core.process import metrics
from core.process.settings import read_settings
from core.tokens import ResumePoint, Tokens
from server.mapping import Asked, Mapper, tick_to_proto
from server.mapping.addresses import BlobAddresses
from server.watch.frames import event_frame, response
from server.watch.lines import JOBS, LineMaker
from tests.making import job_value, new_media

TIMES, LEAST_OF = 4000, 12
KEY, NOW_MS = b"k" * 32, 1_800_000_000_000
COLUMNS = [metric("µs", "us", 1)]


def main() -> None:
    """Prints a line for each step."""
    asked = command.options(__doc__).parse_args()
    run = command.begin()
    rows = [
        row_of(name, "rushes", run, [_least(step) for _ in range(asked.repetitions)])
        for name, step in _steps().items()
    ]
    command.finish("steps", rows, COLUMNS, asked.write)


def _steps() -> dict[str, Callable[[], object]]:
    lines, tokens = LineMaker(_mapper()), Tokens(KEY)
    queued = Event(5, EventType.QUEUED, NOW_MS, job_value(labels={"a": "b"})).payload
    ended = job_value(state=State.SUCCEEDED, outputs=(new_media(),))
    succeeded = Event(5, EventType.SUCCEEDED, NOW_MS, ended).payload
    line = lines.make(5, "job", queued, {})
    asked: Asked = {}
    progress, token = {"stage": "GENERATING", "percent": 20}, b"x" * 60
    return {
        "decode an event, by json": lambda: json.loads(queued),
        "decode an event, by orjson": lambda: orjson.loads(queued),
        "a line of a job's first event": lambda: lines.make(5, "job", queued, {}),
        "a line of a later one": lambda: lines.make(5, "job", queued, asked),
        "a line of the end, with a signed address": lambda: lines.make(5, "job", succeeded, asked),
        "a tick": lambda: event_frame(tick_to_proto("j" * 26, 1, progress, NOW_MS)),
        "a resume token": lambda: tokens.resume("alice", ResumePoint("epoch", 77)),
        "a response": lambda: response([line.frame(JOBS)], token),
        "a measured lag": lambda: metrics.WATCH_LAG.observe(0.004),
    }


def _mapper() -> Mapper:
    with tempfile.TemporaryDirectory() as folder:
        blobs = open_blobs(read_settings(data_dir=Path(folder)), KEY)
    return Mapper(BlobAddresses(blobs, 3600), "USD", 4)


def _least(step: Callable[[], object]) -> Values:
    least = float("inf")
    for _ in range(LEAST_OF):
        begun = time.process_time()
        for _ in range(TIMES):
            step()
        least = min(least, time.process_time() - begun)
    return {"us": least / TIMES * 1e6}


if __name__ == "__main__":
    main()
