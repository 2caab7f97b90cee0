"""The user of Valkey in docs/hardening.md: a run needs no more, and gets no more."""

import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from standalone.envoy import find_envoy
from tests.e2e.running import Running
from tests.ports import free_port
from tests.services import missing, valkey_binary, wait_for

PAGE = Path(__file__).resolve().parents[2] / "docs" / "hardening.md"


@pytest.fixture
def guarded() -> Iterator[str]:
    """The address of a Valkey that knows the page's user alone."""
    acl = "\n".join(re.findall(r"^user .*$", PAGE.read_text(), re.MULTILINE))
    with tempfile.TemporaryDirectory(prefix="sec-", dir="/tmp") as folder:
        path, users = Path(folder) / "valkey.sock", Path(folder) / "users.acl"
        users.write_text(f"{acl}\n")
        command = [valkey_binary(), "--port", "0", "--unixsocket", str(path), "--save", ""]
        command += ["--dir", folder, "--aclfile", str(users), "--maxmemory-policy", "noeviction"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_for(lambda: listens(path), "Valkey")
            yield f"unix://rushes:password@{path}"
        finally:
            process.terminate()
            process.wait()


def listens(path: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        return probe.connect_ex(str(path)) == 0


@pytest.mark.timeout(180)
def test_a_run_needs_no_more_than_the_user_of_the_page(guarded: str, tmp_path: Path) -> None:
    if find_envoy() is None:
        missing("Envoy")
    with closing(Running(tmp_path, free_port(), RUSHES_REDIS_URL=guarded)) as run:
        # Given a run on that Valkey
        run.start()

        # When a user watches a job and waits for it
        with run.client("alice") as client:
            seen = client.run_image("a boat", size="256x256", out=tmp_path / "boat.png")

        # Then it went by Valkey, which refused nothing
        assert seen
        with redis.Redis.from_url(guarded) as ours:
            assert list(ours.scan_iter("rushes:*"))
            denied = {key: value for key, value in ours.info().items() if "access_denied" in key}
            assert denied
            assert not any(denied.values()), denied
        assert run.interrupt() == 0, run.printed
        logs = "".join(path.read_text() for path in (run.data / "logs").glob("*.log"))
        assert "NoPermission" not in logs
        assert "tell_failed" not in logs
        assert "stream_unreachable" not in logs


@pytest.mark.parametrize(
    "command",
    [
        *("FLUSHALL", "FLUSHDB", "CONFIG GET *", "CONFIG SET dir /tmp", "SAVE", "BGSAVE"),
        *(
            "SHUTDOWN",
            "MODULE LIST",
            "REPLICAOF 127.0.0.1 1",
            "ACL LIST",
            "KEYS *",
        ),
        *("GET other", "SET other 1", "XADD other * a b", "PUBLISH a b", "MONITOR", "CLIENT LIST"),
    ],
)
def test_the_user_changes_neither_the_server_nor_other_keys(guarded: str, command: str) -> None:
    with (
        redis.Redis.from_url(guarded) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*command.split())


def test_nobody_comes_in_without_the_password(guarded: str) -> None:
    path = guarded.partition("@")[2]
    for address in (f"unix://{path}", f"unix://rushes:wrong@{path}"):
        with redis.Redis.from_url(address) as client, pytest.raises(redis.AuthenticationError):
            client.ping()
