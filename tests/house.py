"""The real gRPC server on a free port, in this process, with callers for it."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import grpc
import jwt
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from core.process.settings import Settings, read_settings
from core.store import Database
from server.app import ServerApp
from server.services import SERVICES
from tests.services import DEADLINE_SECONDS

T = TypeVar("T")
TOKEN_SECONDS = 3600
METHODS: dict[str, MethodDescriptor] = {
    method.name: method for service in SERVICES for method in service.descriptor.methods
}


def _to_bytes(request: Message) -> bytes:
    return request.SerializeToString()


class LoopThread:
    """One event loop in one thread: grpc.aio takes no second loop in a process kindly."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="house loop")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work` in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_SECONDS)

    def call(self, make: Callable[[], T]) -> T:
        """The result of a plain call in the loop's thread."""

        async def work() -> T:
            return make()

        return self.run(work())

    def close(self) -> None:
        """Ends the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_SECONDS)
        self._loop.close()


@dataclass(frozen=True)
class Refusal:
    """What a refused call said."""

    code: grpc.StatusCode
    reason: str = ""
    message: str = ""
    domain: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    retry_seconds: float | None = None


class Caller:
    """The services as one user calls them; no two have a method of one name."""

    def __init__(self, channel: grpc.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        self._channel = channel
        self._metadata = metadata

    def _send(self, method: str) -> Any:
        found = METHODS[method]
        path = f"/{found.containing_service.full_name}/{method}"
        channel = self._channel
        make = channel.unary_stream if found.server_streaming else channel.unary_unary
        return make(path, _to_bytes, GetMessageClass(found.output_type).FromString)

    def call(self, method: str, request: Message) -> Any:
        """The answer to one unary call."""
        return self._send(method)(request, metadata=self._metadata, timeout=DEADLINE_SECONDS)

    def start(self, method: str, request: Message) -> Any:
        """The future answer to one unary call."""
        send = self._send(method).future
        return send(request, metadata=self._metadata, timeout=DEADLINE_SECONDS)

    def open(self, method: str, request: Message) -> Any:
        """The open call of one stream."""
        return self._send(method)(request, metadata=self._metadata, timeout=DEADLINE_SECONDS)

    def stream(self, request: Message) -> Any:
        """An open watch."""
        return self._send("WatchJobs")(request, metadata=self._metadata)

    def refused(self, method: str, request: Message) -> Refusal:
        """How the call is refused; a call that is not fails the test."""
        try:
            answer = self.call(method, request)
            for _ in answer if METHODS[method].server_streaming else ():
                break
        except grpc.RpcError as error:
            return read_refusal(error)
        raise AssertionError(f"{method} was not refused")


@dataclass
class House:
    """A running server, and who calls it."""

    settings: Settings
    app: ServerApp
    db: Database
    channel: grpc.Channel
    jwt_key: bytes

    def caller(self, user_id: str) -> Caller:
        """The service as the user, signed in."""
        return self.caller_with(f"Bearer {self.token(user_id)}")

    def caller_with(self, *authorization: str) -> Caller:
        """The service with these authorization headers, also none."""
        return Caller(self.channel, tuple(("authorization", value) for value in authorization))

    def token(self, user_id: str, **claims: Any) -> str:
        """A token of the user; `claims` replace the usual ones, None leaves one out."""
        now = int(time.time())
        usual = {"exp": now + TOKEN_SECONDS, "iat": now, "aud": "rushes", "iss": "rushes"}
        body = {**usual, "sub": user_id, **claims}
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(body, self.jwt_key, "HS256")

    def count_rows(self) -> dict[str, int]:
        """How many rows the tables of what callers make have."""
        tables = ("job", "job_event", "media", "request_key", "api_key", "webhook")
        cursors = {t: self.db.peewee.execute_sql(f"SELECT count(*) FROM {t}") for t in tables}
        return {table: cursor.fetchone()[0] for table, cursor in cursors.items()}

    def blob_files(self) -> list[Path]:
        """Every file in the blob folder."""
        return [path for path in (self.settings.data_dir / "blobs").rglob("*") if path.is_file()]


def open_house(loop: LoopThread, data_dir: Path, redis_url: str, **options: Any) -> House:
    """Starts a server on the data folder."""
    settings = read_settings(
        data_dir=data_dir, redis_url=redis_url, grpc_listen="127.0.0.1:0", **options
    )
    app = loop.call(lambda: ServerApp(settings))
    loop.run(app.start())
    channel = grpc.insecure_channel(f"127.0.0.1:{app.port}")
    key = bytes.fromhex(settings.jwt_key_path.read_text().strip())
    return House(settings, app, app.db, channel, key)


def close_house(loop: LoopThread, house: House) -> None:
    """Ends the server and the channel to it."""
    house.channel.close()
    loop.run(house.app.stop())


def read_refusal(error: grpc.RpcError) -> Refusal:
    """The code and the details of a refused call."""
    call: Any = error
    status: Any = rpc_status.from_call(call)
    found: dict[str, Any] = {"code": call.code(), "message": call.details()}
    for detail in status.details if status is not None else ():
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            found |= {"reason": info.reason, "domain": info.domain}
            found["metadata"] = dict(info.metadata)
        elif detail.Unpack(bad):
            found["fields"] = tuple(violation.field for violation in bad.field_violations)
        elif detail.Unpack(retry):
            found["retry_seconds"] = retry.retry_delay.ToMilliseconds() / 1000
    return Refusal(**found)
