"""Which pages may call, by each way in."""

import pytest

from tests.edge.conftest import StartEdge
from tests.edge.stand_in import StandIn, serving
from tests.edge.wire import frame, http

pytestmark = pytest.mark.asyncio
GRPC_WEB = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
# Each way in: what a page asks for, with the header for which a browser asks first.
WAYS = {
    "gRPC-Web": ("POST /rushes.v1.MediaService/GetJob", GRPC_WEB, "x-grpc-web"),
    "REST": ("GET /v1/jobs/j1", {}, "authorization"),
    "events": ("GET /v1/jobs:watch", {"accept": "text/event-stream"}, "last-event-id"),
    "ticket": ("POST /v1/streams:ticket", {}, "authorization"),
    "media": ("GET /media/x/content", {}, "range"),
}
HERE = ("http://localhost:3000", "https://localhost", "http://127.0.0.1:8080", "http://[::1]:5173")
CHOSEN = ("https://app.example.com", "http://lan.example:8080")
EVIL = (
    "null",
    "http://evil.example",
    "http://localhost.evil.example",
    "https://evil.example/localhost",
    "http://app.example.com",  # not by https
    "https://app.example.com:8443",
    "https://app.example.com.evil.example",
    "https://evilapp.example.com",
    "https://sub.app.example.com",
    "https://appXexample.com",
    "HTTPS://APP.EXAMPLE.COM",
    "http://lan.example",
    "https://lan.example:8080",
    "https://app.example.com http://evil.example",
    "https://app.example.com,http://evil.example",
    "*",
    "file://",
)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("origins", "allowed"), [((), HERE), (CHOSEN, CHOSEN)], ids=["usual", "chosen"]
)
async def test_only_pages_of_these_origins_may_call(
    start_edge: StartEdge, way: str, origins: tuple[str, ...], allowed: tuple[str, ...]
) -> None:
    line, headers, header = WAYS[way]
    method, _, path = line.partition(" ")
    ask = {"access-control-request-method": method, "access-control-request-headers": header}
    async with start_edge(1, origins=origins) as edge, serving(StandIn(), edge.servers[0]):
        await edge.healthy()
        for origin in {*HERE, *CHOSEN, *EVIL}:
            may = origin in allowed
            # When the browser asks first, it hears what the page may do, or nothing
            async with http(edge.port, f"OPTIONS {path}", {"origin": origin, **ask}) as answer:
                assert (answer.headers.get("access-control-allow-origin") == origin) is may, origin
                assert "access-control-allow-credentials" not in answer.headers
                if may:
                    assert answer.status == 200
                    assert header in answer.headers["access-control-allow-headers"].split(",")
                    assert method in answer.headers["access-control-allow-methods"]

            # And the answer itself, a refusal too, can be read by such a page alone
            body = frame(b"\n\x02j1") if way == "gRPC-Web" else b""
            async with http(edge.port, line, {"origin": origin, **headers}, body) as answer:
                said = answer.headers.get("access-control-allow-origin")
            assert said == (origin if may else None), origin
