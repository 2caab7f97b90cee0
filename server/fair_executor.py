"""Shares the threads of a process among users, so that a slow caller is slow alone.

Each user has a queue of his own, and the queues take turns. A user gets another thread only while
three times as many are free as he has already. So one user has at most a quarter of the threads, a
second one a quarter of the rest, and so on: for a user who comes new there is nearly always a free
one.

Threads that compute take turns at Python's lock, and whoever else wants to go on waits for each of
them. So a user whose calls have computed much lately has one thread: it makes as much of them as
several would.

A call that only waits for others gives its place away meanwhile (`resting`).
"""

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator
from concurrent import futures
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

# So many calls may rest at once, each in a thread of its own beside the others.
MOST_RESTING = 48
# So many times as many threads must be free as an owner has; the process itself needs but as many.
FREE_TIMES = 3
# A user whose calls compute for a larger part of the time has one thread, once they have done so
# for so many seconds more than that.
MOST_COMPUTING, SPARE_SECONDS = 0.25, 0.05
_SWEEP_ABOVE = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """A call that waits for a thread."""

    owner: Hashable
    work: Callable[[], Any]
    future: "Future[Any]" = field(default_factory=Future)


class Computed:
    """Seconds of CPU that owners used above MOST_COMPUTING of the time. It needs a lock around."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._owners: dict[Hashable, tuple[float, float]] = {}
        self._sweep_above = _SWEEP_ABOVE

    def add(self, owner: Hashable, seconds: float) -> None:
        """The owner used so much."""
        self._owners[owner] = (self._of(owner) + seconds, self._clock())
        if len(self._owners) > self._sweep_above:
            self._owners = {o: used for o, used in self._owners.items() if self._of(o)}
            self._sweep_above = max(_SWEEP_ABOVE, 2 * len(self._owners))

    def is_much(self, owner: Hashable) -> bool:
        """Whether the owner used more than it may without having one thread only."""
        return self._of(owner) > SPARE_SECONDS

    def __len__(self) -> int:
        return len(self._owners)

    def _of(self, owner: Hashable) -> float:
        seconds, then = self._owners.get(owner, (0.0, 0.0))
        return max(seconds - (self._clock() - then) * MOST_COMPUTING, 0.0)


class FairExecutor(Executor):
    """Runs calls in a fixed number of threads. What it is given itself is the process's own share,
    which is one like that of a user."""

    def __init__(self, threads: int, name: str = "") -> None:
        self._threads = ThreadPoolExecutor(threads + MOST_RESTING, name)
        self._lock = threading.Lock()
        # Below zero for a moment, when several calls have rested.
        self._free = threads
        self._resting = 0
        self._running: Counter[Hashable] = Counter()
        # In the order of the turns; no queue is empty.
        self._queues: dict[Hashable, deque[_Call]] = {}
        self._computed = Computed()
        self._closed = False

    def of(self, owner: Hashable) -> Executor:
        """The share of the owner."""
        return _Share(self, owner)

    def waiting(self, owner: Hashable) -> int:
        """How many calls of the owner wait for a thread."""
        return len(self._queues.get(owner, ()))

    @contextlib.contextmanager
    def resting(self, owner: Hashable) -> Iterator[None]:
        """Gives the place of the owner's call away while it waits for others, in its own thread.

        It has its place again at once afterwards. When too many calls rest, it keeps its place.
        """
        with self._lock:
            rests = self._resting < MOST_RESTING
            self._resting += rests
        if rests:
            self._leave(owner)
        try:
            yield
        finally:
            if rests:
                with self._lock:
                    self._resting -= 1
                    self._free -= 1
                    self._running[owner] += 1

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Runs `fn` when it has its turn. Who cancels the future takes the call out of its queue.

        Raises:
            RuntimeError: after `shutdown`.
        """
        return self._submit(None, partial(fn, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls, and returns when those that wait have ended or are cancelled."""
        with self._lock:
            self._closed = True
            calls = [call for queue in self._queues.values() for call in queue]
        for call in calls if cancel_futures else ():
            call.future.cancel()
        futures.wait([call.future for call in calls])
        self._threads.shutdown(wait)

    def _submit(self, owner: Hashable, work: Callable[[], Any]) -> "Future[Any]":
        call = _Call(owner, work)
        with self._lock:
            if self._closed:
                raise RuntimeError("the executor is closed")
            self._queues.setdefault(owner, deque()).append(call)
            self._start_what_may()
        # Not the call itself, or it and what it was given would hold each other.
        call.future.add_done_callback(partial(self._forget_cancelled, owner))
        return call.future

    def _start_what_may(self) -> None:
        while self._free > 0 and (call := self._next()):
            if call.future.set_running_or_notify_cancel():
                self._free -= 1
                self._running[call.owner] += 1
                self._threads.submit(self._run, call)

    def _next(self) -> _Call | None:
        """The first call of the owner whose turn it is."""
        for owner, queue in self._queues.items():
            if self._may_have_another(owner):
                call = queue.popleft()
                del self._queues[owner]
                if queue:
                    self._queues[owner] = queue
                return call
        return None

    def _may_have_another(self, owner: Hashable) -> bool:
        running = self._running[owner]
        if not running or not owner:
            return running < self._free
        return running * FREE_TIMES < self._free and not self._computed.is_much(owner)

    def _run(self, call: _Call) -> None:
        began = time.thread_time()
        try:
            result = call.work()
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            self._leave(call.owner, time.thread_time() - began)
            call.future.set_exception(error)
        else:
            self._leave(call.owner, time.thread_time() - began)
            call.future.set_result(result)

    def _leave(self, owner: Hashable, computed: float = 0.0) -> None:
        with self._lock:
            if owner and computed:
                self._computed.add(owner, computed)
            self._free += 1
            self._running[owner] -= 1
            if not self._running[owner]:
                del self._running[owner]
            self._start_what_may()

    def _forget_cancelled(self, owner: Hashable, future: "Future[Any]") -> None:
        if not future.cancelled():
            return
        with self._lock:
            queue = self._queues.get(owner, deque())
            call = next((one for one in queue if one.future is future), None)
            if call is not None:
                queue.remove(call)
                # Tells who waits for the future by other means than a callback.
                future.set_running_or_notify_cancel()
                if not queue:
                    del self._queues[owner]


class _Share(Executor):
    """One owner's share of the threads."""

    def __init__(self, executor: FairExecutor, owner: Hashable) -> None:
        self._executor = executor
        self._owner = owner

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        return self._executor._submit(self._owner, partial(fn, *args, **kwargs))
