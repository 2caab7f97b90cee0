"""The calls about webhooks: addresses of your own that get your events."""

from collections.abc import AsyncIterator, Iterable, Mapping

from rushes import requests
from rushes._async.connection import AsyncConnection, first
from rushes.results import NewWebhookSecret
from rushes.v1 import webhook_service_pb2 as pb
from rushes.v1.webhook_service_pb2 import Webhook, WebhookDelivery


class AsyncWebhookCalls(AsyncConnection):
    """A connection with the calls about webhooks."""

    async def create_webhook(
        self,
        url: str,
        kinds: Iterable[Webhook.Kind | str],
        *,
        labels: Mapping[str, str] | None = None,
        description: str = "",
    ) -> NewWebhookSecret:
        """Sends events to an address. Its secret is in this answer alone, so this is sent once.

        url: an https address of the public internet, or what else the operator allows.
        kinds: of rushes.v1.Webhook.Kind, in upper or lower case, for example ["job_succeeded"].
        labels: only of jobs that have all of them.
        description: for people.
        """
        request = requests.create_webhook_request(url, kinds, labels, description)
        answer = await self._call_once(self._webhooks.CreateWebhook, request)
        return NewWebhookSecret(answer.webhook, answer.secret)

    async def webhooks(self) -> list[Webhook]:
        """All webhooks, oldest first."""
        answer = await self._call(self._webhooks.ListWebhooks, pb.ListWebhooksRequest())
        return list(answer.webhooks)

    async def update_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        kinds: Iterable[Webhook.Kind | str] | None = None,
        labels: Mapping[str, str] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Changes what is given. What happens while it is not enabled is never sent."""
        request = requests.update_webhook_request(
            webhook_id, url, kinds, labels, description, enabled
        )
        return (await self._call(self._webhooks.UpdateWebhook, request)).webhook

    async def delete_webhook(self, webhook_id: str) -> None:
        """Removes a webhook with its deliveries. Fine to repeat."""
        await self._call(
            self._webhooks.DeleteWebhook, pb.DeleteWebhookRequest(webhook_id=webhook_id)
        )

    async def rotate_webhook_secret(self, webhook_id: str) -> NewWebhookSecret:
        """Gives a webhook a new secret; the one before signs too for 24 h. This is sent once."""
        request = pb.RotateWebhookSecretRequest(webhook_id=webhook_id)
        answer = await self._call_once(self._webhooks.RotateWebhookSecret, request)
        return NewWebhookSecret(answer.webhook, answer.secret)

    async def test_webhook(self, webhook_id: str) -> WebhookDelivery:
        """Sends a "ping" now, and gives what came of it."""
        request = pb.TestWebhookRequest(webhook_id=webhook_id)
        return (await self._call_once(self._webhooks.TestWebhook, request)).delivery

    def webhook_deliveries(
        self,
        webhook_id: str,
        *,
        states: Iterable[WebhookDelivery.State | str] = (),
        limit: int | None = None,
    ) -> AsyncIterator[WebhookDelivery]:
        """The deliveries of the last 30 days, newest first; pages are read as they are needed.

        states: any of "pending", "succeeded" and "failed"; none are all.
        """
        request = requests.webhook_deliveries_request(webhook_id, states, limit)
        pages = self._pages(self._webhooks.ListWebhookDeliveries, request)
        return first(limit, (one async for page in pages for one in page.deliveries))

    async def redeliver_webhook(self, webhook_id: str, delivery_id: str) -> WebhookDelivery:
        """Has a delivery tried again now, whatever came of it; does not wait for that."""
        request = pb.RedeliverWebhookRequest(webhook_id=webhook_id, delivery_id=delivery_id)
        return (await self._call(self._webhooks.RedeliverWebhook, request)).delivery
