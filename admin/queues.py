"""`rushes-admin queues`, `pause` and `resume`."""

from typing import Annotated, Any

import typer

from admin.site import Site
from admin.steering import JsonOption, administration, check_text, cut, who
from admin.tables import age, print_json, print_table
from core.administration import MAX_REASON_CHARACTERS
from core.store.queue_stats import QueueStats
from core.times import iso

app = typer.Typer()
QueueArgument = Annotated[str, typer.Argument(metavar="QUEUE", help="As `queues` shows it.")]


@app.command("queues")
def show_queues(context: typer.Context, json: JsonOption = False) -> None:
    """Show what waits and runs in each queue; OK and FAILED are of the last hour."""
    site: Site = context.obj
    with administration(site) as admin:
        found = admin.queues()
    if json:
        print_json([_as_json(stats) for stats in found])
    else:
        _print(found)


@app.command("pause")
def pause_queue(
    context: typer.Context,
    queue: QueueArgument,
    reason: Annotated[str, typer.Option(help="What users read meanwhile.")] = "",
    json: JsonOption = False,
) -> None:
    """Start no more jobs of a queue; they are accepted and wait, and what runs goes on."""
    check_text("--reason", reason, MAX_REASON_CHARACTERS, needed=False)
    site: Site = context.obj
    with administration(site) as admin:
        _tell(admin.pause(who(), queue, reason), json)


@app.command("resume")
def resume_queue(context: typer.Context, queue: QueueArgument, json: JsonOption = False) -> None:
    """Start the jobs of a queue again."""
    site: Site = context.obj
    with administration(site) as admin:
        _tell(admin.resume(who(), queue), json)


def _tell(stats: QueueStats, json: bool) -> None:
    if json:
        print_json(_as_json(stats))
    else:
        _print([stats])


def _print(found: list[QueueStats]) -> None:
    head = ("QUEUE", "QUEUED", "RUN", "UNSURE", "OLDEST", "MEDIAN", "OK", "FAILED", "WORKERS")
    print_table((*head, "PAUSED"), map(_row, found))


def _row(stats: QueueStats) -> tuple[str, ...]:
    counts = (stats.queued, stats.running, stats.reconciling)
    spans = (stats.oldest_wait_ms, stats.median_wait_ms)
    return (
        cut(stats.queue, 20),
        *map(str, counts),
        *("" if span is None else age(span) for span in spans),
        *map(str, (stats.succeeded, stats.failed, stats.workers)),
        cut(stats.pause.reason, 20) if stats.pause else "",
    )


def _as_json(stats: QueueStats) -> dict[str, Any]:
    pause = stats.pause
    return {
        "queue": stats.queue,
        "queued_count": stats.queued,
        "running_count": stats.running,
        "reconciling_count": stats.reconciling,
        "oldest_wait_ms": stats.oldest_wait_ms,
        "median_wait_ms": stats.median_wait_ms,
        "succeeded_count": stats.succeeded,
        "failed_count": stats.failed,
        "worker_count": stats.workers,
        "pause_time": iso(pause.pause_time) if pause else None,
        "pause_reason": pause.reason if pause else None,
    }
