"""Which addresses may be fetched: their form, and the IP addresses behind their names."""

import functools
import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

MAX_CHARACTERS = 2048
PORT, PLAIN_PORT = 443, 80
# Below, other services than those of users listen.
_FIRST_FREE_PORT = 1024
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
# All IP addresses of a host name.
Resolve = Callable[[str], list[IPAddress]]
# A name as the DNS has it. None consists of digits only: libraries read such names as IP addresses,
# in octal, in hex, or with fewer than four parts.
_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
# What may stand in an address as it goes over the wire.
_PLAIN = re.compile(r"[!-~]+")
# IPv6 networks whose addresses hold an IPv4 address in their last 32 bits.
_HOLDING = tuple(
    map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48"))
)
# Once led into IPv6 by whatever relay was near.
_RELAYS = ipaddress.IPv4Network("192.88.99.0/24")


@dataclass(frozen=True, slots=True)
class Address:
    """An address of the right form. `target` is its path with the query."""

    host: str
    target: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """An address that is posted to. `target` is its path with the query."""

    secure: bool
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the header `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = PORT if self.secure else PLAIN_PORT
        return host if self.port == usual else f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """The parts of an https address that names a host and nothing unusual.

    Raises:
        ValueError: saying what an address must be.
    """
    parts, port = _split(text)
    if parts.scheme != "https":
        raise ValueError("must begin with https://")
    if port not in (None, PORT):
        raise ValueError(f"must have no port other than {PORT}")
    if not _NAME.fullmatch(parts.hostname or ""):
        raise ValueError("must name a host by its DNS name")
    return Address(host=parts.hostname or "", target=_target(parts))


@functools.lru_cache(4096)
def parse_receiver(text: str, *, loopback: bool) -> Receiver:
    """The parts of an address that is posted to: https to a host that its DNS name names, or with
    `loopback` http or https to this machine and nothing else.

    Raises:
        ValueError: saying what an address must be.
    """
    parts, port = _split(text)
    host = parts.hostname or ""
    if loopback:
        if parts.scheme not in ("http", "https"):
            raise ValueError("must begin with http:// or https://")
        if not _is_this_machine(host):
            raise ValueError("must name this machine: localhost, 127.0.0.1 or [::1]")
    else:
        if parts.scheme != "https":
            raise ValueError("must begin with https://")
        if not _NAME.fullmatch(host):
            raise ValueError("must name a host by its DNS name")
        if port not in (None, PORT) and port < _FIRST_FREE_PORT:
            raise ValueError(f"must have port {PORT}, or one from {_FIRST_FREE_PORT} on")
    if port == 0:
        raise ValueError("must have no port 0")
    secure = parts.scheme == "https"
    usual = PORT if secure else PLAIN_PORT
    return Receiver(secure=secure, host=host, port=port or usual, target=_target(parts))


def _split(text: str) -> tuple[SplitResult, int | None]:
    """The parts of an address without anything that programs read in different ways."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"must have at most {MAX_CHARACTERS} characters")
    if not _PLAIN.fullmatch(text) or "\\" in text:
        raise ValueError("must have no spaces and no characters beyond ASCII")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("must be an address such as https://host/path") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("must have no user name and no password")
    if parts.netloc.endswith(":"):
        raise ValueError("must have no colon without a port")
    return parts, port


def _target(parts: SplitResult) -> str:
    query = f"?{parts.query}" if parts.query else ""
    return (parts.path or "/") + query


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def resolve(host: str) -> list[IPAddress]:
    """The IP addresses of a host name, as this machine finds them.

    Raises:
        OSError: when it has none, or nobody answers.
    """
    found = socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(address[4][0]).partition("%")[0]) for address in found]


def is_public(address: IPAddress) -> bool:
    """Whether the address is of the public internet; also the IPv4 address that it may hold."""
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address not in _RELAYS
    return not address.is_site_local and all(map(is_public, _held(address)))


def _held(address: ipaddress.IPv6Address) -> list[IPAddress]:
    """The IPv4 addresses that a translator or a tunnel would make of the IPv6 address."""
    held: list[IPAddress] = []
    if any(address in network for network in _HOLDING):
        held.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.sixtofour is not None:
        held.append(address.sixtofour)
    if address.teredo is not None:
        held += address.teredo
    return held
