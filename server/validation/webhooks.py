"""Checks the requests of WebhookService."""

from typing import Any

from core.fetching import parse_receiver
from core.process.settings import Settings
from core.webhooks import DeliveryState, Kind, State
from rushes.v1 import webhook_service_pb2 as pb
from server.commands.webhooks import DeliveryList, WebhookChange
from server.validation import fields as f
from server.validation.problems import Problems

MAX_URL_CHARACTERS = 2000
MAX_DESCRIPTION_CHARACTERS = 100
_FIELDS = ("url", "kinds", "labels", "description", "state")


class WebhookValidator:
    """Checks requests against the limits of the contract."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def create(self, request: pb.CreateWebhookRequest) -> WebhookChange:
        """The webhook that is asked for."""
        problems = Problems()
        wanted = WebhookChange(
            url=self._url(problems, "url", request.url),
            kinds=_kinds(problems, "kinds", request.kinds),
            labels=self._labels(problems, "labels", request.labels),
            description=_description(problems, "description", request.description),
        )
        problems.raise_wrong()
        return wanted

    def update(self, request: pb.UpdateWebhookRequest) -> tuple[str, WebhookChange]:
        """The webhook's id, and what to change of it."""
        problems = Problems()
        webhook_id = f.check_id(problems, "webhook_id", request.webhook_id)
        given = request.webhook
        present = {field.name for field, _ in given.ListFields()} & set(_FIELDS)
        named = set(request.update_mask.paths) or present
        for path in sorted(named - set(_FIELDS)):
            known = ", ".join(_FIELDS)
            problems.wrong("update_mask", f"has an unknown field {path[:64]!a}; use {known}")
        if not named:
            problems.wrong("webhook", "must have a field to change")
        checks: dict[str, Any] = {
            "url": self._url,
            "kinds": _kinds,
            "labels": self._labels,
            "description": _description,
            "state": _state,
        }
        changes = {
            name: check(problems, f"webhook.{name}", getattr(given, name))
            for name, check in checks.items()
            if name in named
        }
        problems.raise_wrong()
        return webhook_id, WebhookChange(**changes)

    def named(self, request: Any) -> str:
        """The webhook's id, of a request that has nothing else."""
        problems = Problems()
        webhook_id = f.check_id(problems, "webhook_id", request.webhook_id)
        problems.raise_wrong()
        return webhook_id

    def deliveries(self, request: pb.ListWebhookDeliveriesRequest) -> DeliveryList:
        """Which deliveries to list."""
        problems = Problems()
        most = self._settings.max_page_size
        wanted = DeliveryList(
            webhook_id=f.check_id(problems, "webhook_id", request.webhook_id),
            page_size=f.check_page_size(problems, "page_size", request.page_size, most),
            page_token=f.check_token(problems, "page_token", request.page_token),
            states=_states(problems, request.states),
        )
        problems.raise_wrong()
        return wanted

    def redeliver(self, request: pb.RedeliverWebhookRequest) -> tuple[str, str]:
        """The ids of the webhook and of the delivery."""
        problems = Problems()
        webhook_id = f.check_id(problems, "webhook_id", request.webhook_id)
        delivery_id = f.check_id(problems, "delivery_id", request.delivery_id)
        problems.raise_wrong()
        return webhook_id, delivery_id

    def _url(self, problems: Problems, field: str, url: str) -> str:
        if len(url) > MAX_URL_CHARACTERS:
            problems.wrong(field, f"must have at most {MAX_URL_CHARACTERS} characters")
            return url
        try:
            parse_receiver(url, loopback=self._settings.webhooks == "loopback")
        except ValueError as error:
            problems.wrong(field, str(error))
        return url

    def _labels(self, problems: Problems, field: str, labels: Any) -> dict[str, str]:
        return f.check_label_filter(problems, field, labels, self._settings.max_labels)


def _description(problems: Problems, field: str, text: str) -> str:
    f.check_text(problems, field, text, MAX_DESCRIPTION_CHARACTERS)
    return text


def _kinds(problems: Problems, field: str, values: Any) -> tuple[Kind, ...]:
    if not values:
        problems.wrong(field, "must name one kind or more")
    found: dict[Kind, None] = {}
    for number, value in enumerate(values[: f.MAX_IDS]):
        place = f"{field}[{number}]"
        name = f.read_enum(problems, place, pb.Webhook.Kind, value)
        if not value:
            problems.wrong(place, "must be a kind")
        elif name == Kind.PING:
            problems.wrong(place, "PING is sent by TestWebhook alone")
        elif name:
            found[Kind(name)] = None
    return tuple(found)


def _state(problems: Problems, field: str, value: int) -> State | None:
    name = f.read_enum(problems, field, pb.Webhook.State, value)
    if name in (State.ENABLED, State.DISABLED):
        return State(name)
    problems.wrong(field, "must be ENABLED or DISABLED")
    return None


def _states(problems: Problems, values: Any) -> tuple[DeliveryState, ...]:
    found: dict[DeliveryState, None] = {}
    for number, value in enumerate(values[: f.MAX_IDS]):
        place = f"states[{number}]"
        name = f.read_enum(problems, place, pb.WebhookDelivery.State, value)
        if not value:
            problems.wrong(place, "must be PENDING, SUCCEEDED or FAILED")
        elif name:
            found[DeliveryState(name)] = None
    return tuple(found)
