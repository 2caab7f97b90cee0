import asyncio
import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.vertex import VertexFake
from workers.providers.vertex import tokens
from workers.providers.vertex.tokens import CredentialsRefused, CredentialsUnreachable, Tokens


def asked(fake: VertexFake) -> int:
    return fake.posts["/token"]


def change_file(fake: VertexFake, **changes: Any) -> None:
    account = json.loads(fake.credentials_file.read_text())
    fake.credentials_file.write_text(json.dumps({**account, **changes}))


def test_one_token_serves_all_who_ask(fake: VertexFake) -> None:
    made = Tokens(fake.credentials_file)
    headers = made.headers()
    assert headers["authorization"].startswith("Bearer ya29.")
    assert made.headers() == headers
    assert asyncio.run(made.headers_async()) == headers
    assert asked(fake) == 1


def test_many_polls_at_once_ask_once(fake: VertexFake) -> None:
    made = Tokens(fake.credentials_file)

    async def all_at_once() -> None:
        await asyncio.gather(*(made.headers_async() for _ in range(20)))

    asyncio.run(all_at_once())
    assert asked(fake) == 1


def test_a_token_is_renewed_before_it_ends(fake: VertexFake) -> None:
    made = Tokens(fake.credentials_file)
    first = made.headers()
    soon = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=200)
    made.credentials().expiry = soon
    assert made.headers() != first
    assert asked(fake) == 2


def test_with_a_file_nothing_else_is_looked_up(
    fake: VertexFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("looked around for credentials")

    monkeypatch.setattr("google.auth.default", never)
    assert Tokens(fake.credentials_file).headers()
    assert fake.requests == ["POST /token"]


@pytest.mark.parametrize("answer", [500, 503, 429])
def test_a_token_endpoint_that_fails_is_unreachable_and_asked_once(
    fake: VertexFake, answer: int
) -> None:
    fake.token_status = answer
    made = Tokens(fake.credentials_file)
    for _ in range(3):
        with pytest.raises(CredentialsUnreachable):
            made.headers()
    assert asked(fake) == 1


def test_a_token_endpoint_that_is_back_is_asked_again(
    fake: VertexFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_HOLD_SECONDS", 0)
    fake.token_status = 503
    made = Tokens(fake.credentials_file)
    with pytest.raises(CredentialsUnreachable):
        made.headers()
    fake.token_status = 200
    assert made.headers()


def test_a_token_endpoint_that_is_down_is_unreachable(fake: VertexFake) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    change_file(fake, token_uri=url)
    with pytest.raises(CredentialsUnreachable):
        Tokens(fake.credentials_file).headers()


def test_a_key_that_google_does_not_accept_is_refused(fake: VertexFake) -> None:
    fake.token_status = 400
    with pytest.raises(CredentialsRefused):
        Tokens(fake.credentials_file).headers()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"type": "authorized_user"}', '{"type": "service_account"}']
)
def test_a_file_that_is_no_service_account_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(content)
    with pytest.raises(CredentialsRefused):
        Tokens(file).headers()


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CredentialsRefused):
        Tokens(tmp_path / "none.json").headers()


def test_without_a_file_googles_own_search_is_used(
    fake: VertexFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(fake.credentials_file))
    assert Tokens(None).headers()["authorization"].startswith("Bearer ya29.")


def test_a_search_that_finds_nothing_is_not_made_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from google.auth.exceptions import DefaultCredentialsError

    searches = []

    def search(**_: object) -> None:
        searches.append(1)
        raise DefaultCredentialsError

    monkeypatch.setattr("google.auth.default", search)
    made = Tokens(None)
    for _ in range(3):
        with pytest.raises(CredentialsRefused):
            made.headers()
    assert len(searches) == 1


def test_a_token_that_was_refused_is_made_anew_unless_it_is_new(
    fake: VertexFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Tokens(fake.credentials_file)
    first = made.headers()
    made.forget()
    assert made.headers() == first
    monkeypatch.setattr(tokens, "_LONG_HOLD_SECONDS", 0)
    made.forget()
    assert made.headers() != first


def test_what_google_answered_is_in_no_error(fake: VertexFake) -> None:
    change_file(fake, client_email="someone-else")
    fake.token_status = 400
    with pytest.raises(CredentialsRefused) as error:
        Tokens(fake.credentials_file).headers()
    assert error.value.message == "RefreshError"
    assert error.value.__suppress_context__
