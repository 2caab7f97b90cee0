"""From a file that a provider made to a media item whose bytes are whole in the blob store.

Not one byte is changed: what a provider signed stays signed. Videos are never whole in memory.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

from core.blobs import Blobs
from core.errors import ImageRefused, Reason, VideoRefused
from core.files.content_credentials import has_content_credentials
from core.files.images import ImageInfo, probe_image
from core.ids import new_id
from core.jobs import Job, JobFailure
from core.media import Media, MediaType
from core.process import failpoints
from core.specs import Kind
from workers.providers import Output, ProviderFailed
from workers.runs.results.thumbnails import (
    VideoInfo,
    make_media_thumbnail,
    probe_video,
    sniff_media,
)

_CHUNK = 1024 * 1024
MAX_RESULT_PIXELS = 64_000_000
# Pillow takes some parts of a file into memory as they are.
MAX_IMAGE_BYTES = 128 * 1024 * 1024
_KINDS = {Kind.VIDEO: "a video", Kind.IMAGE: "an image"}


def store_output(
    blobs: Blobs,
    job: Job,
    index: int,
    path: Path,
    output: Output,
    generation_ms: int,
    *,
    cost_micros: int,
    max_bytes: int,
) -> Media:
    """Stores the file and its thumbnail; the item is visible, and has a time, once its row is
    written.

    Raises:
        ProviderFailed: RESULT_INVALID, when the file is not what the job asked for, can't be
            played or decoded, or is larger than `max_bytes`.
        StorageFull, DependencyUnavailable: when the blob store can't take it.
    """
    try:
        info = _checked(path, job.kind, max_bytes)
        thumbnail = make_media_thumbnail(path)
    except (ImageRefused, VideoRefused) as error:
        message = f"The provider's result can't be used: {error.message}."
        raise ProviderFailed(JobFailure(reason=Reason.RESULT_INVALID, message=message)) from error
    media = replace(
        _new_media(job, index, path, info, output),
        generation_ms=generation_ms,
        cost_micros=cost_micros,
    )
    blobs.put_bytes(media.thumbnail_key, thumbnail)
    blobs.put_file(media.blob_key, path)
    failpoints.hit("blob.after_put")
    return media


def _new_media(
    job: Job, index: int, path: Path, info: ImageInfo | VideoInfo, output: Output
) -> Media:
    media_id = new_id()
    return Media(
        media_id=media_id,
        user_id=job.user_id,
        job_id=job.job_id,
        output_index=index,
        type=MediaType.VIDEO if isinstance(info, VideoInfo) else MediaType.IMAGE,
        mime_type=info.mime_type,
        size_bytes=path.stat().st_size,
        sha256=_sha256(path),
        width=info.width,
        height=info.height,
        duration_ms=info.duration_ms if isinstance(info, VideoInfo) else None,
        blob_key=f"media/{media_id}",
        thumbnail_key=f"thumbnails/{media_id}.webp",
        prompt=job.spec.prompt,
        revised_prompt=output.revised_prompt,
        seed=output.seed,
        provider=job.provider,
        model=job.spec.model,
        labels=job.labels,
        has_content_credentials=has_content_credentials(path),
    )


def probe_result(path: Path) -> ImageInfo | VideoInfo:
    """What the file is, seen from its bytes.

    Raises:
        ImageRefused, VideoRefused: when it is damaged, or of a kind that is not known here.
    """
    if (sniff_media(path) or "").startswith("video/"):
        return probe_video(path)
    _refuse_larger(path, MAX_IMAGE_BYTES)
    return probe_image(path, MAX_RESULT_PIXELS)


def _checked(path: Path, kind: Kind, max_bytes: int) -> ImageInfo | VideoInfo:
    """What the file is, if it is what was asked for."""
    _refuse_larger(path, max_bytes)
    if kind is Kind.VIDEO and sniff_media(path) is None:
        raise VideoRefused("it is not an MP4 or WebM video")
    info = probe_result(path)
    found = Kind.VIDEO if isinstance(info, VideoInfo) else Kind.IMAGE
    if found is not kind:
        raise ImageRefused(f"it is {_KINDS[found]}, and the job asked for {_KINDS[kind]}")
    return info


def _refuse_larger(path: Path, max_bytes: int) -> None:
    size = path.stat().st_size
    if size > max_bytes:
        raise ImageRefused(f"it has {size:,} bytes, more than {max_bytes:,}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
