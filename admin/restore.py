"""`rushes-admin restore`: puts a backup in place, the database last and in one step.

Until then, the file `restoring` keeps a run from starting. Existing data is not erased. It is kept
under another name.
"""

import os
import secrets
import shutil
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from admin.archive import BackupUnusable, Manifest, unpack
from admin.backup import DATABASE_NAME, SMALL_PARTS
from admin.site import Site
from core.catalog.models import LOCAL_PROVIDERS
from core.errors import SettingsInvalid
from core.process import failpoints
from core.process.disk import sync
from core.store.engine.copies import settle_sqlite
from core.store.engine.database import connect
from core.store.engine.migrate import migrate
from core.store.restore import Restored, begin_anew

# A run does not start while this file exists (standalone/preflight.py).
MARK = "restoring"
# The name of the database in a backup.
DATABASE = DATABASE_NAME.rpartition("/")[2]
_DATABASE_FILES = ("", "-wal", "-shm")


@dataclass(slots=True)
class Done:
    """What a restore did. `set_aside` are the new paths of what was there before."""

    manifest: Manifest
    restored: Restored
    set_aside: list[Path] = field(default_factory=list)


def restore(site: Site, source: Path, *, force: bool) -> Done:
    """Puts the backup in the place of what is there.

    Raises:
        SettingsInvalid: when a run holds the folder, when the folder is not empty and `force` is
            not given, or when a part of it can't be replaced.
        BackupUnusable: when the backup is damaged or does not fit; nothing was changed then.
        DataNewer: when a newer version made it; nothing was changed then.
    """
    with site.alone("rushes-admin restore"):
        places = _places(site)
        _check_places(places.values(), force)
        _drop_drafts(places.values())
        try:
            manifest = unpack(source, lambda part: _draft(_place(places, part)))
            restored = _prepare(_draft(places["database"]))
        except BaseException:
            _drop_drafts(places.values())
            raise
        done = Done(manifest, restored)
        _put_in_place(site.data, places, done)
        return done


def _places(site: Site) -> dict[str, Path]:
    """The path of each part; the database is last."""
    database = site.database_file
    if database is None:
        raise SettingsInvalid(
            "The database is PostgreSQL: restore it with its own tools (docs/operations.md)."
        )
    places = {part: site.data / part for part in SMALL_PARTS}
    if site.blob_folder is not None:
        places["blobs"] = site.blob_folder
    return {**places, "database": database}


def _check_places(places: Iterable[Path], force: bool) -> None:
    """Refuses paths that can't be replaced, or must not be."""
    for path in places:
        if path.is_mount():
            raise SettingsInvalid(f"{path} is a mount point: keep the data in a folder below it.")
    present = ", ".join(str(path) for path in places if _is_there(path))
    if present and not force:
        raise SettingsInvalid(f"There is data already: {present}. Use --force to replace it.")


def _place(places: dict[str, Path], part: str) -> Path:
    if part not in places:
        raise BackupUnusable("The backup has blobs, but this installation keeps them elsewhere.")
    return places[part]


def _draft(place: Path) -> Path:
    """The folder beside the place in which the part waits until everything is checked."""
    return place.with_name(f"{place.name}.{MARK}")


def _is_there(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists()


def _drop_drafts(places: Iterable[Path]) -> None:
    for place in places:
        shutil.rmtree(_draft(place), ignore_errors=True)


def _prepare(draft: Path) -> Restored:
    """Migrates the database and makes it safe to run on, before it gets its name."""
    file = draft / DATABASE
    if not file.is_file():
        raise BackupUnusable("The backup has no database.")
    with closing(connect(f"sqlite:///{quote(str(file))}", connections=1)) as db:
        migrate(db)
        restored = begin_anew(db, LOCAL_PROVIDERS)
    settle_sqlite(file)
    return restored


def _put_in_place(data: Path, places: dict[str, Path], done: Done) -> None:
    # Makes everything that was unpacked durable at once.
    os.sync()
    (data / MARK).touch(mode=0o600)
    sync(data)
    aside = f".before-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    database = places.pop("database")
    for suffix in _DATABASE_FILES:
        # SQLite finds a -wal by the name of its database.
        _move(f"{database}{suffix}", f"{database}{aside}{suffix}", done)
    for place in places.values():
        _move(place, f"{place}{aside}", done)
        if _draft(place).exists():
            _draft(place).rename(place)
            sync(place.parent)
    # Valkey holds hints about the old history.
    shutil.rmtree(data / "valkey", ignore_errors=True)
    failpoints.hit("restore.middle")
    (_draft(database) / DATABASE).rename(database)
    sync(database.parent)
    _drop_drafts([*places.values(), database])
    (data / MARK).unlink()
    sync(data)


def _move(path: Path | str, aside: str, done: Done) -> None:
    if Path(path).exists():
        Path(path).rename(aside)
        done.set_aside.append(Path(aside))
