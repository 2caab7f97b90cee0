"""Tokens signed with an installation's own key."""

import time
from pathlib import Path

import jwt


def make_token(key_file: Path, user_id: str, seconds: int = 3600) -> str:
    key = bytes.fromhex(key_file.read_text().strip())
    now = int(time.time())
    claims = {"sub": user_id, "aud": "rushes", "iss": "rushes", "iat": now, "exp": now + seconds}
    return jwt.encode(claims, key, "HS256")
