"""Bare Dramatiq with Redis as its broker, as it is by default. `-m bench.peers.dramatiq_jobs COUNT`
enqueues."""

import sys
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.peers import noop

redis_broker: Any = RedisBroker
dramatiq.set_broker(redis_broker(url=f"unix://{noop.SOCKET}"))


@dramatiq.actor
def job(number: str) -> None:
    """The job."""
    noop.run(number)


if __name__ == "__main__":
    with noop.enqueueing():
        for place in range(int(sys.argv[1])):
            job.send(str(place))
