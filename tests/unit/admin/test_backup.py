"""`rushes-admin backup` and `restore`."""

import fcntl
import gzip
import io
import json
import stat
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.jobs import State
from core.process import failpoints
from core.process.failpoints import FailpointHit
from core.store import jobs, submits, workers
from standalone.preflight import CannotStart, prepare_folder
from tests.making import accepted
from tests.services import wait_for
from tests.unit.admin.running import Place


def backed_up(place: Place, name: str = "backup.tgz") -> Path:
    target = place.folder.parent / name
    said = place.run("backup", str(target))
    assert (said.code, said.err) == (0, "")
    return target


def elsewhere(place: Place) -> Place:
    """An empty place for a restore."""
    return Place(place.folder.with_name("other"), place.capsys)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def rewritten(source: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The backup with other files in it, and its manifest as it was."""
    with tarfile.open(source) as tar:
        held = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    change(held)
    target = source.with_name("changed.tgz")
    with tarfile.open(target, "w:gz") as tar:
        for name, data in held.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return target


def test_everything_comes_back(place: Place) -> None:
    (place.folder / "journal").mkdir()
    (place.folder / "journal" / "w.jsonl").write_bytes(b"{}\n")
    (place.folder / "simulator").mkdir()
    (place.folder / "simulator" / "ledger.jsonl").write_bytes(b"paid\n")
    before, other = files(place.folder), elsewhere(place)

    said = other.run("restore", str(backed_up(place)))

    assert said.code == 0
    after = files(other.folder)
    kept = {name for name in before if name.startswith(("blobs/", "keys/", "journal/", "sim"))}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    with place.database() as old, other.database() as new:
        assert new.installation() == old.installation()
        assert new.epoch() != old.epoch()
    assert not list(other.folder.glob("*restoring*"))
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in other.folder.rglob("*")}
    assert modes == {0}


def test_a_backup_is_private_and_appears_whole(place: Place) -> None:
    target = backed_up(place)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in target.parent.iterdir() if path.name.startswith(".")] == []
    with tarfile.open(target) as tar:
        assert tar.getnames()[-1] == "manifest.json"
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert manifest["format"] == 1
    assert set(manifest["files"]) >= {"database/rushes.db", "blobs/media/a", "keys/jwt.key"}
    assert place.run("backup", str(target)).code == 2


def test_a_backup_taken_while_jobs_are_accepted_is_one_moment(place: Place) -> None:
    # Given an installation that accepts job after job
    stop, made = threading.Event(), []

    def accept() -> None:
        with place.database() as db:
            while not stop.is_set():
                made.append(accepted(db, "bob").job.job_id)

    thread = threading.Thread(target=accept)
    thread.start()
    wait_for(lambda: len(made) > 5)

    # When it is backed up meanwhile, and restored
    known = len(made)
    target = backed_up(place)
    stop.set()
    thread.join()
    other = elsewhere(place)
    assert other.run("restore", str(target)).code == 0

    # Then each job is whole, up to one moment, with its event
    with other.database() as db:
        found, point = jobs.list_page(db, "bob", limit=10_000)
        assert known <= len(found) <= len(made)
        assert sorted(made[: len(found)]) == sorted(job.job_id for job in found)
        assert point.revision == len(found)


def test_a_job_that_may_have_been_paid_since_is_not_submitted_again(place: Place) -> None:
    other = elsewhere(place)
    said = other.run("restore", str(backed_up(place)))
    assert "1 jobs may have been submitted" in said.out
    with other.database() as db:
        [item] = submits.unsettled(db)
        assert item.intent.restored
        assert item.state is State.RECONCILING
    assert "from after the backup" in other.run("reconcile", "list").out


def test_a_restore_refuses_what_is_not_empty_and_sets_it_aside_when_forced(place: Place) -> None:
    target = backed_up(place)
    with place.database() as db:
        accepted(db, "late")
    before = (place.folder / "rushes.db").read_bytes()

    refused = place.run("restore", str(target))
    assert refused.code == 2
    assert "--force" in refused.err
    assert (place.folder / "rushes.db").read_bytes() == before

    said = place.run("restore", str(target), "--force")
    assert said.code == 0
    [old] = place.folder.glob("rushes.db.before-*")
    assert old.read_bytes() == before
    assert f"Set aside: {old}" in said.out
    with place.database() as db:
        assert jobs.list_page(db, "late", limit=10)[0] == []
        assert len(jobs.list_page(db, "alice", limit=10)[0]) == 1


def test_a_restore_refuses_a_folder_on_which_rushes_runs(place: Place) -> None:
    target = backed_up(place)
    with (place.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = place.run("restore", str(target), "--force")
    assert said.code == 2
    assert "Rushes runs on" in said.err


@pytest.mark.parametrize(
    "damage",
    [
        lambda held: held.update({"blobs/media/a": b"flim"}),
        lambda held: held.update({"blobs/media/b": b"more"}),
        lambda held: held.pop("keys/jwt.key"),
        lambda held: held.pop("manifest.json"),
        lambda held: held.update({"manifest.json": b"{}"}),
        lambda held: held.update({"blobs/../../escaped": b"x"}),
        lambda held: held.update({"/etc/escaped": b"x"}),
        lambda held: held.update({"other/file": b"x"}),
    ],
)
def test_a_changed_backup_is_refused_and_nothing_is_touched(
    place: Place, damage: Callable[[dict[str, bytes]], None]
) -> None:
    changed = rewritten(backed_up(place), damage)
    before = files(place.folder)
    said = place.run("restore", str(changed), "--force")
    assert (said.code, said.out) == (1, "")
    after = files(place.folder)
    after.pop("lock")
    assert after == {name: data for name, data in before.items() if name != "lock"}
    assert not (place.folder.parent / "escaped").exists()


@pytest.mark.parametrize("left", [0, 0.01, 0.5, 0.95])
def test_a_cut_off_backup_is_refused(place: Place, left: float) -> None:
    target = backed_up(place)
    data = target.read_bytes()
    cut = target.with_name("cut.tgz")
    cut.write_bytes(data[: int(len(data) * left)])
    other = elsewhere(place)
    said = other.run("restore", str(cut))
    assert said.code == 1
    assert set(files(other.folder)) == {"lock"}


def test_a_mount_point_is_refused_before_anything_is_touched(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, before = backed_up(place), files(place.folder)
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "blobs")
    said = place.run("restore", str(target), "--force")
    assert said.code == 2
    assert "is a mount point" in said.err
    assert files(place.folder).items() >= before.items()


def test_a_link_in_a_backup_is_refused(place: Place) -> None:
    source = place.folder.parent / "link.tgz"
    with gzip.open(source, "wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        info = tarfile.TarInfo("keys/jwt.key")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    said = elsewhere(place).run("restore", str(source))
    assert said.code == 1
    assert "holds what it must not" in said.err


def test_a_restore_that_dies_in_the_middle_leaves_nothing_that_starts(place: Place) -> None:
    # Given a restore that dies when all but the database is in place
    target = backed_up(place)
    other = elsewhere(place)
    other.environment["failpoints"] = "restore.middle=exception"
    with pytest.raises(FailpointHit):
        other.run("restore", str(target))
    failpoints.arm("")

    # Then there is no database, and no run starts
    assert not (other.folder / "rushes.db").exists()
    with pytest.raises(CannotStart, match="was interrupted"):
        prepare_folder(other.folder)

    # And the restore can be done again
    other.environment.clear()
    assert other.run("restore", str(target), "--force").code == 0
    prepare_folder(other.folder)
    with other.database() as db:
        assert len(jobs.list_page(db, "alice", limit=10)[0]) == 1


def test_a_backup_needs_a_database_in_a_file(place: Place) -> None:
    place.environment["database_url"] = "postgresql://nobody@/none"
    for arguments in (("backup", "b.tgz"), ("restore", "b.tgz")):
        said = place.run(*arguments)
        assert said.code == 2
        assert "docs/operations.md" in said.err


def test_a_damaged_database_is_not_backed_up(place: Place) -> None:
    path = place.folder / "rushes.db"
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 9] = b"\xff" * (4096 * 6)
    path.write_bytes(data)
    target = place.folder.parent / "backup.tgz"
    assert place.run("backup", str(target)).code == 4
    assert not target.exists()


def test_blobs_in_an_object_store_are_left_to_it(place: Place) -> None:
    place.environment["blob_url"] = "s3://bucket/prefix"
    target = place.folder.parent / "backup.tgz"
    said = place.run("backup", str(target))
    assert "copy s3://bucket/prefix too" in said.out
    with tarfile.open(target) as tar:
        assert not [name for name in tar.getnames() if name.startswith("blobs/")]


def test_the_epoch_can_be_renewed_after_a_restore_by_other_means(place: Place) -> None:
    with place.database() as db:
        before = db.epoch()
    said = place.run("epoch", "renew")
    assert said.code == 0
    assert "1 jobs may have been submitted" in said.out
    with place.database() as db:
        assert db.epoch() != before


def test_nothing_is_renewed_under_living_workers(place: Place) -> None:
    with place.database() as db:
        workers.beat(db, "w", ["video"])
        before = db.epoch()
    said = place.run("epoch", "renew")
    assert said.code == 5
    with place.database() as db:
        assert db.epoch() == before


def test_a_file_that_is_not_there_is_one_sentence(place: Place) -> None:
    said = place.run("restore", str(place.folder / "nothing.tgz"), "--force")
    assert said.code == 1
    assert said.err.count("\n") == 1
