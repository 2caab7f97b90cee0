"""The only source of ids: UUIDv7, so that ids sort by the time they were made (RFC 9562)."""

import os
import re
import time
import unicodedata

MAX_USER_ID_CHARACTERS = 256
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_id() -> str:
    """A new UUIDv7 in its usual text form."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id."""
    return _UUID.fullmatch(text) is not None


def is_user_id(text: str) -> bool:
    """Whether `text` may name a user: 1 to 256 characters, none of them a control one."""
    return 1 <= len(text) <= MAX_USER_ID_CHARACTERS and not any(
        unicodedata.category(character) in ("Cc", "Cs") for character in text
    )
