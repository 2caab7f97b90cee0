"""How errors look on the wire."""

import re
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from core.errors import (
    CapabilityUnsupported,
    CredentialsInvalid,
    FieldInvalid,
    FieldViolation,
    NotFound,
    RateLimited,
    Reason,
    RequestError,
    ServerDraining,
)
from rushes.v1 import error_reason_pb2
from server.interceptors.boundary import CODES, error_to_status

PROTO = Path(__file__).parents[4] / "protos" / "rushes" / "v1" / "error_reason.proto"


def detail(status: status_pb2.Status, kind: type[Message]) -> Any:
    found = kind()
    return next((found for packed in status.details if packed.Unpack(found)), None)


def test_each_code_is_the_one_that_the_contract_names() -> None:
    text = PROTO.read_text().split("From here on in Job.error")[0]
    found = re.findall(r"// ([A-Z_]+)\b[^\n]*\n\s+([A-Z_]+) = \d+;", text)
    listed = {name: code for code, name in found}
    assert {reason.value: code.name for reason, code in CODES.items()} == listed


def test_every_reason_is_in_the_contract() -> None:
    names = set(error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name)
    assert {reason.value for reason in Reason} == names - {"ERROR_REASON_UNSPECIFIED"}


def test_every_request_error_has_a_code() -> None:
    kinds = [RequestError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        assert kind.reason in CODES


def test_an_error_carries_its_reason_domain_and_metadata() -> None:
    status = error_to_status(NotFound("job"))
    info = detail(status, error_details_pb2.ErrorInfo)
    assert status.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert (info.reason, info.domain) == ("RESOURCE_NOT_FOUND", "rushes")
    assert info.metadata == {"resource": "job"}
    assert detail(status, error_details_pb2.BadRequest) is None
    assert detail(status, error_details_pb2.RetryInfo) is None


def test_wrong_fields_are_named_in_bad_request() -> None:
    status = error_to_status(FieldInvalid(FieldViolation("a.b", "x"), FieldViolation("c", "y")))
    bad = detail(status, error_details_pb2.BadRequest)
    assert [(v.field, v.description) for v in bad.field_violations] == [("a.b", "x"), ("c", "y")]
    status = error_to_status(CapabilityUnsupported("m", "spec.audio", ""))
    assert detail(status, error_details_pb2.BadRequest).field_violations[0].field == "spec.audio"


@pytest.mark.parametrize("error", [ServerDraining(), RateLimited()])
def test_what_passes_by_itself_says_when_to_come_back(error: RequestError) -> None:
    retry = detail(error_to_status(error), error_details_pb2.RetryInfo)
    assert error.retry_seconds is not None
    assert retry.retry_delay.ToMilliseconds() == round(error.retry_seconds * 1000)


def test_a_status_fits_into_the_trailers_whatever_is_wrong() -> None:
    violations = [FieldViolation("field" * 100, "é" * 3000) for _ in range(500)]
    status = error_to_status(FieldInvalid(*violations))
    assert status.ByteSize() <= 4096
    assert detail(status, error_details_pb2.ErrorInfo).reason == "FIELD_INVALID"
    assert len(detail(status, error_details_pb2.BadRequest).field_violations) >= 1


def test_a_class_s_docstring_is_its_message() -> None:
    assert error_to_status(CredentialsInvalid()).message.startswith("The token is not valid: ")
