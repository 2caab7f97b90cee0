"""Inputs of a job: items of the caller's library, or inline bytes that become such items."""

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass

from core.blobs import content_key, thumbnail_key
from core.decoding import Limits, look_at
from core.errors import ImageRefused, InputInvalid, NotFound
from core.media import Media, MediaType
from core.store import Database
from core.store import media as media_store
from server.commands.requests import Inline


@dataclass(frozen=True, slots=True)
class Prepared:
    """New items and the blobs to store for them, as (key, bytes); nothing is stored yet."""

    media: tuple[Media, ...] = ()
    blobs: tuple[tuple[str, bytes], ...] = ()


def check_given(db: Database, user_id: str, given: Iterable[tuple[str, str]]) -> None:
    """Refuses items that can't be an input; `given` holds fields with their media ids.

    Raises:
        NotFound: when the user has no such item; it names the field.
        InputInvalid: when it is in the bin, or is not an image.
    """
    for field, media_id in given:
        try:
            media = media_store.get(db, user_id, media_id)
        except NotFound:
            raise NotFound("media item", field) from None
        if media.delete_time is not None:
            raise InputInvalid(field, "it is in the bin; undelete it first")
        if media.type is not MediaType.IMAGE:
            raise InputInvalid(field, "it is not an image")


def prepare_inline(user_id: str, inline: Iterable[Inline], limits: Limits, now_ms: int) -> Prepared:
    """Items of the bytes that came with a request. All together get twice the time of one.

    Raises:
        InputInvalid: naming the field whose bytes are not an image that can be used.
    """
    media: list[Media] = []
    blobs: list[tuple[str, bytes]] = []
    until = time.monotonic() + 2 * limits.clock_seconds
    for item in inline:
        if time.monotonic() > until:
            raise InputInvalid(item.field, "the inputs before it took too long to decode")
        made, thumbnail = _item(user_id, item, limits, now_ms)
        media.append(made)
        blobs += [(made.blob_key, item.content), (made.thumbnail_key, thumbnail)]
    return Prepared(tuple(media), tuple(blobs))


def _item(user_id: str, item: Inline, limits: Limits, now_ms: int) -> tuple[Media, bytes]:
    try:
        seen = look_at(item.content, user_id, limits)
    except ImageRefused as error:
        raise InputInvalid(item.field, error.cause) from None
    made = Media(
        media_id=item.media_id,
        user_id=user_id,
        type=MediaType.IMAGE,
        mime_type=seen.mime_type,
        size_bytes=len(item.content),
        sha256=hashlib.sha256(item.content).hexdigest(),
        width=seen.width,
        height=seen.height,
        blob_key=content_key(item.media_id),
        thumbnail_key=thumbnail_key(item.media_id),
        create_time=now_ms,
    )
    return made, seen.thumbnail
