"""Fetches addresses that strangers name, without letting them reach what is not public.

The name is resolved first. If any of its addresses is not public, nothing is connected to. Else the
connection goes to an address that was checked, so a second answer of the DNS changes nothing. Only
https to port 443, no redirects, no credentials, limits of bytes and time for everything together.
"""

from core.fetching.addresses import Address, Resolve, is_public, parse_address, resolve
from core.fetching.fetch import Fetcher, FetchRefused

__all__ = [
    "Address",
    "FetchRefused",
    "Fetcher",
    "Resolve",
    "is_public",
    "parse_address",
    "resolve",
]
