"""`rushes watch`, and following one job to its end."""

import sys
from typing import Annotated

import typer

from rushes import Client, is_done
from rushes.cli.commands import command
from rushes.cli.exits import INTERRUPTED
from rushes.cli.inputs import parse_labels
from rushes.cli.output import note, say, say_json
from rushes.cli.progress import Bars, Lines, Screen
from rushes.cli.session import Session
from rushes.v1.job_pb2 import Job
from rushes.v1.media_service_pb2 import JobEvent, WatchEvent

# How long a server may be away before the command gives up; the jobs go on.
OUTAGE_SECONDS = 120.0


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    command(app, "watch")(watch)


def watch(
    session: Session,
    job_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[JOB_ID]...", help="Only these jobs.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Only jobs with this label, key=value.")
    ] = None,
    until_done: Annotated[
        bool, typer.Option("--until-done", help="End once no such job is unfinished.")
    ] = False,
) -> None:
    """Show jobs live: all of yours, or those named."""
    labels = parse_labels(label or ())
    screen = _screen(session, Lines(say))
    with session.client() as client, screen:
        watching = client.watch(
            job_ids=job_ids or (),
            labels=labels,
            until_done=until_done,
            outage=OUTAGE_SECONDS,
            on_retry=screen.trouble,
        )
        with watching as events:
            for event in events:
                if session.json:
                    say_json(event)
                else:
                    screen.show(event)


def follow(session: Session, client: Client, job_id: str) -> Job:
    """The job as it ended, shown on the way; an interrupt leaves it running."""
    screen = _screen(session, Lines())
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
        note(f"Job {job_id} goes on. Watch it again with: rushes watch {job_id}")
        raise typer.Exit(INTERRUPTED) from None


def _screen(session: Session, lines: Lines) -> Screen:
    live = sys.stdout.isatty() and sys.stderr.isatty() and not session.json
    return Bars() if live else lines
