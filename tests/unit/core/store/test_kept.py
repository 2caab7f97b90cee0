"""What many threads ask for is read once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.store.kept import Kept
from tests.services import wait_for

STALE = 60.0


def test_a_value_is_read_once_while_it_is_fresh() -> None:
    kept = Kept(fresh_seconds=60, stale_seconds=STALE)
    numbers = iter(range(9))
    assert [kept.get("a", lambda: next(numbers)) for _ in range(3)] == [0, 0, 0]
    assert kept.get("b", lambda: next(numbers)) == 1


def test_who_has_no_value_yet_waits_for_the_one_who_reads_it() -> None:
    # Given a read that has not ended
    kept = Kept(fresh_seconds=60, stale_seconds=STALE)
    reads, may_end = list[int](), threading.Event()

    def read() -> int:
        reads.append(len(reads))
        assert may_end.wait(10)
        return reads[-1]

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(kept.get, "a", read) for _ in range(4)]
        wait_for(lambda: reads)

        # When it ends
        may_end.set()

        # Then all have what it gave, and nobody has read again
        assert [one.result(10) for one in asked] == [0, 0, 0, 0]


def test_meanwhile_others_take_the_last_value() -> None:
    # Given a value that is fresh no more, and a thread that reads it anew
    kept = Kept(fresh_seconds=0, stale_seconds=STALE)
    assert kept.get("a", lambda: "old") == "old"
    reads, may_end = threading.Event(), threading.Event()

    def read() -> str:
        reads.set()
        assert may_end.wait(10)
        return "new"

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(kept.get, "a", read)
        assert reads.wait(10)

        # When another one asks
        found = kept.get("a", lambda: pytest.fail("it was read twice"))
        may_end.set()

        # Then it need not wait
        assert (found, reading.result(10)) == ("old", "new")


def test_nobody_takes_a_value_that_is_too_old() -> None:
    kept = Kept(fresh_seconds=0, stale_seconds=0)
    assert kept.get("a", lambda: "old") == "old"
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(kept.get, "a", lambda: "new") for _ in range(2)]
        assert [one.result(10) for one in found] == ["new", "new"]


def test_a_read_that_fails_is_tried_again_by_the_next_one() -> None:
    kept = Kept(fresh_seconds=60, stale_seconds=STALE)

    def fail() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        kept.get("a", fail)
    assert kept.get("a", lambda: "found") == "found"
