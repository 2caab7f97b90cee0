"""Every method of the contract reaches the server by gRPC and by REST, whichever service has it."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_health.v1 import health, health_pb2_grpc

from core.process.settings import read_settings
from server.app import ServerApp
from tests.edge.checking import checking
from tests.edge.conftest import StartEdge
from tests.edge.stand_in import OPTIONS
from tests.edge.wire import http
from tests.tokens import make_token

pytestmark = pytest.mark.asyncio
ROOT = Path(__file__).resolve().parents[2]
CONTRACT = FileDescriptorSet.FromString((ROOT / "protos" / "rushes.binpb").read_bytes())
JSON = {"content-type": "application/json"}
EVENTS = {"accept": "text/event-stream"}
# As events it is the HTTP process's business (test_events).
STREAM = "/rushes.v1.MediaService/WatchJobs"


@dataclass(frozen=True)
class Route:
    """A method of the contract: its gRPC path, and a request of each of its REST bindings."""

    path: str
    requests: tuple[tuple[str, bytes], ...]


def routes(contract: FileDescriptorSet) -> Iterator[Route]:
    for file in contract.file:
        for service in file.service:
            for method in service.method:
                rule = method.options.Extensions[annotations_pb2.http]
                bindings = [rule, *rule.additional_bindings]
                requests = tuple(request_of(binding) for binding in bindings)
                yield Route(f"/{file.package}.{service.name}/{method.name}", requests)


def request_of(rule: Any) -> tuple[str, bytes]:
    """Method and path, with something for each variable, and the body if there is one."""
    verb = rule.WhichOneof("pattern")
    pieces = getattr(rule, verb).split("{")
    filled = pieces[0] + "".join(f"x{piece.partition('}')[2]}" for piece in pieces[1:])
    return f"{verb.upper()} {filled}", b"{}" if rule.body else b""


def with_tea(folder: Path) -> Path:
    """The contract with one more service, of which this version knows nothing."""
    contract = FileDescriptorSet()
    contract.CopyFrom(CONTRACT)
    file = contract.file.add(name="rushes/v1/tea_service.proto", package="rushes.v1")
    file.syntax = "proto3"
    file.dependency.append("google/api/annotations.proto")
    message = file.message_type.add(name="Tea")
    message.field.add(name="tea_id", number=1, type=9, label=1, json_name="teaId")
    service = file.service.add(name="TeaService")
    make = service.method.add(
        name="MakeTea", input_type=".rushes.v1.Tea", output_type=".rushes.v1.Tea"
    )
    rule = make.options.Extensions[annotations_pb2.http]
    rule.post, rule.body = "/v1/tea/{tea_id}:make", "*"
    watch = service.method.add(
        name="WatchTea", input_type=".rushes.v1.Tea", output_type=".rushes.v1.Tea"
    )
    watch.server_streaming = True
    watch.options.Extensions[annotations_pb2.http].get = "/v1/tea:watch"
    path = folder / "tea.binpb"
    path.write_bytes(contract.SerializeToString())
    return path


class Echo(grpc.GenericRpcHandler):
    """Refuses every call with its own path, so that a caller sees which method was reached."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        path = handler_call_details.method

        async def refuse(_: bytes, context: Any) -> None:
            await context.abort(grpc.StatusCode.ABORTED, path)

        return grpc.unary_unary_rpc_method_handler(refuse)


@asynccontextmanager
async def echoing(socket: Path) -> AsyncIterator[None]:
    server = grpc.aio.server(options=OPTIONS)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    server.add_generic_rpc_handlers((Echo(),))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


async def call(port: int, path: str, token: str = "") -> grpc.aio.AioRpcError:
    """How the call of the path is refused."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(path)(b"", metadata=metadata, timeout=20)
    return caught.value


async def reached(port: int, line: str, headers: dict[str, str], body: bytes) -> str:
    """The method that a REST request has reached."""
    async with http(port, line, headers, body) as answer:
        found = await answer.json()
    assert (answer.status, found["code"]) == (409, 10), (line, found)
    return str(found["message"])


@pytest.mark.parametrize("planted", [False, True], ids=["contract", "one more service"])
async def test_every_method_is_routed(start_edge: StartEdge, tmp_path: Path, planted: bool) -> None:
    # Given an edge for the contract, perhaps with one more service
    descriptors = with_tea(tmp_path) if planted else ROOT / "protos" / "rushes.binpb"
    every = list(routes(FileDescriptorSet.FromString(descriptors.read_bytes())))
    assert ("/rushes.v1.TeaService/WatchTea" in {route.path for route in every}) == planted
    assert all(route.requests for route in every)

    async with start_edge(1, descriptors) as edge, echoing(edge.servers[0]):
        await edge.healthy()
        for route in every:
            # When a method is called by gRPC, then the server gets the call
            assert (await call(edge.port, route.path)).details() == route.path

            # And so it does by each of the method's REST bindings
            for line, body in route.requests:
                headers = JSON if body else {}
                assert await reached(edge.port, line, headers, body) == route.path
                if route.path != STREAM:
                    assert await reached(edge.port, line, headers | EVENTS, body) == route.path


async def test_a_service_that_this_version_does_not_serve_is_unimplemented(
    start_edge: StartEdge, tmp_path: Path
) -> None:
    # Given the real server behind an edge whose contract has one more service
    descriptors = with_tea(tmp_path)
    async with start_edge(1, descriptors) as edge, checking(edge.http, descriptors):
        settings = read_settings(
            data_dir=tmp_path / "data",
            redis_url="unix:///nowhere/valkey.sock",
            grpc_listen=f"unix:{edge.servers[0]}",
        )
        app = ServerApp(settings)
        await app.start()
        try:
            await edge.healthy()
            token = make_token(settings.jwt_key_path, "alice")

            # When its methods are called, then gRPC and REST say which one is missing
            refused = await call(edge.port, "/rushes.v1.TeaService/MakeTea", token)
            assert refused.code() is grpc.StatusCode.UNIMPLEMENTED
            headers = {"authorization": f"Bearer {token}"}
            for line, method, body in (
                ("POST /v1/tea/x:make", "MakeTea", b"{}"),
                ("GET /v1/tea:watch", "WatchTea", b""),
            ):
                more = JSON if body else {}
                async with http(edge.port, line, headers | more, body) as answer:
                    found = json.loads(await answer.body())
                assert (answer.status, found["code"]) == (501, 12)
                [info] = [d for d in found["details"] if d["@type"].endswith("ErrorInfo")]
                assert info["reason"] == "METHOD_UNIMPLEMENTED"
                assert info["metadata"] == {"method": f"rushes.v1.TeaService/{method}"}
        finally:
            await app.stop()
