"""Answers become exceptions."""

from typing import Any

import grpc
import pytest

from rushes import errors
from rushes.errors import job_ended, outcome, reason_name
from rushes.v1.error_reason_pb2 import ErrorReason
from rushes.v1.job_pb2 import JobError
from rushes.wire import from_transport, read_error
from tests.unit.clients.making import a_job, details

Code = grpc.StatusCode


class Failed(grpc.RpcError):
    """A call that failed."""

    def __init__(self, code: Code, text: str = "", metadata: Any = ()) -> None:
        self._parts = code, text, metadata
        self.first: Any = ()

    def code(self) -> Code:
        return self._parts[0]

    def details(self) -> str:
        return self._parts[1]

    def initial_metadata(self) -> Any:
        return self.first

    def trailing_metadata(self) -> Any:
        return self._parts[2]


def refused(code: Code, reason: str, message: str = "", **fields: Any) -> errors.RushesError:
    return read_error(Failed(code, message, details(reason, code, message, **fields)))


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (Code.UNAUTHENTICATED, "CREDENTIALS_MISSING", errors.NotSignedIn),
        (Code.UNAUTHENTICATED, "CREDENTIALS_EXPIRED", errors.CredentialsExpired),
        (Code.PERMISSION_DENIED, "SCOPE_MISSING", errors.NotAllowed),
        (Code.NOT_FOUND, "RESOURCE_NOT_FOUND", errors.NotFound),
        (Code.INVALID_ARGUMENT, "FIELD_INVALID", errors.InvalidRequest),
        (Code.INVALID_ARGUMENT, "MODEL_CAPABILITY_UNSUPPORTED", errors.UnsupportedByModel),
        (Code.ALREADY_EXISTS, "REQUEST_ID_CONFLICT", errors.Conflict),
        (Code.FAILED_PRECONDITION, "JOB_STATE_INVALID", errors.PreconditionFailed),
        (Code.FAILED_PRECONDITION, "MODEL_RETIRED", errors.ModelRetired),
        (Code.FAILED_PRECONDITION, "COST_ABOVE_LIMIT", errors.CostAboveLimit),
        (Code.RESOURCE_EXHAUSTED, "QUEUE_FULL", errors.LimitReached),
        (Code.RESOURCE_EXHAUSTED, "BUDGET_EXCEEDED", errors.BudgetExceeded),
        (Code.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES", errors.TooManyWatches),
        (Code.UNAVAILABLE, "SERVER_DRAINING", errors.Unavailable),
        (Code.INTERNAL, "INTERNAL_ERROR", errors.InternalError),
        (Code.INVALID_ARGUMENT, "A_REASON_OF_NEXT_YEAR", errors.InvalidRequest),
    ],
)
def test_reason_and_code_choose_the_class(
    code: Code, reason: str, kind: type[errors.RushesError]
) -> None:
    error = refused(code, reason)
    assert type(error) is kind
    assert (error.reason, error.code) == (reason, code)


def test_details_are_kept() -> None:
    error = refused(
        Code.INVALID_ARGUMENT,
        "FIELD_INVALID",
        "spec.duration: too long",
        violations=(("spec.duration", "too long"), ("spec.seed", "too odd")),
        retry_seconds=3,
        limit="8",
    )
    assert error.message == str(error) == "spec.duration: too long"
    assert error.violations == (("spec.duration", "too long"), ("spec.seed", "too odd"))
    assert error.metadata == {"limit": "8"}
    assert error.retry_delay == 3.0


@pytest.mark.parametrize("metadata", [None, (), (("grpc-status-details-bin", b"\xff\xff"),)])
def test_an_answer_without_readable_details_is_still_an_error(metadata: Any) -> None:
    error = read_error(Failed(Code.NOT_FOUND, "gone", metadata))
    assert type(error) is errors.NotFound
    assert (error.message, error.reason) == ("gone", "")


def test_details_of_another_domain_give_no_reason() -> None:
    foreign = details("X", Code.NOT_FOUND)[0][1].replace(b"rushes", b"others")
    error = read_error(Failed(Code.NOT_FOUND, "", (("grpc-status-details-bin", foreign),)))
    assert error.reason == ""


def test_a_cancel_that_nobody_asked_for_is_an_outage() -> None:
    error = read_error(Failed(Code.CANCELLED, "Cancelled on the server side"))
    assert isinstance(error, errors.Unavailable)
    assert from_transport(error)


def test_a_message_over_the_size_limit_is_an_invalid_request() -> None:
    text = "SERVER: Received message larger than max (5000000 vs. 4194304)"
    assert type(read_error(Failed(Code.RESOURCE_EXHAUSTED, text))) is errors.InvalidRequest


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Failed(Code.UNAVAILABLE, "no healthy upstream"), True),
        (Failed(Code.INTERNAL, "RST_STREAM with error code 2"), True),
        (Failed(Code.UNKNOWN, "Stream removed"), True),
        (Failed(Code.DEADLINE_EXCEEDED), False),
        (Failed(Code.INTERNAL, "", details("INTERNAL_ERROR", Code.INTERNAL)), False),
        (Failed(Code.UNAVAILABLE, "", details("SERVER_DRAINING", Code.UNAVAILABLE)), True),
        (
            Failed(Code.RESOURCE_EXHAUSTED, "", details("QUEUE_FULL", Code.RESOURCE_EXHAUSTED)),
            False,
        ),
    ],
)
def test_only_a_broken_connection_is_worth_another_try(error: Failed, again: bool) -> None:
    assert from_transport(read_error(error)) is again


@pytest.mark.parametrize("first", [True, False])
def test_the_id_of_the_call_is_on_its_error_whichever_headers_it_came_in(first: bool) -> None:
    error = Failed(Code.NOT_FOUND, "gone", () if first else (("x-request-id", "the-call"),))
    error.first = (("x-request-id", "the-call"),) if first else ()
    assert read_error(error).request_id == "the-call"


def test_an_error_without_an_answer_has_no_id() -> None:
    error = Failed(Code.UNAVAILABLE, "DNS resolution failed", None)
    error.first = None
    assert read_error(error).request_id == ""


def test_a_server_that_is_away_is_named_and_the_resolver_is_not_quoted() -> None:
    error = Failed(Code.UNAVAILABLE, "DNS resolution failed for nowhere:1: C-ares status is not")
    assert str(read_error(error, "nowhere:1")) == "The server at nowhere:1 can't be reached."
    assert str(read_error(error)) == "The server can't be reached."


def test_a_failed_job_raises_with_its_reason() -> None:
    told = JobError(reason="CONTENT_FILTERED", message="not this", metadata={"phase": "prompt"})
    job = a_job("FAILED", error=told)
    with pytest.raises(errors.JobFailed, match="not this") as caught:
        outcome(job)
    assert caught.value.reason == "CONTENT_FILTERED"
    assert caught.value.metadata == {"phase": "prompt"}
    assert caught.value.job is job


def test_a_cancelled_job_raises_and_others_do_not() -> None:
    with pytest.raises(errors.JobCancelled):
        outcome(a_job("CANCELLED"))
    assert outcome(a_job("SUCCEEDED")).state
    assert job_ended(a_job("RUNNING")) is None


def test_every_reason_has_a_name_and_new_ones_their_number() -> None:
    assert reason_name(0) == ""
    assert reason_name(ErrorReason.WORKER_LOST) == "WORKER_LOST"
    assert reason_name(999) == "999"


def test_the_drawn_hierarchy_is_the_real_one() -> None:
    drawn = errors.__doc__ or ""
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.RushesError):
            assert name in drawn
