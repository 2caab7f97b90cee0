"""Submitting one job, following it to its end, and saving or naming what it made."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from rushes import Client, JobHandle, is_done
from rushes.cli.exits import INTERRUPTED, JOB_FAILED
from rushes.cli.output import note, say, say_json, warn
from rushes.cli.progress import Bars, Lines, Screen
from rushes.cli.saving import save_outputs
from rushes.cli.session import Session
from rushes.errors import job_ended
from rushes.v1.job_pb2 import Job
from rushes.v1.media_service_pb2 import JobEvent, WatchEvent

# How long a server may be away before the command gives up; the jobs go on.
OUTAGE_SECONDS = 120.0


def new_screen(session: Session, lines: Lines) -> Screen:
    """Live bars on a terminal; elsewhere `lines`."""
    live = sys.stdout.isatty() and sys.stderr.isatty() and not session.json
    return Bars() if live else lines


def submitted(send: Callable[[], JobHandle]) -> JobHandle:
    """The handle that `send` returns; the server's warnings go to stderr."""
    try:
        handle = send()
    except KeyboardInterrupt:
        note("Interrupted; the job may have been accepted: see rushes jobs")
        raise typer.Exit(INTERRUPTED) from None
    for text in handle.warnings:
        warn(text)
    if handle.deduplicated:
        note(f"This request ID was used before; this is its job {handle.job_id}.")
    return handle


def finish(session: Session, client: Client, job: Job, out: Path | None) -> None:
    """Watches a job to its end, then saves or names its results."""
    job = _follow(session, client, job.job_id, out)
    if session.json:
        say_json(job)
    if job_ended(job):
        # `_follow` has shown how it ended.
        raise typer.Exit(JOB_FAILED)
    if out is not None:
        for path in save_outputs(client, job, out):
            if not session.json:
                say(str(path))
    elif not session.json:
        for media in job.outputs:
            say(f"{media.media_id}\t{media.url}")


def _follow(session: Session, client: Client, job_id: str, out: Path | None) -> Job:
    """Shows the job until it ends, and returns it; an interrupt leaves it running."""
    screen = new_screen(session, Lines())
    try:
        with screen:
            watching = client.watch(
                job_ids=[job_id],
                until_done=True,
                outage=OUTAGE_SECONDS,
                on_retry=screen.trouble,
            )
            with watching as events:
                for event in events:
                    screen.show(event)
                    if event.HasField("job") and is_done(event.job.job):
                        return event.job.job
            job = client.get_job(job_id)
            screen.show(WatchEvent(job=JobEvent(job=job)))
            return job
    except KeyboardInterrupt:
        again = ["rushes", "watch", job_id, *session.repeated_options()]
        again += ["--out", str(out)] if out is not None else []
        note(f"Job {job_id} goes on. Watch it again with: {shlex.join(again)}")
        raise typer.Exit(INTERRUPTED) from None
