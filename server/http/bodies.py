"""Checks REST requests that may change something, before the edge's transcoder decodes them.

The edge sends each of them here first, method, path, query, body and all, under PREFIX. After 200
it goes on with the request itself; any other answer is the caller's.
"""

import asyncio
from http import HTTPStatus

from google.protobuf.empty_pb2 import Empty
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from core.errors import FieldInvalid, Reason, field_invalid
from server.http.bindings import Binding, Bindings
from server.http.refusals import refuse
from server.http.strict_json import BODY, check_body, check_query, refuse_query

PREFIX = "/bodies"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# The most that the edge lets pass (envoy.yaml): 4 MiB are 5.6 MiB as base64.
MOST_BYTES = 6 * 1024 * 1024
# What is checked at once, without a thread.
_SMALL_BYTES = 16 * 1024
# Large bodies that are held and checked at the same time. Others wait at the edge.
_LARGE_AT_ONCE = 2


class Bodies:
    """Checks bodies, of which any number may come at once."""

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings
        self._places = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def answer(self, request: Request) -> Response:
        """200 when the request may go on; otherwise what is wrong with it."""
        path = request.scope["raw_path"].decode("latin-1").removeprefix(PREFIX)
        binding = self._bindings.find(request.method, path)
        if binding is None:
            message = "Nothing answers to this method and path."
            return refuse(404, Reason.RESOURCE_NOT_FOUND, message)
        query = request.scope["query_string"].decode("latin-1")
        try:
            if binding.body is None:
                check_query(query, binding.method.input_type, binding.variables)
            else:
                refuse_query(query)
            await self._check(request, binding)
        except FieldInvalid as error:
            return refuse(400, error.reason, error.message, violations=error.violations)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)  # for nobody
        return Response(status_code=HTTPStatus.OK)

    async def _check(self, request: Request, binding: Binding) -> None:
        if _length(request) <= _SMALL_BYTES:
            _check_whole(await request.body(), binding)
            return
        async with self._places:
            await asyncio.to_thread(_check_whole, await request.body(), binding)


def _check_whole(body: bytes, binding: Binding) -> None:
    """
    Raises:
        FieldInvalid: when something of the body is wrong.
    """
    if binding.body is not None:
        check_body(body, binding.body, binding.variables)
    elif body:
        raise field_invalid(BODY, "this call has none")


async def refuse_fields(request: Request) -> None:
    """Refuses a body or parameters of a call that has no fields; an empty object may come.

    Raises:
        FieldInvalid: it names each field.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _SMALL_BYTES:
            raise field_invalid(BODY, "is too long; this call has no fields")
    check_body(body, Empty.DESCRIPTOR)
    check_query(request.scope["query_string"].decode("latin-1"), Empty.DESCRIPTOR, frozenset())


def _length(request: Request) -> int:
    """The bytes of the body, which the edge knows of each request that it sends here.

    Raises:
        FieldInvalid: when they are not told, or too many.
    """
    told = request.headers.get("content-length", "")
    if not told.isdecimal() or int(told) > MOST_BYTES:
        raise field_invalid(BODY, f"must say its length, at most {MOST_BYTES} bytes")
    return int(told)
