"""HTTP clients for the adapters, and the meaning of transport errors.

A client for submits and downloads keeps no connection open: if the server closed one just as a paid
call goes out, nobody would know whether the call arrived. No client here repeats a request.
"""

import asyncio
import contextlib
import ipaddress
import math
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx2

from core.errors import Reason, RushesError
from core.jobs import JobFailure
from core.times import iso
from workers.providers import Monitor, OutcomeUnknown, ProviderFailed, RunStopped, TryLater
from workers.providers.http.connections import IDLE_SECONDS, ManyConnections, tls_context

CHUNK_BYTES = 1024 * 1024
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
MOST_ERROR_BYTES = 64 * 1024
# A longer pause means nothing, since no job waits for so long.
MOST_PAUSE_SECONDS = 24 * 3600.0
POLL_SECONDS = 20.0
MOST_POLLS_AT_ONCE = 200
_MOST_REDIRECTS = 5
# RFC 6052: the last four bytes are an IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NOTHING_KEPT = httpx2.Limits(max_keepalive_connections=0)
# httpx2 raises these before it sends a byte of the request.
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
)
# Headers that describe the encoding of the bytes.
_OF_THE_BYTES = ("content-encoding", "content-length", "transfer-encoding")
Refused = Callable[[httpx2.Response], Exception]


class AnswerTooLarge(RushesError):
    """The answer is longer than the limit."""


def is_too_large(error: BaseException | None) -> bool:
    """Whether the cause is AnswerTooLarge, also inside an exception of an SDK."""
    while error is not None and not isinstance(error, AnswerTooLarge):
        error = error.__cause__
    return error is not None


def submit_client(seconds: float, most_bytes: int) -> httpx2.Client:
    """A client for paid calls, without retries, redirects and kept connections.

    An answer must end within `seconds` and have at most `most_bytes`. A longer answer raises
    AnswerTooLarge, which an SDK may wrap.
    """
    limit = _Limit(seconds, most_bytes)
    return httpx2.Client(
        verify=tls_context(),
        limits=_NOTHING_KEPT,
        timeout=seconds,
        follow_redirects=False,
        event_hooks={"request": [limit.begin], "response": [limit.watch]},
    )


def unused_async() -> dict[str, Any]:
    """Options for the asynchronous clients of google-genai. Nobody uses those clients, but without
    the options the SDK would load a TLS context for each."""
    return {"verify": tls_context(), "ssl": tls_context()}


def download_client() -> httpx2.Client:
    """A client for `download`; any number of threads may use it at once."""
    timeout = httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    return httpx2.Client(
        verify=tls_context(), limits=_NOTHING_KEPT, timeout=timeout, follow_redirects=False
    )


def was_sent(error: BaseException) -> bool:
    """Whether the request may have arrived that failed with this error or because of it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, _NOT_SENT):
            return False
        seen = seen.__cause__
    return True


def submit_failed(error: BaseException, provider: str) -> TryLater | OutcomeUnknown:
    """The error of a submit after a transport error: certainly not sent, or outcome unknown."""
    if was_sent(error):
        return OutcomeUnknown(f"{provider}: {type(error).__name__}")
    return TryLater(unavailable(provider))


E = TypeVar("E", bound=Exception)


def without_name(error: E) -> E:
    """The exception, marked for a submit whose answer is the result itself. After an unknown
    outcome that result is lost, because it has no name by which it could be looked up."""
    if isinstance(error, OutcomeUnknown):
        error.lost = True
    return error


def unavailable(provider: str) -> JobFailure:
    """The failure of a job whose provider was away until its deadline."""
    message = f"{provider} could not be reached."
    return JobFailure(reason=Reason.PROVIDER_UNAVAILABLE, message=message)


def quota_exhausted(provider: str, code: str = "", wait_ms: int | None = None) -> JobFailure:
    """The failure of a job that found the quota used up until its deadline, or for a long time.
    `code` is the provider's short name for it, `wait_ms` the pause that it asked for."""
    details = {"code": code} if code else {}
    if wait_ms is not None:
        details["retry_time"] = iso(time.time_ns() // 1_000_000 + wait_ms)
    message = f"The quota at {provider} is used up."
    return JobFailure(reason=Reason.PROVIDER_QUOTA_EXHAUSTED, message=message, metadata=details)


def retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """The pause that an answer asks for: `retry-after-ms`, or `retry-after` as seconds or a date.
    None if it asks for no pause."""
    try:
        if exact := headers.get("retry-after-ms"):
            return pause_ms(float(exact) / 1000)
        text = headers.get("retry-after", "")
        if not text:
            return None
        if text.replace(".", "", 1).isdigit():
            return pause_ms(float(text))
        return pause_ms(parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def pause_ms(seconds: float) -> int | None:
    """A pause that a provider names, in milliseconds, a day at most; None if it is no number."""
    if not math.isfinite(seconds):
        return None
    return int(min(max(seconds, 0.0), MOST_PAUSE_SECONDS) * 1000)


class RawClient:
    """The one client for a provider's polls. The first poll opens it in its event loop.

    It closes when that loop shuts its asynchronous generators down, as `asyncio.run` does.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx2.AsyncClient
        self._closing: AsyncGenerator[None, None]

    @contextlib.asynccontextmanager
    async def stream(
        self, method: str, url: str, headers: Mapping[str, str], question: Any = None
    ) -> AsyncIterator[httpx2.Response]:
        """The answer to one request, whatever its status. Its body is not read yet. `question` is
        the JSON of the request.

        Raises:
            httpx2.HTTPError: when there was no answer, or it breaks off.
        """
        client = await self._open()
        async with client.stream(method, url, headers=dict(headers), json=question) as response:
            yield response

    async def _open(self) -> httpx2.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._client = loop, _poll_client()
            self._closing = _closed_at_the_end(self._client)
            await anext(self._closing)
        return self._client


def _poll_client() -> httpx2.AsyncClient:
    timeout = httpx2.Timeout(POLL_SECONDS, connect=CONNECT_SECONDS)
    if any(getproxies().get(scheme) for scheme in ("http", "https", "all")):
        # Only the client's own transport knows the proxies, and which hosts need none.
        most, idle = MOST_POLLS_AT_ONCE, IDLE_SECONDS
        limits = httpx2.Limits(max_connections=most, keepalive_expiry=idle)
        return httpx2.AsyncClient(verify=tls_context(), limits=limits, timeout=timeout)
    return httpx2.AsyncClient(transport=ManyConnections(MOST_POLLS_AT_ONCE), timeout=timeout)


async def _closed_at_the_end(client: httpx2.AsyncClient) -> AsyncGenerator[None, None]:
    async with contextlib.aclosing(client):
        yield


def download(
    client: httpx2.Client,
    url: str,
    path: Path,
    *,
    headers: Mapping[str, str],
    most_bytes: int,
    provider: str,
    refused: Refused,
    run: Monitor,
) -> None:
    """Writes the content of `url` to `path`, in chunks. Only the host of `url` gets `headers`.

    Raises:
        ProviderFailed: RESULT_INVALID, when the content is longer than `most_bytes`.
        TryLater: when the connection broke.
        RunStopped: when the run was asked to stop.
        Exception: the one that `refused` returns for an answer that is not 200.
    """
    try:
        for _ in range(_MOST_REDIRECTS):
            # Without decoding, because a result is kept byte for byte.
            plain = {"accept-encoding": "identity", **headers}
            with client.stream("GET", url, headers=plain) as response:
                target = _target(response)
                if target is None:
                    if response.status_code != httpx2.codes.OK:
                        raise refused(read_error(response))
                    _save(response, path, most_bytes, run)
                    return
            headers = headers if _origin(target) == _origin(url) else {}
            url = target
    except httpx2.TransportError as error:
        raise TryLater(unavailable(provider), sent=was_sent(error)) from error
    raise TryLater(unavailable(provider), sent=True)


def read_error(response: httpx2.Response) -> httpx2.Response:
    """The answer with as much of its body as an error needs, read from the open connection."""
    body = b""
    with contextlib.suppress(httpx2.HTTPError):
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) >= MOST_ERROR_BYTES:
                break
    return error_of(response, body)


def error_of(response: httpx2.Response, body: bytes) -> httpx2.Response:
    """The same answer with this body, which is decoded already."""
    headers = {k: v for k, v in response.headers.items() if k not in _OF_THE_BYTES}
    return httpx2.Response(response.status_code, headers=headers, content=body)


def too_large(most_bytes: int) -> ProviderFailed:
    """The failure of a job whose result is larger than the limit."""
    message = f"The provider's result is larger than {most_bytes // 1024**2} MiB."
    return ProviderFailed(JobFailure(reason=Reason.RESULT_INVALID, message=message))


def _target(response: httpx2.Response) -> str | None:
    """The address that the answer redirects to. None if there is none, or if it leaves https or
    leads into our own network."""
    following = response.next_request
    if following is None or response.url.scheme == "https" != following.url.scheme:
        return None
    if following.url.host != response.url.host and not is_public(following.url.host):
        return None
    return str(following.url)


def is_public(host: str) -> bool:
    """Whether every address of the host is outside of our network. One that has none, or that only
    a proxy knows, is not in it."""
    try:
        # As the connection is made: "127.1" and "localhost." are addresses here too.
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True
    addresses = (str(address[0]).partition("%")[0] for *_, address in found)
    return all(_is_global(ipaddress.ip_address(address)) for address in addresses)


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether the address is outside of our network. An IPv6 address may stand for one of IPv4, to
    which the packets go in the end."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return inner.is_global
    return address.is_global


def _save(response: httpx2.Response, path: Path, most_bytes: int, run: Monitor) -> None:
    size = 0
    with path.open("wb") as file:
        for chunk in response.iter_bytes(CHUNK_BYTES):
            size += len(chunk)
            if size > most_bytes:
                raise too_large(most_bytes)
            if run.stopping():
                raise RunStopped
            file.write(chunk)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


class _Limit:
    """Ends an answer that has too many bytes or takes too long; the timeouts of a client begin anew
    with each piece. It is a hook, because a client with a transport of its own knows no proxies."""

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self._seconds = seconds
        self._most = most_bytes

    def begin(self, request: httpx2.Request) -> None:
        """Starts the clock of the answer. An SDK sets one timeout for all of a request, so `begin`
        sets a shorter one for the connection."""
        request.extensions["timeout"]["connect"] = min(CONNECT_SECONDS, self._seconds)
        request.extensions["rushes_deadline"] = time.monotonic() + self._seconds

    def watch(self, response: httpx2.Response) -> None:
        """Counts the bytes of the body, now that the head has come."""
        assert isinstance(response.stream, httpx2.SyncByteStream)
        deadline = response.request.extensions["rushes_deadline"]
        response.stream = _LimitedStream(response.stream, deadline, self._most)


class _LimitedStream(httpx2.SyncByteStream):
    def __init__(self, inner: httpx2.SyncByteStream, deadline: float, most_bytes: int) -> None:
        self._inner = inner
        self._deadline = deadline
        self._most = most_bytes

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._inner:
            size += len(chunk)
            if size > self._most:
                raise AnswerTooLarge
            if time.monotonic() > self._deadline:
                raise httpx2.ReadTimeout("the answer takes too long")
            yield chunk

    def close(self) -> None:
        self._inner.close()
