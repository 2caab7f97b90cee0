"""The calls about views: what each place in the caller's app shows."""

from collections.abc import AsyncIterator

from rushes import requests
from rushes._async.connection import AsyncConnection, first
from rushes.fields import Seconds
from rushes.v1 import view_service_pb2 as pb
from rushes.v1.view_pb2 import View


class AsyncViewCalls(AsyncConnection):
    """A connection with the calls about views. A watch brings them live (`include`)."""

    def views(
        self, prefix: str = "", *, limit: int | None = None, url_ttl: Seconds | None = None
    ) -> AsyncIterator[View]:
        """The views that show something, by name; pages are read as they are needed.

        prefix: how the names begin, for example "card/".
        url_ttl: seconds for which the signed addresses are valid.
        """
        request = requests.views_request(prefix, limit, url_ttl)
        pages = self._pages(self._views.ListViews, request)
        return first(limit, (view async for page in pages for view in page.views))

    async def get_view(self, view: str, *, url_ttl: Seconds | None = None) -> View:
        """What the view shows; a view that nobody used shows nothing."""
        request = requests.view_request(view, url_ttl)
        return (await self._call(self._views.GetView, request)).view

    async def apply_view(
        self, view: str, media_id: str, *, looping: bool | None = None
    ) -> pb.ApplyViewResponse:
        """Makes the view show a media item. Fine to repeat.

        looping: whether a video starts over at its end, as it does when this is not given.

        The answer has the view, and in `previous_media_id` what it showed before.
        """
        request = requests.apply_view_request(view, media_id, looping)
        return await self._call(self._views.ApplyView, request)

    async def clear_view(self, view: str) -> pb.ClearViewResponse:
        """Makes the view show nothing. Fine to repeat.

        The answer has the view, and in `previous_media_id` what it showed before.
        """
        return await self._call(self._views.ClearView, pb.ClearViewRequest(view=view))
