"""Texts that mean something to a database or a pattern: here they are texts, on both databases."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog

from core.ids import new_id
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import House, LoopThread, Refusal, close_house, open_house, read_refusal
from tests.rpc.requests import store_picture
from tests.services import Postgres, Valkey

TEXTS = [
    *("' OR '1'='1", "'; DROP TABLE job; --", '" OR 1=1 --', "1); DELETE FROM media; --"),
    *("x' UNION SELECT value FROM meta --", "$1", "$$", ":user_id", ":value", "%s", "%(user_id)s"),
    *("?", "?1", "{now}", "{moment}", "{}", "{0}", "%", "_", "%%", "a%", "\\", "\\'", "\\x27"),
    *("*", "NEAR(a b)", "a AND b", "a OR b", "NOT a", '"a" "b"', "a:b", "job_id:x", "^a", "(", "["),
    *("/*", "--", ";", "#", "`", "|| pg_sleep(5) ||", "');SELECT pg_sleep(5);--", "E'\\000'"),
    *("null", "NULL", "true", "0", "-1", "[]", '{"a":1}', "alice'--", "alice ", " alice", "ALICE"),
]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def base(
    request: pytest.FixtureRequest, house_loop: LoopThread, valkey_server: Valkey
) -> Iterator[House]:
    """A server on each database, with something of alice's in it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    if not valkey_server.answers():
        valkey_server.start()
    options: dict[str, Any] = {"user_requests_per_second": 100_000, "max_queued_jobs": 100_000}
    server: Postgres | None = None
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        assert server is not None
        name = server.new_database(request.getfixturevalue("postgres_template"))
        options["database_url"] = server.url(name)
    with tempfile.TemporaryDirectory(prefix="sec-", dir="/tmp") as folder:
        made = open_house(house_loop, Path(folder) / "data", valkey_server.url, **options)
        store_picture(made.caller("alice"))
        yield made
        close_house(house_loop, made)
    if server is not None:
        server.drop_database(name)
    structlog.reset_defaults()


def asked(house: House, user: str, method: str, request: Any) -> Any:
    """The answer, or how the call was refused."""
    try:
        return house.caller(user).call(method, request)
    except grpc.RpcError as error:
        return read_refusal(error)


def job_of(text: str) -> pb.GenerateImageRequest:
    spec = job_pb2.ImageSpec(prompt=text)
    return pb.GenerateImageRequest(spec=spec, options=pb.JobOptions(labels={"node": text}))


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_of_a_caller_is_only_a_text(base: House, text: str) -> None:
    # Given what is there
    user = f"{text} {new_id()}"
    before = base.count_rows()

    # When the text is a prompt, a label and a user
    made = asked(base, user, "GenerateImage", job_of(text)).job

    # Then there is one job more, and it has the text
    after = base.count_rows()
    grown = {name: after[name] - before[name] for name in ("job", "job_event", "media")}
    assert grown == {"job": 1, "job_event": 1, "media": 0}
    assert (made.user_id, made.image.prompt, made.labels["node"]) == (user, text, text)

    # And by the text one finds that job, and no other's
    found = asked(base, user, "ListJobs", pb.ListJobsRequest(labels=[f"node={text}"])).jobs
    assert [job.job_id for job in found] == [made.job_id]


@pytest.mark.parametrize("text", TEXTS)
def test_a_filter_of_a_caller_finds_nothing_of_others(base: House, text: str) -> None:
    for user in ("bob", text):
        requests = {
            "ListJobs": pb.ListJobsRequest(labels=[f"node={text}"]),
            "ListMedia": pb.ListMediaRequest(query=text, labels=[f"node={text}"]),
        }
        for method, request in requests.items():
            answer = asked(base, user, method, request)
            if isinstance(answer, Refusal):
                assert answer.reason == "FIELD_INVALID", answer
            else:
                assert not answer.jobs if method == "ListJobs" else not answer.media


@pytest.mark.parametrize("text", TEXTS)
def test_an_id_of_a_caller_is_an_id_or_refused(base: House, text: str) -> None:
    before = base.count_rows()
    requests = {
        "GetJob": pb.GetJobRequest(job_id=text),
        "GetMedia": pb.GetMediaRequest(media_id=text),
        "CancelJob": pb.CancelJobRequest(job_id=text),
        "DeleteMedia": pb.DeleteMediaRequest(media_id=text, permanent=True),
        "ListJobs": pb.ListJobsRequest(page_token=text),
        "ListMedia": pb.ListMediaRequest(page_token=text),
    }
    for method, request in requests.items():
        answer = asked(base, "alice", method, request)
        assert isinstance(answer, Refusal), method
        assert answer.code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND), answer
    assert base.count_rows() == before
