"""Is there room on the disk, and are the keys in order?"""

import shutil
from pathlib import Path

from admin.doctor.patient import Patient, Unwell
from admin.providers.asking import Trouble
from admin.providers.keys import configured, look_at_secret
from core.process.keys import read_or_make_key

MIB = 1024 * 1024


def check_disk(patient: Patient) -> str:
    """New jobs are accepted as long as there is `min_free_megabytes`."""
    settings = patient.settings
    folders = [settings.data_dir]
    if settings.blobs.startswith("file://"):
        folders.append(Path(settings.blobs.removeprefix("file://")))
    free = min(shutil.disk_usage(_existing(folder.absolute())).free for folder in folders) // MIB
    if free < settings.min_free_megabytes:
        raise Unwell(
            f"{free} MiB are free, and below {settings.min_free_megabytes} no job is accepted: "
            "free some space (RUSHES_MIN_FREE_MEGABYTES)"
        )
    return f"{free} MiB are free"


def check_keys(patient: Patient) -> str:
    """Each key exists, is its owner's alone, and is long enough; so are those of providers."""
    settings = patient.settings
    files = [settings.signing_key_path]
    if not settings.jwt_jwks_url:
        files.append(settings.jwt_key_path)
    for file in files:
        if not file.is_file():
            raise Unwell(f"there is no {file}: the first start makes it, or copy it from a backup")
        if file.stat().st_mode & 0o077:
            raise Unwell(f"others may read {file}: chmod 600 it")
        read_or_make_key(file)
    providers = configured(settings)
    for provider in providers:
        try:
            look_at_secret(settings, provider)
        except Trouble as trouble:
            raise Unwell(f"{provider}: {trouble}") from None
    # Whether they are accepted, only `rushes-admin providers check` asks.
    paid = f"; those of {', '.join(providers)} are there" if providers else ""
    return f"{len(files)}, private and long enough{paid}"


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.is_dir())
