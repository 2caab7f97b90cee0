"""`rushes jobs`, `show`, `events`, `cancel`, `retry`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rushes.cli.commands import command
from rushes.cli.generate import HowOptions, finish
from rushes.cli.inputs import check_out, out_option, parse_labels
from rushes.cli.output import local_time, money, note, say, say_json, say_table, shorten
from rushes.cli.progress import describe, doing, state_name
from rushes.cli.session import Session
from rushes.v1.job_pb2 import Cost, Job
from rushes.v1.media_service_pb2 import JobEvent

JobId = Annotated[str, typer.Argument(metavar="JOB_ID")]


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
        list[StateName] | None, typer.Option(help="Only in this state; may be repeated.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Only with this label, key=value.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many at most.")] = 50,
) -> None:
    """List your jobs, newest first."""
    states = [name.name for name in state or ()]
    with session.client() as client:
        found = client.jobs(states=states, labels=parse_labels(label or ()), limit=limit)
        if session.json:
            for job in found:
                say_json(job)
            return
        rows = (
            (j.job_id, state_name(j), _kind(j), local_time(j.create_time), _prompt(j))
            for j in found
        )
        say_table(("JOB", "STATE", "TYPE", "CREATED", "PROMPT"), rows)


def show(session: Session, job_id: JobId) -> None:
    """Show one job."""
    with session.client() as client:
        job = client.get_job(job_id)
    if session.json:
        say_json(job)
        return
    for name, value in _lines(job):
        if value:
            say(f"{name + ':':<10}{value}")


def events(session: Session, job_id: JobId) -> None:
    """List what happened to one job, oldest first."""
    with session.client() as client:
        if session.json:
            for event in client.job_events(job_id):
                say_json(event)
            return
        rows = (
            (
                str(event.revision),
                local_time(event.event_time),
                _type_name(event.job),
                describe(event.job.job),
            )
            for event in client.job_events(job_id)
        )
        say_table(("REVISION", "TIME", "EVENT", "STATE"), rows)


def cancel(
    session: Session,
    job_id: JobId,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    only_if_free: Annotated[
        bool, typer.Option("--only-if-free", help="Refuse when it may cost something.")
    ] = False,
) -> None:
    """Cancel a job."""
    with session.client() as client:
        job = client.cancel(job_id, reason, only_if_free=only_if_free)
    if session.json:
        say_json(job)
    elif job.state == Job.CANCELLED or job.HasField("end_time"):
        say(f"Job {job.job_id} {describe(job)}")
    else:
        say(f"Job {job.job_id} will be cancelled.")


def retry(
    session: Session,
    job_id: JobId,
    how: HowOptions,
    out: Annotated[Path | None, out_option("File for the result.")] = None,
    wait: Annotated[bool, typer.Option(help="Watch the new job until it ends.")] = False,
) -> None:
    """Submit an ended job once more."""
    check_out(out)
    with session.client() as client:
        job = client.retry(job_id, **how.fields())
        if wait or out is not None:
            note(f"Job {job.job_id} accepted")
            finish(session, client, job, out)
        elif session.json:
            say_json(job)
        else:
            say(job.job_id)


def _lines(job: Job) -> list[tuple[str, str]]:
    cost = job.cost.actual if job.cost.HasField("actual") else job.cost.estimated
    times = [("created", job.create_time), ("started", job.start_time), ("ended", job.end_time)]
    return [
        ("job", job.job_id),
        ("state", describe(job)),
        ("progress", f"{job.progress.percent} % {doing(job.progress)}" if _runs(job) else ""),
        ("type", _kind(job)),
        ("prompt", _prompt(job, full=True)),
        ("model", job.model),
        ("cost", f"{money(cost)} ({Cost.State.Name(job.cost.state).lower()})"),
        ("labels", " ".join(f"{key}={value}" for key, value in sorted(job.labels.items()))),
        *((name, local_time(time) if time.seconds else "") for name, time in times),
        *(("output", f"{media.media_id}\t{media.url}") for media in job.outputs),
    ]


def _runs(job: Job) -> bool:
    return job.state == Job.RUNNING


def _kind(job: Job) -> str:
    return job.WhichOneof("spec") or ""


def _prompt(job: Job, full: bool = False) -> str:
    text = job.video.prompt if job.HasField("video") else job.image.prompt
    return text if full else shorten(text)


def _type_name(event: JobEvent) -> str:
    value = JobEvent.Type.DESCRIPTOR.values_by_number.get(event.type)
    return value.name if value else str(event.type)
