"""Server and token from the environment."""

from pathlib import Path

import pytest

from rushes import Client, NotSignedIn, Unavailable
from rushes.v1 import media_service_pb2 as pb
from tests.unit.clients.stand_in import StandIn


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, server: StandIn) -> None:
    server.answers["ListModels"] = pb.ListModelsResponse()
    for name in ("RUSHES_TOKEN", "RUSHES_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RUSHES_SERVER", server.address)


def sent_token(stand_in: StandIn, **arguments: str) -> str:
    with Client(**arguments) as client:
        client.list_models()
    return stand_in.tokens[-1]


def test_server_and_token_are_taken_from_it(
    server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_TOKEN", "from-outside")
    assert sent_token(server) == "from-outside"


def test_what_the_caller_names_counts_more(
    server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_SERVER", "nowhere.invalid:1")
    monkeypatch.setenv("RUSHES_TOKEN", "from-outside")
    assert sent_token(server, server=server.address, token="mine") == "mine"
    assert sent_token(server, server=server.address, token="") == ""


def test_a_token_file_is_read_at_every_call(
    server: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    monkeypatch.setenv("RUSHES_TOKEN_FILE", str(file))
    with Client() as client:
        for token in ("first", "second"):
            file.write_text(f"{token}\n")
            client.list_models()
        file.unlink()
        with pytest.raises(NotSignedIn, match="RUSHES_TOKEN_FILE"):
            client.list_models()
    assert server.tokens == ["first", "second"]


def test_a_server_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHES_SERVER", "no-such-host.invalid:8080")
    with Client(retry_for=0) as client, pytest.raises(Unavailable) as caught:
        client.list_models()
    assert str(caught.value) == "The server at no-such-host.invalid:8080 can't be reached."
    with (
        Client(retry_for=0) as client,
        client.watch() as events,
        pytest.raises(Unavailable, match="no-such-host"),
    ):
        next(events)
