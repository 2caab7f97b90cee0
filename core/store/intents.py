"""The rows of submits that may cost money. The module `submits` decides how they change."""

from dataclasses import dataclass

from core.jobs import Outcome
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement
from core.store.models import IntentRow

INTENT_NAMES = tuple(f.column_name for f in IntentRow._meta.sorted_fields)
# Writes the job's next intent, OPEN. Indexes: both primary keys.
_INSERT = Statement("""
    INSERT INTO intent (job_id, number, user_id, worker_id, provider, model, micros, outcome,
        operation, create_time, outcome_time)
    SELECT job_id, {next_intent}, user_id, :worker_id, provider, model, cost_estimated, 'OPEN',
        '', {now}, NULL
    FROM job WHERE job_id = :job_id
    RETURNING number
""")
# Index of all below: the primary key.
_SETTLE = Statement("""
    UPDATE intent SET outcome = :outcome, operation = :operation, outcome_time = {now}
    WHERE job_id = :job_id AND number = :number
""")
_OF_JOB = Statement("SELECT {intent_columns} FROM intent WHERE job_id = :job_id ORDER BY number")
_LOCK_ALL = Statement("""
    SELECT {intent_columns} FROM intent WHERE job_id = :job_id ORDER BY number {for_update}
""")
_LOCK_ONE = Statement("""
    SELECT {intent_columns} FROM intent WHERE job_id = :job_id AND number = :number {for_update}
""")
NOT_SETTLED = (Outcome.OPEN, Outcome.UNKNOWN)
# The worker of intents from before a restore (`core.store.restore`).
RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Intent:
    """A submit that may cost money. Times in milliseconds of the database."""

    job_id: str
    number: int
    user_id: str
    worker_id: str
    provider: str
    model: str
    micros: int
    outcome: Outcome
    operation: str
    create_time: int
    outcome_time: int | None

    @property
    def key(self) -> str:
        """The name under which a provider may know the submission."""
        return submission_key(self.job_id, self.number)

    @property
    def restored(self) -> bool:
        """Whether it may have been settled in a time that a restore has lost."""
        return self.worker_id == RESTORED


def submission_key(job_id: str, number: int) -> str:
    """The name under which a provider may know a submission."""
    return f"{job_id}.{number}"


def insert(session: Session, job_id: str, worker_id: str) -> int:
    """Writes the job's next intent, OPEN; gives its number."""
    row = session.row(_INSERT, job_id=job_id, worker_id=worker_id)
    assert row is not None
    return int(row[0])


def settle(
    session: Session, job_id: str, number: int, outcome: Outcome, operation: str = ""
) -> None:
    """Writes down what came of the submit."""
    values = {"outcome": outcome, "operation": operation}
    session.run(_SETTLE, job_id=job_id, number=number, **values)


def of_job(db: Database | Session, job_id: str) -> list[Intent]:
    """The job's intents, in the order in which they were written."""
    return [intent_from_row(row) for row in db.rows(_OF_JOB, job_id=job_id)]


def find(session: Session, job_id: str, number: int) -> Intent | None:
    """The job's intent of that number."""
    return next((i for i in of_job(session, job_id) if i.number == number), None)


def lock_one(session: Session, job_id: str, number: int) -> Intent | None:
    """The job's intent of that number, locked for a change without the user's lock."""
    row = session.row(_LOCK_ONE, job_id=job_id, number=number)
    return intent_from_row(row) if row else None


def lock_unsettled(session: Session, job_id: str) -> Intent | None:
    """The job's intent whose outcome is not known; there is at most one.

    The row is locked, because an orphan's operation is kept without the user's lock (`lock_one`).
    """
    found = [intent_from_row(row) for row in session.rows(_LOCK_ALL, job_id=job_id)]
    return next((intent for intent in found if intent.outcome in NOT_SETTLED), None)


def intent_from_row(row: Row) -> Intent:
    """The intent of a row with the columns INTENT_NAMES."""
    values = dict(zip(INTENT_NAMES, row, strict=True))
    return Intent(**{**values, "outcome": Outcome(values["outcome"])})
