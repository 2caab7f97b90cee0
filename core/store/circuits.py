"""Circuits: every worker leaves a provider that keeps failing alone for a while.

While a circuit is open, no job of its provider starts and no intent of it is written. When its time
is over, one job tries the provider. Nothing else is sent until that job is answered, so a provider
that stays broken gets one submit at a time. An answer closes the circuit; a failure opens it again
at once.

A pause that the provider asked for is kept in the same row, with no failures. After it everything
goes on.

The table `circuit` has at most one row for each provider: its statements read it whole, or find a
row by the primary key.
"""

from collections.abc import Collection
from dataclasses import dataclass

from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement

# The providers that are left alone because they failed.
OPEN = Statement("SELECT provider, open_until FROM circuit WHERE failures > 0 AND {left_alone}")
# Counts a failure and opens the circuit when it is the `:most`-th in a row. A pause that is
# over leaves `open_until` in its row, which does not mean that the circuit was open.
_FAILED = Statement("""
    INSERT INTO circuit (provider, failures, open_until, submit_failed, trial)
    VALUES (:provider, 1, CASE WHEN :most <= 1 THEN {now} + :open_ms ELSE 0 END, :submits, '')
    ON CONFLICT (provider) DO UPDATE SET failures = circuit.failures + 1,
        submit_failed = circuit.submit_failed OR :submits,
        open_until = CASE
            WHEN circuit.failures + 1 >= :most THEN {now} + :open_ms
            WHEN circuit.failures > 0 OR circuit.open_until > {now} THEN circuit.open_until
            ELSE 0 END
    RETURNING open_until - {now}
""")
# Keeps a pause, unless the provider is left alone for longer already.
_REST = Statement("""
    INSERT INTO circuit (provider, failures, open_until, submit_failed, trial)
    VALUES (:provider, 0, {now} + :rest_ms, FALSE, '')
    ON CONFLICT (provider) DO UPDATE SET failures = 0, submit_failed = FALSE, trial = '',
        open_until = CASE
            WHEN circuit.open_until > {now} + :rest_ms THEN circuit.open_until
            ELSE {now} + :rest_ms END
""")
# Closes the circuit. A submit that was sent before a pause was asked for, and is answered
# meanwhile, does not end the pause.
_ANSWERED = Statement("""
    DELETE FROM circuit WHERE provider = :provider AND (failures > 0 OR open_until <= {now})
""")
# Closes the circuits in which only polls have failed.
_POLLED = Statement("""
    DELETE FROM circuit WHERE provider = ANY(:providers) AND failures > 0 AND NOT submit_failed
""")
_FAILING_POLLS = Statement("SELECT provider FROM circuit WHERE failures > 0 AND NOT submit_failed")
# The providers to which nothing is sent now, whether they failed, and whether a job tries them.
_LEFT_ALONE = Statement("""
    SELECT provider, open_until, failures > 0, {tried} FROM circuit WHERE {left_alone}
""")
# Whether the provider's circuit was opened since the last answer, or a pause of it is not over.
_WAS_OPENED = Statement("""
    SELECT 1 FROM circuit
    WHERE provider = :provider AND open_until > 0 AND (failures > 0 OR open_until > {now})
""")
# Makes the job the one that tries the provider. It also opens the circuit for 5 s more: another
# transaction that waited for this row sees the row as it is now, but all other rows as they were
# before, so it may not see yet that the trial is under way.
_TRY = Statement("""
    UPDATE circuit SET trial = :job_id, open_until = {now} + 5000
    WHERE provider = :provider AND failures > 0 AND open_until > 0 AND NOT {left_alone}
""")


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Why nothing is sent to a provider: `until` when (ms), whether it `failed` or else asked for
    the pause, and whether a job tries it now."""

    until: int
    failed: bool
    tried: bool


def failed(db: Database, provider: str, most: int, open_ms: int, *, polling: bool = False) -> int:
    """Counts a failure; opens the circuit for `open_ms` when it is the `most`-th in a row.

    Gives the milliseconds for which the provider is left alone from now on; 0 when it is not.
    """

    def work(session: Session) -> Row | None:
        return session.row(
            _FAILED, provider=provider, most=most, open_ms=open_ms, submits=not polling
        )

    row = db.write(work, alone=True)
    return max(int(row[0]), 0) if row else 0


def rest(db: Database, provider: str, rest_ms: int) -> None:
    """Keeps a pause that the provider asked for, which is an answer and no failure."""
    db.write(lambda session: session.run(_REST, provider=provider, rest_ms=rest_ms), alone=True)


def answered(session: Session, provider: str) -> None:
    """Closes the circuit after a submit that was answered, as a part of a transaction."""
    session.run(_ANSWERED, provider=provider)


def polled(db: Database, providers: Collection[str]) -> None:
    """Forgets failures of polls after a poll was answered.

    They stay when a submit failed too: an API that can be read may fail at all that is sent to it.
    """
    db.write(lambda session: session.run(_POLLED, providers=list(providers)), alone=True)


def may_send(session: Session, provider: str, job_id: str) -> bool:
    """Whether the job may be sent; a part of the transaction that puts it at risk.

    When many jobs could try the provider again, one of them may.
    """
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
