"""Nobody needs a token to ask for health, so outside nobody may ask, and inside nothing is held."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from tests.e2e.processes import linux_only
from tests.e2e.running import Running
from tests.security.conftest import Strangers, memory
from tests.services import DEADLINE_SECONDS

MIB = 1024 * 1024
WATCHES = 60
REFLECTIONS = 8


@pytest.fixture
def outside(run: Running) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"localhost:{run.port}") as channel:
        yield channel


@pytest.fixture
def inside(run: Running) -> Iterator[grpc.Channel]:
    socket_path = next((run.data / "run").glob("server-1.grpc"))
    with grpc.insecure_channel(f"unix:{socket_path}") as channel:
        yield channel


def asked(channel: grpc.Channel, name: str = "") -> grpc.StatusCode:
    """What health says about a service."""
    request = health_pb2.HealthCheckRequest(service=name)
    try:
        health_pb2_grpc.HealthStub(channel).Check(request, timeout=DEADLINE_SECONDS)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def watched(channel: grpc.Channel, name: bytes) -> grpc.StatusCode:
    """How a watch of health with these bytes begins: OK when it stays open."""
    watch = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        request_serializer=lambda message: message,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )(name, timeout=DEADLINE_SECONDS)
    try:
        next(watch)
    except grpc.RpcError as error:
        return error.code()
    watch.cancel()
    return grpc.StatusCode.OK


def test_health_is_not_reachable_through_the_edge(outside: grpc.Channel) -> None:
    assert asked(outside) is grpc.StatusCode.UNIMPLEMENTED
    assert watched(outside, b"") is grpc.StatusCode.UNIMPLEMENTED


def test_the_edge_itself_still_finds_out(inside: grpc.Channel) -> None:
    assert asked(inside) is grpc.StatusCode.OK
    assert asked(inside, "rushes.v1.MediaService") is grpc.StatusCode.OK
    assert asked(inside, "nobody") is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("field", [b"\x0a", b"\x7a"], ids=["name", "unknown-field"])
def test_a_large_request_is_refused_inside(inside: grpc.Channel, field: bytes) -> None:
    # A length of 4,000,000 as protobuf writes it.
    large = field + b"\x80\x92\xf4\x01" + b"x" * 4_000_000

    assert watched(inside, large) is grpc.StatusCode.INVALID_ARGUMENT
    assert watched(inside, b"") is grpc.StatusCode.OK


def test_health_does_not_tell_about_python(inside: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        health_pb2_grpc.HealthStub(inside).List(health_pb2.HealthListRequest())

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "Error" not in caught.value.details()


@linux_only
def test_watches_of_health_with_names_of_megabytes_cost_the_server_nothing(
    run: Running, strangers: Strangers, outside: grpc.Channel
) -> None:
    before = memory(run, "server-1")
    watch = health_pb2_grpc.HealthStub(outside).Watch
    request = health_pb2.HealthCheckRequest(service="x" * 4_000_000)

    calls = [watch(request) for _ in range(WATCHES)]
    codes = {call.code() for call in calls}

    assert codes == {grpc.StatusCode.UNIMPLEMENTED}
    assert memory(run, "server-1") - before < 60 * MIB
    assert strangers.live_on()


def test_reflection_serves_few_at_a_time_and_nobody_else_waits(
    run: Running, outside: grpc.Channel
) -> None:
    ask = outside.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    over = threading.Event()

    def requests() -> Iterator[Any]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        over.wait(DEADLINE_SECONDS)

    calls = [ask(requests(), timeout=DEADLINE_SECONDS) for _ in range(4 * REFLECTIONS)]
    try:
        answered = sum(_answers(call) for call in calls)
        served = run.rest("newcomer")("GET /v1/models").status
    finally:
        over.set()

    assert 0 < answered <= REFLECTIONS
    assert served == 200


def _answers(call: Any) -> bool:
    with contextlib.suppress(grpc.RpcError):
        return next(call) is not None
    return False
