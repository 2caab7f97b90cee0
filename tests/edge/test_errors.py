"""One shape for every error in JSON, whoever says it: the server through Envoy, or Envoy itself."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from rushes.v1 import media_service_pb2, media_service_pb2_grpc
from tests.edge.conftest import RunningEdge, StartEdge
from tests.edge.stand_in import StandIn, serving
from tests.edge.wire import frame, http

pytestmark = pytest.mark.asyncio
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
ROOT = Path(__file__).resolve().parents[2]
GRPC_WEB = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}


@asynccontextmanager
async def one_server(start_edge: StartEdge) -> AsyncIterator[tuple[RunningEdge, StandIn]]:
    async with start_edge(1) as edge:
        stand_in = StandIn()
        async with serving(stand_in, edge.servers[0]):
            await edge.healthy()
            yield edge, stand_in


def assert_shape(body: Any, code: int, reason: str) -> None:
    assert set(body) == {"code", "message", "details"}
    assert body["code"] == code
    assert body["message"]
    info = body["details"][0]
    assert info["@type"] == ERROR_INFO
    assert (info["reason"], info["domain"]) == (reason, "rushes")


async def test_what_envoy_refuses_has_the_one_shape(start_edge: StartEdge) -> None:
    json = {"content-type": "application/json"}
    large = b'{"reason": "' + b"x" * 6_300_000 + b'"}'
    refusals: list[tuple[str, dict[str, str], bytes, int, int, str]] = [
        ("GET /nothing", {}, b"", 404, 5, "RESOURCE_NOT_FOUND"),
        ("GET /", {}, b"", 404, 5, "RESOURCE_NOT_FOUND"),
        ("PUT /v1/jobs", {}, b"", 404, 5, "RESOURCE_NOT_FOUND"),
        ("GET /v1/jobs/j1:cancel", {}, b"", 404, 5, "RESOURCE_NOT_FOUND"),
        ("GET /rushes.v1.MediaService/GetJob", {}, b"", 404, 5, "RESOURCE_NOT_FOUND"),
        ("GET /v1/jobs/j1?nope=1", {}, b"", 400, 3, "FIELD_INVALID"),
        ("GET /v1/jobs/j1?access_token=x", {}, b"", 400, 3, "FIELD_INVALID"),
        ("GET /v1/jobs:watch?nope=1", {}, b"", 400, 3, "FIELD_INVALID"),
        ("GET /v1/jobs?page_size=many", {}, b"", 400, 3, "FIELD_INVALID"),
        ("POST /v1/jobs/j1:cancel", json, b"{no json", 400, 3, "FIELD_INVALID"),
        ("POST /v1/jobs/j1:cancel", json, large, 413, 8, "FIELD_INVALID"),
        ("GET /media/..%2fv1/jobs/j1", {}, b"", 400, 3, "FIELD_INVALID"),
        ("BREW /v1/jobs", {}, b"", 400, 3, "FIELD_INVALID"),
        ("GET /v1/jobs HTTP/1.0", {}, b"", 426, 3, "FIELD_INVALID"),
        ("GET /v1/jobs/j1", {"x-long": "y" * 70_000}, b"", 431, 3, "FIELD_INVALID"),
        ("GET /v1/jobs/never", {"grpc-timeout": "50m"}, b"", 504, 4, "DEPENDENCY_UNAVAILABLE"),
        ("GET /media/x", {}, b"", 503, 14, "DEPENDENCY_UNAVAILABLE"),
    ]
    async with one_server(start_edge) as (edge, _):
        for line, headers, body, status, code, reason in refusals:
            async with http(edge.port, line, headers, body) as answer:
                assert answer.status == status, line
                assert answer.headers["content-type"] == "application/json", line
                assert_shape(await answer.json(), code, reason)


async def test_what_the_server_refuses_has_the_same_shape(start_edge: StartEdge) -> None:
    async with one_server(start_edge) as (edge, _):
        for line in ("GET /v1/jobs/missing", "GET /v1/jobs:watch?labels=broken%3Dyes"):
            async with http(edge.port, line) as answer:
                assert answer.status == 404
                body = await answer.json()

            assert_shape(body, 5, "RESOURCE_NOT_FOUND")
            assert body["message"] == "There is no such job."
            assert body["details"][0]["metadata"] == {"resource": "job"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("+", "x"),
        ("x!evil", "x"),
        ("x|evil", "x"),
        ("x-evil", "\u00e9"),
        ("x-evil-bin", "!!!"),
        ("grpc-trace-bin", "!!!"),
        ("grpc-encoding", "evil"),
        ("grpc-previous-rpc-attempts", "x"),
        ("grpc-internal-encoding-request", "x"),
        ("grpc-timeout", "evil"),
    ],
)
async def test_a_header_that_grpc_can_t_read_is_no_fault_of_the_server(
    start_edge: StartEdge, name: str, value: str
) -> None:
    async with one_server(start_edge) as (edge, _):
        for accept in ("application/json", "text/event-stream"):
            headers = {name: value, "accept": accept}
            async with http(edge.port, "GET /v1/jobs/j1", headers) as answer:
                assert answer.status == 200, await answer.body()
        json = {name: value, "content-type": "application/json"}
        async with http(edge.port, "POST /v1/jobs/missing:cancel", json, b"{}") as answer:
            assert answer.status == 501  # the stand-in has no such method


async def test_an_unknown_query_parameter_is_named(start_edge: StartEdge) -> None:
    async with (
        one_server(start_edge) as (edge, _),
        http(edge.port, "GET /v1/jobs/j1?nope=1") as answer,
    ):
        assert "nope" in (await answer.json())["message"]


async def test_without_a_server_every_way_in_says_unavailable(start_edge: StartEdge) -> None:
    async with start_edge(1) as edge:
        for path in ("/v1/jobs/j1", "/healthz", "/v1/jobs:watch"):
            async with http(edge.port, f"GET {path}") as answer:
                assert answer.status == 503
                body = await answer.json()
            assert_shape(body, 14, "DEPENDENCY_UNAVAILABLE")
            assert body["details"][1]["retryDelay"] == "1s"

        line = "POST /rushes.v1.MediaService/GetJob"
        async with http(edge.port, line, GRPC_WEB, frame(b"")) as answer:
            assert answer.headers["grpc-status"] == "14"

        async with grpc.aio.insecure_channel(f"127.0.0.1:{edge.port}") as channel:
            stub = media_service_pb2_grpc.MediaServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetJob(media_service_pb2.GetJobRequest(job_id="j1"))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert "{" not in (caught.value.details() or "")


async def test_a_call_whose_server_is_killed_has_the_one_shape(start_edge: StartEdge) -> None:
    async with start_edge(1) as edge:
        command = [sys.executable, "-m", "tests.edge.stand_in", str(edge.servers[0])]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE)
        try:
            await edge.healthy()
            call = asyncio.create_task(_body(edge.port, "GET /v1/jobs/never"))
            assert process.stdout
            assert await process.stdout.readline() == b"waiting\n"
        finally:
            process.kill()
            await process.wait()
        status, body = await call

    assert status == 503
    assert_shape(body, 14, "DEPENDENCY_UNAVAILABLE")


async def test_the_log_has_no_query(start_edge: StartEdge) -> None:
    async with one_server(start_edge) as (edge, _):
        await _body(edge.port, "GET /media/x?signature=secret")

        async with asyncio.timeout(20):
            while not re.search(r'"path":"/media/x"', edge.log.read_text()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

        assert "secret" not in edge.log.read_text()


async def _body(port: int, line: str) -> tuple[int, Any]:
    async with http(port, line) as answer:
        return answer.status, await answer.json()
