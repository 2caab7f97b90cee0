"""Indexes for what read a long history from end to end."""

from typing import Any

INDEXES = """
    DROP INDEX job_user_state;
    CREATE INDEX job_user_state ON job (user_id, state, create_time, job_id);
    CREATE INDEX job_user_ended ON job (user_id, end_time) WHERE end_time IS NOT NULL;
    CREATE INDEX job_uncertain ON job (job_id) WHERE cost_state = 'UNCERTAIN';
    CREATE INDEX job_label_job ON job_label (job_id);
    CREATE INDEX spending_day ON spending (span) WHERE length(span) > 7;
    CREATE INDEX spending_month ON spending (span) WHERE length(span) = 7
"""


def up(migrator: Any, db: Any) -> None:
    """Makes the indexes."""
    for statement in INDEXES.split(";"):
        db.execute_sql(statement)
