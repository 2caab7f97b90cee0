"""Checks that the database answers and is up to date, and that its clock is right."""

import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from admin.doctor.patient import Patient, Unwell
from core.errors import DataNewer, DependencyUnavailable
from core.store.engine.database import Database, connect
from core.store.engine.migrate import pending
from core.store.engine.sql import Dialect

CLOCK_MS = 1000
FUTURE_MS = 5000


def check_database(patient: Patient) -> str:
    """Checks that the database can be reached and has all tables. Changes nothing."""
    settings = patient.settings
    parts = urlsplit(settings.database)
    if parts.scheme == "sqlite" and not Path(unquote(parts.path[1:])).is_file():
        raise Unwell(f"there is no {unquote(parts.path[1:])}: the first start (`make up`) makes it")
    db = connect(settings.database, settings.database_connections)
    try:
        _refuse_old(db)
    except DependencyUnavailable:
        db.close()
        raise Unwell(
            "it can't be reached, or refuses: is it running, and is RUSHES_DATABASE_URL right?"
        ) from None
    except BaseException:
        db.close()
        raise
    patient.db = db
    return f"{'SQLite' if db.dialect is Dialect.SQLITE else 'PostgreSQL'}, all tables up to date"


def check_clock(patient: Patient) -> str:
    """Compares the clocks. Tokens and addresses use this machine's clock, leases and deadlines the
    database's."""
    db = patient.database()
    before = time.time_ns()
    now = db.now_ms()
    here = (before + time.time_ns()) // 2_000_000
    if abs(now - here) > CLOCK_MS:
        raise Unwell(
            f"this machine and the database differ by {abs(now - here) / 1000:.1f} s: "
            "keep both in time (NTP)"
        )
    beat = patient.overview().newest_beat
    if beat is not None and beat - now > FUTURE_MS:
        raise Unwell(
            f"the last heartbeat is {(beat - now) / 1000:.0f} s in the future: the clock was set "
            "back, and lost runs are found only when it has caught up"
        )
    return f"{abs(now - here)} ms from the database's"


def _refuse_old(db: Database) -> None:
    db.now_ms()
    try:
        missing = pending(db)
    except DataNewer as error:
        raise Unwell(f"{error.message} Install that one") from None
    if missing:
        raise Unwell(
            f"{', '.join(missing)} did not run yet: start a server or worker of this version"
        )
