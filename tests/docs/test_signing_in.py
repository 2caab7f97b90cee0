"""docs/signing-in.md: each example makes a token that is good, each message is one that is said."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from core.api_keys import new_secret
from core.errors import CredentialsExpired, CredentialsMissing, DependencyUnavailable, RequestError
from core.process.keys import read_or_make_key
from core.process.settings import read_settings
from server.interceptors.auth import bearer_token
from server.interceptors.jwt_verifier import JwksKeys, LocalKey, Verifier
from tests.services import missing
from tests.unit.server.interceptors.test_key_ring import Desk

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "signing-in.md").read_text()
ROWS = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| .+ \|$", PAGE, re.MULTILINE)
COMMANDS = {
    "python": [sys.executable, "-"],
    "js": ["node", "--input-type=commonjs", "-"],
    "sh": ["sh", "-eu"],
}


@pytest.mark.parametrize("language", list(COMMANDS))
def test_an_example_makes_a_token_that_is_good(language: str, tmp_path: Path) -> None:
    # Given the key that a server made, and the example as it stands on the page
    settings = read_settings(data_dir=tmp_path)
    key = read_or_make_key(settings.jwt_key_path)
    [example] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    for program in (COMMANDS[language][0], "openssl"):
        if shutil.which(program) is None:
            missing(program)

    # When it is run
    done = subprocess.run(
        COMMANDS[language],
        input=example,
        env={**os.environ, "KEY_FILE": str(settings.jwt_key_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    # Then the server takes what it prints
    principal = Verifier(LocalKey(key), settings).verify(done.stdout.strip())
    assert principal.user_id == "alice"
    left = principal.expire_time / 1000 - time.time()
    assert 3000 < left <= 3600 + settings.jwt_leeway_seconds


def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Reason and message of everything that can be wrong with signing in, in the page's order."""
    now, key = int(time.time()), bytes(32)
    good: dict[str, Any] = {"iss": "rushes", "aud": "rushes", "sub": "alice"}
    good |= {"iat": now, "exp": now + 60}
    local = Verifier(LocalKey(key), read_settings())
    keyless = Verifier(JwksKeys("https://keys.example/"), read_settings())

    def token(**claims: Any) -> str:
        body = {name: value for name, value in {**good, **claims}.items() if value is not None}
        if isinstance(body["sub"], str):
            return jwt.encode(body, key, "HS256")
        return jwt.api_jws.encode(json.dumps(body).encode(), key, "HS256")

    tries: list[Any] = [
        lambda: bearer_token(()),
        lambda: bearer_token((("authorization", "Basic x"),)),
        lambda: local.verify("nonsense"),
        *(
            lambda claims=claims: local.verify(token(**claims))  # type: ignore[misc]
            for claims in (
                {"iat": None},
                {"aud": "x"},
                {"iss": "x"},
                {"sub": ""},
                {"exp": now + 0.5},
                {"exp": now},
                {"exp": now + 90_000},
                {"iat": now + 600, "exp": now + 900},
                {"scope": ["jobs.read"]},
                {"nbf": now + 600},
            )
        ),
        lambda: keyless.verify(token()),
    ]
    heard = []
    for attempt in tries:
        with pytest.raises(RequestError) as caught:
            attempt()
        heard.append((str(caught.value.reason), caught.value.message))
    desk = Desk(monkeypatch)
    for secret in (new_secret(), desk.new(revoke_time=1), desk.new(expire_time=1)):
        refused = desk.one(secret)
        heard.append((str(refused.reason), refused.message))
    for error in (CredentialsExpired(), DependencyUnavailable("key server")):
        heard.append((str(error.reason), error.message))
    return heard


def test_each_message_of_the_page_is_said_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch) == ROWS


def test_the_page_names_the_limits_that_the_settings_have() -> None:
    settings = read_settings()
    assert settings.jwt_max_lifetime_seconds == 24 * 3600
    assert f"`RUSHES_JWT_LEEWAY_SECONDS` ({settings.jwt_leeway_seconds})" in PAGE
    assert CredentialsMissing().message in PAGE
