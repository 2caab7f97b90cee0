"""One load on one running system, and loads on several in turn."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from bench.harness.processes import cpu_seconds
from bench.harness.systems import Load, Running, Shape, System

ROLES = ("server", "envoy", "valkey", "database", "publisher", "client")
WARM_UP_SECONDS = 0.5
LOOK_SECONDS = 0.05
# Nothing more comes after so long: a gap is found by a comparison every 2 s.
QUIET_SECONDS = {"progress": 0.7, "state": 4.0}
Values = dict[str, float]


def measure(running: Running, load: Load) -> Values:
    """What the load costs and how it arrives; CPU in microseconds per delivered event."""
    publish(running, replace(load, seconds=WARM_UP_SECONDS))
    running.client.ask(do="begin")
    before = cpu(running.pids)
    sent, delivered = publish(running, load)
    used = {role: after - before[role] for role, after in cpu(running.pids).items()}
    got = running.client.ask(do="end")
    note_refused(got)
    values = {f"{role}_us": seconds * 1e6 / max(delivered, 1) for role, seconds in used.items()}
    missing = sent["sent"] - got["delivered"]
    return values | {
        "p50_ms": got["p50_ms"],
        "p99_ms": got["p99_ms"],
        "most_ms": got["most_ms"],
        "delivered_per_s": got["delivered"] / load.seconds,
        "server_cores": used["server"] / load.seconds,
        # Progress that is not delivered was replaced by newer progress, as the contract says.
        "merged" if load.kind == "progress" else "lost": missing,
        "repeated": got["repeated"],
        "refused": running.refused + got["refused"],
        "bytes": got["bytes"],
        "late_ms": sent["late_ms"],
    }


def note_refused(got: Mapping[str, Any]) -> None:
    """Says what the server said to a watch that it ended."""
    if got["refused"]:
        print(f"{got['refused']} watches ended: {got['last_words']!r}", flush=True)


def publish(running: Running, load: Load) -> tuple[dict[str, float], int]:
    """Publishes and waits until all has arrived or nothing more comes."""
    began = running.client.ask(do="count")["delivered"]
    sent = running.publisher.ask(
        timeout=load.seconds * 3 + 30,
        kind=load.kind,
        rate=load.rate,
        seconds=load.seconds,
        bytes=load.bytes,
    )
    delivered, moved = 0, time.monotonic()
    while delivered < sent["sent"] and time.monotonic() - moved < QUIET_SECONDS[load.kind]:
        now = running.client.ask(do="count")["delivered"] - began
        if now > delivered:
            delivered, moved = now, time.monotonic()
        time.sleep(LOOK_SECONDS)
    return sent, delivered


def cpu(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds of CPU by role so far."""
    return {role: cpu_seconds(pid) for role, pid in pids.items()}


def compare(
    systems: Sequence[System],
    shape: Shape,
    loads: Mapping[str, Load],
    repetitions: int,
    measured: Callable[[Running, Load], Values] = measure,
) -> dict[tuple[str, str], list[Values]]:
    """Each load on each system, interleaved; values by (load's name, system's name).

    All systems are up and connected all the time, so that those of one repetition are measured
    within the same seconds. Their order is another one in each repetition. The first system says
    how large a message is.
    """
    found: dict[tuple[str, str], list[Values]] = {}
    with ExitStack() as stack:
        running = {one.name: stack.enter_context(one.start(shape)) for one in systems}
        first = systems[0].name
        for cell, load in loads.items():
            size = 0
            for repetition in range(repetitions):
                order = list(running)
                if repetition:
                    random.shuffle(order)
                for name in order:
                    values = measured(running[name], replace(load, bytes=size))
                    if name == first:
                        size = int(values["bytes"])
                    found.setdefault((cell, name), []).append(values)
    return found
