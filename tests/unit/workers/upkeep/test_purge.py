import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.blobs import Blobs, open_blobs
from core.errors import DependencyUnavailable
from core.ids import new_id
from core.media import Media, MediaType
from core.process.settings import read_settings
from core.store import Database, media, open_database, uploads
from core.uploads import Upload
from workers.upkeep.purge import (
    ORPHAN_AGE_MS,
    RESULT_AGE_MS,
    drop_uploads,
    empty_bin,
    erase_orphans,
    owns,
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = open_database(read_settings(data_dir=tmp_path))
    yield database
    database.close()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(read_settings(data_dir=tmp_path), b"k" * 32)


def stored(db: Database, blobs: Blobs) -> Media:
    """An image in alice's library, with its bytes."""
    media_id = new_id()
    item = Media(
        media_id=media_id,
        user_id="alice",
        type=MediaType.IMAGE,
        mime_type="image/png",
        size_bytes=5,
        sha256="ab" * 32,
        width=1,
        height=1,
        blob_key=f"media/{media_id}",
        thumbnail_key=f"thumbnails/{media_id}.webp",
    )
    blobs.put_bytes(item.blob_key, b"bytes")
    blobs.put_bytes(item.thumbnail_key, b"small")
    media.add(db, item)
    return item


def keys(blobs: Blobs) -> set[str]:
    return {
        key
        for folder in ("media/", "thumbnails/", "tmp/", "uploads/")
        for key in blobs.list_keys(folder, 10_000_000_000_000)
    }


def age(folder: Path) -> None:
    """Makes all blobs as old as the epoch."""
    for path in (folder / "blobs").rglob("*"):
        os.utime(path, (0, 0))


def test_the_bin_is_emptied_of_what_is_over(db: Database, blobs: Blobs) -> None:
    kept, binned, over = (stored(db, blobs) for _ in range(3))
    media.bin(db, "alice", [binned.media_id], 60_000)
    media.bin(db, "alice", [over.media_id], -1)

    assert empty_bin(db, blobs) == 1
    assert media.find(db, over.media_id) is None
    assert media.find(db, binned.media_id) is not None
    assert keys(blobs) == {
        kept.blob_key,
        kept.thumbnail_key,
        binned.blob_key,
        binned.thumbnail_key,
    }


def test_bytes_without_a_row_are_erased_once_they_are_old(
    db: Database, blobs: Blobs, tmp_path: Path
) -> None:
    assert owns(db, blobs)
    kept = stored(db, blobs)
    orphans = ("media/orphan", "thumbnails/orphan.webp", f"tmp/{new_id()}")
    for key in orphans:
        blobs.put_bytes(key, b"x")
    now = db.now_ms()

    assert erase_orphans(db, blobs, now) == 0
    assert keys(blobs) == {kept.blob_key, kept.thumbnail_key, *orphans}

    assert erase_orphans(db, blobs, now + ORPHAN_AGE_MS + 60_000) == 3
    assert keys(blobs) == {kept.blob_key, kept.thumbnail_key}


def test_many_orphans_go_in_one_purge(db: Database, blobs: Blobs, tmp_path: Path) -> None:
    assert owns(db, blobs)
    kept = stored(db, blobs)
    for number in range(450):
        (tmp_path / "blobs" / "media" / f"orphan-{number}").touch()
    age(tmp_path)

    assert erase_orphans(db, blobs, db.now_ms()) == 450
    assert keys(blobs) == {kept.blob_key, kept.thumbnail_key}


def test_a_purge_that_broke_is_finished_by_the_next(
    db: Database, blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert owns(db, blobs)
    over = stored(db, blobs)
    media.bin(db, "alice", [over.media_id], -1)

    def away(keys: object) -> None:
        raise DependencyUnavailable("blob store")

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "delete", away)
        with pytest.raises(DependencyUnavailable):
            empty_bin(db, blobs)
    assert media.find(db, over.media_id) is None
    age(tmp_path)

    assert erase_orphans(db, blobs, db.now_ms()) == 2
    assert keys(blobs) == set()


def test_a_store_of_another_installation_is_left_alone(
    db: Database, blobs: Blobs, tmp_path: Path
) -> None:
    # Given blobs that another database knows
    for number in range(3):
        blobs.put_bytes(f"media/theirs-{number}", b"x")
    age(tmp_path)

    assert erase_orphans(db, blobs, db.now_ms()) == 0
    assert len(keys(blobs)) == 3


def test_a_store_stays_its_owners_when_the_database_is_another(
    blobs: Blobs, tmp_path: Path
) -> None:
    first = open_database(read_settings(database_url=f"sqlite:///{tmp_path / 'one.db'}"))
    item = stored(first, blobs)
    assert owns(first, blobs)
    other = open_database(read_settings(database_url=f"sqlite:///{tmp_path / 'two.db'}"))
    age(tmp_path)

    assert erase_orphans(other, blobs, other.now_ms()) == 0
    assert keys(blobs) == {item.blob_key, item.thumbnail_key}
    assert owns(first, blobs)
    first.close()
    other.close()


def test_files_of_others_in_the_folder_stop_nothing(
    db: Database, blobs: Blobs, tmp_path: Path
) -> None:
    assert owns(db, blobs)
    stored(db, blobs)
    for name in (".DS_Store", "Foo.txt", "with space"):
        (tmp_path / "blobs" / "media" / name).touch()
    age(tmp_path)
    assert erase_orphans(db, blobs, db.now_ms()) == 0


def test_kept_results_are_erased_once_no_job_can_fetch_them(db: Database, blobs: Blobs) -> None:
    assert owns(db, blobs)
    blobs.put_bytes("results/job.1.0", b"x")
    blobs.put_bytes("results/job.1.manifest", b"x")
    now = db.now_ms()

    assert erase_orphans(db, blobs, now + ORPHAN_AGE_MS + 60_000) == 0
    assert erase_orphans(db, blobs, now + RESULT_AGE_MS + 60_000) == 2
    assert list(blobs.list_keys("results/", now + 60_000)) == []


def begun(db: Database, blobs: Blobs, keep_ms: int) -> Upload:
    """An upload of which one part is kept."""
    asked = uploads.Asked(user_id="alice", size_bytes=10, sha256="", most=20, keep_ms=keep_ms)
    upload = uploads.begin(db, asked).upload
    assert upload is not None
    writer = blobs.open_parts(upload.name, (), goes_on=True)
    writer.write(b"part")
    uploads.release(db, upload, writer.keep())
    writer.close()
    return upload


def test_uploads_are_dropped_when_their_time_is_over(db: Database, blobs: Blobs) -> None:
    over, unfinished = begun(db, blobs, -1), begun(db, blobs, 60_000)

    assert drop_uploads(db, blobs) == 1

    assert uploads.find(db, over.media_id) is None
    assert keys(blobs) == {f"uploads/{unfinished.name}"}


def test_parts_that_no_upload_has_are_orphans_after_a_day(
    db: Database, blobs: Blobs, tmp_path: Path
) -> None:
    unfinished = begun(db, blobs, 60_000)
    lost = begun(db, blobs, 60_000)
    uploads.drop(db, lost)
    now = db.now_ms()

    assert erase_orphans(db, blobs, now) == 0
    age(tmp_path)
    assert erase_orphans(db, blobs, now) == 1
    assert f"uploads/{unfinished.name}" in keys(blobs)
    assert f"uploads/{lost.name}" not in keys(blobs)
