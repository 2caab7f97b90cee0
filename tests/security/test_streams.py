"""Streams and tickets, tried by whoever should not, and by those who want too much."""

import http.client
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis

from rushes.v1 import media_service_pb2 as pb
from server.http.heads import MOST_HEAD_BYTES
from tests.house import House
from tests.http_process import HttpProcess, http_process
from tests.rpc.requests import video
from tests.security.test_rights import NOBODIES
from tests.services import DEADLINE_SECONDS
from tests.sse import Message, messages

WATCH, TICKET = "GET /v1/jobs:watch", "POST /v1/streams:ticket"
HOSTILE = {
    "a script": "<script>alert(1)</script>",
    "SQL": "' OR 1=1 --",
    "a path": "../../etc/passwd",
    "a null byte": "a\0b",
    "line breaks": "a\r\nid: forged\r\n\r\n",
    "no text": "\udcff",
    "much": "x" * 20_000,
    "a dot": ".",
    "a number": "-1",
    "an old Arabic digit": "T.\u0661",
}


@dataclass
class Site:
    """A server, and the HTTP process above it."""

    house: House
    running: HttpProcess

    def bearer(self, user_id: str, **claims: Any) -> tuple[str, ...]:
        return (f"Bearer {self.house.token(user_id, **claims)}",)

    def ask(self, line: str, *authorization: str, **headers: str) -> tuple[int, Any]:
        """Status and body of what is no stream; of a stream only the status."""
        with self.open(line, *authorization, **headers) as answer:
            is_stream = answer.status == 200 and line.startswith(WATCH)
            return answer.status, None if is_stream else json.loads(answer.read())

    def ticket(self, *authorization: str) -> str:
        status, body = self.ask(TICKET, *authorization)
        assert status == 200, body
        return str(body["ticket"])

    @contextmanager
    def open(
        self, line: str, *authorization: str, **headers: str
    ) -> Iterator[http.client.HTTPResponse]:
        method, _, path = line.partition(" ")
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.running.port, timeout=DEADLINE_SECONDS
        )
        with closing(connection):
            connection.putrequest(method, path)
            for value in authorization:
                connection.putheader("authorization", value)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            yield connection.getresponse()


@pytest.fixture(scope="module")
def site(served: House) -> Iterator[Site]:
    with above(served) as found:
        yield found


@contextmanager
def above(served: House) -> Iterator[Site]:
    """One more HTTP process above the server."""
    with tempfile.TemporaryDirectory(prefix="sec-", dir="/tmp") as folder:
        servers = f"127.0.0.1:{served.app.port}"
        more = {"RUSHES_REDIS_URL": served.settings.redis_url, "RUSHES_MAX_TICKETS": "30"}
        with http_process(Path(folder), servers, **more) as running:
            yield Site(served, running)


def until(found: Iterator[Message], name: str) -> list[Message]:
    """The messages up to and with the first of that name."""
    seen = []
    for message in found:
        seen.append(message)
        if message.name == name:
            break
    return seen


@pytest.mark.parametrize("line", [WATCH, TICKET])
@pytest.mark.parametrize("nobody", NOBODIES)
def test_nobody_is_refused(site: Site, line: str, nobody: str) -> None:
    authorization, reason = NOBODIES[nobody]

    status, body = site.ask(line, *authorization(site.house))

    assert (status, body["code"]) == (401, 16)
    assert body["details"][0]["reason"] == reason


def test_a_ticket_is_of_the_one_who_got_it(site: Site) -> None:
    job_id = site.house.caller("tina").call("GenerateVideo", video()).job.job_id
    site.house.caller("tom").call("GenerateVideo", video())
    ticket = site.ticket(*site.bearer("tina"))

    with site.open(f"{WATCH}?ticket={ticket}") as stream:
        seen = until(messages(stream), "synced")

    events = [event for message in seen for event in message.events]
    assert [event["job"]["job"]["jobId"] for event in events if "job" in event] == [job_id]


def test_of_many_who_have_a_ticket_one_gets_in(site: Site) -> None:
    line = f"{WATCH}?ticket={site.ticket(*site.bearer('rosa'))}"

    with above(site.house) as other, ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda n: (site, other)[n % 2].ask(line), range(20)))

    assert sorted(status for status, _ in found) == [200] + [401] * 19


def test_the_stream_of_a_ticket_ends_with_the_token_that_got_it(site: Site) -> None:
    exp = int(time.time()) - site.house.settings.jwt_leeway_seconds + 4
    ticket = site.ticket(*site.bearer("eve", exp=exp, iat=exp - 100))

    with site.open(f"{WATCH}?ticket={ticket}") as stream:
        *_, last = messages(stream)

    assert last.name == "end"
    assert last.events == [{"end": {"reason": "CREDENTIALS_EXPIRED"}}]


def test_a_flood_of_tickets_is_bounded_for_the_one_who_makes_it(site: Site) -> None:
    greedy = site.bearer("greedy")
    answers = [site.ask(TICKET, *greedy)[0] for _ in range(40)]

    assert answers == [200] * 30 + [429] * 10
    assert site.ticket(*site.bearer("modest"))
    with redis.Redis.from_url(site.house.settings.redis_url) as client:
        assert all(client.ttl(name) > 0 for name in client.keys("rushes:ticket*"))


@pytest.mark.parametrize("way", ["resume_token", "last_event_id"])
@pytest.mark.parametrize("more", ["", ".5"])
def test_another_users_place_is_refused(site: Site, way: str, more: str) -> None:
    site.house.caller("alice").call("GenerateVideo", video())
    token = site.house.caller("alice").call("ListJobs", pb.ListJobsRequest()).resume_token + more
    bob = site.bearer("bob")

    if way == "resume_token":
        status, body = site.ask(f"{WATCH}?resume_token={token}", *bob)
    else:
        status, body = site.ask(WATCH, *bob, last_event_id=token)

    assert (status, body["details"][0]["reason"]) == (400, "RESUME_TOKEN_INVALID")


def test_a_reader_that_was_cut_in_its_first_snapshot_is_told_to_start_over(site: Site) -> None:
    site.house.caller("ida").call("GenerateVideo", video())
    with site.open(WATCH, *site.bearer("ida")) as stream:
        first = next(messages(stream))
    assert (first.name, first.last_id) == ("job", ".0")

    with site.open(WATCH, *site.bearer("ida"), last_event_id=first.last_id) as stream:
        seen = until(messages(stream), "synced")

    assert [message.name for message in seen] == ["reset", "job", "synced"]


def test_a_reader_that_was_cut_in_a_replay_gets_the_rest(site: Site) -> None:
    # Given a replay of two changes, of which the reader has one
    caller = site.house.caller("rita")
    token = caller.call("ListJobs", pb.ListJobsRequest()).resume_token
    for _ in range(2):
        caller.call("GenerateVideo", video())
    with site.open(WATCH, *site.bearer("rita"), last_event_id=f"{token}.1") as stream:
        seen = until(messages(stream), "synced")

    events = [event for message in seen for event in message.events]
    assert [event["revision"] for event in events if "revision" in event] == ["2"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_words_are_refused_and_break_nothing(site: Site, text: str) -> None:
    word = quote(text, errors="surrogateescape")
    alice = site.bearer("alice")
    for query in (
        f"resume_token={word}",
        f"job_ids={word}",
        f"labels={word}",
        f"recent={word}",
        f"until_done={word}",
        f"{word}=1",
        f"{word}",
    ):
        status, body = site.ask(f"{WATCH}?{query}", *alice)
        assert status in (400, 404, 431), query
        assert body["details"][0]["domain"] == "rushes"
    status, body = site.ask(f"{WATCH}?ticket={word}")
    refused = (
        (431, "FIELD_INVALID") if len(word) > MOST_HEAD_BYTES else (401, "CREDENTIALS_INVALID")
    )
    assert (status, body["details"][0]["reason"]) == refused


def test_more_watches_than_a_user_may_have_are_refused(site: Site) -> None:
    many = site.bearer("many")
    with ExitStack() as streams:
        for _ in range(site.house.settings.max_watches):
            assert streams.enter_context(site.open(WATCH, *many)).status == 200
        status, body = site.ask(WATCH, *many)

    assert (status, body["details"][0]["reason"]) == (429, "TOO_MANY_WATCHES")
