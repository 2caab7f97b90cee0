"""Tokens signed with an installation's own key."""

import time
from pathlib import Path
from typing import Any

import jwt


def make_token(key_file: Path, user_id: str, seconds: int = 3600, **claims: Any) -> str:
    """A token of the user, with more claims if they are given."""
    key = bytes.fromhex(key_file.read_text().strip())
    now = int(time.time())
    usual = {"sub": user_id, "aud": "rushes", "iss": "rushes", "iat": now, "exp": now + seconds}
    return jwt.encode(usual | claims, key, "HS256")
