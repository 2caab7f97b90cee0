"""A thread that repeats its work: after a pause, when it is woken, and until it is stopped."""

import queue
import threading
from collections.abc import Iterator

import pytest

from core.errors import DependencyUnavailable
from tests.services import wait_for
from workers.loop import Loop

SOON = 0.01


class Rounds:
    """Work that can be counted, held up, and made to fail."""

    def __init__(self) -> None:
        self.done: queue.Queue[int] = queue.Queue()
        self.failure: Exception | None = None

    def __call__(self) -> None:
        self.done.put(1)
        if self.failure is not None:
            raise self.failure

    def wait(self) -> None:
        self.done.get(timeout=20)


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_it_works_again_after_each_pause(rounds: Rounds) -> None:
    loop = Loop("test", rounds, SOON)
    loop.start()
    for _ in range(3):
        rounds.wait()
    loop.close()
    assert not loop.alive


def test_a_loop_that_rests_first_waits_until_it_is_woken(rounds: Rounds) -> None:
    loop = Loop("test", rounds, None, rests_first=True)
    loop.start()
    assert rounds.done.empty()
    loop.wake()
    rounds.wait()
    loop.close()
    assert rounds.done.empty()


def test_a_wake_up_during_a_round_is_not_lost() -> None:
    began, may_end, done = threading.Event(), threading.Event(), queue.SimpleQueue[int]()

    def work() -> None:
        began.set()
        may_end.wait(20)
        done.put(1)

    loop = Loop("test", work, None)
    loop.start()
    assert began.wait(20)
    loop.wake()
    may_end.set()
    for _ in range(2):
        done.get(timeout=20)
    loop.close()


def test_the_last_round_does_what_came_before_the_stop(rounds: Rounds) -> None:
    loop = Loop("test", rounds, None, rests_first=True, last_round=True)
    loop.start()
    loop.close()
    rounds.wait()


def test_an_error_of_ours_ends_the_round_alone(rounds: Rounds) -> None:
    rounds.failure = DependencyUnavailable("database")
    loop = Loop("test", rounds, SOON)
    loop.start()
    for _ in range(3):
        rounds.wait()
    assert loop.alive
    loop.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_ends_the_thread_and_shows(rounds: Rounds) -> None:
    rounds.failure = ZeroDivisionError()
    loop = Loop("test", rounds, SOON)
    loop.start()
    wait_for(lambda: not loop.alive, "the end of the thread")
    loop.close()


def test_work_that_hangs_is_left_after_the_patience() -> None:
    may_end = threading.Event()
    loop = Loop("test", lambda: may_end.wait(20), None, patience_seconds=SOON)
    loop.start()
    loop.close()
    assert loop.alive
    may_end.set()
    wait_for(lambda: not loop.alive, "the end of the thread")


def test_a_loop_that_never_started_can_be_closed(rounds: Rounds) -> None:
    Loop("test", rounds, SOON).close()
    assert rounds.done.empty()
