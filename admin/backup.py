"""`rushes-admin backup`: writes a standalone installation into one file.

It copies the database first, as of one moment, and then the files that its rows name. So none of
them is missing.
"""

import io
import os
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from admin.archive import ArchiveWriter, Manifest, appearing, packing
from admin.site import Site
from core.blobs.keys import DRAFTS
from core.errors import SettingsInvalid
from core.store.engine.copies import copy_sqlite

DATABASE_NAME = "database/rushes.db"
SMALL_PARTS = ("keys", "journal", "simulator")
# The folder of blobs that are not complete yet.
_DRAFTS = DRAFTS.rstrip("/")


def back_up(site: Site, target: Path) -> Manifest:
    """Writes the backup, whether the installation runs or not.

    Raises:
        SettingsInvalid: when the target exists, or the database is not a file.
        DependencyUnavailable: when the database can't be read, or is damaged.
        StorageFull: when there is no room for the backup.
    """
    database = site.database_file
    if database is None:
        raise SettingsInvalid(
            "The database is PostgreSQL: back it up with its own tools (docs/operations.md)."
        )
    if not database.is_file():
        raise SettingsInvalid(f"There is no database {database}: name the folder with --data-dir.")
    if target.exists():
        raise SettingsInvalid(f"{target} exists already: choose another name.")
    manifest = Manifest(version=version("rushes-server"), blobs=site.blob_folder is not None)
    with (
        tempfile.TemporaryDirectory(prefix=".rushes-backup-", dir=target.parent) as scratch,
        appearing(target) as file,
    ):
        copy = Path(scratch, database.name)
        copy_sqlite(database, copy)
        with packing(file, manifest) as writer:
            _add(writer, DATABASE_NAME, copy)
            for part in SMALL_PARTS:
                for path in sorted((site.data / part).glob("*")):
                    _add_small(writer, f"{part}/{path.name}", path)
            if site.blob_folder is not None:
                for path in _blobs(site.blob_folder):
                    _add_blob(writer, site.blob_folder, path)
    return manifest


def _blobs(root: Path) -> Iterator[Path]:
    """The files of the blob folder, one folder at a time."""
    for folder, names, files in os.walk(root):
        if Path(folder) == root and _DRAFTS in names:
            names.remove(_DRAFTS)
        yield from (Path(folder, name) for name in sorted(files))


def _add_blob(writer: ArchiveWriter, root: Path, path: Path) -> None:
    try:
        _add(writer, f"blobs/{path.relative_to(root).as_posix()}", path)
    except FileNotFoundError:
        # It was deleted permanently after the database was copied.
        return


def _add(writer: ArchiveWriter, name: str, path: Path) -> None:
    with path.open("rb") as source:
        writer.add(name, source, os.fstat(source.fileno()).st_size)


def _add_small(writer: ArchiveWriter, name: str, path: Path) -> None:
    """Adds a file that may change meanwhile, as it is at one moment."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return
    writer.add(name, io.BytesIO(data), len(data))
