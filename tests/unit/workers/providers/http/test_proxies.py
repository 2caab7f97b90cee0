"""Whoever reaches a provider by a proxy only reaches all of it: submits, polls and downloads."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.contract.provider_runs import Run
from workers.providers.http.transport import RawClient, download, download_client, submit_client

MIB = 1024 * 1024
PROVIDER = "http://provider.invalid"


class Proxy(ThreadingHTTPServer):
    """Answers for every host, and keeps what it was asked for; no such host needs to be there."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Asked(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append(f"{self.command} {self.path}")
        self.send_response(200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"here")

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The only way out, as the environment says."""
    with Proxy() as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.01,))
        thread.start()
        for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "http_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        yield proxy
        proxy.shutdown()
        thread.join()


def poll(url: str) -> str:
    async def ask() -> str:
        said, client = b"", RawClient()
        for method in ("GET", "POST"):
            async with client.stream(method, url, {}) as response:
                said += await response.aread()
        return said.decode()

    return asyncio.run(ask())


def fetch(url: str, path: Path) -> bytes:
    with download_client() as client:
        download(
            client,
            url,
            path,
            headers={},
            most_bytes=MIB,
            provider="The place",
            refused=lambda response: ValueError(response.status_code),
            run=Run(),
        )
    return path.read_bytes()


def test_submits_polls_and_downloads_go_by_the_proxy_of_the_environment(
    proxy: Proxy, tmp_path: Path
) -> None:
    with submit_client(5, MIB) as client:
        assert client.post(f"{PROVIDER}/submit").text == "here"
    assert poll(f"{PROVIDER}/poll") == "herehere"
    assert fetch(f"{PROVIDER}/result", tmp_path / "file") == b"here"

    paths = ("POST", "submit"), ("GET", "poll"), ("POST", "poll"), ("GET", "result")
    assert proxy.asked == [f"{method} {PROVIDER}/{path}" for method, path in paths]


@pytest.mark.parametrize("direct", ["127.0.0.1", "*"])
def test_polls_go_by_no_proxy_to_whom_the_environment_excepts(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, direct: str
) -> None:
    monkeypatch.setenv("NO_PROXY", direct)
    assert poll(f"{proxy.url}/poll") == "herehere"
    # Asked as a server: by a path alone.
    assert proxy.asked == ["GET /poll", "POST /poll"]
