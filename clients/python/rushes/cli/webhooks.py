"""`rushes webhooks`: addresses of your own that get your events."""

from typing import Annotated

import typer

from rushes import Client
from rushes.cli.commands import command, new_group
from rushes.cli.exits import JOB_FAILED, Refusal
from rushes.cli.inputs import MAX_LIMIT, check_number, limit_option
from rushes.cli.output import note, say, say_json, say_table, shorten, table_time
from rushes.cli.session import Session
from rushes.v1.webhook_service_pb2 import (
    CreateWebhookResponse,
    RotateWebhookSecretResponse,
    Webhook,
    WebhookDelivery,
)
from rushes.values import is_id

webhooks = new_group("Webhooks: addresses of your own that get your events.")
USUAL_KINDS = ["job_succeeded", "job_failed", "job_cancelled"]
# So that a table has room for IDs in 100 columns.
SHOWN_URL = 40

Wanted = Annotated[
    str, typer.Argument(metavar="WEBHOOK", help="ID of the webhook, or how it begins.")
]
Url = Annotated[str, typer.Argument(metavar="URL", help="Where to send.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--kind", metavar="KIND", help="What to send, such as job_succeeded; may be repeated."
    ),
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="Only of jobs with it; may be repeated."),
]
Description = Annotated[str, typer.Option(metavar="TEXT", help="For people.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    command(webhooks, "create")(create)
    command(webhooks, "list")(list_webhooks)
    command(webhooks, "update")(update)
    command(webhooks, "enable")(enable)
    command(webhooks, "disable")(disable)
    command(webhooks, "delete")(delete)
    command(webhooks, "rotate")(rotate)
    command(webhooks, "test")(test)
    command(webhooks, "deliveries")(deliveries)
    command(webhooks, "redeliver")(redeliver)
    app.add_typer(webhooks, name="webhooks")


def create(
    session: Session,
    url: Url,
    kind: Kinds = None,
    label: Labels = None,
    description: Description = "",
) -> None:
    """Send events to an address, and print the secret, which is not shown again.

    Without --kind, the ends of jobs are sent.
    """
    with session.client() as client:
        made = client.create_webhook(
            url, _kinds(kind) or USUAL_KINDS, labels=_labels(label), description=description
        )
    if session.json:
        say_json(CreateWebhookResponse(webhook=made.webhook, secret=made.secret))
        return
    say(made.secret)
    note(f"Keep it: it is not shown again. The webhook is {made.webhook.webhook_id}.")


def list_webhooks(session: Session) -> None:
    """List your webhooks, oldest first."""
    with session.client() as client:
        found = client.webhooks()
    if session.json:
        for one in found:
            say_json(one)
        return
    columns = ("WEBHOOK", "STATE", "TAKEN", "FAILURES", "URL")
    say_table(columns, map(_row, found), spare=("TAKEN", "FAILURES"))


def update(
    session: Session,
    webhook: Wanted,
    url: Annotated[str, typer.Option(metavar="URL", help="Where to send.")] = "",
    kind: Kinds = None,
    label: Labels = None,
    description: Annotated[
        str | None, typer.Option(metavar="TEXT", help="For people; may be empty.")
    ] = None,
) -> None:
    """Change what a webhook gets, or where."""
    if not (url or kind or label) and description is None:
        raise Refusal("Give --url, --kind, --label or --description.")
    with session.client() as client:
        changed = client.update_webhook(
            _webhook_id(client, webhook),
            url=url or None,
            kinds=_kinds(kind),
            labels=_labels(label) if label else None,
            description=description,
        )
    _say(session, changed, "updated")


def enable(session: Session, webhook: Wanted) -> None:
    """Send again what happens from now on."""
    with session.client() as client:
        changed = client.update_webhook(_webhook_id(client, webhook), enabled=True)
    _say(session, changed, "enabled")


def disable(session: Session, webhook: Wanted) -> None:
    """Send nothing; what happens meanwhile is not sent later."""
    with session.client() as client:
        changed = client.update_webhook(_webhook_id(client, webhook), enabled=False)
    _say(session, changed, "disabled")


def delete(session: Session, webhook: Wanted) -> None:
    """Remove a webhook with its deliveries."""
    with session.client() as client:
        webhook_id = _webhook_id(client, webhook)
        client.delete_webhook(webhook_id)
    if session.json:
        say_json({"webhookId": webhook_id})
    else:
        say(f"{webhook_id} deleted")


def rotate(session: Session, webhook: Wanted) -> None:
    """Print a new secret; the one before signs too for 24 hours."""
    with session.client() as client:
        made = client.rotate_webhook_secret(_webhook_id(client, webhook))
    if session.json:
        say_json(RotateWebhookSecretResponse(webhook=made.webhook, secret=made.secret))
        return
    say(made.secret)
    note("Keep it: it is not shown again. The one before signs too for 24 hours.")


def test(session: Session, webhook: Wanted) -> None:
    """Send a ping now, and show what came of it; exit with 1 if it was not taken."""
    with session.client() as client:
        delivery = client.test_webhook(_webhook_id(client, webhook))
    if session.json:
        say_json(delivery)
    else:
        say(_outcome(delivery))
    if delivery.state != WebhookDelivery.SUCCEEDED:
        raise typer.Exit(JOB_FAILED)


def deliveries(
    session: Session,
    webhook: Wanted,
    state: Annotated[
        list[str] | None,
        typer.Option(metavar="STATE", help="pending, succeeded, failed; may be repeated."),
    ] = None,
    limit: Annotated[int, limit_option()] = 50,
) -> None:
    """List what was sent in the last 30 days, newest first."""
    check_number("--limit", limit, 1, MAX_LIMIT)
    with session.client() as client:
        webhook_id = _webhook_id(client, webhook)
        found = client.webhook_deliveries(webhook_id, states=state or (), limit=limit)
        if session.json:
            for one in found:
                say_json(one)
            return
        columns = ("DELIVERY", "TIME", "KIND", "TRIES", "OUTCOME")
        say_table(columns, map(_delivery_row, found), spare=("TIME", "TRIES"))


def redeliver(
    session: Session,
    webhook: Wanted,
    delivery_id: Annotated[
        str, typer.Argument(metavar="DELIVERY_ID", help="The whole ID, as listed.")
    ],
) -> None:
    """Try a delivery again now, whatever came of it."""
    with session.client() as client:
        delivery = client.redeliver_webhook(_webhook_id(client, webhook), delivery_id)
    if session.json:
        say_json(delivery)
    else:
        say(f"{delivery.delivery_id} is sent again")


def _say(session: Session, webhook: Webhook, what: str) -> None:
    if session.json:
        say_json(webhook)
    else:
        say(f"{webhook.webhook_id} {what}")


def _kinds(texts: list[str] | None) -> list[str] | None:
    """Kinds as options name them; as deliveries do, "job.failed", is fine too."""
    kinds = None if texts is None else [text.replace(".", "_", 1) for text in texts]
    if "ping" in map(str.lower, kinds or ()):
        raise Refusal("--kind: a ping is sent by `rushes webhooks test` alone.")
    return kinds


def _labels(texts: list[str] | None) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise Refusal(f"--label: {text!r} is not KEY=VALUE.")
        labels[key] = value
    return labels


def _webhook_id(client: Client, text: str) -> str:
    """The ID of the webhook that the text names: an ID, or how it begins."""
    if is_id(text):
        return text
    ids = [one.webhook_id for one in client.webhooks()]
    fitting = [found for found in ids if found.startswith(text.lower())]
    if len(fitting) == 1:
        return fitting[0]
    how_many = "Several" if fitting else "None"
    raise Refusal(f"{how_many} of your webhooks begin with {text!r}; give the whole ID.")


def _row(one: Webhook) -> tuple[str, ...]:
    state = Webhook.State.Name(one.state).lower().replace("_", " ")
    taken = table_time(one.success_time) if one.HasField("success_time") else "never"
    return one.webhook_id, state, taken, str(one.failure_count), shorten(one.url, SHOWN_URL)


def _delivery_row(one: WebhookDelivery) -> tuple[str, ...]:
    kind = Webhook.Kind.Name(one.kind).lower()
    return one.delivery_id, table_time(one.create_time), kind, str(one.try_count), _outcome(one)


def _outcome(one: WebhookDelivery) -> str:
    said = f"{one.response_status or ''} {one.error}".strip()
    state = WebhookDelivery.State.Name(one.state).lower()
    return shorten(f"{state} ({said})" if said else state)
