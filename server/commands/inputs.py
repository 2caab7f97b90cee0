"""Inputs of a job: items of the caller's library, or inline bytes that become such items."""

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from core.blobs import content_key, thumbnail_key
from core.decoding import Limits, look_at
from core.errors import ImageRefused, InputInvalid, NotFound, VideoRefused
from core.fetching import Fetcher, FetchRefused
from core.media import Media, MediaType, media_type_of
from core.store import Database
from core.store import media as media_store
from core.store.accept import NewJob
from server.commands.requests import Inline, Remote, Submission


@dataclass(frozen=True, slots=True)
class Prepared:
    """New items and the blobs to store for them, as (key, bytes); nothing is stored yet."""

    media: tuple[Media, ...] = ()
    blobs: tuple[tuple[str, bytes], ...] = ()

    def of(self, new: NewJob, asked: Submission) -> NewJob:
        """The job with those of the items that it asked for."""
        wanted = {one.media_id for one in asked.inline} | {one.media_id for one in asked.remote}
        return replace(new, inputs=tuple(one for one in self.media if one.media_id in wanted))


_MIB = 1024 * 1024
# The fields of all specs that take a video. The others take an image.
_VIDEOS = ("source_video",)


def check_given(
    db: Database, user_id: str, given: Iterable[tuple[str, str]], max_video_megabytes: int
) -> None:
    """Refuses items that can't be an input; `given` holds fields with their media ids.

    A field that names no input, such as the `job_id` of a retry, stands for inputs that were
    checked when that job was made.

    Raises:
        NotFound: when the user has no such item; it names the field.
        InputInvalid: when it is in the bin, or is not what the field takes.
    """
    # A batch often gives the same item to each of its jobs.
    known: dict[str, Media] = {}
    for field, media_id in given:
        try:
            media = known.get(media_id) or media_store.get(db, user_id, media_id)
        except NotFound:
            raise NotFound("media item", field) from None
        known[media_id] = media
        if media.delete_time is not None:
            raise InputInvalid(field, "it is in the bin; undelete it first")
        wanted = _type_of(field)
        if wanted is not None and media.type is not wanted:
            raise InputInvalid(field, _NOT[wanted])
        if media.type is MediaType.VIDEO and media.size_bytes > max_video_megabytes * _MIB:
            # A worker holds it whole in memory, and sends it inside its request.
            raise InputInvalid(field, f"a video may have {max_video_megabytes} MiB at most")


def fetch_remote(remote: Iterable[Remote], fetcher: Fetcher) -> list[Inline]:
    """The bytes at the addresses of a request, as if they had come inside it.

    Raises:
        InputInvalid: naming the field whose address can't be fetched.
        DependencyUnavailable: when a host does not answer in time.
    """
    fetched = []
    for item in remote:
        try:
            content = fetcher.fetch(item.address)
        except FetchRefused as error:
            raise InputInvalid(item.field, error.cause) from None
        fetched.append(Inline(item.field, item.media_id, content))
    return fetched


def prepare_inline(user_id: str, inline: Iterable[Inline], limits: Limits, now_ms: int) -> Prepared:
    """Items of the bytes that came with a request. All together get twice the time of one.

    Raises:
        InputInvalid: naming the field whose bytes are not what it takes.
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


_NOT = {MediaType.IMAGE: "it is not an image", MediaType.VIDEO: "it is not a video"}


def _type_of(field: str) -> MediaType | None:
    """What the input takes of which this is the media id or the content: "spec.mask.content"."""
    _, _, name = field.rpartition(".")[0].rpartition(".")
    if not name:
        return None
    return MediaType.VIDEO if name in _VIDEOS else MediaType.IMAGE


def _item(user_id: str, item: Inline, limits: Limits, now_ms: int) -> tuple[Media, bytes]:
    wanted = _type_of(item.field)
    try:
        seen = look_at(item.content, user_id, replace(limits, videos=wanted is MediaType.VIDEO))
    except (ImageRefused, VideoRefused) as error:
        raise InputInvalid(item.field, error.cause) from None
    if media_type_of(seen.mime_type) is not wanted:
        raise InputInvalid(item.field, _NOT[MediaType.VIDEO])
    made = Media(
        media_id=item.media_id,
        user_id=user_id,
        type=media_type_of(seen.mime_type),
        mime_type=seen.mime_type,
        size_bytes=len(item.content),
        sha256=hashlib.sha256(item.content).hexdigest(),
        width=seen.width,
        height=seen.height,
        duration_ms=seen.duration_ms,
        blob_key=content_key(item.media_id),
        thumbnail_key=thumbnail_key(item.media_id),
        create_time=now_ms,
    )
    return made, seen.thumbnail
