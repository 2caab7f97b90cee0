"""The journal: what a process learned outlives it, and is told exactly to those who ask."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import DependencyUnavailable
from tests.services import wait_for
from workers.runs.journal import Entry, Journal

FIRST = Entry("job-1", 1, "operation 1", done=False)
SECOND = Entry("job-2", 1, "operation 2", done=True)
THIRD = Entry("job-3", 2, "operation 3", done=False)
# Writes two entries, settles one, and waits to be killed.
WORKER = """
import sys
from pathlib import Path
from workers.runs.journal import Entry, Journal

journal = Journal(Path(sys.argv[1]), sys.argv[2])
for number in (1, 2):
    journal.write(Entry(f"job-{number}", 1, f"operation {number}", done=number == 2))
if "settled" in sys.argv:
    for number in (1, 2):
        journal.settled(Entry(f"job-{number}", 1, f"operation {number}", done=number == 2))
print("written", flush=True)
sys.stdin.read()
"""
Worker = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def worker(folder: Path) -> Iterator[Worker]:
    """Starts another process with a journal; it has written when this returns."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", WORKER, str(folder), *words]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        return process

    yield start
    for process in begun:
        kill(process)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def kill(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def adopted(journal: Journal) -> list[Entry]:
    found: list[Entry] = []
    journal.adopt_left(found.append)
    return found


def left(folder: Path, data: bytes) -> Path:
    """A file that a dead process left."""
    folder.mkdir(exist_ok=True)
    path = folder / "dead.jsonl"
    path.write_bytes(data)
    return path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def line(entry: Entry) -> bytes:
    done = str(entry.done).lower()
    text = f'{{"job_id": "{entry.job_id}", "number": {entry.number},'
    return f'{text} "operation": "{entry.operation}", "done": {done}}}\n'.encode()


def test_a_dead_process_s_entries_are_adopted_once(worker: Worker, journal: Journal) -> None:
    # Given a process that wrote and lives: its journal is its own
    process = worker("other")
    assert adopted(journal) == []

    # When it is killed
    kill(process)
    assert adopted(journal) == [FIRST, SECOND]
    assert adopted(journal) == []


def test_what_was_settled_is_not_told_again(worker: Worker, journal: Journal, folder: Path) -> None:
    kill(worker("other", "settled"))
    assert adopted(journal) == []
    assert files(folder) == {"worker.jsonl"}


def test_what_is_not_settled_yet_outlives_a_clean_end(journal: Journal, folder: Path) -> None:
    other = Journal(folder, "other")
    other.write(FIRST)
    other.write(SECOND)
    other.settled(FIRST)
    other.close()

    # The first may be told again: telling is repeatable.
    assert SECOND in adopted(journal)


def test_one_that_has_nothing_to_say_leaves_no_file(folder: Path) -> None:
    made = Journal(folder, "other")
    made.write(FIRST)
    made.settled(FIRST)
    made.close()
    made.close()
    assert files(folder) == set()


def test_a_line_that_was_torn_at_the_end_is_nobody_s(journal: Journal, folder: Path) -> None:
    left(folder, line(FIRST) + line(SECOND)[:-7])
    assert adopted(journal) == [FIRST]
    assert files(folder) == {"worker.jsonl"}


@pytest.mark.parametrize(
    "damage", [b"\x00\xff\n", b"{}\n", b"[1, 2]\n", b"\n\n", b'{"job_id": 1\n']
)
def test_a_damaged_line_takes_no_other_with_it(
    journal: Journal, folder: Path, damage: bytes
) -> None:
    left(folder, line(FIRST) + damage + line(SECOND))
    assert adopted(journal) == [FIRST, SECOND]


def test_an_entry_after_one_that_the_disk_took_in_part_is_whole(
    journal: Journal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a disk that takes only half of a line
    other = Journal(folder, "other")
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: real(file, data[: len(data) // 2]))
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            other.write(FIRST)

    # When there is room again
    other.write(SECOND)
    other.close()
    assert adopted(journal) == [SECOND]


def test_what_the_database_does_not_take_stays_for_the_next_look(
    journal: Journal, folder: Path
) -> None:
    path = left(folder, line(FIRST) + line(SECOND))

    def away(entry: Entry) -> None:
        if entry == SECOND:
            raise DependencyUnavailable("database")

    with pytest.raises(DependencyUnavailable):
        journal.adopt_left(away)
    assert path.exists()
    assert adopted(journal) == [FIRST, SECOND]


def test_a_file_that_can_not_be_read_keeps_no_other_from_being_adopted(
    journal: Journal, folder: Path
) -> None:
    left(folder, line(FIRST))
    (folder / "a.jsonl").mkdir()
    (folder / "z.jsonl").mkdir()
    assert adopted(journal) == [FIRST]


def test_an_answer_that_comes_after_the_end_is_kept(journal: Journal, folder: Path) -> None:
    other = Journal(folder, "other")
    other.close()
    other.write(THIRD)

    # Then it is told when the process is gone; here, when its file is closed
    assert adopted(journal) == []
    other.close()
    assert adopted(journal) == [THIRD]


def test_of_many_who_adopt_at_once_each_entry_is_told_and_every_file_goes(
    worker: Worker, folder: Path
) -> None:
    kill(worker("dead-1"))
    kill(worker("dead-2"))
    journals = [Journal(folder, f"worker-{number}") for number in range(4)]
    found: list[Entry] = []
    barrier = threading.Barrier(len(journals))

    def adopt(journal: Journal) -> None:
        barrier.wait()
        journal.adopt_left(found.append)

    threads = [threading.Thread(target=adopt, args=(journal,)) for journal in journals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {FIRST, SECOND}
    assert sorted(files(folder)) == [f"worker-{number}.jsonl" for number in range(4)]
    for journal in journals:
        journal.close()
    assert files(folder) == set()


def test_a_living_process_keeps_its_file_however_many_look(folder: Path) -> None:
    # Given processes that begin and end while others look for dead ones
    stop = threading.Event()
    looker = Journal(folder, "looker")

    def look() -> None:
        while not stop.is_set():
            looker.adopt_left(lambda entry: None)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for thread in lookers:
        thread.start()
    try:
        for number in range(150):
            made = Journal(folder, f"worker-{number}")
            # Then what is written is where it will be looked for
            made.write(FIRST)
            assert (folder / f"worker-{number}.jsonl").read_bytes().strip() == line(FIRST).strip()
            made.settled(FIRST)
            made.close()
    finally:
        stop.set()
        for thread in lookers:
            thread.join()
    looker.close()


def test_who_opened_a_file_before_it_was_removed_takes_no_living_one(
    journal: Journal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a look that has opened a file which another removes, and a new one of that name
    path = left(folder, line(FIRST))
    living: list[Journal] = []
    real = Path.open

    def open_late(self: Path, *values: object, **options: object) -> object:
        file = real(self, *values, **options)  # type: ignore[arg-type]
        if self == path and not living:
            path.unlink()
            living.append(Journal(folder, "dead"))
        return file

    monkeypatch.setattr(Path, "open", open_late)
    assert adopted(journal) == []

    # Then the new one is still there, and keeps what it is told
    living[0].write(SECOND)
    assert line(SECOND).strip() in path.read_bytes()
    living[0].close()
    wait_for(lambda: adopted(journal) == [SECOND], "the entry")


def test_what_a_done_operation_was_charged_is_told_too(folder: Path) -> None:
    paid = Entry("job-4", 1, "operation 4", done=True, charged_micros=7)
    dead, other = Journal(folder, "dead"), Journal(folder, "other")
    dead.write(paid)
    dead.close()
    told: list[Entry] = []
    other.adopt_left(told.append)
    other.close()
    assert told == [paid]
