"""Server-sent events of FastAPI, each watcher subscribed in Redis: `-m bench.peers.sse_server
VALKEY_SOCKET` prints its port and serves until its standard input ends."""

import json
import socket
import sys
import threading
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from redis.asyncio import Redis

app = FastAPI()
redis = Redis(unix_socket_path=sys.argv[1], max_connections=20_000)


@app.get("/events/{user}")
async def events(user: str) -> StreamingResponse:
    """Everything that is published for the user from now on."""
    return StreamingResponse(_lines(user), media_type="text/event-stream")


async def _lines(user: str) -> AsyncIterator[bytes]:
    async with redis.pubsub() as channel:
        await channel.subscribe(user)
        async for message in channel.listen():
            if message["type"] == "subscribe":
                yield b": live\n\n"
            else:
                yield b"data: %b\n\n" % message["data"]


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(json.dumps({"port": port}), flush=True)
        threading.Thread(target=self._end_with_input, daemon=True).start()

    def _end_with_input(self) -> None:
        sys.stdin.read()
        self.force_exit = self.should_exit = True


if __name__ == "__main__":
    _Server(
        uvicorn.Config(app, port=0, lifespan="off", log_level="warning", access_log=False)
    ).run()
