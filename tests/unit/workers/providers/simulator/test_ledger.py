"""The ledger: what is written is there, whoever dies."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from core.catalog.simulated import Word
from tests.services import wait_for
from workers.providers.simulator.ledger import Books, Ledger, Line

WRITER = """
import sys
from pathlib import Path
from tests.unit.workers.providers.simulator.test_ledger import accepted
from workers.providers.simulator.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    name = f"{sys.argv[2]}.{number}"
    ledger.write(lambda _: accepted(name))
    print(name, flush=True)
"""


def accepted(name: str, **changes: object) -> Line:
    line: Line = {"event": "accepted", "time": 1, "key": f"k-{name}", "job_id": "j"}
    line |= {"operation": name, "micros": 5, "model": "m", "words": ["sim:slow"]}
    return {**line, "ready_time": 2, **changes}


def names(ledger: Ledger) -> list[str]:
    return list(ledger.books().operations)


def writer(folder: Path, name: str, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(folder), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_line_is_on_the_disk_and_seen_by_others(tmp_path: Path) -> None:
    ledger, other = Ledger(tmp_path), Ledger(tmp_path)
    assert names(other) == []

    ledger.write(lambda _: accepted("one"))

    [line] = (tmp_path / "ledger.jsonl").read_text().splitlines()
    assert json.loads(line) == accepted("one")
    assert names(other) == ["one"]
    assert other.books().by_key["k-one"].words == {Word.SLOW}


def test_a_decision_sees_what_others_wrote_just_before(tmp_path: Path) -> None:
    ledger, other = Ledger(tmp_path), Ledger(tmp_path)
    other.write(lambda _: accepted("one"))

    def only_if_new(books: Books) -> Line | None:
        return None if "one" in books.operations else accepted("one")

    assert ledger.write(only_if_new) is None
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 1


def test_only_the_new_tail_is_read(tmp_path: Path) -> None:
    ledger, other = Ledger(tmp_path), Ledger(tmp_path)
    ledger.write(lambda _: accepted("one"))
    before = other.books().operations["one"]

    ledger.write(lambda _: accepted("two"))

    assert names(other) == ["one", "two"]
    assert other.books().operations["one"] is before


def test_a_torn_line_counts_for_nothing_and_is_cut_off(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.write(lambda _: accepted("one"))
    path = tmp_path / "ledger.jsonl"
    with path.open("a") as file:
        # Whole but for its end: its writer died before it could answer.
        file.write(json.dumps(accepted("torn")))

    assert names(ledger) == names(Ledger(tmp_path)) == ["one"]
    ledger.write(lambda _: accepted("two"))
    assert [json.loads(line)["operation"] for line in path.read_text().splitlines()] == [
        "one",
        "two",
    ]
    assert names(Ledger(tmp_path)) == ["one", "two"]


def test_a_file_that_took_the_place_of_the_first_is_read_from_its_start(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.write(lambda _: accepted("one"))
    (tmp_path / "ledger.jsonl").rename(tmp_path / "old")

    ledger.write(lambda _: accepted("two"))

    assert names(ledger) == ["two"]
    assert json.loads((tmp_path / "ledger.jsonl").read_text()) == accepted("two")


def test_many_processes_lose_no_line(tmp_path: Path) -> None:
    writers = [writer(tmp_path, name, 40) for name in "abc"]
    said = [line for process in writers for line in process.communicate()[0].split()]

    assert len(said) == 120
    assert sorted(names(Ledger(tmp_path))) == sorted(said)


def test_what_a_killed_process_had_answered_is_in_the_ledger(tmp_path: Path) -> None:
    killed, other = writer(tmp_path, "killed", 100_000), writer(tmp_path, "other", 40)
    wait_for(lambda: "killed.5" in names(Ledger(tmp_path)), "a few lines")
    killed.send_signal(signal.SIGKILL)
    said = [line for process in (killed, other) for line in process.communicate()[0].split()]

    ledger = Ledger(tmp_path)
    ledger.write(lambda _: accepted("last"))
    assert set(said) <= set(names(ledger))
    assert len(said) >= 45
    assert names(ledger)[-1] == "last"
