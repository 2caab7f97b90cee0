"""Uploads: begun by a call, received in parts by the HTTP process, made media items at the end."""

import contextlib
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from core.blobs import AddressSigner, Blobs, PartWriter, content_key, thumbnail_key
from core.decoding import Limits, look_at
from core.errors import (
    BlobMissing,
    DependencyUnavailable,
    ImageRefused,
    InputInvalid,
    NotFound,
    StorageFull,
    UploadIncomplete,
    UploadMismatch,
    VideoRefused,
)
from core.files.content_credentials import has_content_credentials
from core.files.seen import Seen
from core.files.sniff import sniff_file, sniff_mime_type
from core.media import Media, media_type_of
from core.process import failpoints
from core.process.settings import Settings
from core.store import Database, uploads
from core.store import media as media_store
from core.uploads import Part, Upload
from server.commands.quota import MIB, Quota
from server.commands.requests import NewUpload
from server.commands.room import Room

HOUR_MS = 3600 * 1000
# How long a receiver that was killed keeps others out. It renews its lease while bytes come.
LEASE_MS = 15_000
# A large file takes longer to be read and decoded. Who comes meanwhile would do the same again.
FINISH_LEASE_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Where to send the bytes; no address when the caller has them. `expire_time` in ms."""

    media_id: str
    upload_url: str = ""
    expire_time: int | None = None


class BeginUpload:
    """Answers CreateUpload."""

    def __init__(
        self, db: Database, blobs: Blobs, signer: AddressSigner, settings: Settings
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._signer = signer
        self._most = settings.max_unfinished_uploads
        self._keep_ms = settings.upload_hours * HOUR_MS
        self._room = Room(settings)
        self._quota = Quota(db, settings.user_storage_megabytes)

    def begin(self, user_id: str, new: NewUpload) -> Begun:
        """A new upload, the unfinished one of the same checksum, or the item with these bytes.

        Raises:
            ResourceLimitReached: when too many of the user's uploads are unfinished.
            StorageFull: when the disk is too full, or the user's items take all that they may.
        """
        asked = uploads.Asked(
            user_id=user_id,
            size_bytes=new.size_bytes,
            sha256=new.sha256,
            most=self._most,
            keep_ms=self._keep_ms,
        )
        begun = uploads.begin(self._db, asked)
        if begun.media is not None:
            return Begun(media_id=begun.media.media_id)
        assert begun.upload is not None
        for upload in begun.replaced:
            _erase(self._blobs, upload.parts)
        if begun.new:
            self._refuse_full(begun.upload, begun.promised_bytes)
        expire_time_s = begun.upload.expire_time // 1000
        return Begun(
            media_id=begun.upload.media_id,
            upload_url=self._signer.upload_url(begun.upload.media_id, expire_time_s),
            expire_time=expire_time_s * 1000,
        )

    def _refuse_full(self, upload: Upload, promised_bytes: int) -> None:
        try:
            self._room.refuse_full(upload.size_bytes)
            self._quota.refuse_full(upload.user_id, promised_bytes + upload.size_bytes)
        except StorageFull:
            uploads.drop(self._db, upload)
            raise


class Intake:
    """Receives uploads. Whoever calls it holds a signed address; each method may block."""

    def __init__(self, db: Database, blobs: Blobs, settings: Settings) -> None:
        self._db = db
        self._blobs = blobs
        self._room = Room(settings)
        self._quota = Quota(db, settings.user_storage_megabytes)
        self._image_bytes = settings.max_upload_image_megabytes * MIB
        self._image_limits = Limits(
            max_pixels=settings.max_input_pixels, cpu_seconds=settings.input_decode_seconds
        )
        self._video_limits = Limits(
            max_pixels=settings.max_input_pixels,
            cpu_seconds=settings.upload_decode_seconds,
            videos=True,
        )

    def find(self, media_id: str) -> Upload | Media:
        """The upload as it stands, or the item that it has become.

        Raises:
            NotFound: when it was dropped.
        """
        upload = uploads.find(self._db, media_id)
        if upload is not None:
            return upload
        media = media_store.find(self._db, media_id)
        if media is None or media.delete_time is not None:
            raise NotFound("upload")
        return media

    def take(self, upload: Upload) -> Upload:
        """The upload for a new receiver, which goes on after the bytes that `upload` has.

        Raises:
            StorageFull: when there is no room for the rest.
            UploadIncomplete: when another receiver is at work, or has gone on.
        """
        self._room.refuse_full(upload.size_bytes - upload.offset)
        self._quota.refuse_full(upload.user_id, upload.size_bytes)
        fence = uploads.take(self._db, upload, LEASE_MS)
        if fence is None:
            text = "Another request sends these bytes now; ask where it stands, and go on there."
            raise UploadIncomplete(upload.offset, text)
        return replace(upload, fence=fence)

    def open(self, upload: Upload) -> PartWriter:
        """What writes the next bytes of the upload that was taken."""
        return self._blobs.open_parts(upload.name, upload.parts, goes_on=upload.released)

    def check_head(self, upload: Upload, head: bytes) -> None:
        """
        Raises:
            InputInvalid: when a file with these first bytes can't be used.
        """
        mime_type = sniff_mime_type(head)
        if mime_type is None:
            raise InputInvalid("content", "it is no PNG, JPEG, WebP, MP4 or WebM file")
        if mime_type.startswith("image/") and upload.size_bytes > self._image_bytes:
            most = f"{self._image_bytes // MIB} MiB"
            raise InputInvalid("content", f"it is an image; these may have {most} at most")

    def keep(self, upload: Upload, writer: PartWriter) -> Upload:
        """Keeps what was written, and goes on.

        Raises:
            NotFound, UploadIncomplete: when the upload is this receiver's no more.
            StorageFull, DependencyUnavailable: when it could not be kept.
        """
        parts = writer.keep()
        failpoints.hit("upload.after_keep")
        if not uploads.keep(self._db, upload, parts, LEASE_MS):
            self._forget(upload, parts)
        self._room.refuse_full()
        return replace(upload, parts=parts)

    def release(self, upload: Upload, writer: PartWriter) -> Upload:
        """Keeps what was written, and lets another receiver go on. Raises what `keep` raises."""
        try:
            parts = writer.keep()
        finally:
            writer.close()
        if not uploads.release(self._db, upload, parts):
            self._forget(upload, parts)
        return replace(upload, parts=parts, released=True)

    def drop(self, upload: Upload, writer: PartWriter) -> None:
        """Forgets the upload and its bytes."""
        try:
            parts = writer.keep()
        finally:
            writer.close()
        self._drop(replace(upload, parts=parts))

    def finish(self, upload: Upload) -> Media:
        """The item that the upload, which is whole and taken, becomes.

        Raises:
            UploadMismatch: when its checksum is another; the upload is dropped.
            InputInvalid: when it is no image or video that can be used; the upload is dropped.
            NotFound: when it was dropped meanwhile, or its bytes are gone.
            UploadIncomplete: when another receiver is at it.
        """
        if not uploads.keep(self._db, upload, upload.parts, FINISH_LEASE_MS):
            raise UploadIncomplete(upload.offset)
        try:
            with self._blobs.joined(upload.parts) as path:
                media = self._stored(upload, path)
        except (UploadMismatch, InputInvalid):
            self._drop(upload)
            raise
        except BlobMissing:  # a backup that was restored has no parts
            self._drop(upload)
            raise NotFound("upload") from None
        except (StorageFull, DependencyUnavailable):
            uploads.release(self._db, upload, upload.parts)
            raise
        failpoints.hit("upload.before_finish")
        if not uploads.finish(self._db, upload, media):
            found = self.find(upload.media_id)
            if isinstance(found, Media):
                return found
            raise UploadIncomplete(found.offset)
        _erase(self._blobs, upload.parts)
        return media

    def _stored(self, upload: Upload, path: Path) -> Media:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        if upload.sha256 and digest.hexdigest() != upload.sha256:
            raise UploadMismatch("sha256", "the bytes have another checksum")
        seen = self._seen(upload, path)
        media = Media(
            media_id=upload.media_id,
            user_id=upload.user_id,
            type=media_type_of(seen.mime_type),
            mime_type=seen.mime_type,
            size_bytes=upload.size_bytes,
            sha256=digest.hexdigest(),
            width=seen.width,
            height=seen.height,
            duration_ms=seen.duration_ms,
            blob_key=content_key(upload.media_id),
            thumbnail_key=thumbnail_key(upload.media_id),
            has_content_credentials=has_content_credentials(path),
            create_time=self._db.now_ms(),
        )
        self._blobs.put_bytes(media.thumbnail_key, seen.thumbnail)
        self._blobs.put_file(media.blob_key, path, digest.digest())
        return media

    def _seen(self, upload: Upload, path: Path) -> Seen:
        is_video = (sniff_file(path) or "").startswith("video/")
        limits = self._video_limits if is_video else self._image_limits
        try:
            return look_at(path, upload.user_id, limits)
        except (ImageRefused, VideoRefused) as error:
            raise InputInvalid("content", error.cause) from None

    def _forget(self, upload: Upload, parts: tuple[Part, ...]) -> None:
        """Erases what this receiver alone has written, since its upload is another's, or gone.

        Raises:
            NotFound, UploadIncomplete: which of the two.
        """
        found = uploads.find(self._db, upload.media_id)
        named = {part.key for part in found.parts} if found else set()
        _erase(self._blobs, tuple(part for part in parts if part.key not in named))
        raise UploadIncomplete(found.offset) if found else NotFound("upload")

    def _drop(self, upload: Upload) -> None:
        if uploads.drop(self._db, upload):
            _erase(self._blobs, upload.parts)


def _erase(blobs: Blobs, parts: tuple[Part, ...]) -> None:
    """Erases the parts; those that this can't reach are orphans, which the purge erases."""
    with contextlib.suppress(DependencyUnavailable):
        blobs.delete(part.key for part in parts)
