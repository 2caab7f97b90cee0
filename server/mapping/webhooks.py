"""Webhooks and their deliveries as callers see them, and the bodies that receivers get."""

from typing import Any

import orjson

from core.events import UserChange
from core.notifications import ChangeType
from core.times import iso
from core.tokens import ResumePoint, Tokens
from core.views import ViewChangeType
from core.webhooks import Delivery, Kind, Webhook
from rushes.v1 import media_service_pb2
from rushes.v1 import webhook_service_pb2 as pb
from server.mapping import Mapper
from server.mapping.as_json import as_json
from server.mapping.notifications import notification_change
from server.mapping.values import duration, enum_value, timestamp

_VIEWS = {
    Kind.VIEW_APPLIED: ViewChangeType.APPLIED,
    Kind.VIEW_CLEARED: ViewChangeType.CLEARED,
}


def webhook_to_proto(webhook: Webhook) -> pb.Webhook:
    """A webhook, without its secret."""
    return pb.Webhook(
        webhook_id=webhook.webhook_id,
        url=webhook.url,
        kinds=[enum_value(pb.Webhook.Kind, kind) for kind in webhook.kinds],
        labels=[f"{key}={value}" for key, value in webhook.labels.items()],
        description=webhook.description,
        state=enum_value(pb.Webhook.State, webhook.state),
        create_time=timestamp(webhook.create_time),
        success_time=timestamp(webhook.success_time),
        failure_count=webhook.failure_count,
    )


def delivery_to_proto(delivery: Delivery) -> pb.WebhookDelivery:
    """A delivery, and what came of its last try."""
    return pb.WebhookDelivery(
        delivery_id=delivery.delivery_id,
        webhook_id=delivery.webhook_id,
        kind=enum_value(pb.Webhook.Kind, delivery.kind),
        revision=delivery.revision,
        job_id=delivery.job_id,
        state=enum_value(pb.WebhookDelivery.State, delivery.state),
        try_count=delivery.try_count,
        response_status=delivery.response_status,
        response_text=delivery.response_text,
        error=delivery.error,
        response_time=duration(delivery.response_ms),
        create_time=timestamp(delivery.create_time),
        try_time=timestamp(delivery.try_time),
        next_try_time=timestamp(delivery.next_try_time),
    )


class Bodies:
    """Makes what is sent, in the form of Standard Webhooks."""

    def __init__(self, mapper: Mapper, tokens: Tokens) -> None:
        self._mapper = mapper
        self._tokens = tokens

    def body(self, kind: Kind, change: UserChange, epoch: str) -> bytes:
        """The part of the change that is of the kind, with a token that goes on from there.

        Addresses in it are signed now.

        Raises:
            ValueError, KeyError, TypeError: when this version can't read the change.
        """
        values = orjson.loads(change.payload)
        event = self._event(kind, change, values)
        token = self._tokens.resume(change.user_id, ResumePoint(epoch, change.revision))
        # As JSON of a WatchJobsResponse.
        data = {"events": [as_json(event)], "resumeToken": token}
        return _body(kind, values["event_time"], data)

    def ping(self, now_ms: int) -> bytes:
        """What TestWebhook sends: nothing has happened."""
        return _body(Kind.PING, now_ms, {})

    def _event(
        self, kind: Kind, change: UserChange, values: dict[str, Any]
    ) -> media_service_pb2.WatchEvent:
        if kind.startswith("JOB_"):
            return self._mapper.kept_to_proto(change.revision, values)
        head: dict[str, Any] = {"revision": change.revision}
        head["event_time"] = timestamp(values["event_time"])
        if kind is Kind.NOTIFICATION_CREATED:
            told = values.get("notifications", ())
            made = [one for one in told if one["type"] == ChangeType.CREATED]
            return media_service_pb2.WatchEvent(
                **head, notifications=[notification_change(one) for one in made]
            )
        views = [one for one in values.get("views", ()) if one["type"] == _VIEWS[kind]]
        return media_service_pb2.WatchEvent(**head, views=self._mapper.views_to_proto(views))


def _body(kind: Kind, time_ms: int, data: dict[str, Any]) -> bytes:
    return orjson.dumps({"type": kind.type, "timestamp": iso(time_ms), "data": data})
