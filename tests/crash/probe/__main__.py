"""`python -m tests.crash.probe` says what it finds itself in, and does as RUSHES_PROBE says."""

import json
import os
import random
import signal
import sys
import threading
from pathlib import Path

world = {
    "name": __name__,
    "argv": sys.argv,
    "path": sys.path,
    "env": dict(os.environ),
    "cwd": str(Path.cwd()),
    "group": os.getpgid(0),
    "session": os.getsid(0),
    # 0 is the suite's, and looking takes another.
    "fds": sorted(int(fd.name) for fd in Path("/proc/self/fd").iterdir())[:-1],
    "buffered": [not file.line_buffering for file in (sys.stdout, sys.stderr)],
    "threads": threading.active_count(),
    "handlers": [str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)],
    "masked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
}
own = {"pid": os.getpid(), "random": random.random()}
print(json.dumps({"world": world, "own": own}), flush=True)

match os.environ.get("RUSHES_PROBE", ""):
    case "wait":
        signal.pause()
    case "raise":
        raise ValueError("a fault of its own")
    case "":
        pass
    case code:
        sys.exit(int(code))
