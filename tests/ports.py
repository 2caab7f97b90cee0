"""Ports for what tests start: two test processes never get the same one.

A port is picked first and bound later, by another process. In between the kernel could give it
away as an ephemeral port, or another test could pick it. So each test process has a range of its
own below the ephemeral ports.
"""

import itertools
import os
import socket
import threading
from collections.abc import Iterator

LOWEST, HIGHEST = 12_000, 32_000  # Ephemeral ports begin at 32,768 on Linux, at 49,152 on macOS.
RANGE = 200


def free_port() -> int:
    """A loopback port that nothing listens on, and that no other test process picks."""
    with _lock:
        return next(port for port in _ports if _is_free(port))


def _own_ports() -> Iterator[int]:
    """The ports of this process's range. Its first one stays bound, so the range has one owner."""
    ranges = range(LOWEST, HIGHEST, RANGE)
    turn = os.getpid() % len(ranges)
    for first in (*ranges[turn:], *ranges[:turn]):
        with socket.socket() as held:
            try:
                held.bind(("127.0.0.1", first))
            except OSError:
                continue
            yield from itertools.cycle(range(first + 1, first + RANGE))
    raise OSError("every range of ports has an owner")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_lock = threading.Lock()
_ports = _own_ports()
