"""Where the command line finds its server, and as whom it signs in."""

import getpass
import json
import os
import socket
from pathlib import Path

import jwt
import pytest

from rushes.v1 import media_service_pb2 as pb
from tests.unit.clients.conftest import CommandLine
from tests.unit.clients.stand_in import StandIn

KEY = bytes(range(32))


@pytest.fixture
def data(alone: CommandLine, server: StandIn) -> Path:
    """The data folder of a standalone that runs."""
    return a_standalone(Path(alone.environment["RUSHES_DATA_DIR"]), server.address, os.getpid())


def a_standalone(folder: Path, server: str, pid: int) -> Path:
    key_file = folder / "keys" / "jwt.key"
    key_file.parent.mkdir(parents=True)
    key_file.write_text(KEY.hex() + "\n")
    (folder / "run").mkdir()
    values = {
        "pid": pid,
        "address": f"http://{server}",
        "server": server,
        "jwt_key_file": str(key_file),
        "issuer": "rushes",
        "audience": "rushes",
    }
    (folder / "run" / "standalone.json").write_text(json.dumps(values))
    return folder


def claims(token: str) -> dict[str, object]:
    read: dict[str, object] = jwt.decode(
        token.strip(), KEY, ["HS256"], audience="rushes", issuer="rushes"
    )
    return read


def lists_models(server: StandIn) -> None:
    server.answers["ListModels"] = pb.ListModelsResponse()


def test_it_signs_in_as_this_user_at_the_standalone(
    alone: CommandLine, server: StandIn, data: Path
) -> None:
    lists_models(server)
    assert alone("models").code == 0
    assert claims(server.tokens[0])["sub"] == getpass.getuser()


def test_a_named_user_counts_more_than_the_environment(
    alone: CommandLine, server: StandIn, data: Path
) -> None:
    lists_models(server)
    alone("models", RUSHES_USER="bob")
    alone("models", "--user", "alice", RUSHES_USER="bob", RUSHES_TOKEN="t")
    alone("--user", "carol", "models")
    assert [claims(token)["sub"] for token in server.tokens] == ["bob", "alice", "carol"]


def test_a_token_is_used_as_it_is(alone: CommandLine, server: StandIn, data: Path) -> None:
    lists_models(server)
    alone("models", RUSHES_TOKEN="from-the-environment", RUSHES_USER="bob")
    alone("models", "--token", "given", RUSHES_TOKEN="from-the-environment")
    assert server.tokens == ["from-the-environment", "given"]
    both = alone("models", "--token", "given", "--user", "bob")
    assert both.code == 2
    assert "--user" in both.err


def test_the_data_folder_of_a_parent_is_found(alone: CommandLine, server: StandIn) -> None:
    lists_models(server)
    a_standalone(alone.folder / ".rushes", server.address, os.getpid())
    below = alone.folder / "a" / "b"
    below.mkdir(parents=True)
    del alone.environment["RUSHES_DATA_DIR"]
    assert CommandLine(below, alone.environment)("models").code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_data_folder_of_another_user_is_passed_over(alone: CommandLine, data: Path) -> None:
    from rushes.cli import discovery

    os.chown(data, 12345, 12345)
    named = pytest.MonkeyPatch()
    with named.context() as patch:
        patch.setenv("RUSHES_DATA_DIR", str(data))
        patch.setattr(os, "geteuid", lambda: 1000)
        assert list(discovery.data_folders()) == []


def test_nothing_that_runs_here_is_code_4(alone: CommandLine, server: StandIn) -> None:
    done = alone("jobs")
    folder = alone.environment["RUSHES_DATA_DIR"]
    assert (done.code, done.out) == (4, "")
    assert done.err == (
        f"Rushes is not running here (looked in {folder}). "
        "Start it with `make up`, or name a server with --server.\n"
    )
    a_standalone(Path(folder), server.address, pid=2**22 + 1)
    assert alone("jobs").err == done.err


def test_a_server_that_is_not_there_is_code_4(alone: CommandLine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"localhost:{taken.getsockname()[1]}"
        done = alone("jobs", RUSHES_SERVER=address, RUSHES_TOKEN="t")
    assert (done.code, done.err) == (4, f"The server at {address} can't be reached.\n")


def test_the_local_key_signs_in_nowhere_else(alone: CommandLine, data: Path) -> None:
    done = alone("jobs", "--server", "rushes.example.com:443")
    assert done.code == 3
    assert "--token" in done.err


def test_a_token_is_all_that_stdout_gets(alone: CommandLine, data: Path) -> None:
    done = alone("token", "--user", "alice")
    read = claims(done.out)
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    assert read["sub"] == "alice"
    assert int(str(read["exp"])) - int(str(read["iat"])) == 12 * 3600
    read = claims(json.loads(alone("token", "--ttl", "30m", "--json").out)["token"])
    assert int(str(read["exp"])) - int(str(read["iat"])) == 1800
    # The key outlives the run.
    (data / "run" / "standalone.json").unlink()
    assert claims(alone("token", "--user", "alice").out)["sub"] == "alice"


def test_a_token_may_do_what_its_scopes_say_and_else_what_a_person_may(
    alone: CommandLine, data: Path
) -> None:
    named = alone("token", "--scope", "admin", "--scope", "notifications.write")
    assert claims(named.out)["scope"] == "admin notifications.write"
    assert "scope" not in claims(alone("token").out)


def test_a_token_can_be_made_from_a_named_key(alone: CommandLine) -> None:
    file = alone.folder / "my.key"
    file.write_text(KEY.hex())
    assert claims(alone("token", "--key-file", "my.key", "--user", "bob").out)["sub"] == "bob"
    file.write_text("abcd")
    short = alone("token", "--key-file", "my.key")
    assert (short.code, "shorter" in short.err) == (3, True)
    assert alone("token", "--key-file", "nothing.key").code == 3


def test_a_tokens_life_is_limited(alone: CommandLine, data: Path) -> None:
    for ttl in ("25h", "0s", "soon", "-1h", "12"):
        done = alone("token", f"--ttl={ttl}")
        assert done.code == 2
        assert "--ttl" in done.err
