"""Room on the disks."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.errors import StorageFull
from core.process.settings import read_settings
from server.commands.room import LOOK_SECONDS, Room

MIB = 1024 * 1024


class Disks:
    """Disks of which a test says how much is free, and a clock."""

    def __init__(self) -> None:
        self.free: dict[Path, int] = {}
        self.looks = 0
        self.now = 100.0

    def usage(self, folder: Path) -> SimpleNamespace:
        self.looks += 1
        return SimpleNamespace(free=self.free.get(folder, 10**12))

    def clock(self) -> float:
        return self.now


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Disks:
    made = Disks()
    monkeypatch.setattr(shutil, "disk_usage", made.usage)
    return made


def test_each_local_disk_counts(disks: Disks) -> None:
    for folder in ("/data", "/db", "/blobs"):
        settings = read_settings(
            data_dir=Path("/data"), database_url="sqlite:////db/r.db", blob_url="file:///blobs"
        )
        room = Room(settings, disks.clock)
        disks.free = {Path(folder): 199 * MIB}
        with pytest.raises(StorageFull) as caught:
            room.refuse_full()
        assert caught.value.metadata == {"limit": "200 MiB"}


def test_disks_elsewhere_do_not_count(disks: Disks) -> None:
    settings = read_settings(
        data_dir=Path("/data"), database_url="postgresql://host/name", blob_url="s3://bucket"
    )
    Room(settings, disks.clock).refuse_full()
    assert disks.looks == 1


def test_it_looks_once_a_second_at_most(disks: Disks) -> None:
    room = Room(read_settings(data_dir=Path("/data")), disks.clock)
    for _ in range(5):
        room.refuse_full()
    looks = disks.looks
    disks.free[Path("/data")] = 0
    room.refuse_full()
    assert disks.looks == looks

    disks.now += LOOK_SECONDS
    assert is_full(room)

    disks.free.clear()
    assert is_full(room)
    disks.now += LOOK_SECONDS
    assert not is_full(room)


def test_a_limit_of_nothing_never_refuses(disks: Disks) -> None:
    room = Room(read_settings(data_dir=Path("/data"), min_free_megabytes=0), disks.clock)
    disks.free[Path("/data")] = 0
    room.refuse_full()


def test_a_disk_that_does_not_answer_is_left_to_the_write(
    disks: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Path) -> None:
        raise OSError("stale")

    monkeypatch.setattr(shutil, "disk_usage", broken)
    Room(read_settings(data_dir=Path("/data")), disks.clock).refuse_full()


def is_full(room: Room) -> bool:
    try:
        room.refuse_full()
    except StorageFull:
        return True
    return False
