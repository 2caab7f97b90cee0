"""What becomes of a delivery after a try."""

from core.store.deliveries import OFF, Claimed, Tried
from core.webhooks import GONE, PAUSES_MS, Delivery, DeliveryState, Kind, Response, State

# Tries that failed together are spread over a part of their pause.
_SPREAD = 20


def refusal(claimed: Claimed) -> str:
    """Why the delivery is not sent at all; empty when it is. Its webhook is there."""
    delivery, webhook = claimed.delivery, claimed.webhook
    assert webhook is not None
    is_off = webhook.state is not State.ENABLED or delivery.create_time < webhook.enable_time
    if is_off and not delivery.once:
        return OFF
    if claimed.event is None and delivery.kind is not Kind.PING:
        return "its event is not kept any more"
    return ""


def judged(delivery: Delivery, response: Response) -> Tried:
    """The delivery after a try of which this came."""
    if response.taken:
        return Tried(delivery, DeliveryState.SUCCEEDED, response)
    tries = delivery.try_count + 1
    if delivery.once or response.status == GONE or tries > len(PAUSES_MS):
        return Tried(delivery, DeliveryState.FAILED, response)
    pause_ms = PAUSES_MS[tries - 1]
    chance = int(delivery.delivery_id[-4:], 16) / 0x10000
    pause_ms += int(pause_ms / _SPREAD * chance)
    return Tried(delivery, DeliveryState.PENDING, response, pause_ms=pause_ms)
