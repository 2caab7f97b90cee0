"""Makes the OpenAPI 3.1 document of the contract from the descriptor set, comments included.

The schemas are those of protobuf's JSON: names in camelCase, 64-bit numbers as texts, bytes as
base64, enums by name, and in answers no field that has its default. They say what the edge and the
HTTP process make of the google.api.http rules, so a test sends requests by them.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.api import annotations_pb2
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

Schema = dict[str, Any]
PACKAGE = "rushes.v1"
SCHEMAS = "#/components/schemas/"
_VARIABLE = re.compile(r"\{([\w.]+)(?:=([^}]*))?\}")

_INT = {"type": "integer", "format": "int32"}
_UINT = {"type": "integer", "format": "uint32", "minimum": 0}
_LONG = {"type": "string", "format": "int64", "pattern": r"^-?\d+$"}
_ULONG = {"type": "string", "format": "uint64", "pattern": r"^\d+$"}
_SCALARS: dict[int, Schema] = {
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_INT32: _INT,
    FieldDescriptor.TYPE_SINT32: _INT,
    FieldDescriptor.TYPE_SFIXED32: _INT,
    FieldDescriptor.TYPE_UINT32: _UINT,
    FieldDescriptor.TYPE_FIXED32: _UINT,
    FieldDescriptor.TYPE_INT64: _LONG,
    FieldDescriptor.TYPE_SINT64: _LONG,
    FieldDescriptor.TYPE_SFIXED64: _LONG,
    FieldDescriptor.TYPE_UINT64: _ULONG,
    FieldDescriptor.TYPE_FIXED64: _ULONG,
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {
        "type": "string",
        "pattern": r"^-?\d{1,12}(\.\d{1,9})?s$",
        "examples": ["1.5s"],
    },
    "google.protobuf.FieldMask": {"type": "string", "examples": ["title,labels"]},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
}
_ABOUT = """\
Self-hosted generation of images and videos, with every job's progress live.

Sign in with the header `authorization: Bearer <token>`; `rushes token` makes one. Nothing of a
request is ignored: an unknown field of a body or an unknown query parameter is a 400 that names it.
Answers leave out fields that have their default: 0, false, empty. Every error has the one shape
`Error`, whose ErrorInfo has a reason to act on. By gRPC and gRPC-Web the same calls are served on
the same port.
"""
_LINES = "A stream: one JSON object a line, as it happens."
_EVENTS = """\
With `accept: text/event-stream`, as an EventSource asks, the same as server-sent events. `event`
is the kind of a message's events: `job`, `progress`, `synced`, `reset`, `end`, `notifications`,
`views`, `announcement`, or `checkpoint` without events. `id` is the token to go on from, `data`
this object in one line. A comment comes after 15 s of silence.
"""
_EVENTS_PATH = "/v1/jobs:watch"
# What the HTTP process answers by itself: no method of a service has it.
_TICKET = {
    "operationId": "MakeStreamTicket",
    "tags": ["Streams"],
    "summary": "Make stream ticket",
    "description": (
        "A ticket for a page that can't send a header, such as one with an EventSource. It opens"
        " `GET /v1/jobs:watch` once, as the caller, within 60 s. Scope jobs.read."
    ),
    "parameters": [],
    "responses": {
        "200": {
            "description": "The answer.",
            "content": {"application/json": {"schema": {"$ref": f"{SCHEMAS}StreamTicket"}}},
        },
        "default": {"$ref": "#/components/responses/Error"},
    },
}
_OWN_SCHEMAS: dict[str, Schema] = {
    "StreamTicket": {
        "type": "object",
        "required": ["ticket", "expireTime"],
        "properties": {
            "ticket": {"type": "string", "description": "For the parameter `ticket`."},
            "expireTime": {**_WELL_KNOWN["google.protobuf.Timestamp"]},
        },
    }
}
_STREAMS = {"name": "Streams", "description": "Server-sent events for pages: `GET /v1/jobs:watch`."}
_LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "schema": {"type": "string"},
    "description": (
        "Of server-sent events: the `id` of the last message. A browser that connects again sends"
        " it by itself; it wins over `resumeToken`."
    ),
}


def make_openapi(descriptors: Path) -> str:
    """The document as JSON, for the services of the contract in the descriptor set."""
    files = FileDescriptorSet.FromString(descriptors.read_bytes()).file
    pool = DescriptorPool()
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    comments = {name: text for file in files for name, text in _comments(file)}
    services = [
        pool.FindServiceByName(f"{PACKAGE}.{service.name}")
        for file in files
        if file.package == PACKAGE
        for service in file.service
    ]
    services.sort(key=lambda service: service.name != "MediaService")  # what most people look for
    document = _Document(comments)
    reasons = pool.FindEnumTypeByName(f"{PACKAGE}.ErrorReason")
    return json.dumps(document.make(services, reasons), indent=1, ensure_ascii=False) + "\n"


class _Document:
    """Collects paths and schemas. `comments` are those of the protos, by full name."""

    def __init__(self, comments: dict[str, str]) -> None:
        self._comments = comments
        self._schemas: dict[str, Schema] = {}
        self._paths: dict[str, dict[str, Any]] = {}

    def make(self, services: list[ServiceDescriptor], reasons: EnumDescriptor) -> Schema:
        for service in services:
            for method in service.methods:
                for number, rule in enumerate(_rules(method)):
                    self._add(method, rule, f"{method.name}{number + 1 if number else ''}")
        self._paths["/v1/streams:ticket"] = {"post": _TICKET}
        self._schemas |= _OWN_SCHEMAS | _error_schemas(self._enum(reasons))
        return {
            "openapi": "3.1.0",
            "info": {"title": "Rushes", "version": "v1", "description": _ABOUT},
            "servers": [{"url": "/"}],
            "security": [{"bearer": []}],
            "tags": [
                {"name": _tag(service), "description": self._comments.get(service.full_name, "")}
                for service in services
            ]
            + [_STREAMS],
            "paths": dict(sorted(self._paths.items())),
            "components": {
                "schemas": dict(sorted(self._schemas.items())),
                "responses": {"Error": _ERROR_RESPONSE},
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                    "ticket": {
                        "type": "apiKey",
                        "in": "query",
                        "name": "ticket",
                        "description": "For server-sent events alone: see `MakeStreamTicket`.",
                    },
                },
            },
        }

    def _add(self, method: MethodDescriptor, rule: Any, name: str) -> None:
        """
        Raises:
            ValueError: when another method has the same verb and path, or the same name.
        """
        verb = rule.WhichOneof("pattern")
        template = getattr(rule, verb)
        path = _VARIABLE.sub(r"{\1}", template)
        operations = self._paths.setdefault(path, {})
        names = {one["operationId"] for each in self._paths.values() for one in each.values()}
        if verb in operations or name in names:
            raise ValueError(f"{name}: {verb} {path} or its name is taken")
        variables = [variable[1] for variable in _VARIABLE.finditer(template)]
        operation: Schema = {"operationId": name, "tags": [_tag(method.containing_service)]}
        operation |= {"summary": _words(method.name)} | self._described(method)
        operation["parameters"] = [
            self._path_parameter(method.input_type, *variable.groups())
            for variable in _VARIABLE.finditer(template)
        ]
        if rule.body:
            assert rule.body == "*", f"{method.full_name}: only whole bodies are described"
            schema = self._request(method.input_type, variables)
            operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
        else:
            operation["parameters"] += self._query(method.input_type, frozenset(variables))
        answer = self._answer(method)
        if path == _EVENTS_PATH:
            operation["parameters"].append(_LAST_EVENT_ID)
            operation["security"] = [{"bearer": []}, {"ticket": []}]
            answer = _with_events(answer)
        operation["responses"] = {
            "200": answer,
            "default": {"$ref": "#/components/responses/Error"},
        }
        operations[verb] = operation

    def _path_parameter(self, message: Descriptor, name: str, pattern: str | None) -> Schema:
        schema: Schema = {"type": "string", "minLength": 1}
        if pattern and pattern != "*":
            wild = re.escape(pattern).replace(r"\*\*", ".+").replace(r"\*", "[^/]+")
            schema["pattern"] = f"^{wild}$"
        found = {"name": name, "in": "path", "required": True, "schema": schema}
        return found | self._described(message.fields_by_name[name])

    def _query(
        self, message: Descriptor, bound: frozenset[str], before: tuple[FieldDescriptor, ...] = ()
    ) -> Iterator[Schema]:
        """The parameters for the fields that are not in the path, with those of messages in it."""
        for field in message.fields:
            inner = field.message_type
            if not before and field.name in bound:
                continue
            if inner is None or inner.full_name in _WELL_KNOWN:
                names = ".".join(one.json_name for one in (*before, field))
                schema = self._plain(field)
                yield {"name": names, "in": "query", "schema": schema} | self._described(field)
            elif not field.is_repeated and inner not in {one.message_type for one in before}:
                yield from self._query(inner, frozenset(), (*before, field))

    def _request(self, message: Descriptor, bound: list[str]) -> Schema:
        """The schema of a body: the message without the fields that are in the path."""
        self._close(message, set())
        name = _name(message)
        schema = self._schemas[name]
        taken = {message.fields_by_name[one].json_name for one in bound}
        schema["properties"] = {k: v for k, v in schema["properties"].items() if k not in taken}
        return {"$ref": SCHEMAS + name}

    def _close(self, message: Descriptor, seen: set[str]) -> None:
        """Says of the message, and of each one inside, that it has no other fields."""
        if message.full_name in seen or message.full_name in _WELL_KNOWN:
            return
        seen.add(message.full_name)
        if not message.GetOptions().map_entry:
            self._message(message)
            self._schemas[_name(message)]["additionalProperties"] = False
        for field in message.fields:
            if field.message_type is not None:
                self._close(field.message_type, seen)

    def _answer(self, method: MethodDescriptor) -> Schema:
        schema = self._message(method.output_type)
        return {
            "description": _LINES if method.server_streaming else "The answer.",
            "content": {"application/json": {"schema": schema}},
        }

    def _plain(self, field: FieldDescriptor) -> Schema:
        """The schema of a field, without its comment."""
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            return {
                "type": "object",
                "additionalProperties": self._one(entry.fields_by_name["value"]),
            }
        one = self._one(field)
        return {"type": "array", "items": one} if field.is_repeated else one

    def _one(self, field: FieldDescriptor) -> Schema:
        if field.message_type is not None:
            known = _WELL_KNOWN.get(field.message_type.full_name)
            return dict(known) if known is not None else self._message(field.message_type)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        return dict(_SCALARS[field.type])

    def _message(self, message: Descriptor) -> Schema:
        name = _name(message)
        if name not in self._schemas:
            schema = self._schemas[name] = {"type": "object"}
            schema |= self._described(message)
            schema["properties"] = {
                field.json_name: self._plain(field) | self._described(field)
                for field in message.fields
            }
        return {"$ref": SCHEMAS + name}

    def _enum(self, enum: EnumDescriptor) -> Schema:
        name = _name(enum)
        if name not in self._schemas:
            told = [self._comments.get(enum.full_name, "")]
            for value in enum.values:
                # The name of an enum's value is one of its enum's scope.
                comment = self._comments.get(f"{enum.full_name}.{value.name}")
                told += [f"- `{value.name}`: {comment}"] if comment else []
            schema: Schema = {"type": "string", "enum": [value.name for value in enum.values]}
            text = "\n".join(one for one in told if one)
            self._schemas[name] = schema | ({"description": text} if text else {})
        return {"$ref": SCHEMAS + name}

    def _described(self, one: Any) -> Schema:
        """What the proto says about it, and what else may be set beside it."""
        told = [self._comments.get(one.full_name, "")]
        group = getattr(one, "containing_oneof", None)
        if group is not None and len(group.fields) > 1:
            names = ", ".join(f"`{field.json_name}`" for field in group.fields)
            told.append(f"At most one of {names}.")
        text = "\n\n".join(one for one in told if one)
        return {"description": text} if text else {}


def _with_events(answer: Schema) -> Schema:
    """The answer of a stream that the HTTP process gives in its form, too."""
    told = f"{answer['description']} {_EVENTS}".replace("\n", " ").strip()
    lines = answer["content"]["application/json"]
    return {"description": told, "content": {"application/json": lines, "text/event-stream": lines}}


def _rules(method: MethodDescriptor) -> list[Any]:
    rule: Any = method.GetOptions().Extensions[annotations_pb2.http]
    return [one for one in (rule, *rule.additional_bindings) if one.WhichOneof("pattern")]


def _tag(service: ServiceDescriptor) -> str:
    return str(service.name).removesuffix("Service")


def _name(one: Descriptor | EnumDescriptor) -> str:
    """The name of a schema: without our package, and of others the last word."""
    full = str(one.full_name)
    return full.removeprefix(f"{PACKAGE}.") if full.startswith(PACKAGE) else str(one.name)


def _words(name: str) -> str:
    """The name of a method as words: "Cancel job"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def _comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """The comment of each thing of a file that has one, by its full name."""
    for location in file.source_code_info.location:
        text = location.leading_comments or location.trailing_comments
        name = _full_name(file, list(location.path))
        if text and name:
            yield name, _paragraphs(text)


def _full_name(file: FileDescriptorProto, path: list[int]) -> str:
    """The name of what a path of numbers leads to; empty when that has no name."""
    node: Any = file
    names = [file.package]
    for number, index in zip(path[::2], path[1::2], strict=False):
        fields = node.DESCRIPTOR.fields_by_number
        found = getattr(node, fields[number].name)
        if not fields[number].is_repeated or not hasattr(found[index], "name"):
            return ""
        node = found[index]
        names.append(node.name)
    return ".".join(names) if len(path) % 2 == 0 else ""


def _paragraphs(text: str) -> str:
    """A comment as Markdown: lines that are set in are those of a table."""
    made: list[str] = []
    for line in (*text.rstrip().splitlines(), ""):
        words = " ".join(line.split())
        if line.startswith("  ") and words:
            first, _, rest = words.partition(" ")
            made.append(f"\n- `{first}`: {rest}" if rest else f"\n- {words}")
        else:
            made.append(words or "\n\n")
    return re.sub(r" *(\n+) *", r"\1", " ".join(made)).strip()


def _error_schemas(reason: Schema) -> dict[str, Schema]:
    """google.rpc.Status as JSON, with the details that the errors of this service have."""
    text = {"type": "string"}

    def detail(name: str, required: str, **properties: Schema) -> Schema:
        of = {"@type": {"const": f"type.googleapis.com/google.rpc.{name}"}, **properties}
        return {"type": "object", "required": ["@type", *required.split()], "properties": of}

    violation = {
        "type": "object",
        "required": ["field", "description"],
        "properties": {"field": text, "description": text, "reason": text},
    }
    kinds = {
        "ErrorInfo": detail(
            "ErrorInfo",
            "reason domain",
            reason=reason,
            domain={"const": "rushes"},
            metadata={"type": "object", "additionalProperties": text},
        ),
        "BadRequest": detail(
            "BadRequest", "fieldViolations", fieldViolations={"type": "array", "items": violation}
        ),
        "RetryInfo": detail(
            "RetryInfo", "retryDelay", retryDelay=_WELL_KNOWN["google.protobuf.Duration"]
        ),
    }
    return kinds | {
        "Error": {
            "type": "object",
            "description": "For people the `message`, for programs the ErrorInfo.",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {**_INT, "description": "A code of google.rpc.Code."},
                "message": text,
                "details": {
                    "type": "array",
                    "items": {"anyOf": [{"$ref": SCHEMAS + name} for name in kinds]},
                    "contains": {"$ref": f"{SCHEMAS}ErrorInfo"},
                },
            },
        }
    }


_ERROR_RESPONSE = {
    "description": "What is wrong with the request, or away just now.",
    "content": {"application/json": {"schema": {"$ref": f"{SCHEMAS}Error"}}},
}
