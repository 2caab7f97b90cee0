"""From a file that a provider made to a media item whose bytes are whole in the blob store.

The bytes stay as the provider sent them, so a signature of the provider stays valid. A video is
never whole in memory.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

from core.blobs import Blobs, content_key, thumbnail_key
from core.decoding import Limits, look_at
from core.errors import ImageRefused, Reason, VideoRefused
from core.files.content_credentials import has_content_credentials
from core.files.seen import Seen, see
from core.files.sniff import sniff_file
from core.ids import new_id
from core.jobs import Job, JobFailure
from core.kinds import KINDS, MediaResult
from core.media import Media, MediaType, media_type_of
from core.process import failpoints
from workers.providers import Output, ProviderFailed

_CHUNK = 1024 * 1024
MAX_RESULT_PIXELS = 64_000_000
# A provider is trusted more than a caller, and a video may be long.
RESULT_LIMITS = Limits(max_pixels=MAX_RESULT_PIXELS, cpu_seconds=60, videos=True)
# Pillow reads some parts of a file into memory as they are.
MAX_IMAGE_BYTES = 128 * 1024 * 1024
_CALLED = {MediaType.VIDEO: "a video", MediaType.IMAGE: "an image"}


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
    """Stores the file and its thumbnail. Users see the item once its row is written.

    Raises:
        ProviderFailed: RESULT_INVALID, when the file is not what the job asked for, can't be
            played or decoded, or is larger than `max_bytes`.
        StorageFull, DependencyUnavailable: when the blob store can't take it.
    """
    try:
        seen = _checked(path, job, max_bytes, output)
    except (ImageRefused, VideoRefused) as error:
        message = f"The provider's result can't be used: {error.message}."
        raise ProviderFailed(JobFailure(reason=Reason.RESULT_INVALID, message=message)) from error
    media = replace(
        _new_media(job, index, path, seen, output),
        generation_ms=generation_ms,
        cost_micros=cost_micros,
    )
    blobs.put_bytes(media.thumbnail_key, seen.thumbnail)
    blobs.put_file(media.blob_key, path)
    failpoints.hit("blob.after_put")
    return media


def _new_media(job: Job, index: int, path: Path, seen: Seen, output: Output) -> Media:
    media_id = new_id()
    return Media(
        media_id=media_id,
        user_id=job.user_id,
        job_id=job.job_id,
        output_index=index,
        type=media_type_of(seen.mime_type),
        mime_type=seen.mime_type,
        size_bytes=path.stat().st_size,
        sha256=_sha256(path),
        width=seen.width,
        height=seen.height,
        duration_ms=seen.duration_ms,
        blob_key=content_key(media_id),
        thumbnail_key=thumbnail_key(media_id),
        prompt=job.spec.prompt,
        revised_prompt=output.revised_prompt,
        seed=output.seed,
        provider=job.provider,
        model=job.spec.model,
        labels=job.labels,
        has_content_credentials=has_content_credentials(path),
    )


def probe_result(path: Path, user_id: str = "", *, made_here: bool = False) -> Seen:
    """What the file is, seen from its bytes; it takes its turn as one of the user's.

    A file that was `made_here` is decoded here too: a child for each would take longer than to make
    a small picture.

    Raises:
        ImageRefused, VideoRefused: when it is damaged, or of a type that is not known here.
    """
    if not (sniff_file(path) or "").startswith("video/"):
        _refuse_larger(path, MAX_IMAGE_BYTES)
    if made_here:
        return see(path, MAX_RESULT_PIXELS, videos=True)
    return look_at(path, user_id, RESULT_LIMITS)


def _type_asked_for(job: Job) -> MediaType:
    result = KINDS[job.kind].result
    if not isinstance(result, MediaResult):
        raise TypeError(f"a job of the kind {job.kind} makes no media items")
    return result.type


def _checked(path: Path, job: Job, max_bytes: int, output: Output) -> Seen:
    """What the file is, if it has the type that the job asked for."""
    asked = _type_asked_for(job)
    _refuse_larger(path, max_bytes)
    if asked is MediaType.VIDEO and sniff_file(path) is None:
        raise VideoRefused("it is not an MP4 or WebM video")
    seen = probe_result(path, job.user_id, made_here=output.made_here)
    found = media_type_of(seen.mime_type)
    if found is not asked:
        raise ImageRefused(f"it is {_CALLED[found]}, and the job asked for {_CALLED[asked]}")
    return seen


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
