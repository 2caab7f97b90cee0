"""Checks the requests of ViewService."""

from core.process.settings import Settings
from rushes.v1 import view_service_pb2 as pb
from server.commands.views import ViewList
from server.validation import fields as f
from server.validation.problems import Problems


class ViewValidator:
    """Checks requests against the limits of the contract."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def list(self, request: pb.ListViewsRequest) -> ViewList:
        """Which views to list."""
        problems = Problems()
        most = self._settings.max_page_size
        wanted = ViewList(
            page_size=f.check_page_size(problems, "page_size", request.page_size, most),
            page_token=f.check_token(problems, "page_token", request.page_token),
            prefix=f.check_view_prefix(problems, "prefix", request.prefix),
            url_ttl_seconds=f.read_url_ttl(problems, request),
        )
        problems.raise_wrong()
        return wanted

    def get(self, request: pb.GetViewRequest) -> tuple[str, int | None]:
        """The view's name, and the lifetime of its addresses in seconds."""
        problems = Problems()
        view = f.check_view(problems, "view", request.view)
        ttl = f.read_url_ttl(problems, request)
        problems.raise_wrong()
        return view, ttl

    def apply(self, request: pb.ApplyViewRequest) -> tuple[str, str, bool]:
        """The view's name, the item's id, and whether a video starts over at its end."""
        problems = Problems()
        view = f.check_view(problems, "view", request.view)
        media_id = f.check_id(problems, "media_id", request.media_id)
        problems.raise_wrong()
        return view, media_id, request.looping if request.HasField("looping") else True

    def clear(self, request: pb.ClearViewRequest) -> str:
        """The view's name."""
        problems = Problems()
        view = f.check_view(problems, "view", request.view)
        problems.raise_wrong()
        return view
