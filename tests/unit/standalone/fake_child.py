"""A child of the supervisor for tests: `fake_child.py BEHAVIOUR FOLDER [seconds]`.

It leaves one file per life in FOLDER, named by its pid, so that tests can count and find lives.
Standard library only: many of them are started.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

BEAT_SECONDS = 0.1


def tell(state: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(state.encode(), os.environ["NOTIFY_SOCKET"])


def serve() -> None:
    tell("READY=1")
    while True:
        time.sleep(BEAT_SECONDS)
        tell("WATCHDOG=1")


def drain(seconds: float) -> None:
    time.sleep(seconds)
    sys.exit(0)


def main() -> None:
    behaviour, folder = sys.argv[1], Path(sys.argv[2])
    (folder / str(os.getpid())).touch()
    match behaviour:
        case "serves":
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            serve()
        case "drains":
            signal.signal(signal.SIGTERM, lambda *_: drain(float(sys.argv[3])))
            serve()
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            serve()
        case "dies":
            print(
                "Traceback (most recent call last):\n  File nowhere\nValueError: no such database"
            )
            sys.exit(3)
        case "refuses":
            print("rushes workers: RUSHES_X: use another", file=sys.stderr)
            sys.exit(2)
        case "serves-then-refuses":
            tell("READY=1")
            sys.exit(2)
        case "parent":
            subprocess.Popen([sys.executable, __file__, "stubborn", str(folder)])
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            serve()
        case "mute":
            signal.pause()


main()
