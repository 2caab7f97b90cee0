"""Posts to one receiver at an IP address that was checked, without a thread that waits for it."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from core.fetching.addresses import IPAddress, Receiver, is_public
from core.fetching.exchange import Exchange, Head, NotHttp
from core.fetching.names import Names

_AGENT = "rushes"
# A receiver that answers and does not close gets no more time for the rest of its answer.
_REST_SECONDS = 1.0
_MAX_TARGET_CHARACTERS = 300


class Posted(NamedTuple):
    """What came of a post: a status with the beginning of the answer, or 0 and why none came."""

    status: int
    text: str
    error: str
    ms: int


class _Refused(Exception):
    """Nothing is sent, or the answer is none; the text says why."""


@dataclass(slots=True)
class Poster:
    """Posts within `seconds` and reads `text_bytes` of each answer.

    `allows` says which IP addresses may be connected to.
    """

    seconds: float
    text_bytes: int
    allows: Callable[[IPAddress], bool] = is_public
    names: Names = field(default_factory=Names)
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    async def post(self, to: Receiver, headers: Mapping[str, str], body: bytes) -> Posted:
        """What came of it. Whatever the receiver does is an answer and no exception."""
        begun = time.monotonic()
        exchange, error = Exchange(_head(to, headers, len(body)) + body, self.text_bytes), ""
        try:
            head = await self._answer(to, exchange)
            if 300 <= head.status < 400:
                target = head.location[:_MAX_TARGET_CHARACTERS]
                error = f"redirects to {target!a}; name that itself"
            text = exchange.text.decode("utf-8", "replace").replace("\0", "\ufffd")
            return Posted(head.status, text, error, _ms_since(begun))
        except TimeoutError:
            error = f"it did not answer within {self.seconds:g} s"
        except ssl.SSLCertVerificationError:
            error = "its host has no valid certificate"
        except _Refused as refused:
            error = str(refused)
        except OSError:
            error = "the connection failed"
        except (NotHttp, ValueError):
            error = "its answer is not HTTP"
        return Posted(0, "", error, _ms_since(begun))

    async def _answer(self, to: Receiver, exchange: Exchange) -> Head:
        """The head of the answer. What is left of that decides nothing."""
        transport: asyncio.Transport | None = None
        head: Head | None = None
        try:
            async with asyncio.timeout(self.seconds) as limit:
                transport = await self._connect(to, exchange)
                answered = await exchange.head
                if isinstance(answered, Exception):
                    raise answered
                head = answered
                if not exchange.whole.done():
                    limit.reschedule(asyncio.get_running_loop().time() + _REST_SECONDS)
                    await exchange.whole
        except TimeoutError:
            if head is None:
                raise
        finally:
            if transport is not None:
                # Not closed politely: a receiver could take its time for that.
                transport.abort()
        return head

    async def _connect(self, to: Receiver, exchange: Exchange) -> asyncio.Transport:
        checked = await self._checked(to.host)
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: exchange,
            str(checked),
            to.port,
            ssl=self.tls if to.secure else None,
            server_hostname=to.host if to.secure else None,
        )
        return transport

    async def _checked(self, host: str) -> IPAddress:
        """An IP address of the host, all of whose addresses may be connected to."""
        try:
            found = await self.names.find(host)
        except OSError:
            raise _Refused("its host has no address") from None
        if not found or not all(map(self.allows, found)):
            raise _Refused("its host is not at an address that may be sent to")
        return found[0]


def _head(to: Receiver, headers: Mapping[str, str], length: int) -> bytes:
    more = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return (
        f"POST {to.target} HTTP/1.1\r\nHost: {to.authority}\r\nUser-Agent: {_AGENT}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n"
        f"Accept-Encoding: identity\r\nConnection: close\r\n{more}\r\n"
    ).encode("ascii")


def _ms_since(begun: float) -> int:
    return int((time.monotonic() - begun) * 1000)
