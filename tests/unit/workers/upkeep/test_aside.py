"""Calls that nobody waits for."""

import queue
import threading

from tests.services import wait_for
from workers.upkeep.aside import Aside


def test_calls_are_made_in_their_order_also_after_one_that_fails() -> None:
    made: queue.SimpleQueue[str] = queue.SimpleQueue()
    aside = Aside()
    aside.start()
    aside(lambda: made.put("one"))
    aside(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    aside(lambda: made.put("two"))
    assert [made.get(timeout=20) for _ in range(2)] == ["one", "two"]
    aside.close()


def test_a_call_from_before_the_end_is_still_made() -> None:
    made: list[str] = []
    aside = Aside()
    aside(lambda: made.append("waited"))
    aside.start()
    aside.stop()
    aside(lambda: made.append("from a run that ended last"))
    aside.close()
    assert made == ["waited", "from a run that ended last"]


def test_a_provider_that_hangs_does_not_hold_up_the_end() -> None:
    may_end, begun = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        may_end.wait(20)

    aside = Aside()
    aside.start()
    aside(hang)
    assert begun.wait(20)
    aside.close()
    assert aside.alive
    may_end.set()
    wait_for(lambda: not aside.alive, "the thread to end")
