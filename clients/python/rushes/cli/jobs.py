"""`rushes jobs`, `show`, `events`, `cancel`, `retry`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rushes import is_done
from rushes.cli.commands import command
from rushes.cli.exits import REFUSED
from rushes.cli.following import finish, submitted
from rushes.cli.ids import job_id_of, media_id_of
from rushes.cli.inputs import MAX_LIMIT, check_number, limit_option, out_option, parse_labels
from rushes.cli.options import ChangeOptions, HowOptions
from rushes.cli.output import (
    complain,
    local_time,
    note,
    say,
    say_json,
    say_table,
    shorten,
    table_time,
)
from rushes.cli.saving import check_out
from rushes.cli.session import Session
from rushes.cli.words import (
    amount_text,
    cost_text,
    describe,
    describe_change,
    progress_text,
    span_text,
    state_name,
)
from rushes.v1.job_pb2 import Job, QueueInfo
from rushes.v1.media_service_pb2 import JobEvent

JobId = Annotated[str, typer.Argument(metavar="JOB_ID", help="ID of the job, or how it begins.")]


class StateName(StrEnum):
    """States to ask for."""

    QUEUED = "queued"
    RUNNING = "running"
    RECONCILING = "reconciling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    for function in (jobs, show, events, cancel, retry):
        command(app, function.__name__)(function)


def jobs(
    session: Session,
    state: Annotated[
        list[StateName] | None,
        typer.Option(metavar="STATE", help=f"Only {', '.join(StateName)}; may be repeated."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only with this label.")
    ] = None,
    batch: Annotated[
        str, typer.Option("--batch", metavar="BATCH_ID", help="Only jobs of this batch.")
    ] = "",
    limit: Annotated[int, limit_option()] = 50,
) -> None:
    """List your jobs, newest first."""
    check_number("--limit", limit, 1, MAX_LIMIT)
    with session.client() as client:
        found = client.jobs(
            states=state or (), labels=parse_labels(label or ()), batch_id=batch, limit=limit
        )
        if session.json:
            for job in found:
                say_json(job)
            return
        columns = ("JOB", "STATE", "TYPE", "CREATED", "COST", "PROMPT")
        say_table(columns, (_row(job) for job in found), spare=("TYPE", "COST"))


def show(session: Session, job_id: JobId) -> None:
    """Show one job."""
    with session.client() as client:
        job = client.get_job(job_id_of(client, job_id))
    if session.json:
        say_json(job)
        return
    for name, value in _lines(job):
        if value:
            say(f"{name + ':':<10}{value}")


def events(session: Session, job_id: JobId) -> None:
    """List what happened to one job, oldest first."""
    with session.client() as client:
        found = client.job_events(job_id_of(client, job_id))
        if session.json:
            for event in found:
                say_json(event)
            return
        rows = (
            (
                str(event.revision),
                local_time(event.event_time),
                _type_name(event.job),
                describe(event.job.job),
            )
            for event in found
        )
        say_table(("REVISION", "TIME", "EVENT", "STATE"), rows)


def cancel(
    session: Session,
    job_id: JobId,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the record.")] = "",
    only_if_free: Annotated[
        bool, typer.Option("--only-if-free", help="Refuse when it may cost something.")
    ] = False,
) -> None:
    """Cancel a job; one that has ended already is left as it is."""
    with session.client() as client:
        job = client.cancel(job_id_of(client, job_id), reason, only_if_free=only_if_free)
    if session.json:
        say_json(job)
    if job.state == Job.CANCELLED:
        if not session.json:
            say(f"Job {job.job_id} {describe_change(job)}")
    elif is_done(job):
        complain(f"Job {job.job_id} has already {describe(job)}; nothing was cancelled.")
        raise typer.Exit(REFUSED)
    elif not session.json:
        say(f"Job {job.job_id} will be cancelled.")


def retry(
    session: Session,
    job_id: JobId,
    what: ChangeOptions,
    how: HowOptions,
    out: Annotated[Path | None, out_option("File for the result.")] = None,
    wait: Annotated[bool, typer.Option(help="Watch the new job until it ends.")] = False,
) -> None:
    """Submit an ended job again, as a new job; --model with --seed-of finishes a draft."""
    check_out(out)
    changes = what.fields()
    with session.client() as client:
        first_id = job_id_of(client, job_id)
        if out is not None:
            check_out(out, _kind(client.get_job(first_id)))
        seed_of = media_id_of(client, what.seed_of) if what.seed_of is not None else ""
        handle = submitted(
            lambda: client.submit_retry(first_id, changes=changes, seed_of=seed_of, **how.fields())
        )
        if wait or out is not None:
            note(f"Job {handle.job_id} accepted")
            finish(session, client, handle.job, out)
        elif session.json:
            say_json(handle.job)
        else:
            say(handle.job_id)


def _row(job: Job) -> tuple[str, ...]:
    created, cost = table_time(job.create_time), amount_text(job.cost)
    return (job.job_id, state_name(job), _kind(job), created, cost, _prompt(job))


def _lines(job: Job) -> list[tuple[str, str]]:
    times = [("created", job.create_time), ("started", job.start_time), ("ended", job.end_time)]
    return [
        ("job", job.job_id),
        ("state", state_name(job).lower() if job.state == Job.QUEUED else describe(job)),
        *(_queue_lines(job.queue) if job.HasField("queue") else ()),
        ("progress", progress_text(job.progress) if job.state == Job.RUNNING else ""),
        ("type", _kind(job)),
        ("prompt", _prompt(job, full=True)),
        ("model", job.model),
        ("cost", cost_text(job.cost)),
        *(() if is_done(job) else _unfinished_lines(job)),
        ("labels", " ".join(f"{key}={value}" for key, value in sorted(job.labels.items()))),
        *((name, local_time(time) if time.seconds else "") for name, time in times),
        *(("output", f"{media.media_id}\t{media.url}") for media in job.outputs),
    ]


def _queue_lines(queue: QueueInfo) -> list[tuple[str, str]]:
    wait = f"about {span_text(queue.estimated_wait)}" if queue.HasField("estimated_wait") else ""
    run = f"about {span_text(queue.estimated_run)}" if queue.HasField("estimated_run") else ""
    return [
        ("place", str(queue.position) if queue.position else ""),
        ("wait", wait),
        ("run", f"{run} (measured on {queue.sample_count} runs)" if run else ""),
        ("blocked", queue.blocked_reason),
    ]


def _unfinished_lines(job: Job) -> list[tuple[str, str]]:
    deadlines = [("end", job.finish_deadline)]
    if job.state == Job.QUEUED:
        deadlines.insert(0, ("start", job.start_deadline))
    cancel = "costs nothing now" if job.cancel_saves_cost else "may cost something now"
    return [
        ("cancel", "asked for" if job.HasField("cancel_request_time") else cancel),
        *(
            ("deadline", f"{local_time(time)} to {what}")
            for what, time in deadlines
            if time.seconds
        ),
    ]


def _kind(job: Job) -> str:
    return job.WhichOneof("spec") or ""


def _prompt(job: Job, full: bool = False) -> str:
    text = job.video.prompt if job.HasField("video") else job.image.prompt
    return text if full else shorten(text)


def _type_name(event: JobEvent) -> str:
    value = JobEvent.Type.DESCRIPTOR.values_by_number.get(event.type)
    return value.name if value else str(event.type)
