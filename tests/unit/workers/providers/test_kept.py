"""Results that came with an answer: whole before the submit returns, or not there at all."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.blobs import Blobs, open_blobs
from core.errors import BlobMissing, DependencyUnavailable, Reason, StorageFull
from core.jobs import CostState, JobFailure
from core.process.settings import read_settings
from tests.contract.provider_runs import Run
from workers.providers import Output, ProviderFailed, RunStopped
from workers.providers.kept import KeptResults, Result
from workers.providers.spool import Spool

FILTERED = JobFailure(
    reason=Reason.CONTENT_FILTERED, message="No.", metadata={"phase": "output", "code": "x"}
)
NEVER = 10_000_000_000_000


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(read_settings(data_dir=tmp_path), b"k" * 32)


@pytest.fixture
def kept(blobs: Blobs, spool: Spool) -> KeptResults:
    return KeptResults(blobs, spool, seconds=0.01)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_what_is_kept_is_fetched_by_another_worker(
    kept: KeptResults, blobs: Blobs, spool: Spool, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 10_000
    output = Output(seed=7, revised_prompt="a better boat")
    operation = kept.keep("job.1", [Result(b"first"), Result(data, output)], 1234)

    other, path = KeptResults(blobs, spool), tmp_path / "output"
    assert other.fetch(operation, 1, path, Run()) == output
    assert path.read_bytes() == data
    assert other.fetch(operation, 0, path, Run()) == Output()
    assert path.read_bytes() == b"first"
    assert other.charged_micros(operation) == 1234
    assert other.find("job.1") == operation


def test_nothing_is_there_before_all_of_it_is(
    kept: KeptResults, blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = blobs.put_bytes

    def breaks(key: str, data: bytes) -> None:
        if key.endswith("manifest"):
            raise DependencyUnavailable("blob store")
        put(key, data)

    monkeypatch.setattr(blobs, "put_bytes", breaks)
    with pytest.raises(DependencyUnavailable):
        kept.keep("job.1", [Result(b"first")], None)

    assert kept.find("job.1") is None
    with pytest.raises(ProviderFailed) as error:
        kept.fetch("results/job.1", 0, tmp_path / "output", Run())
    assert error.value.failure.reason is Reason.PROVIDER_OPERATION_LOST
    assert error.value.failure.metadata == {"operation": "job.1"}
    assert error.value.cost is CostState.CHARGED


@pytest.mark.parametrize("error", [DependencyUnavailable("blob store"), StorageFull()])
def test_a_store_that_is_away_for_a_moment_loses_nothing_that_was_paid(
    blobs: Blobs, spool: Spool, error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = KeptResults(blobs, spool, seconds=20)
    monkeypatch.setattr("workers.providers.kept._PAUSE_SECONDS", 0)
    monkeypatch.setattr(blobs, "put_bytes", failing_twice(blobs.put_bytes, error))
    operation = kept.keep("job.1", [Result(b"first")], None)
    kept.fetch(operation, 0, tmp_path / "output", Run())
    assert (tmp_path / "output").read_bytes() == b"first"
    assert kept.charged_micros(operation) is None
    assert spooled(tmp_path) == []


def spooled(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("spool/*"))


def test_a_store_that_stays_away_gets_what_was_paid_when_it_is_back(
    kept: KeptResults, blobs: Blobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(blobs, "put_bytes", away)
        with pytest.raises(DependencyUnavailable):
            kept.keep("job.1", [Result(b"first"), Result(b"second")], 7)
        assert kept.find("job.1") is None
        # Another process of the machine finds no store either.
        with pytest.raises(DependencyUnavailable):
            KeptResults(blobs, Spool(tmp_path / "spool")).upload_spooled()

    KeptResults(blobs, Spool(tmp_path / "spool")).upload_spooled()
    assert spooled(tmp_path) == []
    assert kept.find("job.1") == "results/job.1"
    kept.fetch("results/job.1", 1, tmp_path / "output", Run())
    assert (tmp_path / "output").read_bytes() == b"second"
    assert kept.charged_micros("results/job.1") == 7


def away(key: str, data: bytes) -> None:
    raise DependencyUnavailable("blob store")


def test_an_upload_that_was_cut_off_is_made_again(
    kept: KeptResults, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = blobs.put_bytes

    def breaks(key: str, data: bytes) -> None:
        if key.endswith("1"):
            raise DependencyUnavailable("blob store")
        put(key, data)

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "put_bytes", breaks)
        with pytest.raises(DependencyUnavailable):
            kept.keep("job.1", [Result(b"first"), Result(b"second")], None)
        with pytest.raises(DependencyUnavailable):
            kept.upload_spooled()
        assert kept.find("job.1") is None
    kept.upload_spooled()
    assert kept.find("job.1") == "results/job.1"


def test_without_a_disk_the_store_is_waited_for(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "spool").write_bytes(b"no folder")
    kept = KeptResults(blobs, Spool(tmp_path / "spool"), seconds=0)
    monkeypatch.setattr("workers.providers.kept._PAUSE_SECONDS", 0)
    error = DependencyUnavailable("blob store")
    monkeypatch.setattr(blobs, "put_bytes", failing_twice(blobs.put_bytes, error))
    assert kept.find(kept.keep("job.1", [Result(b"x")], None).removeprefix("results/"))


def test_what_was_not_written_to_the_spool_whole_is_not_stored_and_erased_a_day_later(
    kept: KeptResults, blobs: Blobs, tmp_path: Path
) -> None:
    draft = tmp_path / "spool" / "job.1.draft"
    draft.mkdir(parents=True)
    (draft / "manifest").write_bytes(b"{}")
    kept.upload_spooled()
    assert spooled(tmp_path) == ["job.1.draft"]
    assert list(blobs.list_keys("results/", NEVER)) == []
    os.utime(draft, (0, 0))
    kept.upload_spooled()
    assert spooled(tmp_path) == []


def failing_twice(
    put: Callable[[str, bytes], None], error: Exception
) -> Callable[[str, bytes], None]:
    errors: Iterator[Exception] = iter([error, error])

    def try_put(key: str, data: bytes) -> None:
        for left in errors:
            raise left
        put(key, data)

    return try_put


def test_an_output_that_is_none_fails_with_what_was_said_of_it(
    kept: KeptResults, tmp_path: Path
) -> None:
    released = ProviderFailed(FILTERED, CostState.RELEASED)
    operation = kept.keep("job.1", [Result(b"x"), released, ProviderFailed(FILTERED)], None)
    kept.fetch(operation, 0, tmp_path / "output", Run())
    for index, cost in ((1, CostState.RELEASED), (2, CostState.CHARGED)):
        with pytest.raises(ProviderFailed) as error:
            kept.fetch(operation, index, tmp_path / "output", Run())
        assert (error.value.failure, error.value.cost) == (FILTERED, cost)


def test_an_output_beyond_those_that_came_is_no_result(kept: KeptResults, tmp_path: Path) -> None:
    operation = kept.keep("job.1", [Result(b"x")], None)
    with pytest.raises(ProviderFailed) as error:
        kept.fetch(operation, 1, tmp_path / "output", Run())
    assert error.value.failure.reason is Reason.RESULT_INVALID
    assert error.value.cost is CostState.CHARGED


def test_results_that_were_erased_are_lost(kept: KeptResults, blobs: Blobs, tmp_path: Path) -> None:
    operation = kept.keep("job.1", [Result(b"x")], None)
    blobs.delete([f"{operation}.0"])
    with pytest.raises(ProviderFailed) as error:
        kept.fetch(operation, 0, tmp_path / "output", Run())
    assert error.value.failure.reason is Reason.PROVIDER_OPERATION_LOST
    blobs.delete(blobs.list_keys("results/", NEVER))
    with pytest.raises(ProviderFailed):
        kept.charged_micros(operation)
    assert kept.find("job.1") is None


def test_a_run_that_shall_stop_copies_no_further(kept: KeptResults, tmp_path: Path) -> None:
    operation = kept.keep("job.1", [Result(b"x")], None)
    with pytest.raises(RunStopped):
        kept.fetch(operation, 0, tmp_path / "output", Run(stops=True))


def test_a_store_that_is_away_is_no_lost_result(
    kept: KeptResults, blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = kept.keep("job.1", [Result(b"x")], None)

    def away(key: str) -> bytes:
        raise DependencyUnavailable("blob store")

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "read", away)
        with pytest.raises(DependencyUnavailable):
            kept.find("job.1")
    assert kept.find("job.1") == operation


def test_every_field_of_an_output_is_kept(kept: KeptResults, tmp_path: Path) -> None:
    values = {"seed": 3, "revised_prompt": "x", "made_here": True}
    assert {field.name for field in dataclasses.fields(Output)} == set(values)
    operation = kept.keep("job.1", [Result(b"x", Output(**values))], None)  # type: ignore[arg-type]
    assert kept.fetch(operation, 0, tmp_path / "output", Run()) == Output(**values)  # type: ignore[arg-type]


def test_keys_are_flat_so_that_a_folder_keeps_no_empty_folders(
    kept: KeptResults, blobs: Blobs
) -> None:
    kept.keep("job.1", [Result(b"x")], None)
    keys = sorted(blobs.list_keys("results/", NEVER))
    assert keys == ["results/job.1.0", "results/job.1.manifest"]
    with pytest.raises(BlobMissing):
        blobs.read("results/job.1.1")
