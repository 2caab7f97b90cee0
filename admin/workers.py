"""`rushes-admin workers` and `drain`."""

from typing import Annotated, Any

import typer

from admin.site import Site
from admin.steering import JsonOption, administration, cut, who
from admin.tables import clock, print_json, print_table
from core.store.workers import Worker
from core.times import iso

app = typer.Typer()


@app.command("workers")
def show_workers(context: typer.Context, json: JsonOption = False) -> None:
    """Show the worker processes; a lost one for half an hour."""
    site: Site = context.obj
    with administration(site) as admin:
        found = admin.workers()
    if json:
        print_json([_as_json(worker) for worker in found])
    elif found:
        _print(found)
    else:
        print("No worker runs.")


@app.command("drain")
def drain_worker(
    context: typer.Context,
    worker_id: Annotated[str, typer.Argument(metavar="WORKER", help="As `workers` shows it.")],
    json: JsonOption = False,
) -> None:
    """Ask a worker process to take no more jobs and end. Does not wait for it."""
    site: Site = context.obj
    with administration(site) as admin:
        worker = admin.drain(who(), worker_id)
    if json:
        print_json(_as_json(worker))
    else:
        _print([worker])


def _print(found: list[Worker]) -> None:
    head = ("WORKER", "STATE", "PID", "RUNS", "QUEUES", "HEARTBEAT")
    print_table(head, map(_row, found))


def _row(worker: Worker) -> tuple[str, ...]:
    # The name is whole: `drain` needs it.
    return (
        worker.worker_id,
        worker.state,
        str(worker.pid),
        f"{worker.running}/{worker.threads}",
        cut(",".join(worker.queues), 16),
        clock(worker.heartbeat_time)[11:],
    )


def _as_json(worker: Worker) -> dict[str, Any]:
    return {
        "worker_id": worker.worker_id,
        "state": worker.state,
        "host": worker.host,
        "pid": worker.pid,
        "queues": list(worker.queues),
        "threads": worker.threads,
        "running_count": worker.running,
        "start_time": iso(worker.start_time),
        "heartbeat_time": iso(worker.heartbeat_time),
        "version": worker.version,
    }
