"""Which method of the contract a REST request calls, by the google.api.http rules."""

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor

_STUBS = "rushes.v1"
_PIECE = re.compile(r"\{(?P<name>[\w.]+)(?:=(?P<pattern>[^}]*))?\}")
_WILDCARD = re.compile(r"\*\*?")


@dataclass(frozen=True, slots=True)
class Binding:
    """One REST way to a method.

    `verb` is in capitals, `template` as in the proto, `variables` are the fields in it. `body` is
    the message that the body holds; None when the request has no body.
    """

    verb: str
    template: str
    method: MethodDescriptor
    body: Descriptor | None
    path: re.Pattern[str]
    variables: frozenset[str]


class Bindings:
    """All bindings of services."""

    def __init__(self, services: Iterable[ServiceDescriptor]) -> None:
        found = [binding for service in services for binding in bindings_of(service)]
        # A word that stands in the template goes before one that a variable takes.
        found.sort(key=lambda binding: binding.template.count("{"))
        self._by_verb: dict[str, list[Binding]] = {}
        for binding in found:
            self._by_verb.setdefault(binding.verb, []).append(binding)

    def find(self, verb: str, path: str) -> Binding | None:
        """The binding of a request, by its path without the query and as it came; or None."""
        for binding in self._by_verb.get(verb, ()):
            if binding.path.fullmatch(path):
                return binding
        return None


def our_services() -> list[ServiceDescriptor]:
    """Every service of the contract whose stubs are installed."""
    names = (
        module.name for module in pkgutil.iter_modules(importlib.import_module(_STUBS).__path__)
    )
    stubs: list[Any] = [
        importlib.import_module(f"{_STUBS}.{name}")
        for name in names
        if name.endswith("_service_pb2")
    ]
    return [service for stub in stubs for service in stub.DESCRIPTOR.services_by_name.values()]


def bindings_of(service: ServiceDescriptor) -> Iterator[Binding]:
    """The bindings of the service's methods, in the order of the proto."""
    for method in service.methods:
        rule: Any = method.GetOptions().Extensions[annotations_pb2.http]
        for one in (rule, *rule.additional_bindings):
            if one.WhichOneof("pattern"):
                yield _binding(method, one)


def _binding(method: MethodDescriptor, rule: Any) -> Binding:
    kind = rule.WhichOneof("pattern")
    verb, template = kind.upper(), getattr(rule, kind)
    if kind == "custom":
        verb, template = rule.custom.kind, rule.custom.path
    body = _body(method, rule.body) if rule.body else None
    variables = frozenset(piece["name"] for piece in _PIECE.finditer(template))
    return Binding(verb, template, method, body, re.compile(_pattern(template)), variables)


def _body(method: MethodDescriptor, name: str) -> Descriptor:
    if name == "*":
        return method.input_type
    message = method.input_type.fields_by_name[name].message_type
    assert message is not None, f"the body of {method.full_name} is no message"
    return message


def _pattern(template: str) -> str:
    """The template as a regular expression for whole paths."""
    made, end = "", 0
    for piece in _PIECE.finditer(template):
        made += re.escape(template[end : piece.start()]) + _segments(piece["pattern"] or "*")
        end = piece.end()
    return made + re.escape(template[end:])


def _segments(pattern: str) -> str:
    made, end = "", 0
    for wildcard in _WILDCARD.finditer(pattern):
        made += re.escape(pattern[end : wildcard.start()])
        made += ".+" if wildcard[0] == "**" else "[^/]+"
        end = wildcard.end()
    return made + re.escape(pattern[end:])
