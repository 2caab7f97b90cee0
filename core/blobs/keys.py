"""The keys of blobs: which there are, and how the server makes them."""

import re

MAX_KEY_CHARACTERS = 200
_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")

# The folders of a blob store. Bytes of media items, and their thumbnails: rows name them.
CONTENT = "media/"
THUMBNAILS = "thumbnails/"
# Results that came inside a provider's answer, until they are fetched: `workers/providers/kept.py`.
RESULTS = "results/"
# Parts of unfinished uploads: rows of `upload` name them.
UPLOADS = "uploads/"
# Drafts: blobs that are still being written.
DRAFTS = "tmp/"
# This blob holds the name of the installation whose database knows the blobs.
OWNER = "owner"


def content_key(media_id: str) -> str:
    """Where an item's bytes are."""
    return f"{CONTENT}{media_id}"


def thumbnail_key(media_id: str) -> str:
    """Where an item's thumbnail is."""
    return f"{THUMBNAILS}{media_id}.webp"


def part_key(name: str) -> str:
    """Where a part of an upload is; the name begins with the upload's media id and a dot."""
    return f"{UPLOADS}{name}"


def upload_of(key: str) -> str:
    """The media id of the upload that a part is of."""
    return key.removeprefix(UPLOADS).partition(".")[0]


def media_id_of(key: str) -> str:
    """The id of the item that such a key is of; empty for another key."""
    name = key.rpartition("/")[2].removesuffix(".webp")
    return name if key in (content_key(name), thumbnail_key(name)) else ""


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
