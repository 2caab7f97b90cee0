"""Checks that the disk has room, and that the keys are usable and private."""

import shutil
from pathlib import Path

from admin.doctor.patient import Patient, Unwell
from admin.providers.asking import Trouble
from admin.providers.keys import configured, look_at_secret
from core.process.keys import read_or_make_key

MIB = 1024 * 1024


def check_disk(patient: Patient) -> str:
    """Checks that `min_free_megabytes` are free. With less, no job is accepted."""
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
    """Checks that each key exists, is private, and is long enough, also those of providers."""
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
    # Only `rushes-admin providers check` asks whether the providers accept them.
    paid = f"; those of {', '.join(providers)} are there" if providers else ""
    return f"{len(files)}, private and long enough{paid}"


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.is_dir())
