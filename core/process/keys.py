"""Secret keys in files that are made once and that only their owner can read."""

import os
import secrets
from pathlib import Path

from core.errors import SettingsInvalid

MIN_KEY_BYTES = 32


def read_or_make_key(path: Path) -> bytes:
    """The key in the file `path`, as hex text; makes the file with mode 0600 when there is none.

    Raises:
        SettingsInvalid: when the file can't be made, holds no hex, or fewer than 32 bytes.
    """
    try:
        if not path.exists():
            _make(path)
    except OSError as error:
        raise SettingsInvalid(f"{path} can't be made: {error.strerror}") from None
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError):
        raise SettingsInvalid(f"{path} can't be read as a key in hex") from None
    if len(key) < MIN_KEY_BYTES:
        raise SettingsInvalid(f"{path}: a key needs {MIN_KEY_BYTES} bytes, this has {len(key)}")
    return key


def _make(path: Path) -> None:
    """Writes a new key, so that several processes that start together all end up with one key."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Not named by the process id: in a container each start has the same one, and a crash may
    # leave a draft.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(MIN_KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
