"""Turns rows into domain values and back. Only this module knows the columns of both."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson

from core.errors import Reason
from core.jobs import Cost, CostState, Job, JobFailure, Progress, Stage, State
from core.kinds import record_from_json, spec_from_json
from core.media import Media, MediaType
from core.store import usage
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement
from core.store.models import JobRow, MediaRow
from core.words import terms

JOB_NAMES = tuple(f.column_name for f in JobRow._meta.sorted_fields)
_ID, _WIDTH = JOB_NAMES.index("job_id"), len(JOB_NAMES)
_JOB_FIELDS = tuple(field.name for field in dataclasses.fields(Job))
_INDEX_NAMES = ("ordinal", "terms")
MEDIA_NAMES = tuple(
    f.column_name for f in MediaRow._meta.sorted_fields if f.column_name not in _INDEX_NAMES
)

# The outputs of the jobs. Index: `media_output`; the condition on `job_id` is that of the index,
# without which PostgreSQL can't know beforehand that the index has all of them.
_OUTPUTS = Statement("""
    SELECT {media_columns} FROM media
    WHERE job_id = ANY(:job_ids) AND job_id <> ''
    ORDER BY job_id, output_index
""")
_INSERT_MEDIA = Statement("""
    INSERT INTO media ({media_names}, terms) VALUES ({media_values}, :terms)
""")
_INSERT_LABELS = Statement("""
    INSERT INTO job_label (user_id, label, create_time, job_id)
    SELECT user_id, label, create_time, job_id FROM ({given_labels}) given
""")


def job_from_row(row: Row, outputs: Sequence[Media] = ()) -> Job:
    """The job of a row with the columns JOB_NAMES."""
    return job_from_columns(dict(zip(JOB_NAMES, row, strict=True)), outputs)


def job_from_columns(r: Mapping[str, Any], outputs: Sequence[Media] = ()) -> Job:
    """The job of a row, or of what will be its row, by the names of its columns."""
    failure = json.loads(r["failure"]) if r["failure"] else None
    record = json.loads(r["result"]) if r["result"] else None
    state, cost_state = State(r["state"]), CostState(r["cost_state"])
    return Job(
        job_id=r["job_id"],
        user_id=r["user_id"],
        spec=spec_from_json(r["kind"], orjson.loads(r["spec"])),
        state=state,
        progress=Progress(
            stage=Stage(r["stage"]),
            percent=r["percent"],
            estimated=bool(r["percent_estimated"]),
            message=r["progress_message"],
        ),
        cost=Cost(
            state=cost_state,
            estimated_micros=r["cost_estimated"],
            # Before the end the column may hold a figure of the provider that is not settled yet.
            actual_micros=r["cost_actual"] if cost_state is CostState.CHARGED else None,
            price_revision=r["price_revision"],
        ),
        provider=r["provider"],
        queue=r["queue"],
        failure=JobFailure(**{**failure, "reason": Reason(failure["reason"])}) if failure else None,
        outputs=tuple(outputs),
        result=record_from_json(r["kind"], record),
        labels=_labels(r["labels"]),
        provider_operation=r["operation"],
        attempt=r["attempt"],
        revision=r["revision"],
        cancel_request_time=r["cancel_request_time"],
        cancel_reason=r["cancel_reason"],
        cancel_saves_cost=not state.terminal and not r["at_risk"],
        retry_of=r["retry_of"],
        request_id=r["request_id"],
        apply_to_view=r["apply_to_view"],
        batch_id=r["batch_id"],
        final_prompt=r["final_prompt"],
        create_time=r["create_time"],
        start_time=r["start_time"],
        submit_time=r["submit_time"],
        end_time=r["end_time"],
        start_deadline=r["start_deadline"],
        finish_deadline=r["finish_deadline"],
    )


def jobs_from_rows(db: Database | Session, rows: Sequence[Row]) -> list[Job]:
    """The jobs of the rows with their outputs, read by one more query if any job can have some."""
    state = JOB_NAMES.index("state")
    outputs: dict[str, list[Media]] = {row[_ID]: [] for row in rows}
    begun = [row[_ID] for row in rows if row[state] != State.QUEUED]
    if begun:
        for media in map(media_from_row, db.rows(_OUTPUTS, job_ids=begun)):
            outputs[media.job_id].append(media)
    return [job_from_row(row, outputs[row[_ID]]) for row in rows]


def jobs_from_joined(rows: Sequence[Row]) -> list[Job]:
    """The jobs of rows that each have a job's columns and then those of one of its outputs, or
    NULL. The rows of a job come together, its outputs in their order."""
    jobs = []
    for _, group in groupby(rows, itemgetter(_ID)):
        of_job = list(group)
        outputs = [row[_WIDTH:] for row in of_job if row[_WIDTH] is not None]
        jobs.append(job_from_row(of_job[0][:_WIDTH], [media_from_row(row) for row in outputs]))
    return jobs


def job_from_json(values: Mapping[str, Any]) -> Job:
    """The job that `Job.to_json` wrote into an event. It ignores names of newer versions."""
    failure = values.get("failure")
    progress, cost = values["progress"], values["cost"]
    given: dict[str, Any] = {
        **values,
        "spec": spec_from_json(values["kind"], values["spec"]),
        "state": State(values["state"]),
        "progress": Progress(**{**progress, "stage": Stage(progress["stage"])}),
        "cost": Cost(**{**cost, "state": CostState(cost["state"])}),
        "failure": JobFailure(**{**failure, "reason": Reason(failure["reason"])})
        if failure
        else None,
        "outputs": tuple(Media.from_json(item) for item in values["outputs"]),
        "result": record_from_json(values["kind"], values.get("result")),
    }
    return Job(**{name: given[name] for name in _JOB_FIELDS if name in given})


def outputs_of(session: Session, job_id: str) -> list[Media]:
    """The job's outputs, in their order."""
    return [media_from_row(row) for row in session.rows(_OUTPUTS, job_ids=[job_id])]


def failure_to_json(failure: JobFailure) -> str:
    """The failure as the job's column keeps it."""
    return json.dumps(dataclasses.asdict(failure))


def media_from_row(row: Row) -> Media:
    """The media item of a row with the columns MEDIA_NAMES."""
    r: dict[str, Any] = dict(zip(MEDIA_NAMES, row, strict=True))
    r["type"] = MediaType(r["type"])
    r["labels"] = _labels(r["labels"])
    r["starred"] = bool(r["starred"])
    r["has_content_credentials"] = bool(r["has_content_credentials"])
    return Media(**r)


def _labels(text: str) -> dict[str, str]:
    """Most jobs and items have none."""
    return {} if text == "{}" else orjson.loads(text)


def insert_media(session: Session, media: Media) -> None:
    """Writes the media item, and the words by which it is found until it is indexed."""
    values = {name: getattr(media, name) for name in MEDIA_NAMES}
    values |= {"labels": json.dumps(media.labels), "terms": terms_of(media.title, media.prompt)}
    session.later(_INSERT_MEDIA, **values)
    usage.count(session, media.user_id, media.size_bytes)


def terms_of(title: str, prompt: str) -> str:
    """The terms of an item that is not indexed, each after a space, so that a word begins there."""
    return "".join(f" {term}" for term in sorted(terms(title, prompt)))


def insert_labels(
    session: Session, labelled: Iterable[tuple[Mapping[str, Any], Mapping[str, str]]]
) -> None:
    """Writes the rows by which jobs are found by their labels; each job by its columns."""
    labels = [
        {name: row[name] for name in ("user_id", "create_time", "job_id")}
        | {"label": f"{key}={value}"}
        for row, of_job in labelled
        for key, value in of_job.items()
    ]
    if labels:
        session.later(_INSERT_LABELS, labels=json.dumps(labels))
