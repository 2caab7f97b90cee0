"""Sends deliveries to webhooks: signed, to addresses that the operator allows."""

import time

from core.fetching import Names, Poster, Resolve, is_public, parse_receiver, resolve
from core.fetching.addresses import IPAddress
from core.process.settings import Settings
from core.webhooks import RESPONSE_BYTES, Response, Secrets, Webhook


class Sender:
    """Sends deliveries, in one event loop at a time."""

    def __init__(self, poster: Poster, secrets: Secrets, *, loopback: bool) -> None:
        self._poster = poster
        self._secrets = secrets
        self._loopback = loopback

    async def send(self, webhook: Webhook, delivery_id: str, body: bytes) -> Response:
        """What came of one try."""
        try:
            # The operator may have changed since then what is allowed.
            receiver = parse_receiver(webhook.url, loopback=self._loopback)
        except ValueError as error:
            return Response(error=f"its address {error}")
        headers = self._secrets.headers(webhook, delivery_id, time.time_ns() // 1_000_000, body)
        return Response(*await self._poster.post(receiver, headers, body))


def open_sender(settings: Settings, secrets: Secrets, resolve: Resolve = resolve) -> Sender:
    """The sender of an installation that allows webhooks."""
    loopback = settings.webhooks == "loopback"
    poster = Poster(
        seconds=settings.webhook_try_seconds,
        text_bytes=RESPONSE_BYTES,
        allows=_is_loopback if loopback else is_public,
        names=Names(resolve),
    )
    return Sender(poster, secrets, loopback=loopback)


def _is_loopback(address: IPAddress) -> bool:
    return address.is_loopback
