"""Threads are shared out: whoever has many calls waits for himself."""

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future

import pytest

from server.fair_executor import MOST_COMPUTING, SPARE_SECONDS, Computed, FairExecutor
from tests.services import wait_for


@pytest.fixture
def pool() -> Iterator[FairExecutor]:
    with FairExecutor(8) as pool:
        yield pool


class Gate:
    """Calls that run until the gate opens, and who began one."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._open = threading.Event()

    def call(self, pool: FairExecutor, owner: str) -> "Future[str]":
        return pool.of(owner).submit(self.wait, owner)

    def open(self) -> None:
        self._open.set()

    def wait(self, owner: str) -> str:
        self.begun.append(owner)
        assert self._open.wait(20)
        return owner


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


def test_one_owner_has_a_quarter_of_the_threads_and_each_other_a_quarter_of_the_rest(
    pool: FairExecutor, gate: Gate
) -> None:
    # Given owners who come one after the other with many calls
    for owner in ("alice", "bob", "carol"):
        for _ in range(20):
            gate.call(pool, owner)
    wait_for(lambda: len(gate.begun) == 5, "the threads to be taken")

    # Then the first two have two of eight threads each, the third one, and a newcomer finds one
    assert [gate.begun.count(owner) for owner in ("alice", "bob", "carol")] == [2, 2, 1]
    assert [pool.waiting(owner) for owner in ("alice", "bob", "carol")] == [18, 18, 19]
    assert pool.of("dave").submit(lambda: "served").result(20) == "served"


def test_the_process_itself_has_half_of_the_threads(pool: FairExecutor, gate: Gate) -> None:
    for _ in range(20):
        pool.submit(gate.wait, "the process")

    wait_for(lambda: len(gate.begun) == 4, "the threads to be taken")
    assert pool.waiting(None) == 16


def test_an_owner_whose_calls_compute_has_one_thread_and_others_go_on(
    pool: FairExecutor, gate: Gate
) -> None:
    # Given an owner whose call computed for long
    pool.of("alice").submit(compute, 4 * SPARE_SECONDS).result(20)

    # When she and another one come with many calls
    for owner in ("alice", "bob"):
        for _ in range(5):
            gate.call(pool, owner)
    wait_for(lambda: len(gate.begun) == 3, "the threads to be taken")

    # Then she has one thread, and the other one has as many as ever
    assert [gate.begun.count(owner) for owner in ("alice", "bob")] == [1, 2]


def test_what_was_computed_is_forgotten_in_time() -> None:
    now = 100.0
    computed = Computed(lambda: now)
    computed.add("alice", SPARE_SECONDS + 1)
    assert computed.is_much("alice")
    assert not computed.is_much("bob")

    now += 1 / MOST_COMPUTING + 0.001

    assert not computed.is_much("alice")
    for number in range(20_001):
        computed.add(f"user-{number}", 0.001)
        now += 1
    assert len(computed) < 20_000


def compute(seconds: float) -> None:
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        pass


def test_owners_take_turns(gate: Gate) -> None:
    # Given one thread, one owner with many calls and others with one each
    with FairExecutor(1) as pool:
        first = gate.call(pool, "alice")
        wait_for(lambda: gate.begun, "the first call")
        calls = [gate.call(pool, "alice") for _ in range(3)]
        calls += [gate.call(pool, owner) for owner in ("bob", "carol")]

        # When the thread becomes free
        gate.open()
        assert [call.result(20) for call in (first, *calls)]

    # Then nobody waits for more than one call of the others
    assert gate.begun == ["alice", "alice", "bob", "carol", "alice", "alice"]


def test_a_cancelled_call_leaves_the_queue_and_never_runs(pool: FairExecutor, gate: Gate) -> None:
    running = [gate.call(pool, "alice") for _ in range(2)]
    waiting = [gate.call(pool, "alice") for _ in range(3)]
    wait_for(lambda: len(gate.begun) == 2, "the threads to be taken")

    assert all(call.cancel() for call in waiting)
    assert not running[0].cancel()

    assert pool.waiting("alice") == 0
    gate.open()
    assert [call.result(20) for call in running] == ["alice"] * 2
    assert len(gate.begun) == 2


def test_an_error_reaches_the_caller_and_frees_the_thread(pool: FairExecutor) -> None:
    for _ in range(20):
        with pytest.raises(ZeroDivisionError):
            pool.of("alice").submit(lambda: 1 // 0).result(20)
    assert pool.submit(lambda: "served").result(20) == "served"


def test_closing_cancels_what_waits_or_lets_it_end(gate: Gate) -> None:
    pool = FairExecutor(1)
    running, waiting = (gate.call(pool, "alice") for _ in range(2))
    wait_for(lambda: gate.begun, "the first call")
    gate.open()
    pool.shutdown()
    assert running.result(0) == waiting.result(0) == "alice"

    late = Gate()
    pool = FairExecutor(1)
    running, waiting = (late.call(pool, "alice") for _ in range(2))
    wait_for(lambda: late.begun, "the first call")
    closing = threading.Thread(target=pool.shutdown, kwargs={"cancel_futures": True})
    closing.start()
    wait_for(waiting.cancelled, "what waits to be cancelled")
    late.open()
    closing.join()
    assert running.result(0) == "alice"
    with pytest.raises(CancelledError):
        waiting.result(0)
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(print)


def test_a_call_that_rests_gives_its_place_to_another(gate: Gate) -> None:
    # Given one thread, and a call that waits for the next one
    rests, done = threading.Event(), threading.Event()

    def rest(pool: FairExecutor) -> str:
        with pool.resting("alice"):
            rests.set()
            assert done.wait(20)
        return "rested"

    with FairExecutor(1) as pool:
        first = pool.of("alice").submit(rest, pool)
        assert rests.wait(20)

        # Then that one runs
        pool.of("bob").submit(done.set).result(20)
        assert first.result(20) == "rested"

        # And afterwards there is one thread, as before
        blocking = gate.call(pool, "alice")
        other = pool.of("bob").submit(lambda: "later")
        assert pool.waiting("bob") == 1
        gate.open()
        assert (blocking.result(20), other.result(20)) == ("alice", "later")


def test_only_so_many_calls_rest(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.fair_executor.MOST_RESTING", 1)

    def rest(pool: FairExecutor, owner: str) -> None:
        with pool.resting(owner):
            gate.wait(owner)

    with FairExecutor(2) as pool:
        for owner in ("alice", "bob", "carol"):
            pool.of(owner).submit(rest, pool, owner)
        wait_for(lambda: len(gate.begun) == 3, "the calls to begin")
        pool.of("dave").submit(lambda: None)

        # One has given its place away, and the two others keep theirs
        assert pool.waiting("dave") == 1
        gate.open()


class Request:
    """Something large that a call is given."""


def test_what_a_call_was_given_is_freed_at_its_end(pool: FairExecutor) -> None:
    # Given a process that collects garbage seldom
    gc.disable()
    try:
        request = Request()
        gone = weakref.ref(request)

        # When a call with a request has ended
        pool.of("alice").submit(lambda given: None, request).result(20)
        del request

        # Then nothing holds it
        wait_for(lambda: gone() is None, "the request to be freed")
    finally:
        gc.enable()
