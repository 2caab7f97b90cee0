"""`rushes doctor`: checks everything that an installation needs, and says what to do.

Each check is a function. It returns a sentence when all is well, and else raises `Unwell` with what
to do.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from admin.doctor.blobs import check_blobs
from admin.doctor.database import check_clock, check_database
from admin.doctor.edge import check_edge
from admin.doctor.jobs import (
    check_circuits,
    check_flows,
    check_reconciling,
    check_usage,
    check_workers,
)
from admin.doctor.machine import check_disk, check_keys
from admin.doctor.models import check_models
from admin.doctor.patient import Patient, Unwell, read_patient
from admin.doctor.storage import check_storage
from admin.doctor.stream import check_stream
from core.errors import RushesError, SettingsInvalid

# The checks after `database` use the database that it opens.
CHECKS: Mapping[str, Callable[[Patient], str]] = {
    "disk": check_disk,
    "keys": check_keys,
    "models": check_models,
    "database": check_database,
    "clock": check_clock,
    "stream": check_stream,
    "blobs": check_blobs,
    "storage": check_storage,
    "workers": check_workers,
    "circuits": check_circuits,
    "reconciling": check_reconciling,
    "flows": check_flows,
    "usage": check_usage,
    "edge": check_edge,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `text` is for people."""

    check: str
    ok: bool
    text: str


def run(data_dir: Path | None, state: Mapping[str, Any] | None, as_json: bool) -> int:
    """Prints a line for each check. Returns 0 when all is well, else 1.

    `state` is what a run of `make up` on this machine says about itself, `data_dir` its folder.
    """
    findings = examine(data_dir, state)
    well = all(finding.ok for finding in findings)
    if as_json:
        print(json.dumps({"ok": well, "checks": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            print(f"{'ok' if finding.ok else 'NO':<4}{finding.check:<13}{finding.text}")
    return 0 if well else 1


def examine(data_dir: Path | None, state: Mapping[str, Any] | None) -> list[Finding]:
    """The findings of all checks, in order. With invalid settings there is only the first."""
    try:
        patient = read_patient(data_dir, state)
    except SettingsInvalid as error:
        return [Finding("settings", False, error.message)]
    with closing(patient):
        first = _examine("settings", Patient.check_settings, patient)
        return [first, *(_examine(name, check, patient) for name, check in CHECKS.items())]


def _examine(name: str, check: Callable[[Patient], str], patient: Patient) -> Finding:
    try:
        return Finding(name, True, check(patient))
    except Unwell as error:
        return Finding(name, False, str(error))
    except RushesError as error:
        return Finding(name, False, error.message)
    except Exception as error:  # noqa: BLE001 - the other checks still have something to say
        return Finding(name, False, f"this check itself failed ({type(error).__name__})")
