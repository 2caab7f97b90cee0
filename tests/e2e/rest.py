"""A plain HTTP client of the standard library: REST, JSON lines, server-sent events, media."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """Status, headers (lower case) and all of the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Rest:
    """The one port, as a user; without a token as nobody."""

    port: int
    token: str = ""

    def __call__(self, line: str, body: Any = None, **headers: str) -> Answer:
        """`line` is method and path, as `GET /v1/jobs`; a `body` that is no bytes goes as JSON."""
        with self.open(line, body, **headers) as response:
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())

    @contextmanager
    def open(self, line: str, body: Any = None, **headers: str) -> Iterator[HTTPResponse]:
        """The same, with a body that is read as it comes."""
        method, _, path = line.partition(" ")
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        # "localhost" is what people are told; it may be ::1 first.
        connection = HTTPConnection("localhost", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, sent, self._headers(headers, body is not None))
            yield connection.getresponse()
        finally:
            connection.close()

    def media(self, url: str, method: str = "GET", **headers: str) -> Answer:
        """What a signed address answers: the signature alone must do."""
        parts = urlsplit(url)
        assert parts.netloc == f"localhost:{self.port}"
        return Rest(self.port)(f"{method} {parts.path}?{parts.query}", **headers)

    def _headers(self, more: Mapping[str, str], has_body: bool) -> dict[str, str]:
        found = {name.replace("_", "-"): value for name, value in more.items()}
        if self.token:
            found["authorization"] = f"Bearer {self.token}"
        if has_body:
            found["content-type"] = "application/json"
        return found


def reason(body: Any) -> str:
    """The reason in an error of the one JSON shape; another shape fails the test."""
    assert set(body) == {"code", "message", "details"}
    assert body["message"]
    [info] = [d for d in body["details"] if d["@type"].endswith("/google.rpc.ErrorInfo")]
    assert info["domain"] == "rushes"
    return str(info["reason"])
