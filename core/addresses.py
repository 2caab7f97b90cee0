"""What an address that somebody typed says, without asking anybody."""

import ipaddress
from urllib.parse import urlsplit


def is_address(url: str, schemes: tuple[str, ...]) -> bool:
    """Whether it has one of the schemes, a host, and no port that is none."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_of_this_machine(url: str) -> bool:
    """Whether it is an http address of this machine."""
    if not is_address(url, ("http",)):
        return False
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
