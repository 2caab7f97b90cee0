"""Signed addresses of media items."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from core.blobs import Blobs, Variant
from core.media import Media

MAX_STEP_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Signed:
    """Addresses of one item; all empty while it is in the bin. `expire_time` in milliseconds."""

    url: str = ""
    thumbnail_url: str = ""
    expire_time: int | None = None


class Addresses(Protocol):
    """Makes the addresses under which an item can be fetched for a while."""

    def sign(
        self, media: Media, ttl_seconds: int | None = None, until_ms: int | None = None
    ) -> Signed:
        """The addresses of the item, good for at least that long; None takes the installation's
        lifetime. They are never good after `until_ms`."""

    def expire_time_s(self, ttl_seconds: int | None = None) -> int:
        """When addresses end that are made now, in seconds of the epoch."""


class BlobAddresses:
    """Addresses that the blob store signs. The clock is this host's, by which they are checked."""

    def __init__(
        self, blobs: Blobs, default_ttl_seconds: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._blobs = blobs
        self._default = default_ttl_seconds
        self._clock = clock

    def sign(
        self, media: Media, ttl_seconds: int | None = None, until_ms: int | None = None
    ) -> Signed:
        """The addresses of the item; a thumbnail only when it was made."""
        if media.delete_time is not None:
            return Signed()
        expire = self.expire_time_s(ttl_seconds)
        if until_ms is not None:
            expire = min(expire, until_ms // 1000)
        return Signed(
            self._url(media, Variant.CONTENT, media.mime_type, media.blob_key, expire),
            self._url(media, Variant.THUMBNAIL, "image/webp", media.thumbnail_key, expire),
            expire * 1000,
        )

    def expire_time_s(self, ttl_seconds: int | None = None) -> int:
        """When addresses end that are made now, in seconds of the epoch."""
        return expire_time_s(self._clock(), ttl_seconds or self._default)

    def _url(self, media: Media, variant: Variant, mime_type: str, key: str, expire: int) -> str:
        if not key:
            return ""
        return self._blobs.url(
            media.media_id, variant, mime_type=mime_type, blob_key=key, expire_time_s=expire
        )


def expire_time_s(now_s: float, ttl_seconds: int) -> int:
    """When an address that is made now ends, in seconds of the epoch.

    Rounded up to the next quarter of its lifetime, or hour if that is shorter: so an item has the
    same address for a while, in every process, and browsers can cache it. Never less than asked.
    """
    step = min(max(ttl_seconds // 4, 1), MAX_STEP_SECONDS)
    return math.ceil((now_s + ttl_seconds) / step) * step
