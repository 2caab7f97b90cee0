"""Publishes events by Redis: `-m bench.peers.sse_publisher VALKEY_SOCKET USERS DEVICES`."""

import json
import sys
import time
from collections import Counter
from typing import Any

from redis import Redis

from bench.harness.systems import TICK_SECONDS, Pace, stamp


class Publisher:
    """Publishes to the users in turn."""

    def __init__(self, redis: "Redis", users: int, devices: int) -> None:
        self._redis = redis
        self._users = users
        self._devices = devices
        self._numbers: Counter[tuple[str, int]] = Counter()
        self._turn = 0

    def publish(self, kind: str, rate: float, seconds: float, bytes: int) -> dict[str, Any]:
        """Publishes at the rate of deliveries for so long."""
        pace = Pace(rate / self._devices, seconds, time.perf_counter())
        while not pace.finished:
            with self._redis.pipeline(transaction=False) as calls:
                for _ in range(pace.due(time.perf_counter())):
                    self._turn = (self._turn + 1) % self._users
                    calls.publish(f"user-{self._turn}", self._event(kind, bytes))
                calls.execute()
            pace.published(time.perf_counter())
            time.sleep(TICK_SECONDS)
        return {"sent": pace.total * self._devices, "late_ms": pace.late_seconds * 1000}

    def _event(self, kind: str, size: int) -> str:
        self._numbers[kind, self._turn] += 1
        event = {"kind": kind, "stamp": stamp(self._numbers[kind, self._turn], time.time())}
        bare = len(json.dumps(event | {"pad": ""}))
        return json.dumps(event | {"pad": "x" * max(size - bare, 0)})


def main() -> None:
    """Says hello and answers each line until there is none."""
    path, users, devices = sys.argv[1:]
    publisher = Publisher(Redis(unix_socket_path=path), int(users), int(devices))
    print("{}", flush=True)
    for line in sys.stdin:
        print(json.dumps(publisher.publish(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
