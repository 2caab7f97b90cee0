"""One worker process counts the installation for the metrics; the others show nothing of it."""

import pytest

from core.errors import DependencyUnavailable
from core.process import metrics
from core.store import Database, circuits, overview, workers
from tests.counting import sample
from tests.making import accepted
from tests.services import wait_for
from workers.upkeep.statistics import DUTY, GAUGES, Statistics


def waiting_videos() -> float:
    return sample("rushes_unfinished_jobs", queue="video", state="QUEUED")


def shown() -> int:
    return sum(len(family.samples) for gauge in GAUGES for family in gauge.collect())


def test_the_leader_shows_what_there_is(db: Database) -> None:
    accepted(db)
    workers.beat(db, "w1", ["video"])
    circuits.failed(db, "simulator", 1, 60_000)

    assert Statistics(db, "w1").count()

    assert waiting_videos() == 1
    assert sample("rushes_unfinished_jobs", queue="image", state="RECONCILING") == 0
    assert sample("rushes_live_workers", queue="video") == 1
    assert sample("rushes_open_circuits", provider="simulator") == 1
    assert sample("rushes_spend_today_micros", part="reserved") == 0


def test_who_does_not_lead_any_more_shows_nothing(db: Database) -> None:
    mine = Statistics(db, "w1")
    assert mine.count()
    assert shown()

    wait_for(lambda: workers.lead(db, DUTY, "w1", 1), "the lease to be short")
    wait_for(lambda: workers.lead(db, DUTY, "w2", 60_000), "another to lead")

    assert not mine.count()
    assert not shown()


def test_without_a_database_no_old_figures_are_shown(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Statistics(db, "w1")
    assert mine.count()

    def away(_: Database) -> None:
        raise DependencyUnavailable("database")

    monkeypatch.setattr(overview, "look", away)

    assert not mine.count()
    assert not shown()


def test_a_circuit_that_closed_is_shown_as_closed(db: Database) -> None:
    mine = Statistics(db, "w1")
    circuits.failed(db, "simulator", 1, 60_000)
    mine.count()
    db.write(lambda session: circuits.answered(session, "simulator"))

    mine.count()

    assert metrics.REGISTRY.get_sample_value("rushes_open_circuits", {"provider": "simulator"}) == 0


def test_the_thread_counts_at_once_and_ends(db: Database) -> None:
    accepted(db)
    mine = Statistics(db, "w1")
    mine.start()
    wait_for(lambda: waiting_videos() == 1, "the first look")
    mine.close()


def test_one_that_never_started_can_be_closed(db: Database) -> None:
    Statistics(db, "w1").close()
