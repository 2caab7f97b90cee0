"""Fetches one address from an IP address that was checked."""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field

from core.errors import DependencyUnavailable, RushesError
from core.fetching.addresses import PORT, Address, IPAddress, Resolve, is_public, resolve

PIECE_BYTES = 64 * 1024
_AGENT = "rushes"


class FetchRefused(RushesError):
    """The address can't be fetched, however often somebody tries."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(slots=True)
class Fetcher:
    """Fetches addresses that have `left_bytes` and `seconds` together, from now on.

    `allows` says which IP addresses may be connected to.
    """

    left_bytes: int
    seconds: float
    allows: Callable[[IPAddress], bool] = is_public
    resolve: Resolve = resolve
    port: int = PORT
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    _until: float = field(init=False)

    def __post_init__(self) -> None:
        self._until = time.monotonic() + self.seconds

    def fetch(self, address: Address) -> bytes:
        """The bytes at the address.

        Raises:
            FetchRefused: when it leads to what is not public, elsewhere, or to nothing, or to more
                bytes than are left.
            DependencyUnavailable: when its host does not answer in time, or says that it is not
                able to.
        """
        checked = self._checked(address.host)
        try:
            with self._connected(address.host, checked) as connection:
                return self._read(connection, address)
        except ssl.SSLCertVerificationError:
            raise FetchRefused("its host has no valid certificate") from None
        except (OSError, http.client.HTTPException) as error:
            raise DependencyUnavailable(f"host {address.host}") from error

    def _checked(self, host: str) -> IPAddress:
        """An IP address of the host, all of whose addresses may be connected to."""
        try:
            found = self._resolved(host)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise DependencyUnavailable(f"host {host}") from error
            raise FetchRefused("its host has no address") from None
        except (OSError, FutureTimeout) as error:
            raise DependencyUnavailable(f"host {host}") from error
        if not found or not all(map(self.allows, found)):
            raise FetchRefused("its host is not on the public internet")
        return found[0]

    def _resolved(self, host: str) -> list[IPAddress]:
        """Resolves in a thread of its own: the system's resolver takes no limit of time."""
        future: Future[list[IPAddress]] = Future()

        def run() -> None:
            try:
                future.set_result(self.resolve(host))
            except OSError as error:
                future.set_exception(error)

        threading.Thread(target=run, name="resolver", daemon=True).start()
        return future.result(self._left())

    @contextlib.contextmanager
    def _connected(self, host: str, checked: IPAddress) -> Iterator[http.client.HTTPConnection]:
        raw = socket.create_connection((str(checked), self.port), self._left())
        with self.tls.wrap_socket(
            raw, server_hostname=host, do_handshake_on_connect=False
        ) as secure:
            # A timeout of the socket is for one piece, and a host may send one byte at a time.
            end = threading.Timer(self._left(), socket.socket.shutdown, (secure, socket.SHUT_RDWR))
            end.daemon = True
            end.start()
            try:
                secure.do_handshake()
                connection = http.client.HTTPConnection(host, PORT)
                connection.sock = secure
                yield connection
            finally:
                end.cancel()

    def _read(self, connection: http.client.HTTPConnection, address: Address) -> bytes:
        headers = {"Host": address.host, "Accept-Encoding": "identity", "User-Agent": _AGENT}
        connection.request("GET", address.target, headers=headers)
        answer = connection.getresponse()
        self._check_answer(answer, address)
        pieces: list[bytes] = []
        while piece := answer.read1(PIECE_BYTES):
            self.left_bytes -= len(piece)
            if self.left_bytes < 0:
                raise FetchRefused("it has more bytes than may be fetched")
            pieces.append(piece)
        self._left()
        if answer.length:
            raise http.client.IncompleteRead(b"")
        return b"".join(pieces)

    def _check_answer(self, answer: http.client.HTTPResponse, address: Address) -> None:
        if answer.status >= 500 or answer.status == 429:
            raise DependencyUnavailable(f"host {address.host}")
        if 300 <= answer.status < 400:
            raise FetchRefused("it redirects elsewhere; name the address itself")
        if answer.status != 200:
            raise FetchRefused(f"its host answered with HTTP {answer.status}")
        if answer.getheader("Content-Encoding", "identity") != "identity":
            raise FetchRefused("its host compressed it unasked")
        if (answer.length or 0) > self.left_bytes:
            raise FetchRefused("it has more bytes than may be fetched")

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left
