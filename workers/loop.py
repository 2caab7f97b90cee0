"""Loops: threads that repeat one piece of work until they are stopped, and parts that own one."""

import threading
from collections.abc import Callable

import structlog

from core.errors import RushesError

log = structlog.get_logger()


class Loop:
    """A named daemon thread that runs `work` again and again.

    Between two rounds it rests for `pause_seconds`, or until `wake`; None means until `wake` alone.
    A RushesError ends the round and is logged. Any other exception is a bug and ends the thread,
    which `alive` then shows.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        pause_seconds: float | None,
        *,
        rests_first: bool = False,
        last_round: bool = False,
        patience_seconds: float | None = None,
    ) -> None:
        """`rests_first` begins with a pause, `last_round` runs `work` once more after the stop, and
        `patience_seconds` is how long `close` waits for the thread; None waits until it has ended.
        """
        self._name = name
        self._work = work
        self._pause_seconds = pause_seconds
        self._rests_first = rests_first
        self._last_round = last_round
        self._patience_seconds = patience_seconds
        self._stopping = False
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """Whether the thread was asked to end."""
        return self._stopping

    def wake(self) -> None:
        """Begins the next round at once."""
        self._woken.set()

    def stop(self) -> None:
        """Asks the thread to end after its round; returns at once."""
        self._stopping = True
        self._woken.set()

    def close(self) -> None:
        """Ends the thread. Does nothing more when it was never started."""
        self.stop()
        if self._thread.ident is not None:
            self._thread.join(self._patience_seconds)

    def _run(self) -> None:
        if self._rests_first:
            self._rest()
        while not self._stopping:
            self._round()
            self._rest()
        if self._last_round:
            self._round()

    def _rest(self) -> None:
        self._woken.wait(self._pause_seconds)
        # `stop` sets `_stopping` first, so a stop that comes now is not overlooked.
        self._woken.clear()

    def _round(self) -> None:
        try:
            self._work()
        except RushesError as error:
            log.warning("round_failed", loop=self._name, error=type(error).__name__)


class LoopPart:
    """A part of the worker process whose work is done by one loop, which it makes as `_loop`."""

    # Whether the process shall end when the thread has died.
    vital = True
    _loop: Loop

    def start(self) -> None:
        """Starts the thread."""
        self._loop.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._loop.alive

    def stop(self) -> None:
        """Asks the thread to end; returns at once."""
        self._loop.stop()

    def close(self) -> None:
        """Ends the thread, and waits for it as long as its loop has patience."""
        self._loop.close()
