"""`rushes watch`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rushes.cli.commands import command
from rushes.cli.exits import Refusal
from rushes.cli.following import OUTAGE_SECONDS, finish, new_screen
from rushes.cli.ids import job_id_of
from rushes.cli.inputs import out_option, parse_labels
from rushes.cli.output import say, say_json
from rushes.cli.progress import Lines
from rushes.cli.saving import check_out
from rushes.cli.session import Session


class Part(StrEnum):
    """What a watch can show beside jobs."""

    NOTIFICATIONS = "notifications"
    VIEWS = "views"


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    command(app, "watch")(watch)


def watch(
    session: Session,
    job_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="JOB_ID", help="Only these jobs: IDs, or how they begin."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only jobs with this label.")
    ] = None,
    batch: Annotated[
        str, typer.Option("--batch", metavar="BATCH_ID", help="Only jobs of this batch.")
    ] = "",
    include: Annotated[
        list[Part] | None,
        typer.Option(
            metavar="PART",
            help="Also show notifications (and announcements) or views. Repeatable.",
        ),
    ] = None,
    until_done: Annotated[
        bool,
        typer.Option("--until-done", help="Exit when all these jobs have ended."),
    ] = False,
    out: Annotated[
        Path | None, out_option("File for the result of the one job that is named.")
    ] = None,
) -> None:
    """Show jobs live, until Ctrl-C or until those named have ended.

    Without a JOB_ID all of your jobs are shown, also those that are submitted later.
    """
    labels = parse_labels(label or ())
    if out is not None and len(job_ids or ()) != 1:
        raise Refusal("--out: name the one job whose result is to be saved.")
    if out is not None and include:
        raise Refusal("--out: follows the one job alone; leave out --include.")
    check_out(out)
    with session.client() as client:
        wanted = [job_id_of(client, text) for text in job_ids or ()]
        if out is not None:
            job = client.get_job(wanted[0])
            check_out(out, job.WhichOneof("spec") or "")
            finish(session, client, job, out)
            return
        screen = new_screen(session, Lines(say))
        with screen:
            watching = client.watch(
                job_ids=wanted,
                labels=labels,
                batch_id=batch,
                include=[part.upper() for part in include or ()],
                until_done=until_done or bool(wanted),
                outage=OUTAGE_SECONDS,
                on_retry=screen.trouble,
            )
            with watching as events:
                for event in events:
                    if session.json:
                        say_json(event)
                    else:
                        screen.show(event)
