"""Checks of URLs and host names in settings. Nothing is resolved or connected to."""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])(:(?P<port>[1-9][0-9]*))?"
)
_USUAL_PORTS = {"http": "80", "https": "443"}
_NAME = re.compile("[a-z0-9]([a-z0-9._-]*[a-z0-9])?")


def is_address(url: str, schemes: tuple[str, ...]) -> bool:
    """Whether the URL has one of the schemes, a host, and no port or a valid one."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def may_carry_keys(url: str, plain_http_hosts: Collection[str] = ()) -> bool:
    """Whether a key may be sent to the address: by https, or by http to this machine or to a host
    that the operator named (in lower case, as URLs have it)."""
    if not is_address(url, ("http",)):
        return is_address(url, ("https",))
    host = urlsplit(url).hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return loopback or host in plain_http_hosts


def is_host(name: str) -> bool:
    """Whether it is the name in lower case, or the IP address, of a host, and nothing else."""
    try:
        return _NAME.fullmatch(name) is not None or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def is_listener(text: str) -> bool:
    """Whether it is where a process may listen: host:port, or unix:/path."""
    if text.startswith("unix:"):
        return text.startswith("unix:/")
    return is_address(f"tcp://{text}", ("tcp",)) and re.search(r":[0-9]+$", text) is not None


def is_origin(text: str) -> bool:
    """Whether it is an origin of http or https, letter by letter as browsers send it."""
    match = _ORIGIN.fullmatch(text)
    if match is None or match["port"] == _USUAL_PORTS[match["scheme"]]:
        return False
    return is_address(text, ("http", "https")) and is_host(match["host"].strip("[]"))
