"""The systemd notify protocol: tells whoever started this process that it serves and lives.

Source: sd_notify(3). Does nothing when NOTIFY_SOCKET is not set.
"""

import os
import socket


def ready() -> None:
    """Says that the process serves."""
    _send("READY=1")


def alive() -> None:
    """Says that the process still does its work; to be repeated every few seconds."""
    _send("WATCHDOG=1")


def stopping() -> None:
    """Says that the process ends by its own decision."""
    _send("STOPPING=1")


def _send(state: str) -> None:
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.setblocking(False)
        try:
            notify.sendto(state.encode(), address)
        except OSError:
            # The supervisor is gone or frozen. Neither may stop this process.
            return
