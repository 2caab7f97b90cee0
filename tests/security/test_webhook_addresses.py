"""Addresses of webhooks: what is not public is named in vain, and nobody inside is connected to."""

import ipaddress
from collections.abc import Callable
from typing import Any

import grpc
import pytest

import server.services.webhooks as service
from core.fetching import Resolve
from core.sending import open_sender
from rushes.v1 import webhook_service_pb2 as pb
from tests.fakes.https import canary
from tests.fakes.receiver import receiver
from tests.house import House
from tests.unit.core.fetching.test_fetch import PRIVATE
from tests.unit.core.fetching.test_receivers import ALWAYS_WRONG, NOT_HERE, NOT_PUBLIC

Code = grpc.StatusCode
StartHouse = Callable[..., House]
KINDS = [pb.Webhook.JOB_SUCCEEDED]

VECTORS = {"public": [*ALWAYS_WRONG, *NOT_PUBLIC], "loopback": [*ALWAYS_WRONG, *NOT_HERE]}


@pytest.mark.parametrize("allowed", VECTORS)
def test_every_vector_is_refused_and_nothing_is_stored(start: StartHouse, allowed: str) -> None:
    alice = start(webhooks=allowed).caller("alice")
    good = {"public": "https://h.example.com/", "loopback": "http://localhost:1/"}[allowed]
    kept = alice.call("CreateWebhook", pb.CreateWebhookRequest(url=good, kinds=KINDS)).webhook

    for vector in VECTORS[allowed]:
        create = pb.CreateWebhookRequest(url=vector, kinds=KINDS)
        update = pb.UpdateWebhookRequest(webhook_id=kept.webhook_id, webhook={"url": vector})
        update.update_mask.paths.append("url")
        for method, request, field in (
            ("CreateWebhook", create, "url"),
            ("UpdateWebhook", update, "webhook.url"),
        ):
            refusal = alice.refused(method, request)
            assert refusal.code == Code.INVALID_ARGUMENT, vector
            assert refusal.fields == (field,), vector

    assert list(alice.call("ListWebhooks", pb.ListWebhooksRequest()).webhooks) == [kept]


def test_a_host_that_leads_inside_is_never_connected_to(
    start: StartHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = ["8.8.8.8"]

    def resolve(_: str) -> Any:
        return [ipaddress.ip_address(one) for one in inside]

    resolver: Resolve = resolve
    monkeypatch.setattr(
        service, "open_sender", lambda settings, secrets: open_sender(settings, secrets, resolver)
    )
    alice = start(webhooks="public").caller("alice")
    with canary() as (port, connections):
        for number, address in enumerate(PRIVATE):
            # When a name leads there, alone or beside a public address
            inside[:] = [address, "8.8.8.8"][: 1 + number % 2]
            url = f"https://h{number}.example.com:{port}/"
            webhook = alice.call("CreateWebhook", pb.CreateWebhookRequest(url=url, kinds=KINDS))
            named = {"webhook_id": webhook.webhook.webhook_id}
            delivery = alice.call("TestWebhook", pb.TestWebhookRequest(**named)).delivery

            # Then nothing is sent, and the answer does not say what is there
            assert (delivery.state, delivery.response_status) == (pb.WebhookDelivery.FAILED, 0)
            assert delivery.error == "its host is not at an address that may be sent to"
            assert delivery.response_text == ""
            alice.call("DeleteWebhook", pb.DeleteWebhookRequest(**named))
        assert connections == []


def test_a_redirect_leads_nowhere(start: StartHouse) -> None:
    alice = start(webhooks="loopback").caller("alice")
    with canary() as (port, connections), receiver() as there:
        made = alice.call("CreateWebhook", pb.CreateWebhookRequest(url=there.url, kinds=KINDS))
        for status in (301, 302, 303, 307, 308):
            there.statuses, there.headers = [status], {"location": f"http://127.0.0.1:{port}/"}
            request = pb.TestWebhookRequest(webhook_id=made.webhook.webhook_id)
            delivery = alice.call("TestWebhook", request).delivery
            assert delivery.response_status == status
            assert delivery.state == pb.WebhookDelivery.FAILED
        assert connections == []


def test_what_is_allowed_no_more_is_not_sent_any_more(start: StartHouse) -> None:
    # Given a webhook on this machine, of a time when that was allowed
    alice = start(webhooks="loopback").caller("alice")
    with receiver() as there:
        made = alice.call("CreateWebhook", pb.CreateWebhookRequest(url=there.url, kinds=KINDS))
        request = pb.TestWebhookRequest(webhook_id=made.webhook.webhook_id)

        # When the operator allows public addresses alone
        delivery = start(webhooks="public").caller("alice").call("TestWebhook", request).delivery

        # Then nothing is sent there
        assert there.got == []
    assert delivery.error == "its address must begin with https://"
