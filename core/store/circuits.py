"""Circuits: a provider that keeps failing is left alone for a while, by every worker.

While one is open, no job of the provider starts and no intent of it is written. After its time the
next try decides: a success closes it, a failure opens it again at once.
"""

from core.store.database import Database, Session
from core.store.sql import Statement

_FAILED = Statement(
    "INSERT INTO circuit (provider, failures, open_until) VALUES (:provider, 1,"
    " CASE WHEN :most <= 1 THEN {now} + :open_ms ELSE 0 END)"
    " ON CONFLICT (provider) DO UPDATE SET failures = circuit.failures + 1, open_until ="
    " CASE WHEN circuit.failures + 1 >= :most THEN {now} + :open_ms ELSE circuit.open_until END"
    " RETURNING open_until - {now}"
)
_ANSWERED = Statement("DELETE FROM circuit WHERE provider = :provider")
_FAILING = Statement("SELECT provider FROM circuit")
_OPEN = Statement("SELECT provider, open_until FROM circuit WHERE open_until > {now}")


def failed(db: Database, provider: str, most: int, open_ms: int) -> int:
    """Counts a failure; opens the circuit for `open_ms` when it is the `most`-th in a row.

    How many milliseconds the provider is left alone from now on; 0 when it is not.
    """
    values = {"provider": provider, "most": most, "open_ms": open_ms}
    row = db.write(lambda session: session.row(_FAILED, **values))
    return max(int(row[0]), 0) if row else 0


def answered(session: Session, provider: str) -> None:
    """Closes the circuit, as a part of a transaction."""
    session.run(_ANSWERED, provider=provider)


def open_circuits(db: Database) -> dict[str, int]:
    """The providers that are left alone, and until when, in milliseconds."""
    return {row[0]: int(row[1]) for row in db.rows(_OPEN)}


def failing(db: Database) -> set[str]:
    """The providers whose last call failed."""
    return {row[0] for row in db.rows(_FAILING)}
