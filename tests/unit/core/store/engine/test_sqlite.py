"""The one writer of a process, and the file lock by which processes take turns."""

import fcntl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import DependencyUnavailable
from core.store.engine.sqlite import Writer, open_sqlite
from tests.services import wait_for

COUNT = """
import sys
from pathlib import Path
from core.store.engine.sqlite import Writer

folder = Path(sys.argv[1])
def count():
    number = int((folder / "count").read_text())
    (folder / "count").write_text(str(number + 1))

writer = Writer(folder / "lock")
sys.stdin.read()
for _ in range(200):
    writer.run(count)
writer.close()
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = Writer(tmp_path / "lock")
    yield made
    made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.store.engine.sqlite.MAX_WAIT_SECONDS", 0.1)


def test_what_a_transaction_gives_comes_back(writer: Writer) -> None:
    assert writer.run(lambda: "result") == "result"


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, GeneratorExit])
def test_what_a_transaction_raises_reaches_its_caller(
    writer: Writer, error: type[BaseException]
) -> None:
    def fail() -> None:
        raise error("why")

    with pytest.raises(error, match="why"):
        writer.run(fail)
    assert writer.run(lambda: "next") == "next"


def test_all_transactions_run_in_one_thread_one_by_one(writer: Writer) -> None:
    inside: list[int] = []

    def transaction() -> int:
        inside.append(1)
        assert len(inside) == 1
        inside.pop()
        return threading.get_ident()

    with ThreadPoolExecutor(8) as pool:
        threads = set(pool.map(lambda _: writer.run(transaction), range(100)))
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


@pytest.mark.usefixtures("impatient")
def test_one_whose_turn_does_not_come_is_refused_and_never_runs(writer: Writer) -> None:
    # Given a transaction that takes long
    ran: list[str] = []
    may_end, begun = threading.Event(), threading.Event()

    def long() -> str:
        begun.set()
        assert may_end.wait(20)
        return "late"

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(writer.run, long)
        assert begun.wait(20)

        # When another waits behind it
        with pytest.raises(DependencyUnavailable):
            writer.run(lambda: ran.append("refused"))

        # Then it never runs, and the long one that had begun is not given up
        may_end.set()
        assert slow.result(20) == "late"
    writer.run(lambda: ran.append("next"))
    assert ran == ["next"]


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_another_process_keeps_makes_us_wait_no_longer(
    writer: Writer, tmp_path: Path
) -> None:
    ran: list[str] = []
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DependencyUnavailable):
            writer.run(lambda: ran.append("refused"))
        fcntl.flock(lock, fcntl.LOCK_UN)

    writer.run(lambda: ran.append("next"))
    assert ran == ["next"]


def test_two_processes_take_turns(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", COUNT, str(tmp_path)]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(2)]
    for process in both:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(30) for process in both] == [0, 0]

    assert (tmp_path / "count").read_text() == "400"


def test_closing_ends_the_thread_after_the_work_that_it_has(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "lock")
    ran: list[int] = []
    may_run = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        pool.submit(writer.run, lambda: may_run.wait(20))
        waiting = [pool.submit(writer.run, lambda n=n: ran.append(n)) for n in range(3)]
        wait_for(lambda: writer._work.qsize() == 3, "three to wait")
        may_run.set()
        writer.close()
        assert all(future.result(20) is None for future in waiting)
    assert sorted(ran) == [0, 1, 2]
    assert not writer._thread.is_alive()


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    file = open_sqlite(tmp_path / "new" / "rushes.db")

    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "new" / "rushes.db").stat().st_mode) == 0o600
    assert file.is_closed()


def test_every_connection_is_in_wal_mode_and_waits_for_the_disk(tmp_path: Path) -> None:
    file = open_sqlite(tmp_path / "rushes.db")
    with file.connection_context():
        modes = [file.execute_sql(f"PRAGMA {name}").fetchone()[0] for name in MODES]
    assert modes == list(MODES.values())


MODES = {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 5000}


def test_the_connections_of_all_threads_can_be_closed(tmp_path: Path) -> None:
    file = open_sqlite(tmp_path / "rushes.db")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: file.execute_sql("SELECT 1").fetchone(), range(9)))
    opened = list(file._opened)

    file.close_everywhere()

    assert opened
    for connection in opened:
        with pytest.raises(Exception, match="closed database"):
            connection.execute("SELECT 1")
