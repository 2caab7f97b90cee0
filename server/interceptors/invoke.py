"""The innermost layer: reads the request and runs the handler, plain functions in a thread pool."""

import asyncio
import contextvars
import inspect
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from core.errors import FieldInvalid
from server.fair_executor import FairExecutor
from server.interceptors.layer import Behaviour, Call, Context, Handler
from server.principal import require_principal


class Invoke:
    """Parses the request and runs the handler.

    It parses by itself, because gRPC answers UNKNOWN to bytes that it can't parse, without asking
    any handler. Plain handlers raise errors and never abort: the context that grpc.aio has for them
    can't abort with details.
    """

    def __init__(self, pool: FairExecutor) -> None:
        self._pool = pool

    def behaviour(self, call: Call, handler: Handler) -> Behaviour:
        """What parses the request, runs the handler, and writes what a stream answers."""
        handle: Any = handler.unary_stream or handler.unary_unary
        parse: Any = handler.request_deserializer

        async def behaviour(raw: bytes, context: Context) -> Any:
            if call.streaming:
                # A watch would hold its request for as long as it lasts.
                return await _stream(handle(_parse(parse, raw), context), context)
            request = _parse(parse, raw)
            if inspect.iscoroutinefunction(handle):
                return await handle(request, context)
            return await self._run(handle, request, context)

        return behaviour

    async def _run(self, handle: Callable[..., Any], request: Any, context: Context) -> Any:
        run = contextvars.copy_context().run
        share = self._pool.of(require_principal().user_id)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(share, run, handle, request, context)


def _parse(parse: Callable[[bytes], Any], raw: bytes) -> Any:
    try:
        return parse(raw)
    except (DecodeError, ValueError):
        text = "The request is not a binary protobuf message; connect-web needs useBinaryFormat."
        raise FieldInvalid(message=text) from None


async def _stream(answers: Any, context: Context) -> None:
    """Runs what a streaming handler made: an async generator, or a coroutine that writes itself."""
    if inspect.isawaitable(answers):
        await answers
        return
    try:
        async for answer in answers:
            await context.write(answer)
    finally:
        await answers.aclose()
