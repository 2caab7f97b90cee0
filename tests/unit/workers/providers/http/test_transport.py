"""HTTP for adapters: one request each, what a failure left open, and downloads within limits."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from core.errors import Reason
from tests.contract.provider_runs import Run
from tests.fakes.serve import Cut, Fake
from workers.providers import OutcomeUnknown, ProviderFailed, RunStopped, TryLater
from workers.providers.http.transport import (
    CONNECT_SECONDS,
    AnswerTooLarge,
    RawClient,
    download,
    download_client,
    retry_after_ms,
    submit_client,
    submit_failed,
    was_sent,
)

MIB = 1024 * 1024
KEY = {"x-key": "secret"}


class Place(Fake):
    """A server that answers all kinds of ways; it keeps the headers and the port of each caller."""

    name = "place"
    answer: Callable[[Request], Response]

    def routes(self) -> list[BaseRoute]:
        self.headers: list[dict[str, str]] = []
        self.callers: list[int] = []
        return [Route("/{path:path}", self._any, methods=["GET", "POST"])]

    async def _any(self, request: Request) -> Response:
        assert request.client is not None
        self.headers.append(dict(request.headers))
        self.callers.append(request.client.port)
        return self.answer(request)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Place(tmp_path) as place:
        yield place


def refused(response: httpx2.Response) -> Exception:
    return ValueError(response.status_code)


def save(url: str, path: Path, most_bytes: int = MIB, stops: bool = False) -> bytes:
    with download_client() as client:
        download(
            client,
            url,
            path,
            headers=KEY,
            most_bytes=most_bytes,
            provider="The place",
            refused=refused,
            run=Run(stops),
        )
    return path.read_bytes()


def test_a_submit_follows_no_redirect_and_keeps_no_connection(place: Place) -> None:
    place.answer = lambda request: RedirectResponse("/elsewhere", 307)
    with submit_client(5, MIB) as client:
        assert client.post(place.url + "/x").status_code == 307
        assert client.post(place.url + "/x").status_code == 307
    assert place.posts == {"/x": 2}
    assert len(set(place.callers)) == 2


@pytest.mark.parametrize(("seconds", "connect"), [(30, CONNECT_SECONDS), (5, 5)])
def test_a_host_that_is_away_shows_soon_whatever_time_the_caller_names(
    place: Place, seconds: float, connect: float
) -> None:
    limits: list[dict[str, float]] = []
    place.answer = lambda request: Response()
    with submit_client(seconds, MIB) as client:
        client.event_hooks["request"].append(lambda r: limits.append(r.extensions["timeout"]))
        client.post(place.url)
        # As an SDK does, with each request.
        client.post(place.url, timeout=30)
    assert [limit["connect"] for limit in limits] == [connect, connect]
    assert [limit["read"] for limit in limits] == [seconds, 30]


def test_an_answer_to_a_submit_ends_at_its_limit(place: Place) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 1000

    place.answer = lambda request: StreamingResponse(endless())
    with submit_client(5, 5000) as client, pytest.raises(AnswerTooLarge):
        client.post(place.url + "/x")


def test_an_answer_that_drips_is_too_late_as_a_whole(place: Place) -> None:
    place.answer = lambda request: StreamingResponse(place.drops(b"x" * 100))
    with submit_client(1.2, MIB) as client, pytest.raises(httpx2.ReadTimeout):
        client.post(place.url + "/x")


def test_a_connection_that_is_refused_was_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with submit_client(5, MIB) as client, pytest.raises(httpx2.ConnectError) as error:
        client.post(f"http://127.0.0.1:{port}")
    assert not was_sent(error.value)


def test_a_name_that_is_unknown_and_a_broken_handshake_were_sent_nothing(place: Place) -> None:
    for url in ("http://nobody.invalid", place.url.replace("http:", "https:")):
        with submit_client(5, MIB) as client, pytest.raises(httpx2.ConnectError) as error:
            client.post(url)
        assert not was_sent(error.value)


def test_a_connection_that_was_cut_may_have_been_sent_all(place: Place) -> None:
    place.answer = lambda request: Cut()
    with submit_client(5, MIB) as client, pytest.raises(httpx2.RemoteProtocolError) as error:
        client.post(place.url)
    assert was_sent(error.value)


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (httpx2.ConnectError("x"), False),
        (httpx2.ConnectTimeout("x"), False),
        (httpx2.PoolTimeout("x"), False),
        (httpx2.ProxyError("x"), False),
        (httpx2.UnsupportedProtocol("x"), False),
        (httpx2.InvalidURL("x"), False),
        (httpx2.ReadTimeout("x"), True),
        (httpx2.WriteTimeout("x"), True),
        (httpx2.ReadError("x"), True),
        (httpx2.WriteError("x"), True),
        (httpx2.CloseError("x"), True),
        (httpx2.RemoteProtocolError("x"), True),
        (httpx2.LocalProtocolError("x"), True),
        (httpx2.DecodingError("x"), True),
        (ssl.SSLError("x"), True),
        (ValueError("x"), True),
    ],
)
def test_only_what_certainly_did_not_leave_is_not_sent(error: Exception, sent: bool) -> None:
    wrapped = RuntimeError("an SDK's own")
    wrapped.__cause__ = error
    for seen in (error, wrapped):
        assert was_sent(seen) is sent
        failed = submit_failed(seen, "The place")
        assert isinstance(failed, OutcomeUnknown if sent else TryLater)


@pytest.mark.parametrize(
    ("headers", "delay_ms"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7000),
        ({"retry-after": "1.5"}, 1500),
        ({"retry-after": "0"}, 0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 250),
        ({"retry-after": formatdate(0, usegmt=True)}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after-ms": "inf"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "9" * 25}, 24 * 3600 * 1000),
        ({"retry-after-ms": "9" * 25}, 24 * 3600 * 1000),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 24 * 3600 * 1000),
    ],
)
def test_the_pause_that_an_answer_asks_for(headers: dict[str, str], delay_ms: int | None) -> None:
    assert retry_after_ms(headers) == delay_ms


def test_a_date_to_retry_after_is_a_pause_from_now() -> None:
    later = formatdate(4_000_000_000, usegmt=True)
    assert (retry_after_ms({"retry-after": later}) or 0) > 0


def test_a_download_is_the_bytes_as_they_are(place: Place, tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    place.answer = lambda request: Response(data)
    assert save(place.url, tmp_path / "file", 3 * MIB) == data
    assert place.headers[0]["x-key"] == "secret"
    assert place.headers[0]["accept-encoding"] == "identity"


def test_a_download_that_is_too_large_is_no_result(place: Place, tmp_path: Path) -> None:
    place.answer = lambda request: Response(b"x" * (MIB + 1))
    with pytest.raises(ProviderFailed) as error:
        save(place.url, tmp_path / "file")
    assert error.value.failure.reason is Reason.RESULT_INVALID


def test_a_download_that_breaks_off_is_tried_later(place: Place, tmp_path: Path) -> None:
    place.answer = lambda request: Cut(b"half of it")
    with pytest.raises(TryLater):
        save(place.url, tmp_path / "file")


def test_a_download_stops_when_its_run_does(place: Place, tmp_path: Path) -> None:
    place.answer = lambda request: Response(b"x")
    with pytest.raises(RunStopped):
        save(place.url, tmp_path / "file", stops=True)


def test_an_answer_that_is_no_file_is_the_adapter_s_to_judge(place: Place, tmp_path: Path) -> None:
    place.answer = lambda request: Response(b"gone", 404)
    with pytest.raises(ValueError, match="404"):
        save(place.url, tmp_path / "file")


def test_a_redirect_elsewhere_is_not_told_the_key(place: Place, tmp_path: Path) -> None:
    with Place(tmp_path) as other:
        other.answer = lambda request: Response(b"moved")
        place.answer = lambda request: RedirectResponse(other.url)
        assert save(place.url, tmp_path / "file") == b"moved"
    assert "x-key" in place.headers[0]
    assert "x-key" not in other.headers[0]


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "169.254.169.254", "[::1]"])
def test_a_redirect_into_our_own_network_is_not_followed(
    place: Place, tmp_path: Path, host: str
) -> None:
    place.answer = lambda request: RedirectResponse(f"http://{host}:1/secrets")
    with pytest.raises(ValueError, match="307"):
        save(place.url, tmp_path / "file")


def test_a_redirect_in_a_circle_ends(place: Place, tmp_path: Path) -> None:
    place.answer = lambda request: RedirectResponse("/again")
    with pytest.raises(TryLater):
        save(place.url, tmp_path / "file")
    assert len(place.headers) < 10


def test_all_polls_of_a_loop_share_connections_and_are_closed_with_it(place: Place) -> None:
    place.answer = lambda request: Response(request.method)
    client = RawClient()

    async def say(method: str) -> str:
        async with client.stream(method, place.url, KEY, {"name": "x"}) as response:
            return (await response.aread()).decode()

    async def ask() -> list[str]:
        return await asyncio.gather(say("GET"), say("POST"))

    # Another loop is another process to it; a connection left open would be a warning.
    for _ in range(2):
        assert asyncio.run(ask()) == ["GET", "POST"]
