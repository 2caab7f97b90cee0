"""Records an SDK client's calls beneath the SDK: every try, and every frame before it is judged."""

from collections.abc import Callable
from typing import Any

import grpc
from grpc import aio

from rushes import AsyncClient
from rushes.v1 import media_service_pb2 as pb
from rushes.wire import read_error
from tests.crash.history import Recorder


def tap(client: AsyncClient, recorder: Recorder, user: str, watch: str = "") -> AsyncClient:
    """The client, whose calls are recorded as the user's, and whose streams as that watch."""
    for name in ("_stub", "_notifications"):
        setattr(client, name, _TappedStub(getattr(client, name), recorder, user, watch))
    return client


class _TappedStub:
    """The stub of a client, with a witness on the line."""

    def __init__(self, stub: Any, recorder: Recorder, user: str, watch: str) -> None:
        self._stub = stub
        self._recorder = recorder
        self._user = user
        self._watch = watch

    def __getattr__(self, method: str) -> Callable[..., Any]:
        send = getattr(self._stub, method)

        async def tapped(request: Any, **options: Any) -> Any:
            number = self._recorder.call(self._user, method, request)
            try:
                answer = await send(request, **options)
            except grpc.RpcError as error:
                self._recorder.refused(number, self._user, method, read_error(error))
                raise
            self._recorder.answer(number, self._user, method, answer)
            return answer

        return tapped

    def WatchJobs(self, request: pb.WatchJobsRequest, **options: Any) -> "_TappedWatch":
        self._recorder.connected(self._watch, self._user, request)
        call = self._stub.WatchJobs(request, **options)
        return _TappedWatch(call, self._recorder, self._user, self._watch)


class _TappedWatch:
    """An open stream, with a witness on the line."""

    def __init__(self, call: Any, recorder: Recorder, user: str, watch: str) -> None:
        self._call = call
        self._recorder = recorder
        self._user = user
        self._watch = watch
        self._ended = False

    async def read(self) -> Any:
        try:
            response = await self._call.read()
        except grpc.RpcError as error:
            self._end(error)
            raise
        if response is aio.EOF:
            self._end()
        elif not self._ended:
            self._recorder.frame(self._watch, self._user, response)
        return response

    def cancel(self) -> bool:
        self._end()
        return bool(self._call.cancel())

    def _end(self, error: grpc.RpcError | None = None) -> None:
        if not self._ended:
            self._ended = True
            told = read_error(error) if error else None
            self._recorder.disconnected(self._watch, self._user, told)
