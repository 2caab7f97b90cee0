"""The calls about shares: items shown to other users, or to whoever has a link."""

from collections.abc import AsyncIterator
from datetime import datetime

from rushes import requests
from rushes._async.connection import AsyncConnection, first
from rushes.fields import Seconds
from rushes.v1 import share_service_pb2 as pb
from rushes.v1.media_pb2 import Media
from rushes.v1.share_service_pb2 import Share


class AsyncShareCalls(AsyncConnection):
    """A connection with the calls about shares."""

    async def share(
        self,
        media_id: str,
        user_id: str,
        *,
        expire_time: datetime | None = None,
        message: str = "",
        with_recipe: bool = False,
    ) -> Share:
        """Shares a media item with another user, who is told. Again: that share, with the new end.

        expire_time: at most 366 days away; None is in 30 days.
        message: to the other user.
        with_recipe: show the prompt, the seed and the recipe too.
        """
        request = requests.share_request(media_id, user_id, expire_time, message, with_recipe)
        return (await self._call(self._shares.CreateShare, request)).share

    async def share_link(self, media_id: str, *, expire_time: datetime | None = None) -> Share:
        """Makes a link to a media item: `page_url` for people, `link_url` for the bytes.

        Each call makes another link, so it is sent only once.

        expire_time: at most 366 days away; None is in 30 days.
        """
        request = requests.share_link_request(media_id, expire_time)
        return (await self._call_once(self._shares.CreateShare, request)).share

    def shares(
        self, media_id: str = "", *, ended: bool = False, limit: int | None = None
    ) -> AsyncIterator[Share]:
        """What the caller shares with others, newest first; pages are read as they are needed.

        media_id: of this item only.
        ended: also those that have ended, for 30 days.
        """
        request = requests.shares_request(media_id, ended, limit)
        pages = self._pages(self._shares.ListShares, request)
        return first(limit, (share async for page in pages for share in page.shares))

    def shared_media(
        self,
        *,
        type: Media.Type | str | None = None,
        limit: int | None = None,
        url_ttl: Seconds | None = None,
    ) -> AsyncIterator[pb.ListSharedMediaResponse.SharedMedia]:
        """What others share with the caller now, newest first.

        type: "image" or "video".
        url_ttl: seconds for which the signed addresses are valid, never beyond the share.
        """
        request = requests.shared_media_request(type, limit, url_ttl)
        pages = self._pages(self._shares.ListSharedMedia, request)
        return first(limit, (item async for page in pages for item in page.shared_media))

    async def revoke_share(self, share_id: str) -> Share:
        """Ends a share of the caller, or one with the caller. Fine to repeat."""
        request = pb.RevokeShareRequest(share_id=share_id)
        return (await self._call(self._shares.RevokeShare, request)).share
