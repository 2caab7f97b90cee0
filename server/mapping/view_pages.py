"""Pages of ListViews as bytes, joined of views that were serialized before.

An app asks for its views again and again, and they seldom change. To read an item, sign its two
addresses and serialize it takes some fifty times as long as to look its view up here.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import cast

from core.store.views import Version
from core.views import View
from rushes.v1 import view_service_pb2 as pb
from server.mapping import Mapper
from server.mapping.wire import tag_of, within

_VIEWS_TAG = tag_of(pb.ListViewsResponse, "views")
MOST_BYTES = 8 * 1024 * 1024


class ViewPages:
    """Keeps up to `most_bytes` of serialized views. Those go first whose addresses end first.

    Invariant: a view is kept by all of it that can change, when its addresses end and its version.
    So what is kept is never old.
    """

    def __init__(self, mapper: Mapper, most_bytes: int = MOST_BYTES) -> None:
        self._map = mapper
        self._most_bytes = most_bytes
        # By when the addresses end, in seconds of the epoch.
        self._kept: dict[int, dict[Version, bytes]] = {}
        self._bytes = 0
        self._changing = threading.Lock()

    def known(
        self, versions: Sequence[Version], next_page_token: str, ttl_seconds: int | None
    ) -> bytes | None:
        """The serialized ListViewsResponse; None when a view of it is not kept."""
        kept = self._kept.get(self._map.expire_time_s(ttl_seconds), {})
        parts = list(map(kept.get, versions))
        return None if None in parts else _join(cast(list[bytes], parts), next_page_token)

    def made(
        self, views: Mapping[Version, View], next_page_token: str, ttl_seconds: int | None
    ) -> bytes:
        """The serialized ListViewsResponse, whose views are kept from now on."""
        expires = self._map.expire_time_s(ttl_seconds)
        kept = self._kept.get(expires, {})
        parts = []
        for version, view in views.items():
            part = kept.get(version)
            if part is None:
                message = self._map.view_to_proto(view, ttl_seconds)
                part = within(_VIEWS_TAG, message.SerializeToString())
                self._keep(expires, version, part)
            parts.append(part)
        return _join(parts, next_page_token)

    def _keep(self, expires: int, version: Version, part: bytes) -> None:
        with self._changing:
            kept = self._kept.setdefault(expires, {})
            self._bytes += len(part) - len(kept.pop(version, b""))
            kept[version] = part
            while self._bytes > self._most_bytes:
                first = min(self._kept)
                self._bytes -= len(self._kept[first].pop(next(iter(self._kept[first]))))
                if not self._kept[first]:
                    del self._kept[first]


def _join(parts: Sequence[bytes], next_page_token: str) -> bytes:
    rest = pb.ListViewsResponse(next_page_token=next_page_token)
    return b"".join(parts) + rest.SerializeToString()
