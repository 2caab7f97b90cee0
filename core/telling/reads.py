"""Reads of one stream of Redis or Valkey, on a connection of their own.

A tail reads several hundred times a second. The client's own `xread` takes longer than the rows
that it brings are sent, so a plain connection is read without it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import hiredis
import redis
import redis.asyncio
from redis.asyncio.connection import parse_url
from redis.backoff import NoBackoff

from core.process.settings import Settings

BLOCK_MS = 1000
READ_COUNT = 500
TIMEOUT_SECONDS = 1.0
# An answer may take as long as Redis waits for rows, and a little more.
_ANSWER_SECONDS = BLOCK_MS / 1000 + TIMEOUT_SECONDS
# What the address of a plain connection may name.
_PLAIN = {"host", "port", "path", "db", "username", "password", "connection_class"}


class Client(Protocol):
    """Runs one command at a time."""

    async def ask(self, *command: Any) -> Any:
        """The answer to a command.

        Raises:
            redis.RedisError, RedisClusterException, OSError: when there is none, or it is an error.
        """

    async def close(self) -> None:
        """Closes the connection."""


class Reads:
    """Reads the stream of one key."""

    def __init__(self, settings: Settings, key: str) -> None:
        self._client = _client(settings)
        self._key = key

    async def after(self, position: bytes) -> Sequence[Any]:
        """The entries after the position, each an id and its fields: a dict, or a list in which
        each field is followed by its value.

        It waits BLOCK_MS for the first, and gives READ_COUNT at most. Raises what `ask` raises.
        """
        answer = await self._client.ask(
            *("XREAD", "COUNT", READ_COUNT, "BLOCK", BLOCK_MS, "STREAMS", self._key, position)
        )
        if not answer:
            return ()
        # The one stream that was asked for, with its name.
        [(_, entries)] = answer.items() if isinstance(answer, dict) else answer
        return list(entries)

    async def end(self) -> bytes:
        """The id of the last entry. Raises what `ask` raises."""
        last = await self._client.ask("XREVRANGE", self._key, "+", "-", "COUNT", 1)
        return bytes(last[0][0]) if last else b"0-0"

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.close()


def _client(settings: Settings) -> Client:
    if settings.redis_cluster:
        return _LibraryClient(redis.asyncio.RedisCluster, settings.redis_url)
    named = parse_url(settings.redis_url)
    secure = named.get("connection_class") is redis.asyncio.SSLConnection
    if secure or not named.keys() <= _PLAIN:
        return _LibraryClient(redis.asyncio.Redis, settings.redis_url)
    return _PlainClient(dict(named))


class _LibraryClient:
    """A client of redis-py: for clusters, TLS, and whatever else an address may ask for."""

    def __init__(self, cls: Any, url: str) -> None:
        retry = redis.asyncio.retry.Retry(NoBackoff(), 0)
        self._redis = cls.from_url(url, retry=retry, socket_timeout=_ANSWER_SECONDS)

    async def ask(self, *command: Any) -> Any:
        answer = await self._redis.execute_command(*command)
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # redis-py 8.1.0 swallows a cancellation with which an answer comes.
            raise asyncio.CancelledError
        return answer

    async def close(self) -> None:
        await self._redis.aclose()


class _PlainClient:
    """A connection without TLS to one server, by TCP or a unix socket.

    After an error it connects anew, because an answer that comes late would be taken for that of
    the next command.
    """

    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named
        self._connection: _Connection | None = None

    async def ask(self, *command: Any) -> Any:
        if self._connection is None:
            self._connection = await self._connected()
        answered = False
        try:
            answer = await self._connection.ask(command)
            answered = True
        finally:
            if not answered:
                await self.close()
        return answer

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _connected(self) -> "_Connection":
        loop, named = asyncio.get_running_loop(), self._named
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                if "path" in named:
                    _, made = await loop.create_unix_connection(_Connection, named["path"])
                else:
                    host, port = named.get("host", "localhost"), named.get("port", 6379)
                    _, made = await loop.create_connection(_Connection, host, port)
        except TimeoutError:
            raise redis.TimeoutError("connecting took too long") from None
        try:
            await self._greet(made)
        except redis.RedisError:
            made.close()
            raise
        return made

    async def _greet(self, made: "_Connection") -> None:
        named = self._named
        if "password" in named:
            user = (named["username"],) if named.get("username") else ()
            await made.ask(("AUTH", *user, named["password"]))
        if named.get("db"):
            await made.ask(("SELECT", named["db"]))


class _Connection(asyncio.Protocol):
    """Sends a command and gives its answer; one at a time."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._transport: Any = None
        self._answer: asyncio.Future[Any] | None = None

    async def ask(self, command: Sequence[Any]) -> Any:
        """The answer to the command.

        Raises:
            redis.RedisError: when it is an error, or does not come.
        """
        if self._transport is None or self._transport.is_closing():
            raise redis.ConnectionError("the connection is closed")
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        timer = loop.call_later(_ANSWER_SECONDS, self._fail, redis.TimeoutError("no answer"))
        self._transport.write(hiredis.pack_command(tuple(command)))
        try:
            answer = await self._answer
        finally:
            timer.cancel()
        if isinstance(answer, hiredis.ReplyError):
            raise redis.ResponseError(str(answer))
        return answer

    def close(self) -> None:
        """Closes the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            answer = self._reader.gets()
        except hiredis.HiredisError as error:
            self._fail(redis.InvalidResponse(type(error).__name__))
            return
        if answer is not False and self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(redis.ConnectionError("the connection was lost"))

    def _fail(self, error: redis.RedisError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.close()
