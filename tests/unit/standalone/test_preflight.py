"""What keeps the one-command run from starting is said in one clear sentence."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from standalone import preflight
from standalone.preflight import CannotStart

NOBODY = 65534


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Root may write everywhere; tests about rights run as somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only root can mount a small disk")
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow a mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_new_data_folder_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"

    preflight.prepare_folder(folder)

    modes = {path: path.stat().st_mode & 0o777 for path in [folder, *folder.iterdir()]}
    assert set(modes.values()) == {0o700}
    assert {path.name for path in folder.iterdir()} == {"run", "logs", "valkey"}


def test_a_data_folder_is_used_again_and_made_private(tmp_path: Path) -> None:
    preflight.prepare_folder(tmp_path / "data")
    (tmp_path / "data").chmod(0o755)

    preflight.prepare_folder(tmp_path / "data")

    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    tmp_path.chmod(0o755)

    with pytest.raises(CannotStart, match="holds other files"):
        preflight.prepare_folder(tmp_path)

    assert tmp_path.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


@pytest.mark.usefixtures("ordinary_user")
def test_a_folder_that_can_not_be_written_is_named() -> None:
    with pytest.raises(CannotStart, match=r"/usr/rushes can't be written \(permission denied\)"):
        preflight.prepare_folder(Path("/usr/rushes"))


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    with pytest.raises(CannotStart, match="data is not a folder"):
        preflight.prepare_folder(tmp_path / "data")


def test_a_full_disk_is_named(small_disk: Path) -> None:
    preflight.prepare_folder(small_disk)

    with pytest.raises(CannotStart, match=r"is full: [01] MiB are free, 50 MiB are needed"):
        preflight.check_room(small_disk)


def test_a_disk_that_refuses_the_first_write_is_full(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preflight.prepare_folder(small_disk)
    monkeypatch.setattr(preflight, "ROOM_BYTES", 0)
    monkeypatch.setattr(preflight, "PROBE_BYTES", 4 * preflight.MIB)

    with pytest.raises(CannotStart, match="is full"):
        preflight.check_room(small_disk)


def test_a_disk_with_room_is_fine(tmp_path: Path) -> None:
    preflight.prepare_folder(tmp_path / "data")

    preflight.check_room(tmp_path / "data")


def test_a_second_run_on_the_same_data_names_the_first(tmp_path: Path) -> None:
    with (
        preflight.locked(tmp_path, "http://localhost:8080"),
        pytest.raises(CannotStart, match=rf"process {os.getpid()}, http://localhost:8080"),
        preflight.locked(tmp_path, "http://localhost:8081"),
    ):
        pass


def test_a_run_that_ended_leaves_the_data_free(tmp_path: Path) -> None:
    with preflight.locked(tmp_path, "http://localhost:8080"):
        pass

    with preflight.locked(tmp_path, "http://localhost:8081"):
        pass

    assert "8081" in (tmp_path / "lock").read_text()


def test_a_taken_port_is_named_with_another_to_try() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(CannotStart, match=rf"port {port} is taken .* RUSHES_PORT=\d+"):
            preflight.check_port(port)


def test_a_port_that_only_ipv6_has_is_taken() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with (
        closing(socket.create_server(("::1", 0), family=socket.AF_INET6)) as taken,
        pytest.raises(CannotStart, match="is taken"),
    ):
        preflight.check_port(taken.getsockname()[1])


def test_a_free_port_is_fine() -> None:
    preflight.check_port(preflight.free_port())


def test_sockets_are_in_the_run_folder_when_its_path_is_short() -> None:
    assert preflight.socket_folder(Path("/data/run"), 20) == Path("/data/run")


@pytest.mark.parametrize("run", ["/" + "long/" * 30, "/home/Anna Müller/run", "/data/100%/run"])
def test_sockets_are_elsewhere_when_the_path_is_long_or_odd(run: str) -> None:
    folder = preflight.socket_folder(Path(run), 20)

    try:
        assert len(str(folder)) < 80
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        folder.rmdir()
