"""Requests that schemathesis makes of the OpenAPI document, to a real run through the edge.

No answer is a fault of the server, and each fits the document to the letter. Half of the requests
are as the document says, the other half are wrong in some way. There are some of each kind for each
call in a usual test run, and a twentieth of `ATTACK_EXAMPLES` in `make attack`, at random.
"""

import json
import os
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server.http.pages import FOLDER
from tests.e2e.rest import reason
from tests.e2e.running import Running
from tests.services import wait_for

EXAMPLES = int(os.environ.get("ATTACK_EXAMPLES", "160")) // 20
AT_RANDOM = "ATTACK_EXAMPLES" in os.environ
SECONDS = 20
CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
Mode = schemathesis.GenerationMode


def document() -> dict[str, Any]:
    """The document with closed schemas: an answer may have no field that it does not name."""
    found: dict[str, Any] = json.loads((FOLDER / "openapi.json").read_text())
    for schema in found["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return found


def operations() -> dict[str, Any]:
    """The calls by name. Those that never end have tests of their own."""
    schema = schemathesis.openapi.from_dict(document())
    found = [one.ok() for one in schema.get_all_operations()]
    return {
        one.definition.raw["operationId"]: one
        for one in found
        if "A stream: " not in one.definition.raw["responses"]["200"]["description"]
    }


OPERATIONS = operations()
SCHEMAS = document()["components"]["schemas"]


@dataclass(frozen=True)
class Target:
    """The run, a user of it, and ids of what is his."""

    address: str
    token: str
    session: requests.Session
    ids: dict[str, str]


@pytest.fixture(scope="module")
def target(run: Running) -> Any:
    rest = run.rest("schemathesis")
    body = {"spec": {"prompt": "a boat", "model": "simulator-image"}}
    job_id = rest("POST /v1/images:generate", body).json["job"]["jobId"]

    def outputs() -> Any:
        return rest(f"GET /v1/jobs/{job_id}").json["job"].get("outputs")

    wait_for(outputs, "an image")
    ids = {"job_id": job_id, "media_id": outputs()[0]["mediaId"], "view": "card"}
    with requests.Session() as session:
        yield Target(f"http://localhost:{run.port}", rest.token, session, ids)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("mode", [Mode.POSITIVE, Mode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_fits_the_document(target: Target, name: str, mode: Mode) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=not AT_RANDOM,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(case=OPERATIONS[name].as_strategy(mode), known=st.booleans())
    def each(case: schemathesis.Case, known: bool) -> None:
        _aim(case, target, known)
        _send(target, case)

    each()


def _aim(case: schemathesis.Case, target: Target, known: bool) -> None:
    """Gives the case ids that are there, if they are to be, and no work for the renderer."""
    if known and case.path_parameters:
        case.path_parameters = {
            name: target.ids.get(name, value) for name, value in case.path_parameters.items()
        }
    if isinstance(case.body, dict):
        fields = _fields(case)
        if "validateOnly" in fields:
            case.body = {**case.body, "validateOnly": True}
        if "JobOptions" in str(fields.get("options")):
            options = case.body.get("options")
            whole = options if isinstance(options, dict) else {}
            case.body = {**case.body, "options": {**whole, "validateOnly": True}}


def _fields(case: schemathesis.Case) -> dict[str, Any]:
    """The fields of the body in the document."""
    content = case.operation.definition.raw["requestBody"]["content"]["application/json"]
    name = content["schema"]["$ref"].rpartition("/")[2]
    fields: dict[str, Any] = SCHEMAS[name]["properties"]
    return fields


def _send(target: Target, case: schemathesis.Case) -> None:
    headers = {"authorization": f"Bearer {target.token}"}
    answer = case.call(
        base_url=target.address, session=target.session, headers=headers, timeout=SECONDS
    )
    if answer.status_code == 501:
        assert reason(answer.json()) == "METHOD_UNIMPLEMENTED"
    else:
        assert answer.status_code < 500, answer.text
    case.validate_response(answer, checks=CHECKS)
