"""Fetches and posts to addresses that strangers name; they don't reach what is not public.

The name is resolved first. If any of its addresses is not public, nothing is connected to. Else the
connection goes to an address that was checked, so a second answer of the DNS changes nothing. No
redirects, no credentials, limits of bytes and time for everything together. What is fetched comes
by https from port 443 alone.
"""

from core.fetching.addresses import (
    Address,
    Receiver,
    Resolve,
    is_public,
    parse_address,
    parse_receiver,
    resolve,
)
from core.fetching.fetch import Fetcher, FetchRefused
from core.fetching.names import Names
from core.fetching.post import Posted, Poster

__all__ = [
    "Address",
    "FetchRefused",
    "Fetcher",
    "Names",
    "Posted",
    "Poster",
    "Receiver",
    "Resolve",
    "is_public",
    "parse_address",
    "parse_receiver",
    "resolve",
]
