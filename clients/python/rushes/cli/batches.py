"""Batches: one job for each model that `rushes generate` names, shown live together."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer

from rushes import Batch, Client, is_done
from rushes.cli.exits import INTERRUPTED, JOB_FAILED, Refusal
from rushes.cli.following import OUTAGE_SECONDS, new_screen
from rushes.cli.options import HowOptions, RunOptions
from rushes.cli.output import money, note, say, say_json, warn
from rushes.cli.progress import Lines
from rushes.cli.saving import save_outputs
from rushes.cli.session import Session
from rushes.errors import job_ended
from rushes.fields import JobFields
from rushes.v1.job_pb2 import Job
from rushes.v1.media_service_pb2 import BatchGenerateRequest


def check_batch(how: HowOptions, run: RunOptions) -> None:
    """Refuses options that several jobs can't share.

    Raises:
        Refusal: naming the option.
    """
    if how.apply_to is not None:
        raise Refusal("--apply-to: shows one result; name one --model.")
    if run.out is not None and not run.out.is_dir():
        raise Refusal("--out: several models make several files; name a folder that is there.")


def options_of_each(how: HowOptions) -> JobFields:
    """The options of each job; the others are the batch's."""
    return replace(how, request_id=None, label=[], max_cost=None).fields()


def generate_batch(
    session: Session,
    client: Client,
    jobs: Sequence[BatchGenerateRequest.Request],
    how: HowOptions,
    run: RunOptions,
) -> None:
    """Makes the batch, follows it to its end, and saves or names what it made."""
    batch = _made(client, jobs, how, run)
    if run.validate_only:
        _say_valid(session, batch)
    elif not run.wait:
        for job in batch.jobs:
            say_json(job) if session.json else say(job.job_id)
    else:
        _finish(session, client, batch, run.out)


def _made(
    client: Client,
    jobs: Sequence[BatchGenerateRequest.Request],
    how: HowOptions,
    run: RunOptions,
) -> Batch:
    fields = how.fields()
    try:
        batch = client.generate_batch(
            jobs,
            request_id=fields.get("request_id"),
            labels=fields.get("labels"),
            max_cost=fields.get("max_cost"),
            validate_only=run.validate_only,
        )
    except KeyboardInterrupt:
        note("Interrupted; the batch may have been accepted: see rushes jobs")
        raise typer.Exit(INTERRUPTED) from None
    for text in batch.warnings:
        warn(text)
    if batch.deduplicated:
        note(f"This request ID was used before; this is its batch {batch.batch_id}.")
    return batch


def _say_valid(session: Session, batch: Batch) -> None:
    if session.json:
        for job in batch.jobs:
            say_json(job)
        return
    for job in batch.jobs:
        say(f"Valid. The job would cost {money(job.cost.estimated)} on {job.model}.")
    say(f"All {len(batch.jobs)} jobs would cost {money(batch.estimated)}.")


def _finish(session: Session, client: Client, batch: Batch, out: Path | None) -> None:
    note(f"Batch {batch.batch_id} has {len(batch.jobs)} jobs.")
    ended = _follow(session, client, batch)
    jobs = [ended[job.job_id] for job in batch.jobs if job.job_id in ended]
    for job in jobs:
        _say_end(session, client, job, out)
    if any(job_ended(job) for job in jobs):
        raise typer.Exit(JOB_FAILED)


def _say_end(session: Session, client: Client, job: Job, out: Path | None) -> None:
    if session.json:
        say_json(job)
    paths = save_outputs(client, job, out) if out is not None else []
    if session.json:
        return
    found = map(str, paths) if paths else (f"{one.media_id}\t{one.url}" for one in job.outputs)
    for text in found:
        say(f"{job.model}\t{text}")


def _follow(session: Session, client: Client, batch: Batch) -> dict[str, Job]:
    """Shows the jobs until all have ended, and returns them; an interrupt leaves them running."""
    ended: dict[str, Job] = {}
    screen = new_screen(session, Lines())
    try:
        with screen:
            watching = client.watch(
                batch_id=batch.batch_id,
                until_done=True,
                outage=OUTAGE_SECONDS,
                on_retry=screen.trouble,
            )
            with watching as events:
                for event in events:
                    screen.show(event)
                    if event.HasField("job") and is_done(event.job.job):
                        ended[event.job.job.job_id] = event.job.job
    except KeyboardInterrupt:
        again = ["rushes", "watch", "--batch", batch.batch_id, *session.repeated_options()]
        note(f"The jobs go on. Watch them again with: {shlex.join(again)}")
        raise typer.Exit(INTERRUPTED) from None
    return ended
