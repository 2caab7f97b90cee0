"""ShareService: each RPC takes the caller, checks the request, runs one command, maps."""

from rushes.v1 import share_service_pb2 as pb
from rushes.v1 import share_service_pb2_grpc as rpc
from server.commands.shares import Shares
from server.interceptors.layer import Context
from server.mapping.shares import ShareMapper
from server.parts import Parts
from server.principal import require_principal
from server.validation.shares import ShareValidator


def _user() -> str:
    return require_principal().user_id


class ShareService(rpc.ShareServiceServicer):
    """Holds no rules: `validation` and `commands` have them."""

    def __init__(self, validator: ShareValidator, shares: Shares, mapper: ShareMapper) -> None:
        self._check = validator
        self._shares = shares
        self._map = mapper

    def CreateShare(
        self, request: pb.CreateShareRequest, context: Context
    ) -> pb.CreateShareResponse:
        share = self._shares.create(_user(), self._check.create(request))
        return pb.CreateShareResponse(share=self._map.own(share))

    def ListShares(self, request: pb.ListSharesRequest, context: Context) -> pb.ListSharesResponse:
        shares, token = self._shares.page(_user(), self._check.list(request))
        return pb.ListSharesResponse(shares=map(self._map.own, shares), next_page_token=token)

    def ListSharedMedia(
        self, request: pb.ListSharedMediaRequest, context: Context
    ) -> pb.ListSharedMediaResponse:
        wanted = self._check.list_shared(request)
        items, token = self._shares.page_with(_user(), wanted)
        return pb.ListSharedMediaResponse(
            shared_media=[self._map.shared(item, wanted.url_ttl_seconds) for item in items],
            next_page_token=token,
        )

    def RevokeShare(
        self, request: pb.RevokeShareRequest, context: Context
    ) -> pb.RevokeShareResponse:
        share = self._shares.revoke(_user(), self._check.revoke(request))
        return pb.RevokeShareResponse(share=self._map.for_user(share, _user()))


def build_share_service(parts: Parts) -> ShareService:
    """The service with its commands, made of the parts of this process."""
    settings = parts.settings
    signer = parts.signer if settings.share_links else None
    return ShareService(
        ShareValidator(settings),
        Shares(parts.db, parts.tokens, parts.changes, settings),
        ShareMapper(parts.mapper, signer),
    )
