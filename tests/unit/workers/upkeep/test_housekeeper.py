"""What nobody asks for and everybody needs: an empty bin, and a database that stays small."""

import os
from pathlib import Path

import pytest

from core.blobs import Blobs
from core.errors import DependencyUnavailable
from core.store import Database, claims, flows, jobs, media, transitions, workers
from core.store.engine.sql import Statement
from tests.making import accepted, new_media, started
from tests.services import wait_for
from workers.providers.kept import KeptResults
from workers.providers.spool import Spool
from workers.upkeep import housekeeper as module
from workers.upkeep.housekeeper import DUTY, Housekeeper
from workers.upkeep.purge import owns

END_LONG_AGO = Statement("UPDATE job SET end_time = 1 WHERE job_id = :job_id")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def housekeeper(db: Database, blobs: Blobs, spool: Spool) -> Housekeeper:
    kept = KeptResults(blobs, spool)
    return Housekeeper(db, blobs, kept, "worker", 30, user_concurrency=4, round_seconds=0.01)


def over(db: Database, blobs: Blobs) -> str:
    """An item whose time in the bin is over."""
    item = new_media()
    blobs.put_bytes(item.blob_key, b"bytes")
    media.add(db, item)
    media.bin(db, "alice", [item.media_id], -1)
    return item.media_id


def ended(db: Database) -> str:
    job_id = accepted(db).job.job_id
    transitions.cancel(db, "alice", job_id, "")
    return job_id


def test_a_round_empties_the_bin_and_forgets_what_is_too_old(
    db: Database, blobs: Blobs, housekeeper: Housekeeper
) -> None:
    media_id, old, young = over(db, blobs), ended(db), ended(db)
    db.write(lambda session: session.run(END_LONG_AGO, job_id=old))

    assert housekeeper.keep()

    assert media.find(db, media_id) is None
    assert [job.job_id for job in jobs.list_page(db, "alice", limit=9)[0]] == [young]


def test_only_one_of_several_keeps_house(
    db: Database, blobs: Blobs, housekeeper: Housekeeper
) -> None:
    # Given another process that leads
    assert workers.lead(db, DUTY, "another", 60_000)
    media_id = over(db, blobs)

    # Then this one leaves it to that, until its lease ends
    assert not housekeeper.keep()
    assert media.find(db, media_id) is not None
    assert workers.lead(db, DUTY, "another", -1)
    assert housekeeper.keep()
    assert media.find(db, media_id) is None


def test_who_leads_goes_on_leading(
    db: Database, housekeeper: Housekeeper, blobs: Blobs, spool: Spool
) -> None:
    assert housekeeper.keep()
    assert housekeeper.keep()
    assert not Housekeeper(db, blobs, KeptResults(blobs, spool), "another", 30, 4).keep()


def test_what_an_older_process_did_not_count_is_counted_again(
    db: Database, housekeeper: Housekeeper
) -> None:
    # Given jobs that wait and run, of which a process that knows no flows keeps nothing
    accepted(db, "alice")
    started(db)
    accepted(db, "alice")
    for lost in ("DELETE FROM flow", "UPDATE user_stream SET running = 0"):
        db.write(lambda session, lost=lost: session.run(Statement(lost)))  # type: ignore[misc]
    assert flows.different(db) == ["alice"]
    assert claims.claim(db, "video", "worker", 60_000, 4) is None

    # When the housekeeper looks
    assert housekeeper.keep()

    # Then the job that waits is claimed, and the one that runs takes its room
    assert flows.different(db) == []
    assert claims.claim(db, "video", "worker", 60_000, 1) is None
    assert claims.claim(db, "video", "worker", 60_000, 2) is not None


def test_the_whole_store_is_listed_less_often(
    db: Database,
    blobs: Blobs,
    housekeeper: Housekeeper,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def orphan(name: str) -> Path:
        blobs.put_bytes(f"media/{name}", b"x")
        path = tmp_path / "blobs" / "media" / name
        os.utime(path, (0, 0))
        return path

    assert owns(db, blobs)
    first = orphan("first")
    housekeeper.keep()
    assert first.exists()

    monkeypatch.setattr(module, "ORPHAN_ROUND_SECONDS", 0.0)
    housekeeper.keep()
    assert not first.exists()


def test_it_goes_on_by_itself_after_a_failure(
    db: Database, blobs: Blobs, housekeeper: Housekeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[str] = []

    def away(*_: object) -> None:
        failures.append("away")
        raise DependencyUnavailable("database")

    media_id = over(db, blobs)
    with monkeypatch.context() as patch:
        patch.setattr(workers, "lead", away)
        housekeeper.start()
        wait_for(lambda: len(failures) > 2, "it to go on")
    wait_for(lambda: media.find(db, media_id) is None, "the bin to be emptied")
    housekeeper.close()


def test_paid_results_of_this_machine_are_stored_whoever_leads(
    db: Database, blobs: Blobs, housekeeper: Housekeeper, spool: Spool
) -> None:
    assert workers.lead(db, DUTY, "another", 60_000)
    spool.write("job.1", {"0": b"paid", "manifest": b"{}"})
    housekeeper.start()
    wait_for(lambda: list(blobs.list_keys("results/", 2**52)), "the results")
    housekeeper.close()
    assert blobs.read("results/job.1.0") == b"paid"


def test_closing_ends_its_thread(housekeeper: Housekeeper) -> None:
    housekeeper.start()
    housekeeper.stop()
    housekeeper.close()
    assert not housekeeper.alive


def test_one_that_never_started_can_be_closed(housekeeper: Housekeeper) -> None:
    housekeeper.close()
