"""The named parts of SQL that several statements share; `Statement` inserts them.

Each part is a list of columns, a condition or a SELECT. A condition speaks of the row of the table
that it names, so a statement must not give that table another name. `core.store` imports this
module first, so every statement finds its parts.
"""

from core.store.engine.sql import columns, name_part, name_part_by_dialect
from core.store.intents import INTENT_NAMES
from core.store.rows import JOB_NAMES, MEDIA_NAMES


def _values(names: tuple[str, ...]) -> str:
    return ", ".join(f":{name}" for name in names)


# The columns of a job, a media item and an intent, in the order of the models. With the table's
# name they are read; without it they are written, each with the value of its own name.
name_part("job_columns", columns(JOB_NAMES, "job"))
name_part("job_names", columns(JOB_NAMES))
name_part("job_values", _values(JOB_NAMES))
name_part("media_columns", columns(MEDIA_NAMES, "media"))
name_part("media_names", columns(MEDIA_NAMES))
name_part("media_values", _values(MEDIA_NAMES))
name_part("intent_columns", columns(INTENT_NAMES, "intent"))

# The job has no lease that still runs.
name_part("free", "(job.lease_expire_time IS NULL OR job.lease_expire_time < {now})")
# The job is still in the hands of the run whose fence it has. A change may have taken it from that
# run without another claim: somebody learned of its operation.
name_part("held", "lease_expire_time IS NOT NULL AND state IN ('QUEUED', 'RUNNING', 'RECONCILING')")

# A job is trying the circuit's provider right now. When that run dies, its lease ends the trial.
name_part(
    "tried",
    """
    EXISTS (
        SELECT 1 FROM job tries
        WHERE tries.job_id = circuit.trial AND tries.at_risk
            AND tries.state = 'RUNNING' AND tries.step = 'SUBMIT'
            AND tries.lease_expire_time > {now}
    )
    """,
)
# Nothing is sent to the circuit's provider now.
name_part("left_alone", "(circuit.open_until > {now} OR {tried})")
# The providers to which nothing is sent now.
name_part("left_alone_providers", "SELECT circuit.provider FROM circuit WHERE {left_alone}")

# SQLite follows these hints. Without them SQLite may take another index that has the jobs in the
# wanted order, which means all jobs that ever were. PostgreSQL chooses by itself.
for index in ("job_due", "job_user", "job_user_state", "job_user_ended"):
    name_part_by_dialect(f"by_{index}", sqlite=f"INDEXED BY {index}", postgres="")
# Ends a SELECT of labels. PostgreSQL knows too little of labels to see that going along their index
# is better than sorting. With a limit that it can't know beforehand it goes along it.
name_part_by_dialect(
    "newest_label_first",
    sqlite="",
    postgres="ORDER BY job_label.create_time DESC, job_label.job_id DESC LIMIT (SELECT 2147483647)",
)
# The users who run as many jobs as they may. The first condition on the state is that of the
# partial index `job_due`; the second one says what is meant.
name_part(
    "busy_users",
    """
    SELECT r.user_id FROM job r {by_job_due}
    WHERE r.state IN ('RUNNING', 'RECONCILING') AND r.state = 'RUNNING'
    GROUP BY r.user_id HAVING count(*) >= :user_concurrency
    """,
)
# The queued job could start now. Both conditions are sets, which the database computes once for a
# statement: passing over a thousand jobs of one user then costs no query for each of them.
name_part(
    "may_start",
    "job.user_id NOT IN ({busy_users}) AND job.provider NOT IN ({left_alone_providers})",
)
# The job waits in the queue and could be claimed and started now. Index: `job_waiting`.
name_part(
    "waits",
    """
    queue = :queue AND state = 'QUEUED' AND next_run_time <= {moment} AND {free} AND {may_start}
    """,
)
# The job runs and its next step is due. Polls are not among them, because the poller claims them
# (`to_poll`). A provider that is left alone is sent nothing; its other steps go on.
# Index: `job_due`.
name_part(
    "run_due",
    """
    queue = :queue AND state IN ('RUNNING', 'RECONCILING') AND next_run_time <= {moment}
    AND (step <> 'POLL' OR state = 'RECONCILING') AND {free}
    AND (
        step <> 'SUBMIT' OR at_risk OR cancel_request_time IS NOT NULL
        OR job.provider NOT IN ({left_alone_providers})
    )
    """,
)
# The job's operation may be polled, once its time has come. Index: `job_poll`.
name_part(
    "to_poll",
    """
    state = 'RUNNING' AND step = 'POLL' AND queue = ANY(:queues) AND {free}
    AND (cancel_request_time IS NOT NULL OR NOT provider = ANY(:but))
    """,
)

# The columns that every claim writes. `attempt` counts runs: it rises when a run starts, and when
# the last run was lost without a hand-back. A lost poll is no lost run, because it did nothing and
# its operation goes on.
name_part(
    "taken",
    """
    fence = fence + 1, worker_id = :worker_id, lease_expire_time = {now} + :lease_ms,
    attempt = attempt + CASE
        WHEN state = 'QUEUED' OR (lease_expire_time IS NOT NULL AND step <> 'POLL')
        THEN 1 ELSE 0 END,
    percent = CASE WHEN lease_expire_time IS NOT NULL AND step <> 'POLL'
        THEN 0 ELSE percent END
    """,
)

# The number of the next intent of the job. Index: the primary key of `intent`.
name_part(
    "next_intent",
    "1 + coalesce((SELECT max(number) FROM intent i WHERE i.job_id = job.job_id), 0)",
)

# The polls that one statement gives back, as a table; `:polls` is a JSON array of arrays.
name_part_by_dialect(
    "given_polls",
    sqlite="""
    SELECT json_extract(value, '$[0]') AS job_id, json_extract(value, '$[1]') AS fence,
        json_extract(value, '$[2]') AS delay_ms, json_extract(value, '$[3]') AS tries,
        json_extract(value, '$[4]') AS percent, json_extract(value, '$[5]') AS estimated
    FROM json_each(:polls)
    """,
    postgres="""
    SELECT value ->> 0 AS job_id, CAST(value ->> 1 AS BIGINT) AS fence,
        CAST(value ->> 2 AS BIGINT) AS delay_ms, CAST(value ->> 3 AS INTEGER) AS tries,
        CAST(value ->> 4 AS INTEGER) AS percent, CAST(value ->> 5 AS BOOLEAN) AS estimated
    FROM json_array_elements(CAST(:polls AS json))
    """,
)
