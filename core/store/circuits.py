"""Circuits: a provider that keeps failing is left alone for a while, by every worker.

While one is open, no job of the provider starts and no intent of it is written. After its time one
job tries: nothing else is sent until that is answered, so that a provider which stays broken gets
one submit at a time. An answer closes the circuit, a failure opens it again at once.

A pause that the provider asked for is kept in the same row, with no failures: after it all goes on.
"""

from collections.abc import Collection
from dataclasses import dataclass

from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement

# A run that dies while it tries leaves that to others when its lease is over.
_TRIED = (
    "EXISTS (SELECT 1 FROM job tries WHERE tries.job_id = circuit.trial AND tries.at_risk"
    " AND tries.state = 'RUNNING' AND tries.step = 'SUBMIT' AND tries.lease_expire_time > {now})"
)
# Of a circuit: nothing is sent to its provider now.
LEFT_ALONE = f"(circuit.open_until > {{now}} OR {_TRIED})"
OPEN = Statement(f"SELECT provider, open_until FROM circuit WHERE failures > 0 AND {LEFT_ALONE}")
_FAILED = Statement(
    "INSERT INTO circuit (provider, failures, open_until, submit_failed, trial) VALUES (:provider,"
    " 1, CASE WHEN :most <= 1 THEN {now} + :open_ms ELSE 0 END, :submits, '')"
    " ON CONFLICT (provider) DO UPDATE SET failures = circuit.failures + 1,"
    " submit_failed = circuit.submit_failed OR :submits, open_until ="
    " CASE WHEN circuit.failures + 1 >= :most THEN {now} + :open_ms"
    # What is left of a pause that is over is no sign that it was ever open.
    " WHEN circuit.failures > 0 OR circuit.open_until > {now} THEN circuit.open_until ELSE 0 END"
    " RETURNING open_until - {now}"
)
_REST = Statement(
    "INSERT INTO circuit (provider, failures, open_until, submit_failed, trial)"
    " VALUES (:provider, 0, {now} + :rest_ms, FALSE, '')"
    " ON CONFLICT (provider) DO UPDATE SET failures = 0, submit_failed = FALSE, trial = '',"
    " open_until = CASE WHEN circuit.open_until > {now} + :rest_ms THEN circuit.open_until"
    " ELSE {now} + :rest_ms END"
)
# What was sent before a pause was asked for, and is answered meanwhile, does not end it.
_ANSWERED = Statement(
    "DELETE FROM circuit WHERE provider = :provider AND (failures > 0 OR open_until <= {now})"
)
_OF_POLLS = "failures > 0 AND NOT submit_failed"
_POLLED = Statement(f"DELETE FROM circuit WHERE provider = ANY(:providers) AND {_OF_POLLS}")
_FAILING_POLLS = Statement(f"SELECT provider FROM circuit WHERE {_OF_POLLS}")
_LEFT_ALONE = Statement(
    f"SELECT provider, open_until, failures > 0, {_TRIED} FROM circuit WHERE {LEFT_ALONE}"
)
_WAS_OPENED = Statement(
    "SELECT 1 FROM circuit WHERE provider = :provider AND open_until > 0"
    " AND (failures > 0 OR open_until > {now})"
)
# A while in which others may not see yet that it is under way: who waits for this row sees what it
# is now, but all other rows as they were before.
_TRY = Statement(
    "UPDATE circuit SET trial = :job_id, open_until = {now} + 5000"
    f" WHERE provider = :provider AND failures > 0 AND open_until > 0 AND NOT {LEFT_ALONE}"
)


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A provider to which nothing is sent: until when (ms), whether it failed or else asked for it,
    and whether a job tries it now."""

    until: int
    failed: bool
    tried: bool


def failed(db: Database, provider: str, most: int, open_ms: int, *, polling: bool = False) -> int:
    """Counts a failure; opens the circuit for `open_ms` when it is the `most`-th in a row.

    How many milliseconds the provider is left alone from now on; 0 when it is not.
    """
    values = {"provider": provider, "most": most, "open_ms": open_ms, "submits": not polling}
    row = db.write(lambda session: session.row(_FAILED, **values), alone=True)
    return max(int(row[0]), 0) if row else 0


def rest(db: Database, provider: str, rest_ms: int) -> None:
    """Keeps a pause that the provider asked for; that is an answer."""
    db.write(lambda session: session.run(_REST, provider=provider, rest_ms=rest_ms), alone=True)


def answered(session: Session, provider: str) -> None:
    """Closes the circuit after a submit that was answered, as a part of a transaction."""
    session.run(_ANSWERED, provider=provider)


def polled(db: Database, providers: Collection[str]) -> None:
    """Takes back the failures of polls after one that was answered, unless a submit failed too: an
    API that can be read may fail at all that is sent to it."""
    db.write(lambda session: session.run(_POLLED, providers=list(providers)), alone=True)


def may_send(session: Session, provider: str, job_id: str) -> bool:
    """Whether the job may be sent, as a part of the transaction that puts it at risk; of many that
    could try the provider again one may."""
    if session.row(_WAS_OPENED, provider=provider) is None:
        return True
    return session.run(_TRY, provider=provider, job_id=job_id) == 1


def open_circuits(db: Database) -> dict[str, int]:
    """The providers that are left alone because they failed, and until when, in milliseconds."""
    return {row[0]: int(row[1]) for row in db.rows(OPEN)}


def left_alone(db: Database) -> dict[str, LeftAlone]:
    """The providers to which nothing is sent now."""
    found = db.rows(_LEFT_ALONE)
    return {name: LeftAlone(int(until), bool(f), bool(t)) for name, until, f, t in found}


def failing_polls(db: Database) -> set[str]:
    """The providers whose circuit an answered poll would close."""
    return {row[0] for row in db.rows(_FAILING_POLLS)}
