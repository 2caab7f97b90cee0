"""Checks that blobs can be stored, read, signed and erased."""

import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from admin.doctor.patient import Patient, Unwell
from core.blobs import AddressSigner, Blobs, Variant, open_blobs
from core.blobs.keys import DRAFTS
from core.errors import BlobMissing, DependencyUnavailable, StorageFull
from core.ids import new_id
from core.process.keys import MIN_KEY_BYTES, read_or_make_key

PROBE = b"rushes doctor"
SIGNED_SECONDS = 60
FETCH_SECONDS = 5.0


def check_blobs(patient: Patient) -> str:
    """Stores, reads, signs and erases a few bytes. Nothing of them is left."""
    settings = patient.settings
    if settings.blobs.startswith("file://"):
        folder = Path(settings.blobs.removeprefix("file://"))
        if not folder.is_dir():
            raise Unwell(f"there is no folder {folder}: the first start (`make up`) makes it")
    path = settings.signing_key_path
    key = read_or_make_key(path) if path.is_file() else bytes(MIN_KEY_BYTES)
    try:
        _try(open_blobs(settings, key), AddressSigner(settings.address, key), settings.address)
    except StorageFull:
        raise Unwell(
            "there is no room: free some space, or choose another RUSHES_BLOB_URL"
        ) from None
    except DependencyUnavailable:
        raise Unwell(
            "the blob store can't be reached, or refuses: look at RUSHES_BLOB_URL, and at the "
            "AWS_*, GOOGLE_* or AZURE_* variables of this shell"
        ) from None
    return f"written, read, signed and erased in {settings.blobs.partition(':')[0]}"


def _try(blobs: Blobs, signer: AddressSigner, address: str) -> None:
    key = f"{DRAFTS}{new_id()}"
    blobs.put_bytes(key, PROBE)
    try:
        if blobs.read(key) != PROBE:
            raise Unwell("other bytes were read than were written: is the disk sound?")
        _try_address(blobs, signer, address, key)
    finally:
        blobs.delete([key])
    try:
        blobs.read(key)
    except BlobMissing:
        return
    raise Unwell("what was erased is still there")


def _try_address(blobs: Blobs, signer: AddressSigner, address: str, key: str) -> None:
    media_id = new_id()
    url = blobs.url(
        media_id,
        Variant.CONTENT,
        mime_type="application/octet-stream",
        blob_key=key,
        expire_time_s=int(time.time()) + SIGNED_SECONDS,
    )
    if url.startswith(f"{address}/media/"):
        query = parse_qs(urlsplit(url).query)
        (expire_time,), (signature,) = query["expire_time"], query["signature"]
        signer.verify(media_id, Variant.CONTENT, expire_time, signature, time.time())
    elif _fetch(url) != PROBE:
        raise Unwell("a signed address does not open the blob: look at the keys of the blob store")


def _fetch(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as answer:
            found: bytes = answer.read(len(PROBE) + 1)
            return found
    except (urllib.error.URLError, OSError):
        return b""
