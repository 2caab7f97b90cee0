"""How much memory a result takes on its way from the provider to the blob store: a program.

`python -m tests.unit.workers.growing FOLDER ADDRESS SMALL`: the address (or a file) goes the whole
way after the small one did, so that what is loaded once is not counted. Prints JSON.
"""

import json
import sys
from pathlib import Path

from core.blobs import open_blobs
from core.jobs import Stage
from core.process.settings import read_settings
from tests.making import VIDEO, job_value
from workers.providers import Output, TryLater
from workers.providers.http.transport import download, download_client, unavailable
from workers.runs.results.media import store_output

MOST_BYTES = 2 * 1024**3


class Patient:
    """A run that nobody stops."""

    def stopping(self) -> bool:
        return False

    def report(self, stage: Stage, share: float, message: str) -> None:
        return


def main(folder: Path, address: str, small: str) -> None:
    blobs = open_blobs(read_settings(data_dir=folder), b"k" * 32)
    path = folder / "output"

    def deliver(source: str) -> dict[str, object]:
        with download_client() as client:
            download(
                client,
                source,
                path,
                headers={},
                most_bytes=MOST_BYTES,
                provider="big",
                refused=lambda _: TryLater(unavailable("big")),
                run=Patient(),
            )
        job = job_value(spec=VIDEO)
        item = store_output(blobs, job, 0, path, Output(), 0, cost_micros=0, max_bytes=MOST_BYTES)
        path.unlink()
        return {"size": item.size_bytes, "sha256": item.sha256, "key": item.blob_key}

    deliver(small)
    # From here on the peak is counted anew (proc(5)).
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    item = deliver(address)
    print(json.dumps({**item, "growth_kib": _memory("VmHWM") - before}))


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
