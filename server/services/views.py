"""ViewService: each RPC takes the caller, checks the request, runs one command, maps the answer."""

from typing import Any

from rushes.v1 import view_service_pb2 as pb
from rushes.v1 import view_service_pb2_grpc as rpc
from server.commands.views import Views
from server.interceptors.layer import Context
from server.mapping import Mapper
from server.mapping.view_pages import ViewPages
from server.parts import Parts
from server.principal import require_principal
from server.validation.views import ViewValidator


def _user() -> str:
    return require_principal().user_id


class ViewService(rpc.ViewServiceServicer):
    """Holds no rules: `validation` and `commands` have them."""

    def __init__(self, validator: ViewValidator, views: Views, mapper: Mapper) -> None:
        self._check = validator
        self._views = views
        self._map = mapper
        self._pages = ViewPages(mapper)

    def ListViews(self, request: pb.ListViewsRequest, context: Context) -> Any:
        wanted = self._check.list(request)
        versions, token = self._views.versions(_user(), wanted)
        page = self._pages.known(versions, token, wanted.url_ttl_seconds)
        if page is None:
            views, token = self._views.page(_user(), wanted)
            page = self._pages.made(views, token, wanted.url_ttl_seconds)
        return page

    def GetView(self, request: pb.GetViewRequest, context: Context) -> pb.GetViewResponse:
        view, ttl = self._check.get(request)
        shown = self._views.get(_user(), view)
        return pb.GetViewResponse(view=self._map.view_to_proto(shown, ttl))

    def ApplyView(self, request: pb.ApplyViewRequest, context: Context) -> pb.ApplyViewResponse:
        view, media_id, looping = self._check.apply(request)
        made = self._views.apply(_user(), view, media_id, looping=looping)
        return pb.ApplyViewResponse(
            view=self._map.view_to_proto(made.view), previous_media_id=made.previous_media_id
        )

    def ClearView(self, request: pb.ClearViewRequest, context: Context) -> pb.ClearViewResponse:
        made = self._views.clear(_user(), self._check.clear(request))
        return pb.ClearViewResponse(
            view=self._map.view_to_proto(made.view), previous_media_id=made.previous_media_id
        )


def build_view_service(parts: Parts) -> ViewService:
    """The service with its commands, made of the parts of this process."""
    views = Views(parts.db, parts.tokens, parts.changes, parts.settings.max_views)
    return ViewService(ViewValidator(parts.settings), views, parts.mapper)
