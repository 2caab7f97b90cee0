"""The OpenAPI document and the page that shows it, as a browser asks for them."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from protos.openapi import make_openapi
from server.http.bindings import Binding, bindings_of, our_services
from server.http.pages import FOLDER, PAGES
from tests.unit.server.http.conftest import Site
from tests.unit.server.http.test_strict_json import whole

ROOT = Path(__file__).resolve().parents[4]
TEXT = (FOLDER / "openapi.json").read_text()
DOCUMENT: dict[str, Any] = json.loads(TEXT)
BINDINGS = [one for service in our_services() for one in bindings_of(service)]


def operation(binding: Binding) -> dict[str, Any]:
    """What the document says of a binding."""
    path = re.sub(r"\{(\w+)=[^}]*\}", r"{\1}", binding.template)
    found: dict[str, Any] = DOCUMENT["paths"][path][binding.verb.lower()]
    return found


def problems(value: Any, schema: dict[str, Any]) -> list[str]:
    """What the schema has against the value."""
    whole_schema = {**schema, "components": DOCUMENT["components"]}
    validator = Draft202012Validator(whole_schema)
    return [error.message for error in validator.iter_errors(value)]


def test_the_document_is_that_of_the_descriptors() -> None:
    assert make_openapi(ROOT / "protos/rushes.binpb") == TEXT, "run make proto"


def test_it_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_has_every_method_with_its_path_and_comment() -> None:
    for binding in BINDINGS:
        said = operation(binding)
        assert said["operationId"] == binding.method.name
        assert ("requestBody" in said) == (binding.body is not None)
        in_path = {one["name"] for one in said["parameters"] if one["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)", binding.template))
    own = DOCUMENT["paths"].keys() & {"/v1/streams:ticket"}
    assert sum(len(each) for each in DOCUMENT["paths"].values()) == len(BINDINGS) + len(own)
    assert "OK means that the job is durable" in str(DOCUMENT["paths"]["/v1/videos:generate"])


def test_it_has_the_tickets_and_what_they_open() -> None:
    ticket = DOCUMENT["paths"]["/v1/streams:ticket"]["post"]
    watch = DOCUMENT["paths"]["/v1/jobs:watch"]["get"]
    schema = ticket["responses"]["200"]["content"]["application/json"]["schema"]

    assert problems({"ticket": "x", "expireTime": "2026-11-30T20:00:00Z"}, schema) == []
    assert problems({"ticket": "x"}, schema)
    assert watch["security"] == [{"bearer": []}, {"ticket": []}]
    assert "text/event-stream" in watch["responses"]["200"]["content"]
    assert "Last-Event-ID" in {one["name"] for one in watch["parameters"]}


def test_every_answer_of_protobufs_json_fits_its_schema() -> None:
    """Every field of every answer is set once, with what protobuf itself prints for it."""
    for binding in BINDINGS:
        message = binding.method.output_type
        made = json_format.ParseDict(whole(message), GetMessageClass(message)())
        printed = json_format.MessageToDict(made)
        content = operation(binding)["responses"]["200"]["content"]["application/json"]

        assert problems(printed, content["schema"]) == [], binding.method.name


def test_a_body_of_the_document_passes_the_check_and_a_misspelt_one_fits_nothing() -> None:
    for binding in BINDINGS:
        if binding.body is None:
            continue
        schema = operation(binding)["requestBody"]["content"]["application/json"]["schema"]
        bound = set(re.findall(r"\{(\w+)", binding.template))
        body = whole(binding.body)
        taken = {f.json_name for f in binding.body.fields if f.name in bound}
        sent = {name: value for name, value in body.items() if name not in taken}

        assert problems(sent, schema) == [], binding.method.name
        assert problems({**sent, "validateOnyl": True}, schema)


def test_an_error_of_the_house_fits_its_schema(site: Site) -> None:
    schema = {"$ref": "#/components/schemas/Error"}
    answer = site.ask("/nothing")

    assert problems(json.loads(answer.body), schema) == []
    assert problems({"code": 5, "message": "x", "details": []}, schema)


def test_the_document_is_served_and_asked_for_once(site: Site) -> None:
    answer = site.ask("/openapi.json")
    again = site.ask("/openapi.json", if_none_match=answer.headers["etag"])

    assert (answer.status, answer.body.decode()) == (200, TEXT)
    assert answer.headers["content-type"] == "application/json"
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_and_loads_nothing_of_others(site: Site, path: str) -> None:
    answer = site.ask(path)

    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    if path == "/docs":
        for address in re.findall(r'(?:src|href)="([^"]*)"', answer.body.decode()):
            assert address in PAGES or address == "data:,"


def test_the_copy_of_swagger_ui_is_the_one_of_the_lock() -> None:
    lock = (FOLDER / "swagger-ui.lock").read_text()
    locked = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", lock, re.MULTILINE))

    there = {hashlib.sha256(p.read_bytes()).hexdigest(): p.name for p in _copied()}
    assert there == locked


def _copied() -> list[Path]:
    return sorted((FOLDER / "swagger-ui").iterdir())
