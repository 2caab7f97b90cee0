"""Unfinished uploads: begun, received in parts, finished or dropped.

Each write names the fence of the receiver, which rises with each of them: see `core.uploads`.
Lock order: user_storage, then upload rows.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import ResourceLimitReached
from core.ids import new_id
from core.media import Media
from core.store import usage
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement, name_part
from core.store.rows import insert_media, media_from_row
from core.uploads import Part, Upload, total

name_part(
    "upload_columns",
    "upload.media_id, upload.user_id, upload.size_bytes, upload.sha256, upload.parts,"
    " upload.fence, upload.lease_expire_time IS NULL, upload.expire_time",
)
# Index: `upload_sha256`.
_CONTINUE = Statement("""
    UPDATE upload SET expire_time = {now} + :keep_ms
    WHERE user_id = :user_id AND sha256 = :sha256 AND sha256 <> '' AND size_bytes = :size_bytes
    RETURNING {upload_columns}
""")
# Index: `upload_sha256`.
_BEGIN_ANEW = Statement("""
    DELETE FROM upload WHERE user_id = :user_id AND sha256 = :sha256 AND sha256 <> ''
    RETURNING {upload_columns}
""")
# Index: `media_hash`.
_HAS = Statement("""
    SELECT {media_columns} FROM media
    WHERE user_id = :user_id AND sha256 = :sha256 AND size_bytes = :size_bytes
        AND delete_time IS NULL
    LIMIT 1
""")
# Index: `upload_user`, which has at most as many as a user may have unfinished.
_OPEN = Statement("""
    SELECT count(*), coalesce(sum(size_bytes), 0) FROM upload WHERE user_id = :user_id
""")
_BEGIN = Statement("""
    INSERT INTO upload (
        media_id, user_id, size_bytes, sha256, parts, kept_bytes, fence, expire_time
    )
    VALUES (:media_id, :user_id, :size_bytes, :sha256, '[]', 0, 0, {now} + :keep_ms)
    RETURNING {upload_columns}
""")
# Index of the next five: the primary key.
_FIND = Statement("SELECT {upload_columns} FROM upload WHERE media_id = :media_id")
_TAKE = Statement("""
    UPDATE upload SET fence = fence + 1, lease_expire_time = {now} + :lease_ms
    WHERE media_id = :media_id AND fence = :fence AND kept_bytes = :offset
        AND (lease_expire_time IS NULL OR lease_expire_time < {now})
    RETURNING fence
""")
_KEEP = Statement("""
    UPDATE upload SET parts = :parts, kept_bytes = :offset, lease_expire_time = {now} + :lease_ms
    WHERE media_id = :media_id AND fence = :fence
""")
_RELEASE = Statement("""
    UPDATE upload SET parts = :parts, kept_bytes = :offset, lease_expire_time = NULL
    WHERE media_id = :media_id AND fence = :fence
""")
_DROP = Statement("DELETE FROM upload WHERE media_id = :media_id AND fence = :fence")
# Locks the uploads whose time is over, the oldest first. Index: `upload_expire`.
_EXPIRED = Statement("""
    SELECT {upload_columns} FROM upload WHERE expire_time <= {moment}
    ORDER BY expire_time LIMIT :limit {skip_locked}
""")
# Index of the next two: the primary key.
_FORGET = Statement("DELETE FROM upload WHERE media_id = ANY(:media_ids)")
_KNOWN = Statement("SELECT media_id FROM upload WHERE media_id = ANY(:media_ids)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The upload that a user asks for. `most` uploads of the user may be unfinished."""

    user_id: str
    size_bytes: int
    sha256: str
    most: int
    keep_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What became of it: the upload, or the item that has the same bytes already.

    `replaced` are earlier uploads of the same checksum and another size. `promised_bytes` are those
    of the user's other unfinished uploads, if this one is new.
    """

    upload: Upload | None = None
    media: Media | None = None
    new: bool = False
    replaced: tuple[Upload, ...] = ()
    promised_bytes: int = 0


def begin(db: Database, asked: Asked) -> Begun:
    """Begins an upload, or continues the unfinished one of the same bytes.

    Raises:
        ResourceLimitReached: when too many of the user's uploads are unfinished.
    """
    return db.write(lambda session: _begin(session, asked))


def _begin(session: Session, asked: Asked) -> Begun:
    same = {"user_id": asked.user_id, "sha256": asked.sha256}
    sized = same | {"size_bytes": asked.size_bytes}
    replaced: tuple[Upload, ...] = ()
    if asked.sha256:
        if row := session.row(_CONTINUE, **sized, keep_ms=asked.keep_ms):
            return Begun(upload=_upload(row))
        if row := session.row(_HAS, **sized):
            return Begun(media=media_from_row(row))
    # From here on no other upload of the user begins.
    usage.lock(session, asked.user_id)
    if asked.sha256:
        if row := session.row(_CONTINUE, **sized, keep_ms=asked.keep_ms):
            return Begun(upload=_upload(row))
        replaced = tuple(map(_upload, session.rows(_BEGIN_ANEW, **same)))
    row = session.row(_OPEN, user_id=asked.user_id)
    count, promised = row or (0, 0)
    if count >= asked.most:
        text = f"You have {count} unfinished uploads; finish one, or wait until one expires."
        raise ResourceLimitReached("upload", asked.most, text)
    row = session.row(_BEGIN, media_id=new_id(), **sized, keep_ms=asked.keep_ms)
    assert row is not None
    return Begun(upload=_upload(row), new=True, replaced=replaced, promised_bytes=int(promised))


def find(db: Database, media_id: str) -> Upload | None:
    """The unfinished upload, whoever has it; for callers who hold its address."""
    row = db.row(_FIND, media_id=media_id)
    return _upload(row) if row else None


def take(db: Database, upload: Upload, lease_ms: int) -> int | None:
    """The fence of a new receiver, which may add after the bytes that `upload` has.

    None when another receiver is at work, or was there meanwhile.
    """
    values: dict[str, object] = {"media_id": upload.media_id, "fence": upload.fence}
    values |= {"offset": upload.offset, "lease_ms": lease_ms}
    row = db.write(lambda session: session.row(_TAKE, **values))
    return int(row[0]) if row else None


def keep(db: Database, upload: Upload, parts: Sequence[Part], lease_ms: int) -> bool:
    """Records what the receiver has kept, for a lease more; whether it still is the receiver."""
    values = _kept(upload, parts)
    return db.write(lambda session: session.run(_KEEP, **values, lease_ms=lease_ms), alone=True) > 0


def release(db: Database, upload: Upload, parts: Sequence[Part]) -> bool:
    """Records what the receiver has kept and lets another go on; whether it was the receiver."""
    values = _kept(upload, parts)
    return db.write(lambda session: session.run(_RELEASE, **values), alone=True) > 0


def finish(db: Database, upload: Upload, media: Media) -> bool:
    """Puts the item into the library in place of the upload; whether the fence still held."""

    def work(session: Session) -> bool:
        usage.lock(session, upload.user_id)
        if not session.run(_DROP, media_id=upload.media_id, fence=upload.fence):
            return False
        insert_media(session, media)
        return True

    return db.write(work)


def drop(db: Database, upload: Upload) -> bool:
    """Forgets the upload; whether the fence still held."""
    values = {"media_id": upload.media_id, "fence": upload.fence}
    return db.write(lambda session: session.run(_DROP, **values), alone=True) > 0


def drop_expired(db: Database, limit: int) -> list[Upload]:
    """Forgets uploads whose time is over, and gives them back, so that their parts are erased."""

    def work(session: Session) -> list[Upload]:
        expired = [_upload(row) for row in session.rows(_EXPIRED, limit=limit)]
        session.run(_FORGET, media_ids=[upload.media_id for upload in expired])
        return expired

    return db.write(work)


def known(db: Database, media_ids: Sequence[str]) -> set[str]:
    """Those of the ids that unfinished uploads have."""
    return {row[0] for row in db.rows(_KNOWN, media_ids=list(media_ids))}


def _kept(upload: Upload, parts: Sequence[Part]) -> dict[str, object]:
    return {
        "media_id": upload.media_id,
        "fence": upload.fence,
        "parts": json.dumps([[part.key, part.size] for part in parts]),
        "offset": total(parts),
    }


def _upload(row: Row) -> Upload:
    media_id, user_id, size_bytes, sha256, parts, fence, released, expire_time = row
    return Upload(
        media_id=media_id,
        user_id=user_id,
        size_bytes=size_bytes,
        sha256=sha256,
        parts=tuple(Part(*part) for part in json.loads(parts)),
        fence=fence,
        released=bool(released),
        expire_time=expire_time,
    )
