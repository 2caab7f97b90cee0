"""A small gRPC server and an HTTP server that do what a test tells them to."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn

import grpc
from google.protobuf.message import Message

from rushes.v1 import (
    account_service_pb2,
    account_service_pb2_grpc,
    media_service_pb2_grpc,
    notification_service_pb2,
    notification_service_pb2_grpc,
    view_service_pb2,
    view_service_pb2_grpc,
)
from rushes.v1 import media_service_pb2 as pb
from tests.unit.clients.making import a_job, change, current, details, response, synced

Watching = Callable[[pb.WatchJobsRequest, grpc.ServicerContext], Iterator[pb.WatchJobsResponse]]
DEADLINE_SECONDS = 20.0


def refuse(
    context: grpc.ServicerContext,
    code: grpc.StatusCode,
    reason: str,
    message: str = "",
    **fields: Any,
) -> NoReturn:
    """Ends the call with an error as Rushes does."""
    called = (("x-request-id", fields.pop("request_id", "")),)
    context.set_trailing_metadata((*details(reason, code, message, **fields), *called))
    context.abort(code, message or reason)


class StandIn(
    media_service_pb2_grpc.MediaServiceServicer,
    account_service_pb2_grpc.AccountServiceServicer,
    notification_service_pb2_grpc.NotificationServiceServicer,
    view_service_pb2_grpc.ViewServiceServicer,
):
    """Answers each call with what the test put into `answers`; keeps every request and token."""

    def __init__(self) -> None:
        self.requests: list[Message] = []
        self.tokens: list[str] = []
        self.answers: dict[str, Any] = {}
        self.watches: list[Watching] = []
        self.watch_open = threading.Event()
        self.watch_over = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        media_service_pb2_grpc.add_MediaServiceServicer_to_server(self, self._server)
        account_service_pb2_grpc.add_AccountServiceServicer_to_server(self, self._server)
        notification_service_pb2_grpc.add_NotificationServiceServicer_to_server(self, self._server)
        view_service_pb2_grpc.add_ViewServiceServicer_to_server(self, self._server)
        self.address = f"localhost:{self._server.add_insecure_port('localhost:0')}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(grace=0).wait(DEADLINE_SECONDS)

    def sent(self, kind: type[Message]) -> list[Any]:
        """The requests of one kind, in order."""
        return [request for request in self.requests if isinstance(request, kind)]

    def _answer(self, name: str, request: Message, context: grpc.ServicerContext) -> Any:
        self._keep(request, context)
        answer = self.answers.get(name)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is None:
            missing = "There is no such job."
            refuse(context, grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", missing)
        return answer(request, context) if callable(answer) else answer

    def _keep(self, request: Message, context: grpc.ServicerContext) -> None:
        self.requests.append(request)
        metadata = dict(context.invocation_metadata())
        self.tokens.append(str(metadata.get("authorization", "")).removeprefix("Bearer "))

    def WatchJobs(self, request, context):  # type: ignore[no-untyped-def]
        self._keep(request, context)
        context.add_callback(self.watch_over.set)
        self.watch_open.set()
        watching = self.watches.pop(0) if len(self.watches) > 1 else self.watches[0]
        yield from watching(request, context)


def _unary(name: str) -> Any:
    def answer(self: StandIn, request: Message, context: grpc.ServicerContext) -> Any:
        return self._answer(name, request, context)

    return answer


for service in (
    pb.DESCRIPTOR.services_by_name["MediaService"],
    account_service_pb2.DESCRIPTOR.services_by_name["AccountService"],
    notification_service_pb2.DESCRIPTOR.services_by_name["NotificationService"],
    view_service_pb2.DESCRIPTOR.services_by_name["ViewService"],
):
    for method in service.methods:
        if not method.server_streaming:
            setattr(StandIn, method.name, _unary(method.name))


def runs_to(job: Any, *between: pb.WatchEvent) -> Watching:
    """A watch of one job that is queued, runs, and ends as `job`."""

    def watching(request: Any, context: Any) -> Iterator[pb.WatchJobsResponse]:
        yield response(current(a_job("QUEUED", job.job_id)), synced(), token="t1")
        yield response(change(a_job("RUNNING", job.job_id, 2), "STARTED"), *between, token="t2")
        job.revision = 3
        yield response(change(job), token="t3")

    return watching


def stays_open(*first: pb.WatchJobsResponse) -> Watching:
    """A watch that sends these and then nothing more until the caller goes."""

    def watching(request: Any, context: Any) -> Iterator[pb.WatchJobsResponse]:
        gone = threading.Event()
        context.add_callback(gone.set)
        yield from first
        gone.wait(DEADLINE_SECONDS)

    return watching


class Files:
    """An HTTP server: `/name` answers with (status, body); a body may be cut short."""

    def __init__(self) -> None:
        self.files: dict[str, list[tuple[int, bytes]]] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("localhost", 0), _handler(self))
        self.address = f"http://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def put(self, name: str, *answers: tuple[int, bytes]) -> str:
        """The address of a file that answers with these in turn, the last one again and again."""
        self.files[f"/{name}"] = list(answers)
        return f"{self.address}/{name}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(DEADLINE_SECONDS)


def _handler(files: Files) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files.asked.append(self.path)
            answers = files.files[self.path]
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return None

    return Handler
