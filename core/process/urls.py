"""Checks of URLs and host names in settings. Nothing is resolved or connected to."""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

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
