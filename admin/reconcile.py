"""`rushes-admin reconcile`: settles submits that may or may not have been charged."""

from typing import Annotated, Any

import typer

from admin.budget import JsonOption
from admin.site import Site
from admin.tables import age, clock, print_json, print_table
from core.errors import JobStateInvalid, SettingsInvalid
from core.jobs import Outcome, State
from core.money import amount
from core.store import Database, jobs, submits
from core.store.submits import Unsettled
from core.times import iso

app = typer.Typer(help="Submits whose outcome or cost is uncertain.", no_args_is_help=True)
_OPEN = (Outcome.OPEN, Outcome.UNKNOWN)


@app.command("list")
def list_unsettled(context: typer.Context, json: JsonOption = False) -> None:
    """List uncertain submits, oldest first, with what to look for at the provider."""
    site: Site = context.obj
    with site.database() as db:
        now, found = db.now_ms(), submits.unsettled(db)
    if json:
        print_json([_as_json(item, site.settings.currency) for item in found])
        return
    if not found:
        print("Nothing is uncertain.")
        return
    amounts = f"AMOUNT {site.settings.currency}"
    head = ("JOB", "STATE", "USER", "MODEL", "PROVIDER", "KEY", "AGE", amounts, "LOOK FOR")
    print_table(head, (_row(item, now) for item in found))


@app.command("resolve")
def resolve(
    context: typer.Context,
    job_id: Annotated[str, typer.Argument(metavar="JOB")],
    operation: Annotated[
        str | None, typer.Option(help="The provider accepted it under this name: the job goes on.")
    ] = None,
    charged: Annotated[
        bool, typer.Option("--charged", help="The provider charged it, and its result is lost.")
    ] = False,
    not_charged: Annotated[
        bool,
        typer.Option(
            "--not-charged",
            "--not-accepted",
            help="The provider did not accept it, or charged nothing: a waiting job is sent again.",
        ),
    ] = False,
) -> None:
    """Tell Rushes what you found at the provider."""
    if (bool(operation), charged, not_charged).count(True) != 1:
        raise SettingsInvalid("Give one of --operation, --charged and --not-charged.")
    site: Site = context.obj
    with site.database() as db:
        print(_adopt(db, job_id, operation) if operation else _settle(db, job_id, charged))


def _adopt(db: Database, job_id: str, operation: str) -> str:
    intent = next((i for i in submits.of_job(db, job_id) if i.outcome in _OPEN), None)
    if intent is None:
        raise JobStateInvalid("No submit of this job waits to be found at the provider.")
    state = jobs.get(db, intent.user_id, job_id).state
    if state is not State.RECONCILING and not state.terminal:
        raise JobStateInvalid(
            f"The job is {state} and its submit may be under way: wait for its outcome."
        )
    event = submits.accepted(db, job_id, intent.number, operation)
    if event is None:
        return "The operation was recorded, but the job does not wait for it any more."
    return f"The job goes on with {operation}."


def _settle(db: Database, job_id: str, charged: bool) -> str:
    event = submits.resolve(db, job_id, charged=charged)
    if event is None:
        return "There was nothing to settle: the job's cost is certain."
    return f"The job is {event.job.state}, its cost {event.job.cost.state}."


def _row(item: Unsettled, now_ms: int) -> tuple[str, ...]:
    intent = item.intent
    return (
        intent.job_id,
        item.state,
        intent.user_id,
        intent.model,
        intent.provider,
        intent.key,
        age(now_ms - intent.create_time),
        amount(intent.micros),
        _look_for(item),
    )


def _look_for(item: Unsettled) -> str:
    intent = item.intent
    if intent.operation:
        return f"whether {intent.operation} was charged"
    if intent.restored:
        return f"an operation of {intent.model} from after the backup"
    return f"an operation of {intent.model} from {clock(intent.create_time)}"


def _as_json(item: Unsettled, currency: str) -> dict[str, Any]:
    intent = item.intent
    return {
        "job_id": intent.job_id,
        "state": item.state,
        "user_id": intent.user_id,
        "model": intent.model,
        "provider": intent.provider,
        "key": intent.key,
        "create_time": iso(intent.create_time),
        "currency": currency,
        "amount": amount(intent.micros),
        "operation": intent.operation,
        "look_for": _look_for(item),
    }
