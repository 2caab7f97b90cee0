"""Worker processes for a running server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.house import House


@contextmanager
def worker(house: House, queues: str = "") -> Iterator["subprocess.Popen[bytes]"]:
    """A worker process for the queues; for all of them if none is named."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    ours = {
        "RUSHES_DATA_DIR": str(house.settings.data_dir),
        "RUSHES_REDIS_URL": house.settings.redis_url,
        "RUSHES_RESCUE_SECONDS": "0.1",
        "RUSHES_LOG_LEVEL": "ERROR",
    }
    if house.settings.webhooks != "off":
        ours["RUSHES_WEBHOOKS"] = house.settings.webhooks
    if house.settings.models_file:
        ours["RUSHES_MODELS_FILE"] = str(house.settings.models_file)
    command = [sys.executable, "-m", "workers", *(("--queues", queues) if queues else ())]
    process = subprocess.Popen(command, env={**known, **ours})
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(20) == 0
