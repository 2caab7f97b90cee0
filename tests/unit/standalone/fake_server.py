"""In place of `python -m server`: healthy on RUSHES_GRPC_LISTEN, and nothing else."""

import asyncio
import os
import signal

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from core.process import systemd

BEAT_SECONDS = 1.0


async def main() -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    server = grpc.aio.server()
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    server.add_insecure_port(os.environ["RUSHES_GRPC_LISTEN"])
    await server.start()
    systemd.ready()
    while not ended.is_set():
        systemd.alive()
        try:
            await asyncio.wait_for(ended.wait(), BEAT_SECONDS)
        except TimeoutError:
            continue
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(main())
