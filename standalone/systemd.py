"""The receiving side of the systemd notify protocol (sd_notify(3)): one socket for each child.

The sending side is `core.process.systemd`.
"""

import socket
from pathlib import Path

MESSAGE_BYTES = 4096


class NotifySocket:
    """A datagram socket to which one child tells its state.

    Each start of a child gets a new socket, so nothing that an earlier process said still counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(path))

    def fileno(self) -> int:
        """The descriptor, for a selector or an event loop."""
        return self._socket.fileno()

    def read(self) -> set[str]:
        """What was said since the last call, for example `{"READY=1", "WATCHDOG=1"}`."""
        said: set[str] = set()
        while True:
            try:
                message = self._socket.recv(MESSAGE_BYTES)
            except BlockingIOError:
                return said
            said.update(message.decode(errors="replace").split("\n"))

    def close(self) -> None:
        """Closes the socket and removes its file."""
        self._socket.close()
        self.path.unlink(missing_ok=True)
