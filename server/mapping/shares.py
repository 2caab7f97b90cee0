"""Shares as their owners and those see them with whom they are."""

from dataclasses import replace
from typing import Any

from core.blobs import AddressSigner, Variant
from core.media import Media
from core.shares import Share, SharedItem
from rushes.v1 import share_service_pb2 as pb
from server.mapping import Mapper
from server.mapping.recipes import shared_recipe_to_proto
from server.mapping.values import timestamp


class ShareMapper:
    """Maps with signed addresses; without a `signer` links have none, because none is served."""

    def __init__(self, mapper: Mapper, signer: AddressSigner | None) -> None:
        self._map = mapper
        self._signer = signer

    def own(self, share: Share) -> pb.Share:
        """A share as its owner sees it, with the addresses of a link that was not revoked."""
        fields = _fields(share)
        if self._signer is not None and not share.user_id and share.revoke_time is None:
            # The last second may be a part of one: the process that serves it looks at the time.
            expire_time_s = -(-share.expire_time // 1000)
            fields["link_url"] = self._signer.share_url(
                share.share_id, expire_time_s, Variant.CONTENT
            )
            fields["page_url"] = self._signer.share_url(share.share_id, expire_time_s)
        return pb.Share(**fields)

    def for_user(self, share: Share, user_id: str) -> pb.Share:
        """A share as this user sees it, who is its owner or whom it is shared with."""
        return self.own(share) if share.owner_user_id == user_id else pb.Share(**_fields(share))

    def shared(
        self, item: SharedItem, ttl_seconds: int | None
    ) -> pb.ListSharedMediaResponse.SharedMedia:
        """An item as the user sees it with whom it is shared; no address outlasts the share."""
        share = item.share
        shown = _without_own(item.media, with_recipe=share.with_recipe)
        return pb.ListSharedMediaResponse.SharedMedia(
            share=pb.Share(**_fields(share)),
            media=self._map.media_to_proto(shown, ttl_seconds, share.expire_time),
            recipe=shared_recipe_to_proto(item.recipe) if item.recipe else None,
        )


def _fields(share: Share) -> dict[str, Any]:
    return {
        "share_id": share.share_id,
        "media_id": share.media_id,
        "owner_user_id": share.owner_user_id,
        "user_id": share.user_id,
        "message": share.message,
        "with_recipe": share.with_recipe,
        "create_time": timestamp(share.create_time),
        "expire_time": timestamp(share.expire_time),
        "revoke_time": timestamp(share.revoke_time),
    }


def _without_own(media: Media, *, with_recipe: bool) -> Media:
    """The item without what is its owner's business: job, labels, cost and star."""
    shown = replace(media, job_id="", labels={}, cost_micros=None, starred=False)
    return shown if with_recipe else replace(shown, prompt="", revised_prompt="", seed=None)
