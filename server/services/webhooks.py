"""WebhookService: each RPC takes the caller, checks the request, runs one command, maps the answer.

Where webhooks are not allowed, every RPC says so before it looks at the request.
"""

from core.sending import open_sender
from rushes.v1 import webhook_service_pb2 as pb
from rushes.v1 import webhook_service_pb2_grpc as rpc
from server.commands.webhooks import Webhooks
from server.interceptors.layer import Context
from server.mapping.webhooks import Bodies, delivery_to_proto, webhook_to_proto
from server.parts import Parts
from server.principal import require_principal
from server.validation.webhooks import WebhookValidator


class WebhookService(rpc.WebhookServiceServicer):
    """Holds no rules: `validation` and `commands` have them."""

    def __init__(self, validator: WebhookValidator, webhooks: Webhooks) -> None:
        self._check = validator
        self._webhooks = webhooks

    def _user(self) -> str:
        self._webhooks.require_allowed()
        return require_principal().user_id

    def CreateWebhook(
        self, request: pb.CreateWebhookRequest, context: Context
    ) -> pb.CreateWebhookResponse:
        made = self._webhooks.create(self._user(), self._check.create(request))
        return pb.CreateWebhookResponse(webhook=webhook_to_proto(made.webhook), secret=made.secret)

    def ListWebhooks(
        self, request: pb.ListWebhooksRequest, context: Context
    ) -> pb.ListWebhooksResponse:
        found = self._webhooks.all(self._user())
        return pb.ListWebhooksResponse(webhooks=map(webhook_to_proto, found))

    def UpdateWebhook(
        self, request: pb.UpdateWebhookRequest, context: Context
    ) -> pb.UpdateWebhookResponse:
        webhook = self._webhooks.update(self._user(), *self._check.update(request))
        return pb.UpdateWebhookResponse(webhook=webhook_to_proto(webhook))

    def DeleteWebhook(
        self, request: pb.DeleteWebhookRequest, context: Context
    ) -> pb.DeleteWebhookResponse:
        self._webhooks.delete(self._user(), self._check.named(request))
        return pb.DeleteWebhookResponse()

    def RotateWebhookSecret(
        self, request: pb.RotateWebhookSecretRequest, context: Context
    ) -> pb.RotateWebhookSecretResponse:
        found = self._webhooks.rotate(self._user(), self._check.named(request))
        webhook = webhook_to_proto(found.webhook)
        return pb.RotateWebhookSecretResponse(webhook=webhook, secret=found.secret)

    async def TestWebhook(
        self, request: pb.TestWebhookRequest, context: Context
    ) -> pb.TestWebhookResponse:
        delivery = await self._webhooks.test(self._user(), self._check.named(request))
        return pb.TestWebhookResponse(delivery=delivery_to_proto(delivery))

    def ListWebhookDeliveries(
        self, request: pb.ListWebhookDeliveriesRequest, context: Context
    ) -> pb.ListWebhookDeliveriesResponse:
        found, token = self._webhooks.deliveries(self._user(), self._check.deliveries(request))
        return pb.ListWebhookDeliveriesResponse(
            deliveries=map(delivery_to_proto, found), next_page_token=token
        )

    def RedeliverWebhook(
        self, request: pb.RedeliverWebhookRequest, context: Context
    ) -> pb.RedeliverWebhookResponse:
        delivery = self._webhooks.redeliver(self._user(), *self._check.redeliver(request))
        return pb.RedeliverWebhookResponse(delivery=delivery_to_proto(delivery))


def build_webhook_service(parts: Parts) -> WebhookService:
    """The service with its commands, made of the parts of this process."""
    webhooks = Webhooks(
        settings=parts.settings,
        db=parts.db,
        tokens=parts.tokens,
        secrets=parts.secrets,
        pool=parts.pool,
        sender=open_sender(parts.settings, parts.secrets),
        ping=Bodies(parts.mapper, parts.tokens).ping,
    )
    return WebhookService(WebhookValidator(parts.settings), webhooks)
