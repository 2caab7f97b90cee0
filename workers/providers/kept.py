"""Results that came inside the answer to a paid call, kept until each is fetched.

The answer comes only once, so `submit` puts the results into the blob store before it returns: each
under `results/<key>.<n>`, and at last `results/<key>.manifest`, which says what is there. The name
of the operation is the beginning of these keys. `workers/upkeep/purge.py` erases old results.

While the store is away, the spool keeps the results on this machine and the outcome of the call is
unknown. `find` tells it as soon as the store has the results.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import structlog

from core.blobs import Blobs
from core.blobs.keys import RESULTS
from core.errors import BlobMissing, DependencyUnavailable, Reason, StorageFull
from core.jobs import CostState, JobFailure
from core.process.settings import Settings
from workers.providers import Monitor, Output, ProviderFailed, RunStopped
from workers.providers.spool import Spool

log = structlog.get_logger()

KEEP_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Result:
    """One output as the answer had it."""

    data: bytes
    output: Output = field(default_factory=Output)


def open_kept(settings: Settings, blobs: Blobs) -> "KeptResults":
    """The results that this machine's workers keep in that store."""
    return KeptResults(blobs, Spool(settings.data_dir / "spool"))


class KeptResults:
    """The results of one provider's synchronous calls.

    Raises, everywhere:
        DependencyUnavailable: when the blob store is away.
    """

    def __init__(self, blobs: Blobs, spool: Spool, seconds: float = KEEP_SECONDS) -> None:
        self._blobs = blobs
        self._spool = spool
        self._seconds = seconds

    def keep(
        self, key: str, results: Sequence[Result | ProviderFailed], charged_micros: int | None
    ) -> str:
        """Stores what the submission `key` brought, one entry for each output; the operation.

        For an output that failed it keeps the failure, and `fetch` raises it. All results are paid
        for by now. If the store is away, `keep` writes them to this machine's disk at once and
        tries the store for a while. If that disk is full too, it tries until the store is back.

        Raises:
            StorageFull, DependencyUnavailable: when the store stays away, and the spool has it.
        """
        files = {str(n): r.data for n, r in enumerate(results) if isinstance(r, Result)}
        manifest = {"charged": charged_micros, "outputs": [_entry(result) for result in results]}
        files["manifest"] = json.dumps(manifest).encode()
        operation, deadline, spooled = f"{RESULTS}{key}", time.monotonic() + self._seconds, False
        while True:
            try:
                for name, data in files.items():
                    self._blobs.put_bytes(f"{operation}.{name}", data)
                break
            except (DependencyUnavailable, StorageFull) as error:
                log.warning("result_not_kept", error=type(error).__name__)
                spooled = spooled or self._spooled(key, files)
                if spooled and time.monotonic() >= deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)
        if spooled:
            self._spool.erase(key)
        return operation

    def upload_spooled(self) -> None:
        """Stores what is in the spool, whichever process put it there.

        Raises:
            StorageFull: when the store is full.
        """
        self._spool.upload(self._blobs, RESULTS)

    def find(self, key: str) -> str | None:
        """The operation of the submission, if all of its results are kept."""
        operation = f"{RESULTS}{key}"
        return operation if self._read(operation) is not None else None

    def charged_micros(self, operation: str) -> int | None:
        """The provider's figure of what it charged, as `keep` got it.

        Raises:
            ProviderFailed: PROVIDER_OPERATION_LOST, when there are no such results.
        """
        charged = self._manifest(operation)["charged"]
        return None if charged is None else int(charged)

    def fetch(self, operation: str, index: int, path: Path, run: Monitor) -> Output:
        """Writes output `index` to `path`.

        Raises:
            ProviderFailed: when the output failed, or is not kept any more.
            RunStopped: when the run was asked to stop.
        """
        outputs = self._manifest(operation)["outputs"]
        entry = outputs[index] if index < len(outputs) else {"failure": asdict(_missing())}
        if "failure" in entry:
            raise _failed(entry)
        try:
            self._copy(f"{operation}.{index}", path, run)
        except BlobMissing:
            raise _lost(operation) from None
        return Output(**entry)

    def _copy(self, key: str, path: Path, run: Monitor) -> None:
        size = self._blobs.size(key)
        with path.open("wb") as file:
            for start in range(0, size, _CHUNK):
                if run.stopping():
                    raise RunStopped
                for piece in self._blobs.stream(key, start, min(start + _CHUNK, size)):
                    file.write(piece)

    def _spooled(self, key: str, files: Mapping[str, bytes]) -> bool:
        try:
            self._spool.write(key, files)
            return True
        except OSError as error:
            log.error("result_not_spooled", error=type(error).__name__)
            return False

    def _manifest(self, operation: str) -> dict[str, Any]:
        manifest = self._read(operation)
        if manifest is None:
            raise _lost(operation)
        return manifest

    def _read(self, operation: str) -> dict[str, Any] | None:
        try:
            manifest: dict[str, Any] = json.loads(self._blobs.read(f"{operation}.manifest"))
            return manifest
        except BlobMissing:
            return None


def _entry(result: Result | ProviderFailed) -> dict[str, Any]:
    if isinstance(result, Result):
        return asdict(result.output)
    cost = CostState.CHARGED if result.cost is None else result.cost
    return {"failure": asdict(result.failure), "cost": cost}


def _failed(entry: dict[str, Any]) -> ProviderFailed:
    failure = entry["failure"]
    reason, cost = Reason(failure["reason"]), CostState(entry.get("cost", CostState.CHARGED))
    return ProviderFailed(JobFailure(**{**failure, "reason": reason}), cost)


def _missing() -> JobFailure:
    message = "The provider's answer had fewer results than were asked for."
    return JobFailure(reason=Reason.RESULT_INVALID, message=message)


def _lost(operation: str) -> ProviderFailed:
    message = "The results that the provider had sent are not kept any more."
    details = {"operation": operation.removeprefix(RESULTS)}
    failure = JobFailure(reason=Reason.PROVIDER_OPERATION_LOST, message=message, metadata=details)
    return ProviderFailed(failure, CostState.CHARGED)
