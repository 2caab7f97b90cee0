"""The keys that a blob may have, and the keys of an item."""

import re

MAX_KEY_CHARACTERS = 200
_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")


def content_key(media_id: str) -> str:
    """Where an item's bytes are."""
    return f"media/{media_id}"


def thumbnail_key(media_id: str) -> str:
    """Where an item's thumbnail is."""
    return f"thumbnails/{media_id}.webp"


def is_key(text: str) -> bool:
    """Whether the server may have made this key."""
    return len(text) <= MAX_KEY_CHARACTERS and ".." not in text and bool(_KEY.fullmatch(text))


def checked(key: str) -> str:
    """The key itself.

    Raises:
        ValueError: when the server can't have made it, so that it came from elsewhere.
    """
    if not is_key(key):
        raise ValueError("not a blob key")
    return key
