"""The named parts of SQL that several statements share; `Statement` inserts them.

Each part is a list of columns, a condition or a SELECT. A condition speaks of the row of the table
that it names, so a statement must not give that table another name. `core.store` imports this
module first, so every statement finds its parts.
"""

from typing import Any

from core.store.engine.sql import columns, name_part, name_part_by_dialect
from core.store.intents import INTENT_NAMES
from core.store.models import (
    DeliveryRow,
    FlowRow,
    JobEvent,
    JobLabel,
    JobRow,
    RequestKey,
    UsageDay,
    UserStream,
)
from core.store.rows import JOB_NAMES, MEDIA_NAMES


def _values(names: tuple[str, ...]) -> str:
    return ", ".join(f":{name}" for name in names)


# The columns of a job, a media item and an intent, in the order of the models. With the table's
# name they are read; without it they are written, each with the value of its own name.
name_part("job_columns", columns(JOB_NAMES, "job"))
name_part("page_columns", columns(JOB_NAMES, "page"))
name_part("job_names", columns(JOB_NAMES))
name_part("job_values", _values(JOB_NAMES))
name_part("media_columns", columns(MEDIA_NAMES, "media"))
name_part("item_columns", columns(MEDIA_NAMES, "item"))
name_part("media_names", columns(MEDIA_NAMES))
name_part("media_values", _values(MEDIA_NAMES))
name_part("intent_columns", columns(INTENT_NAMES, "intent"))
# The outputs of the row `job`, or NULL. Index: `media_output`, which has the second condition.
name_part("outputs", "LEFT JOIN media ON media.job_id = job.job_id AND media.job_id <> ''")

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
for index in (
    *("job_flow", "job_unfinished", "job_user", "job_user_state", "job_user_ended"),
    "job_batch",
):
    name_part_by_dialect(f"by_{index}", sqlite=f"INDEXED BY {index}", postgres="")
# The job is one of an index of those that have not ended. Index: `job_unfinished`.
name_part("unfinished", "job.state IN ('QUEUED', 'RUNNING', 'RECONCILING')")
# The job's user runs fewer jobs than it may. Index: the primary key.
name_part(
    "has_room",
    "(SELECT u.running FROM user_stream u WHERE u.user_id = job.user_id) < :user_concurrency",
)
# The queued job could start now.
name_part("may_start", "{has_room} AND job.provider NOT IN ({left_alone_providers})")
# The jobs of the flow `flow`. Index: `job_flow`.
name_part(
    "from_flow",
    """
    FROM job {by_job_flow}
    WHERE job.user_id = flow.user_id AND job.queue = flow.queue
        AND job.provider = flow.provider AND job.state = 'QUEUED'
    """,
)
# The queued job has no run that could still start it, and waits for no moment.
name_part("waits", "job.next_run_time <= {moment} AND {free}")
# The flow is one of the queue and of the provider `p`, and its user has room. Index: `flow_first`.
name_part(
    "flow_may_start",
    """
    flow.queue = :queue AND flow.provider = p.provider AND NOT flow.busy
    AND (SELECT u.running FROM user_stream u WHERE u.user_id = flow.user_id) < :user_concurrency
    """,
)
# No job of the queue may start now. Index: the primary key.
name_part("is_paused", "EXISTS (SELECT 1 FROM queue_pause WHERE queue_pause.queue = :queue)")
# The providers of the flows of the queue, without those that are left alone, and none while the
# queue is paused. So nothing is claimed there that has not started. It asks for the next
# name again and again, because there are few names and many flows. The limit tells SQLite that they
# are few: else it would read all jobs, to make a filter of them. Index: `flow_first`.
name_part(
    "flow_providers",
    """
    WITH RECURSIVE known(provider) AS (
        SELECT (SELECT min(flow.provider) FROM flow WHERE flow.queue = :queue AND NOT flow.busy)
        UNION ALL
        SELECT (
            SELECT min(flow.provider) FROM flow
            WHERE flow.queue = :queue AND NOT flow.busy AND flow.provider > known.provider
        )
        FROM known WHERE known.provider IS NOT NULL
    )
    SELECT provider FROM known
    WHERE provider IS NOT NULL AND provider NOT IN ({left_alone_providers}) AND NOT ({is_paused})
    LIMIT 64
    """,
)
# The jobs of the queue that could be claimed and started now, in no order, for a SELECT that counts
# up to a limit. It goes from the flows to their jobs.
name_part_by_dialect(
    "startable",
    sqlite="""
    FROM ({flow_providers}) p CROSS JOIN flow INDEXED BY flow_first CROSS JOIN job {by_job_flow}
    WHERE {flow_may_start} AND job.user_id = flow.user_id AND job.queue = flow.queue
        AND job.provider = flow.provider AND job.state = 'QUEUED' AND {waits}
    """,
    postgres="""
    FROM ({flow_providers}) p
        CROSS JOIN LATERAL (SELECT flow.* FROM flow WHERE {flow_may_start} OFFSET 0) flow
        CROSS JOIN LATERAL (SELECT 1 {from_flow} AND {waits} OFFSET 0) job
    """,
)
# The job is one of a few of its queue that could be claimed and started now. The first of all of
# them by turn is among them. They are the first jobs of the flows that come first. SQLite has one
# writer, so one job of four flows is enough. On PostgreSQL others claim at the same time, so it
# looks at more.
_FIRST_OF_FLOW = "SELECT job.job_id {from_flow} AND {waits} ORDER BY job.turn, job.job_id LIMIT "
_NTH_FLOW = f"""
    SELECT ({_FIRST_OF_FLOW} 1) FROM flow INDEXED BY flow_first
    WHERE {{flow_may_start}} AND EXISTS ({_FIRST_OF_FLOW} 1)
    ORDER BY flow.turn, flow.job_id LIMIT 1 OFFSET
"""
name_part_by_dialect(
    "among_first",
    sqlite=f"""
    job.job_id IN (
        SELECT CASE number.value
            WHEN 0 THEN ({_NTH_FLOW} 0) WHEN 1 THEN ({_NTH_FLOW} 1)
            WHEN 2 THEN ({_NTH_FLOW} 2) WHEN 3 THEN ({_NTH_FLOW} 3) END
        FROM ({{flow_providers}}) p CROSS JOIN json_each('[0, 1, 2, 3]') number
    )
    """,
    postgres=f"""
    job.job_id = ANY(ARRAY(
        SELECT first.job_id FROM ({{flow_providers}}) p CROSS JOIN LATERAL (
            SELECT job.job_id FROM flow CROSS JOIN LATERAL ({_FIRST_OF_FLOW} 4) job
            WHERE {{flow_may_start}} ORDER BY flow.turn, flow.job_id LIMIT 16
        ) first
    ))
    """,
)
# The job is queued, for a few jobs that are read by their ids. It is said in a way that no index
# knows: otherwise PostgreSQL reads the whole index `job_flow`, and not the jobs by the primary key.
name_part("still_queued", "coalesce(job.state, '') = 'QUEUED'")
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


def _given(name: str, model: Any, *names: str) -> None:
    """Names the part `given_<name>`: the rows of the value `:<name>`, which is a JSON array of
    objects, as a table with these columns of the model, or with all of them."""
    types = {f.column_name: f.field_type for f in model._meta.sorted_fields}
    wanted = names or tuple(types)
    read = ", ".join(f"json_extract(value, '$.{column}') AS {column}" for column in wanted)
    typed = ", ".join(f"{column} {types[column]}" for column in wanted)
    name_part_by_dialect(
        f"given_{name}",
        sqlite=f"SELECT {read} FROM json_each(:{name})",
        postgres=f"SELECT * FROM json_to_recordset(CAST(:{name} AS json)) AS rows({typed})",
    )


# Rows that one statement writes or looks for.
_given("asked", JobRow, "user_id", "queue", "request_id")
_given("users", UserStream, "user_id", "revision", "last_turn")
_given("jobs", JobRow)
_given("flows", FlowRow)
_given("requests", RequestKey)
_given("labels", JobLabel)
_given("changes", JobEvent)
_given("usage", UsageDay)
_given(
    "deliveries",
    DeliveryRow,
    *("delivery_id", "webhook_id", "user_id", "kind", "revision", "job_id", "state"),
    *("create_time", "next_try_time"),
)
# What came of tries of deliveries, and how their webhooks fare.
name_part_by_dialect(
    "given_tries",
    sqlite="""
    SELECT json_extract(value, '$.delivery_id') AS delivery_id,
        json_extract(value, '$.fence') AS fence, json_extract(value, '$.state') AS state,
        json_extract(value, '$.pause_ms') AS pause_ms, json_extract(value, '$.tries') AS tries,
        json_extract(value, '$.response_status') AS response_status,
        json_extract(value, '$.response_text') AS response_text,
        json_extract(value, '$.response_ms') AS response_ms,
        json_extract(value, '$.error') AS error
    FROM json_each(:tries)
    """,
    postgres="""
    SELECT * FROM json_to_recordset(CAST(:tries AS json)) AS rows(
        delivery_id TEXT, fence INTEGER, state TEXT, pause_ms BIGINT, tries INTEGER,
        response_status INTEGER, response_text TEXT, response_ms BIGINT, error TEXT
    )
    """,
)
name_part_by_dialect(
    "given_fares",
    sqlite="""
    SELECT json_extract(value, '$.webhook_id') AS webhook_id,
        json_extract(value, '$.taken') AS taken, json_extract(value, '$.failures') AS failures
    FROM json_each(:fares)
    """,
    postgres="""
    SELECT * FROM json_to_recordset(CAST(:fares AS json)) AS rows(
        webhook_id TEXT, taken INTEGER, failures INTEGER
    )
    """,
)
# The day (UTC) in which the job was accepted, and the value of its label; empty without it.
name_part_by_dialect(
    "job_day",
    sqlite="strftime('%Y-%m-%d', job.create_time / 1000, 'unixepoch')",
    postgres="to_char(to_timestamp(job.create_time / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
)
name_part_by_dialect(
    "label_value",
    sqlite="""coalesce(json_extract(job.labels, '$."' || :label_key || '"'), '')""",
    postgres="coalesce(CAST(job.labels AS json) ->> CAST(:label_key AS TEXT), '')",
)
# Ends a SELECT that locks the users that it finds, and passes over those that others hold.
name_part_by_dialect(
    "skip_locked_users", sqlite="", postgres="FOR UPDATE OF user_stream SKIP LOCKED"
)
# Puts rows in the order of turns, in which the subquery `first` has them already. SQLite takes
# no notice of the order of a subquery. PostgreSQL does, and reads on only while it needs more rows;
# sorting them again would read, and so lock, all of them.
name_part_by_dialect("ordered_by_turn", sqlite="ORDER BY first.turn, first.job_id", postgres="")
