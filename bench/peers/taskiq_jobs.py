"""taskiq on a Redis stream, whose jobs are acknowledged after their end. `-m
bench.peers.taskiq_jobs COUNT` enqueues."""

import asyncio
import sys

from redis.asyncio import Redis
from taskiq_redis import RedisStreamBroker

from bench.peers import noop

AT_ONCE = 32
broker = RedisStreamBroker(url=f"unix://{noop.SOCKET}")
valkey: "Redis" = Redis(unix_socket_path=noop.SOCKET)


@broker.task(task_name="job")
async def job(number: str) -> None:
    """The job."""
    if noop.SECONDS:
        await valkey.rpush(noop.BEGUN, number)
        await asyncio.sleep(noop.SECONDS)
    await valkey.rpush(noop.DONE, number)


async def _enqueue(count: int) -> None:
    await broker.startup()
    left = iter(range(count))

    async def some() -> None:
        for place in left:
            await job.kiq(str(place))

    with noop.enqueueing():
        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(_enqueue(int(sys.argv[1])))
