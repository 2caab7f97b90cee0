"""A REST body reaches the server only when every word of it means something."""

import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health, health_pb2_grpc

from server.http.bindings import Binding, bindings_of
from tests.edge.checking import checking, services_of
from tests.edge.conftest import RunningEdge, StartEdge
from tests.edge.stand_in import OPTIONS
from tests.edge.test_routes import with_tea
from tests.edge.wire import http

pytestmark = pytest.mark.asyncio
ROOT = Path(__file__).resolve().parents[2]
CONTRACT = ROOT / "protos" / "rushes.binpb"
BINDINGS = [one for service in services_of(CONTRACT) for one in bindings_of(service)]
HEADERS = {"authorization": "Bearer x", "content-type": "application/json"}
BODIES = 12  # for each call
GENERATE = "POST /v1/images:generate"


@dataclass
class Reached(grpc.GenericRpcHandler):
    """A server of every method: it keeps what it gets and refuses with the method's path."""

    calls: list[tuple[str, bytes]] = field(default_factory=list)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        path = str(handler_call_details.method)

        async def refuse(request: bytes, context: Any) -> None:
            self.calls.append((path, request))
            await context.abort(grpc.StatusCode.ABORTED, path)

        return grpc.unary_unary_rpc_method_handler(refuse)


@asynccontextmanager
async def strict(start_edge: StartEdge) -> AsyncIterator[tuple[RunningEdge, Reached]]:
    reached = Reached()
    async with (
        start_edge(1) as edge,
        serving(reached, edge.servers[0]),
        checking(edge.http, CONTRACT),
    ):
        await edge.healthy()
        yield edge, reached


@asynccontextmanager
async def serving(reached: Reached, socket: Path) -> AsyncIterator[None]:
    server = grpc.aio.server(options=OPTIONS)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    server.add_generic_rpc_handlers((reached,))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


def line_of(binding: Binding) -> str:
    """Method and path, with something for each variable."""
    head, *pieces = binding.template.split("{")
    filled = head + "".join(f"x{piece.partition('}')[2]}" for piece in pieces)
    return f"{binding.verb} {filled}"


def path_of(binding: Binding) -> str:
    return f"/{binding.method.containing_service.full_name}/{binding.method.name}"


def misspelt(message: Descriptor, seen: tuple[Descriptor, ...] = ()) -> Iterator[tuple[str, Any]]:
    """A wrong word in the message and in each one inside of it: its path, and the body with it."""
    yield "wrongWord", {"wrongWord": True}
    for inner in message.fields:
        kind = inner.message_type
        if kind is None or kind in seen or kind.full_name.startswith("google.protobuf."):
            continue
        if kind.GetOptions().map_entry:
            continue
        place = f"{inner.name}[0]" if inner.is_repeated else inner.name
        for path, body in misspelt(kind, (*seen, message)):
            yield f"{place}.{path}", {inner.json_name: [body] if inner.is_repeated else body}


async def ask(
    edge: RunningEdge, line: str, body: Any = b"", **headers: str
) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer. Names of headers are written with `_` for `-`."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http(edge.port, line, HEADERS | more, sent) as answer:
        return answer.status, await answer.json()


def named(answer: tuple[int, dict[str, Any]]) -> str:
    """The field that a refusal of the one shape names."""
    status, body = answer
    assert (status, body["code"], set(body)) == (400, 3, {"code", "message", "details"}), body
    info, request = body["details"]
    assert (info["reason"], info["domain"]) == ("FIELD_INVALID", "rushes")
    field = str(info["metadata"]["field"])
    assert request["fieldViolations"][0]["field"] == field
    assert body["message"].startswith(f"{field}: ")
    return field


async def test_a_misspelt_field_is_refused_with_its_name_by_every_call(
    start_edge: StartEdge,
) -> None:
    async with strict(start_edge) as (edge, reached):
        for binding in BINDINGS:
            if binding.body is None:
                continue
            # Given a call that has a body, which the server gets
            line = line_of(binding)
            assert (await ask(edge, line, {}))[1]["message"] == path_of(binding)
            assert reached.calls.pop()[0] == path_of(binding)

            # When a word at any place of it is misspelt, then it is named, and no server is asked
            for field, body in misspelt(binding.body):
                assert named(await ask(edge, line, body)) == field, line
                assert named(await ask(edge, line, body, accept="text/event-stream")) == field
            assert not reached.calls, line


async def test_a_variable_may_take_several_segments(start_edge: StartEdge) -> None:
    line = "POST /v1/views/card/42:apply"
    async with strict(start_edge) as (edge, reached):
        assert named(await ask(edge, line, {"mediaIdd": "x"})) == "mediaIdd"
        assert (await ask(edge, line, {"mediaId": "x"}))[0] == 409
        path, sent = reached.calls.pop()

    assert path == "/rushes.v1.ViewService/ApplyView"
    assert b"card/42" in sent


async def test_a_field_of_the_path_is_not_taken_from_the_body(start_edge: StartEdge) -> None:
    async with strict(start_edge) as (edge, reached):
        for binding in BINDINGS:
            for name in binding.variables if binding.body else ():
                assert named(await ask(edge, line_of(binding), {name: "another"})) == name
        assert not reached.calls


async def test_no_query_parameter_wins_over_the_path_or_the_body(start_edge: StartEdge) -> None:
    async with strict(start_edge) as (edge, reached):
        for binding in BINDINGS:
            line = line_of(binding)
            if binding.verb == "GET":
                continue
            for name in binding.variables:
                camel = binding.method.input_type.fields_by_name[name].json_name
                for spelling in (name, camel):
                    wrong = named(await ask(edge, f"{line}?{spelling}=another"))
                    assert wrong in (name, spelling), line
            if binding.body is not None:
                for field in binding.body.fields:
                    query = f"{line}?{field.json_name}=1"
                    assert named(await ask(edge, query, {})) == field.json_name
        twice = "DELETE /v1/media/x?permanent=false&permanent=true"
        assert named(await ask(edge, twice)) == "permanent"
        query = "POST /v1/images:generate?options.validateOnly=false"
        assert named(await ask(edge, query, {})) == "options.validateOnly"
        assert not reached.calls


async def test_a_call_without_a_body_refuses_one(start_edge: StartEdge) -> None:
    async with strict(start_edge) as (edge, reached):
        for binding in BINDINGS:
            if binding.body is not None:
                continue
            line = line_of(binding)
            assert named(await ask(edge, line, {"pageSize": 1})) == "body", line
            chunk = b"2\r\n{}\r\n0\r\n\r\n"
            status, _ = await ask(edge, line, chunk, transfer_encoding="chunked")
            assert status in (400, 413), line
        assert not reached.calls


async def test_a_misspelt_query_parameter_is_named_by_every_call(start_edge: StartEdge) -> None:
    async with strict(start_edge) as (edge, reached):
        for binding in BINDINGS:
            line = f"{line_of(binding)}?page_sise=1"
            status, body = await ask(edge, line)

            assert (status, body["code"]) == (400, 3), line
            assert body["details"][0]["reason"] == "FIELD_INVALID"
            assert "page_sise" in body["message"]
        assert not reached.calls


class Dice(random.Random):
    """Makes bodies that mean something, in every spelling that there is."""

    def body(self, message: Descriptor, without: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Some fields of the message, with one of each oneof at most."""
        groups = {}
        for one in message.fields:
            group = one.containing_oneof
            groups.setdefault(group.name if group else one.name, []).append(one)
        chosen = [self.choice(fields) for fields in groups.values() if self.random() < 0.6]
        return {
            self.choice((field.json_name, field.name)): self._several(field)
            for field in chosen
            if field.name not in without
        }

    def _several(self, field: FieldDescriptor) -> Any:
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            value = entry.fields_by_name["value"]
            return {key: self._one(value) for key in self.sample(TEXTS, 2)}
        if not field.is_repeated:
            return self._one(field)
        return [self._one(field) for _ in range(self.randrange(3))]

    def _one(self, field: FieldDescriptor) -> Any:
        if field.message_type is not None:
            known = KNOWN.get(field.message_type.full_name)
            return self.choice(known) if known else self.body(field.message_type)
        if field.enum_type is not None:
            value = self.choice(field.enum_type.values)
            return self.choice((value.name, value.number))
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self.choice(["", "aGk=", "aGk", "_-8=", "/+8"])
        return self.choice(VALUES[field.cpp_type])


TEXTS = ["", "a", "M\u00f6wen \U0001f30a", '"\\ \u2028 </script>', "a\nb\0c", "null", "x" * 5000]
SMALL: list[Any] = [0, 1, 7.0, "7", 2**31 - 1]
VALUES: dict[int, list[Any]] = {
    FieldDescriptor.CPPTYPE_STRING: TEXTS,
    FieldDescriptor.CPPTYPE_BOOL: [True, False],
    FieldDescriptor.CPPTYPE_INT32: [*SMALL, -1, -(2**31)],
    FieldDescriptor.CPPTYPE_UINT32: SMALL,
    FieldDescriptor.CPPTYPE_INT64: [*SMALL, str(2**63 - 1), -(2**63), "-1"],
    FieldDescriptor.CPPTYPE_UINT64: [*SMALL, str(2**64 - 1)],
    FieldDescriptor.CPPTYPE_FLOAT: [0, -0.5, 1, "0.25"],
    FieldDescriptor.CPPTYPE_DOUBLE: [0, -0.5, 1e300, "0.25"],
}
KNOWN: dict[str, list[Any]] = {
    "google.protobuf.Timestamp": ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456+01:00"],
    "google.protobuf.Duration": ["0s", "1.5s", "-3s", "0.000000001s"],
    "google.protobuf.FieldMask": ["", "title", "maxCost,labels.a"],
    "google.protobuf.Struct": [{}, {"a": [1, None, "x", {"b": True}]}],
}


async def test_the_server_gets_every_body_as_protobuf_reads_it(start_edge: StartEdge) -> None:
    """What the check lets pass is for the edge's transcoder what it is for protobuf."""
    dice = Dice(7)
    async with strict(start_edge) as (edge, reached):
        for binding in BINDINGS:
            for _ in range(BODIES if binding.body else 0):
                body = dice.body(binding.method.input_type, binding.variables)
                answer = await ask(edge, line_of(binding), body)
                assert answer[0] == 409, (binding.method.name, body, answer)

                meant: Any = GetMessageClass(binding.method.input_type)()
                json_format.ParseDict(body, meant)
                for name in binding.variables:
                    setattr(meant, name, "x")
                assert type(meant).FromString(reached.calls.pop()[1]) == meant, body


async def test_a_body_without_a_token_never_comes_to_the_check(start_edge: StartEdge) -> None:
    """Nobody listens for bodies here, so a request that came there would be a 503."""
    reached = Reached()
    async with start_edge(1) as edge, serving(reached, edge.servers[0]):
        await edge.healthy()
        headers = {"content-type": "application/json"}
        async with http(edge.port, GENERATE, headers, b'{"wrongWord": 1}') as answer:
            assert answer.status == 409

        # With a token nothing passes unread
        status, body = await ask(edge, GENERATE, {})

    assert (status, body["code"]) == (503, 14)
    assert body["details"][0]["reason"] == "DEPENDENCY_UNAVAILABLE"
    assert len(reached.calls) == 1


async def test_a_call_that_only_the_edge_knows_is_not_served(
    start_edge: StartEdge, tmp_path: Path
) -> None:
    """An older HTTP process can't read the body, so it lets none of it pass."""
    reached = Reached()
    async with (
        start_edge(1, with_tea(tmp_path)) as edge,
        serving(reached, edge.servers[0]),
        checking(edge.http, CONTRACT),
    ):
        await edge.healthy()
        status, body = await ask(edge, "POST /v1/tea/x:make", {"wrongWord": 1})

    assert (status, body["code"]) == (404, 5)
    assert body["details"][0]["reason"] == "RESOURCE_NOT_FOUND"
    assert not reached.calls


@pytest.mark.parametrize(
    "line",
    [
        "POST /v1/images:generate/",
        "POST /v1/images%3Agenerate",
        "POST //v1/images:generate",
        "POST /%76%31/images:generate",
        "POST /x/../v1/images:generate",
        "POST /v1/./images:generate",
        "POST /v1/images:generate?",
        "POST /v1/images:generate;x",
        "POST /v1/images:generate%00",
        "PUT /v1/images:generate",
        "GET /v1/images:generate",
        "POST /V1/images:generate",
        "POST /v1/jobs/x%3Acancel",
        "POST /v1/jobs/x:y:cancel",
        "POST /v1/jobs/x/y:cancel",
        "POST /v1/jobs/:cancel",
    ],
)
async def test_no_other_spelling_of_a_path_goes_round_the_check(
    start_edge: StartEdge, line: str
) -> None:
    async with strict(start_edge) as (edge, reached):
        plain = {"content_type": "text/plain"}
        for more in ({}, {"x_http_method_override": "POST"}, plain):
            status, _ = await ask(edge, line, {"wrongWord": True}, **more)
            assert status in (400, 404)

        assert not reached.calls
