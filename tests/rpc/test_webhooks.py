"""WebhookService, line by line of its contract, with receivers and workers that run."""

import base64
import datetime
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from grpc import StatusCode as Code
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from core.ids import new_id
from core.store import transitions
from core.store.engine.sql import Statement
from core.webhooks import DAY_MS
from rushes.v1 import media_service_pb2 as media_pb
from rushes.v1 import notification_service_pb2 as notification_pb
from rushes.v1 import view_service_pb2 as view_pb
from rushes.v1 import webhook_service_pb2 as pb
from tests.fakes.receiver import Got, Receiver, receiver
from tests.house import House, LoopThread, close_house, open_house
from tests.making import new_media, started
from tests.rpc.requests import video
from tests.rpc.working import worker
from tests.services import Valkey, wait_for

Kind, State = pb.Webhook.Kind, pb.Webhook.State
Sent = pb.WebhookDelivery.State
ENDS = (Kind.JOB_SUCCEEDED, Kind.JOB_CANCELLED)
DUE = Statement("UPDATE delivery SET next_try_time = 0 WHERE state = 'PENDING'")
FAILING = Statement("UPDATE webhook SET failing_time = failing_time - :ms")
FORMER = Statement("UPDATE webhook SET former_until = 1")
FORGET = Statement("DELETE FROM job_event WHERE user_id = 'alice'")


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as opened:
        yield opened


def create(house: House, url: str, *kinds: Any, user_id: str = "alice", **fields: Any) -> Any:
    request = pb.CreateWebhookRequest(url=url, kinds=kinds or ENDS, **fields)
    return house.caller(user_id).call("CreateWebhook", request)


def shown(house: House, webhook_id: str) -> pb.Webhook:
    found = house.caller("alice").call("ListWebhooks", pb.ListWebhooksRequest()).webhooks
    webhook: pb.Webhook = next(one for one in found if one.webhook_id == webhook_id)
    return webhook


def log(house: House, webhook_id: str, **fields: Any) -> list[Any]:
    request = pb.ListWebhookDeliveriesRequest(webhook_id=webhook_id, **fields)
    return list(house.caller("alice").call("ListWebhookDeliveries", request).deliveries)


def update(house: House, webhook_id: str, *paths: str, **fields: Any) -> pb.Webhook:
    request = pb.UpdateWebhookRequest(webhook_id=webhook_id, webhook=pb.Webhook(**fields))
    request.update_mask.paths.extend(paths)
    changed: pb.Webhook = house.caller("alice").call("UpdateWebhook", request).webhook
    return changed


def cancelled(house: House, user_id: str = "alice", **options: Any) -> str:
    """The id of a job that was accepted and cancelled."""
    caller = house.caller(user_id)
    job_id: str = caller.call("GenerateVideo", video(**options)).job.job_id
    caller.call("CancelJob", media_pb.CancelJobRequest(job_id=job_id))
    return job_id


def verified(secret: str, got: Got) -> Any:
    return Verifier(secret).verify(got.body, got.headers)


def test_every_method_says_that_webhooks_are_off_unless_the_operator_allows_them(
    house_loop: LoopThread, valkey: Valkey, tmp_path: Path
) -> None:
    closed = open_house(house_loop, tmp_path / "data", valkey.url)
    refusals = [
        closed.caller("alice").refused(method.name, getattr(pb, method.input_type.name)())
        for method in pb.DESCRIPTOR.services_by_name["WebhookService"].methods
    ]
    close_house(house_loop, closed)
    assert len(refusals) == 8
    for refusal in refusals:
        assert (refusal.code, refusal.reason) == (Code.FAILED_PRECONDITION, "FEATURE_DISABLED")
        assert refusal.metadata == {"feature": "webhooks", "setting": "RUSHES_WEBHOOKS"}


def test_a_delivery_is_one_kind_of_one_event_in_the_form_of_standard_webhooks(
    house: House, there: Receiver
) -> None:
    # Given a webhook for the end of jobs
    made = create(house, there.url)

    # When a job ends while a worker runs
    with worker(house, "none"):
        job_id = cancelled(house)
        [got] = there.wait(1)

    # Then its event was posted, signed with the secret
    content = verified(made.secret, got)
    assert content.keys() == {"type", "timestamp", "data"}
    assert content["type"] == "job.cancelled"
    assert got.headers["content-type"] == "application/json"
    time_of = datetime.datetime.fromisoformat(content["timestamp"])
    assert abs(time_of.timestamp() - time.time()) < 60
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 60

    # And `data` is what a watch says of it, with a token that goes on from there
    response = ParseDict(content["data"], media_pb.WatchJobsResponse())
    [event] = response.events
    assert event.job.job.job_id == job_id
    assert event.job.type == media_pb.JobEvent.CANCELLED
    assert not event.notifications
    watch = house.caller("alice").stream(
        media_pb.WatchJobsRequest(resume_token=response.resume_token)
    )
    later = cancelled(house)
    seen = next(one.job for part in watch for one in part.events if one.HasField("job"))
    watch.cancel()
    assert seen.job.job_id == later

    # And the log says what came of it
    [delivery] = log(house, made.webhook.webhook_id, states=[Sent.SUCCEEDED])
    assert delivery.delivery_id == got.delivery_id
    assert (delivery.kind, delivery.job_id) == (Kind.JOB_CANCELLED, job_id)
    assert (delivery.revision, delivery.try_count) == (event.revision, 1)
    assert (delivery.response_status, delivery.error) == (204, "")
    assert delivery.HasField("try_time")
    assert not delivery.HasField("next_try_time")
    assert shown(house, made.webhook.webhook_id).HasField("success_time")


def test_each_kind_has_its_part_of_the_event_alone(house: House, there: Receiver) -> None:
    kinds = (Kind.JOB_SUCCEEDED, Kind.NOTIFICATION_CREATED, Kind.VIEW_APPLIED, Kind.VIEW_CLEARED)
    create(house, there.url, *kinds)
    alice = house.caller("alice")

    # Given a job whose result comes to a view, a view that is cleared, and a message
    with worker(house, "none"):
        job = alice.call("GenerateVideo", video(apply_to_view="desk")).job
        item = new_media(job_id=job.job_id, output_index=0)
        transitions.succeed(house.db, started(house.db).run, item)
        alice.call("ClearView", view_pb.ClearViewRequest(view="desk"))
        sender = house.caller_with(f"Bearer {house.token('bot', scope='notifications.write')}")
        sender.call(
            "CreateNotification",
            notification_pb.CreateNotificationRequest(user_id="alice", title="Hello"),
        )
        there.wait(5)

    # Then each delivery has that part and no other
    parts = {}
    for got in there.got:
        [event] = ParseDict(got.content["data"], media_pb.WatchJobsResponse()).events
        name = event.WhichOneof("event")
        parts.setdefault(got.type, []).append(
            (name or "", len(event.notifications), len(event.views))
        )
    assert parts == {
        "job.succeeded": [("job", 0, 0)],
        "notification.created": [("", 1, 0)] * 2,
        "view.applied": [("", 0, 1)],
        "view.cleared": [("", 0, 1)],
    }


def test_addresses_in_a_delivery_are_signed_anew_for_each_try(
    house: House, there: Receiver
) -> None:
    there.statuses = [500]
    create(house, there.url)
    house.caller("alice").call("GenerateVideo", video())
    item = new_media()
    run = started(house.db).run
    transitions.succeed(house.db, run, new_media(job_id=run.job_id, media_id=item.media_id))

    with worker(house, "none"):
        there.wait(1)
        wait_for(lambda: house.db.write(lambda session: session.run(DUE)), "the next try")
        first, second = there.wait(2)

    urls = [
        got.content["data"]["events"][0]["job"]["job"]["outputs"][0]["url"]
        for got in (first, second)
    ]
    assert all(url.startswith(f"{house.settings.address}/media/") for url in urls)
    # The same id in every try
    assert first.delivery_id == second.delivery_id


def test_a_new_secret_signs_with_the_old_one_for_a_day(house: House, there: Receiver) -> None:
    made = create(house, there.url)
    webhook_id = made.webhook.webhook_id
    assert len(base64.b64decode(made.secret.removeprefix("whsec_"))) == 32

    rotated = house.caller("alice").call(
        "RotateWebhookSecret", pb.RotateWebhookSecretRequest(webhook_id=webhook_id)
    )
    assert rotated.webhook == made.webhook
    assert rotated.secret != made.secret

    # While it is replaced, both verify
    ping(house, webhook_id)
    assert len(there.got[-1].headers["webhook-signature"].split(" ")) == 2
    for secret in (made.secret, rotated.secret):
        assert verified(secret, there.got[-1])["type"] == "ping"

    # And afterwards the new one alone
    house.db.write(lambda session: session.run(FORMER))
    ping(house, webhook_id)
    assert verified(rotated.secret, there.got[-1])["type"] == "ping"
    with pytest.raises(WebhookVerificationError):
        verified(made.secret, there.got[-1])
    # A changed body never verifies
    with pytest.raises(WebhookVerificationError):
        Verifier(rotated.secret).verify(there.got[-1].body + b" ", there.got[-1].headers)


def ping(house: House, webhook_id: str) -> pb.WebhookDelivery:
    request = pb.TestWebhookRequest(webhook_id=webhook_id)
    delivery: pb.WebhookDelivery = house.caller("alice").call("TestWebhook", request).delivery
    return delivery


def test_no_answer_shows_a_secret_again(house: House, there: Receiver) -> None:
    made = create(house, there.url)
    found = house.caller("alice").call("ListWebhooks", pb.ListWebhooksRequest())
    assert made.secret.encode() not in found.SerializeToString()
    # Nor does the database hold it
    with house.db.peewee.connection_context():
        rows = house.db.peewee.execute_sql("SELECT * FROM webhook").fetchall()
    raw = base64.b64decode(made.secret.removeprefix("whsec_"))
    assert made.secret not in str(rows)
    assert raw.hex() not in str(rows)


def test_a_test_is_sent_now_and_once_also_while_disabled(house: House, there: Receiver) -> None:
    made = create(house, there.url)
    webhook_id = made.webhook.webhook_id
    update(house, webhook_id, state=State.DISABLED)

    delivery = ping(house, webhook_id)

    assert (delivery.kind, delivery.state) == (Kind.PING, Sent.SUCCEEDED)
    assert (delivery.try_count, delivery.response_status) == (1, 204)
    assert verified(made.secret, there.got[0]) == {
        "type": "ping",
        "timestamp": there.got[0].content["timestamp"],
        "data": {},
    }
    # And one that fails says so and is not tried again
    there.statuses, there.text = [503], b"not \x00 now" + b"x" * 2000
    failed = ping(house, webhook_id)
    assert (failed.state, failed.response_status) == (Sent.FAILED, 503)
    assert len(failed.response_text) == 1024
    assert failed.response_text.startswith("not � now")
    assert not failed.HasField("next_try_time")
    assert [one.delivery_id for one in log(house, webhook_id)] == [
        failed.delivery_id,
        delivery.delivery_id,
    ]


def test_every_2xx_takes_a_delivery_and_nothing_else_does(house: House, there: Receiver) -> None:
    request = pb.TestWebhookRequest(webhook_id=create(house, there.url).webhook.webhook_id)
    for status in (200, 201, 299, 304, 400, 500):
        there.statuses = [status]
        tested = house.caller("alice").call("TestWebhook", request).delivery
        taken = tested.state == Sent.SUCCEEDED
        assert (taken, tested.response_status) == (status < 300, status)


def test_a_redirect_is_a_failure_that_names_its_target(house: House, there: Receiver) -> None:
    with receiver() as elsewhere:
        there.statuses, there.headers = [307], {"location": elsewhere.url}
        failed = ping(house, create(house, there.url).webhook.webhook_id)
        assert elsewhere.got == []
    assert (failed.state, failed.response_status) == (Sent.FAILED, 307)
    assert elsewhere.url in failed.error


def test_no_answer_says_why(house: House) -> None:
    with receiver() as gone:
        url = gone.url
    failed = ping(house, create(house, url).webhook.webhook_id)
    assert (failed.state, failed.response_status) == (Sent.FAILED, 0)
    assert failed.error == "the connection failed"


def test_what_fails_is_tried_again_with_the_same_id_until_it_is_taken(
    house: House, there: Receiver
) -> None:
    made = create(house, there.url)
    there.statuses = [500, 404]
    cancelled(house)

    with worker(house, "none"):
        for count in (1, 2):
            wait_for(
                lambda count=count: log(house, made.webhook.webhook_id)[0].try_count == count,
                "the try",
            )
            [delivery] = log(house, made.webhook.webhook_id, states=[Sent.PENDING])
            assert delivery.HasField("next_try_time")
            assert shown(house, made.webhook.webhook_id).failure_count == count
            house.db.write(lambda session: session.run(DUE))
        wait_for(lambda: log(house, made.webhook.webhook_id, states=[Sent.SUCCEEDED]), "the end")

    assert len({got.delivery_id for got in there.got}) == 1
    assert len({got.body for got in there.got}) == 1
    assert shown(house, made.webhook.webhook_id).failure_count == 0


def test_it_is_tried_eight_times(house: House, there: Receiver) -> None:
    made = create(house, there.url)
    there.statuses = [500] * 20
    cancelled(house)

    with worker(house, "none"):
        for count in range(1, 9):
            wait_for(
                lambda count=count: log(house, made.webhook.webhook_id)[0].try_count == count,
                "the try",
            )
            house.db.write(lambda session: session.run(DUE))

    [delivery] = log(house, made.webhook.webhook_id)
    assert (delivery.state, delivery.try_count) == (Sent.FAILED, 8)
    assert not delivery.HasField("next_try_time")
    assert len(there.got) == 8


def test_a_webhook_that_takes_nothing_for_a_day_is_disabled_with_a_notification(
    house: House, there: Receiver
) -> None:
    made = create(house, there.url)
    webhook_id = made.webhook.webhook_id
    there.statuses = [500] * 20
    cancelled(house)
    cancelled(house)

    with worker(house, "none"):
        wait_for(lambda: shown(house, webhook_id).failure_count, "a failure")
        assert shown(house, webhook_id).state == State.ENABLED
        house.db.write(lambda session: session.run(FAILING, ms=DAY_MS))
        house.db.write(lambda session: session.run(DUE))
        wait_for(lambda: shown(house, webhook_id).state == State.DISABLED_AFTER_FAILURES, "the end")
        wait_for(lambda: not log(house, webhook_id, states=[Sent.PENDING]), "the rest")

    listed = house.caller("alice").call(
        "ListNotifications", notification_pb.ListNotificationsRequest()
    )
    told = [one for one in listed.notifications if "webhook" in one.title]
    assert len(told) == 1
    assert there.url in told[0].text
    # What happens from then on is not sent, and enabling begins with what happens after it
    cancelled(house)
    update(house, webhook_id, state=State.ENABLED)
    there.statuses.clear()
    there.got.clear()
    job_id = cancelled(house)
    with worker(house, "none"):
        [got] = there.wait(1)
        wait_for(lambda: not log(house, webhook_id, states=[Sent.PENDING]), "the rest")
    assert [got.content["data"]["events"][0]["job"]["job"]["jobId"]] == [job_id]
    assert len(there.got) == 1


def test_an_answer_of_410_disables_at_once(house: House, there: Receiver) -> None:
    made = create(house, there.url)
    there.statuses = [410]
    cancelled(house)
    with worker(house, "none"):
        wait_for(
            lambda: shown(house, made.webhook.webhook_id).state == State.DISABLED_AFTER_FAILURES,
            "the end",
        )
    [delivery] = log(house, made.webhook.webhook_id)
    assert (delivery.state, delivery.response_status) == (Sent.FAILED, 410)


def test_a_delivery_is_tried_again_now_also_while_disabled(house: House, there: Receiver) -> None:
    made = create(house, there.url)
    webhook_id = made.webhook.webhook_id
    cancelled(house)
    with worker(house, "none"):
        wait_for(lambda: log(house, webhook_id, states=[Sent.SUCCEEDED]), "the delivery")
        [delivery] = log(house, webhook_id)
        update(house, webhook_id, state=State.DISABLED)
        there.statuses = [500]

        # When it is redelivered
        request = pb.RedeliverWebhookRequest(
            webhook_id=webhook_id, delivery_id=delivery.delivery_id
        )
        again = house.caller("alice").call("RedeliverWebhook", request).delivery
        assert again.state == Sent.PENDING

        # Then it is tried once more, and not again by itself
        wait_for(lambda: log(house, webhook_id, states=[Sent.FAILED]), "the second try")
        assert log(house, webhook_id)[0].try_count == 2
    assert len(there.got) == 2


def test_updates_change_what_the_mask_names_or_what_is_set(house: House, there: Receiver) -> None:
    made = create(house, there.url, Kind.JOB_QUEUED, labels=["a=1"], description="Mine").webhook

    # Without a mask, what is set
    changed = update(house, made.webhook_id, description="Ours")
    assert (changed.description, list(changed.labels)) == ("Ours", ["a=1"])
    # With one, what it names, also to nothing
    changed = update(house, made.webhook_id, "labels", "description", kinds=[Kind.JOB_FAILED])
    assert (changed.description, list(changed.labels)) == ("", [])
    assert list(changed.kinds) == [Kind.JOB_QUEUED]
    changed = update(house, made.webhook_id, "url", url=there.url + "/2")
    assert changed.url == there.url + "/2"
    assert shown(house, made.webhook_id) == changed
    for fields, paths, field in (
        ({}, ("kinds",), "webhook.kinds"),
        ({}, ("url",), "webhook.url"),
        ({}, (), "webhook"),
        ({"state": State.DISABLED_AFTER_FAILURES}, (), "webhook.state"),
        ({}, ("state",), "webhook.state"),
        ({"failure_count": 3}, (), "webhook"),
        ({}, ("secret",), "update_mask"),
    ):
        request = pb.UpdateWebhookRequest(webhook_id=made.webhook_id, webhook=pb.Webhook(**fields))
        request.update_mask.paths.extend(paths)
        refusal = house.caller("alice").refused("UpdateWebhook", request)
        assert (refusal.code, refusal.fields) == (Code.INVALID_ARGUMENT, (field,)), fields


def test_deleting_takes_the_deliveries_along_and_is_fine_to_repeat(
    house: House, there: Receiver
) -> None:
    made = create(house, there.url).webhook
    cancelled(house)
    request = pb.DeleteWebhookRequest(webhook_id=made.webhook_id)
    for _ in range(2):
        house.caller("alice").call("DeleteWebhook", request)
    with worker(house, "none"):
        other = create(house, there.url).webhook
        cancelled(house)
        there.wait(1)
    assert [got.type for got in there.got] == ["job.cancelled"]
    with house.db.peewee.connection_context():
        rows = house.db.peewee.execute_sql("SELECT webhook_id FROM delivery").fetchall()
    assert set(rows) == {(other.webhook_id,)}
    missing = pb.ListWebhookDeliveriesRequest(webhook_id=made.webhook_id)
    assert house.caller("alice").refused("ListWebhookDeliveries", missing).code == Code.NOT_FOUND


def test_a_user_has_at_most_twenty(house: House, there: Receiver) -> None:
    made = [create(house, there.url).webhook.webhook_id for _ in range(20)]
    request = pb.CreateWebhookRequest(url=there.url, kinds=ENDS)
    refusal = house.caller("alice").refused("CreateWebhook", request)
    assert (refusal.code, refusal.reason) == (Code.RESOURCE_EXHAUSTED, "RESOURCE_LIMIT_REACHED")
    assert refusal.metadata["limit"] == "20"
    # They are listed oldest first, all of them
    found = house.caller("alice").call("ListWebhooks", pb.ListWebhooksRequest()).webhooks
    assert [one.webhook_id for one in found] == made
    create(house, there.url, user_id="bob")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"kinds": []}, "kinds"),
    ({"kinds": [Kind.PING]}, "kinds[0]"),
    ({"kinds": [Kind.JOB_QUEUED, 0]}, "kinds[1]"),
    ({"kinds": [77]}, "kinds[0]"),
    ({"labels": ["a"]}, "labels[0]"),
    ({"labels": ["a=1", "A=1"]}, "labels[1]"),
    ({"description": "x" * 101}, "description"),
    ({"description": "a\nb"}, "description"),
    ({"url": ""}, "url"),
    ({"url": "http://localhost/" + "a" * 2000}, "url"),
    ({"url": "http://user@localhost/"}, "url"),
    ({"url": "http://example.com/"}, "url"),
    ({"url": "https://example.com/"}, "url"),
    ({"url": "ftp://localhost/"}, "url"),
]


def test_every_wrong_field_is_named_and_nothing_is_stored(house: House, there: Receiver) -> None:
    for fields, field in WRONG:
        usual: dict[str, Any] = {"url": there.url, "kinds": ENDS}
        request = pb.CreateWebhookRequest(**{**usual, **fields})
        refusal = house.caller("alice").refused("CreateWebhook", request)
        assert (refusal.code, refusal.fields) == (Code.INVALID_ARGUMENT, (field,)), fields
    found = house.caller("alice").call("ListWebhooks", pb.ListWebhooksRequest()).webhooks
    assert not found


def test_another_s_webhook_is_not_there(house: House, there: Receiver) -> None:
    made = create(house, there.url).webhook
    cancelled(house)
    [delivery] = log(house, made.webhook_id)
    named = {"webhook_id": made.webhook_id}
    bob = house.caller("bob")
    for method, request in (
        ("UpdateWebhook", pb.UpdateWebhookRequest(**named, webhook={"description": "x"})),
        ("RotateWebhookSecret", pb.RotateWebhookSecretRequest(**named)),
        ("TestWebhook", pb.TestWebhookRequest(**named)),
        ("ListWebhookDeliveries", pb.ListWebhookDeliveriesRequest(**named)),
        (
            "RedeliverWebhook",
            pb.RedeliverWebhookRequest(**named, delivery_id=delivery.delivery_id),
        ),
    ):
        refusal = bob.refused(method, request)
        assert (refusal.code, refusal.fields) == (Code.NOT_FOUND, ("webhook_id",)), method
    bob.call("DeleteWebhook", pb.DeleteWebhookRequest(**named))
    assert shown(house, made.webhook_id) == made
    assert there.got == []
    # Nor is a delivery that is another webhook's
    own = create(house, there.url, user_id="bob").webhook.webhook_id
    for caller, webhook_id, delivery_id in (
        (bob, own, delivery.delivery_id),
        (house.caller("alice"), made.webhook_id, new_id()),
    ):
        request = pb.RedeliverWebhookRequest(webhook_id=webhook_id, delivery_id=delivery_id)
        refusal = caller.refused("RedeliverWebhook", request)
        assert (refusal.code, refusal.fields) == (Code.NOT_FOUND, ("delivery_id",))


def test_the_log_is_read_page_by_page_newest_first(house: House, there: Receiver) -> None:
    made = create(house, there.url).webhook
    for _ in range(5):
        cancelled(house)
    everything = [one.delivery_id for one in log(house, made.webhook_id)]
    assert len(everything) == 5

    found: list[str] = []
    token = ""
    alice = house.caller("alice")
    while True:
        request = pb.ListWebhookDeliveriesRequest(
            webhook_id=made.webhook_id, page_size=2, page_token=token
        )
        page = alice.call("ListWebhookDeliveries", request)
        found += [one.delivery_id for one in page.deliveries]
        token = page.next_page_token
        if not token:
            break
    assert found == everything
    assert log(house, made.webhook_id, states=[Sent.FAILED]) == []
    # A page is never larger than it may be, and never less than nothing
    large = pb.ListWebhookDeliveriesRequest(webhook_id=made.webhook_id, page_size=2**31 - 1)
    assert len(alice.call("ListWebhookDeliveries", large).deliveries) == 5
    less = pb.ListWebhookDeliveriesRequest(webhook_id=made.webhook_id, page_size=-1)
    assert alice.refused("ListWebhookDeliveries", less).fields == ("page_size",)
    first = pb.ListWebhookDeliveriesRequest(webhook_id=made.webhook_id, page_size=2)
    token = alice.call("ListWebhookDeliveries", first).next_page_token
    for fields in ({"states": [Sent.PENDING]}, {"page_token": token + "x"}):
        usual: dict[str, Any] = {"page_token": token, "webhook_id": made.webhook_id}
        wrong = pb.ListWebhookDeliveriesRequest(**{**usual, **fields})
        assert alice.refused("ListWebhookDeliveries", wrong).reason == "PAGE_TOKEN_INVALID"


def test_a_receiver_that_hangs_delays_nobody_else(house: House, there: Receiver) -> None:
    with receiver() as slow:
        slow.held.clear()
        create(house, slow.url, user_id="bob")
        create(house, there.url)
        for _ in range(30):
            cancelled(house, "bob")
        with worker(house, "none"):
            slow.wait(1)
            cancelled(house)
            there.wait(1)
            # No more than some are sent to one receiver at once
            assert len(slow.got) <= house.settings.max_tries_of_webhook
            slow.held.set()


def test_what_is_not_kept_any_more_is_given_up(house: House, there: Receiver) -> None:
    made = create(house, there.url).webhook
    cancelled(house)
    house.db.write(lambda session: session.run(FORGET))
    with worker(house, "none"):
        wait_for(lambda: log(house, made.webhook_id, states=[Sent.FAILED]), "the end")
    [delivery] = log(house, made.webhook_id)
    assert (delivery.error, delivery.try_count) == ("its event is not kept any more", 0)
    assert there.got == []


def test_a_worker_that_ends_hands_back_what_it_was_sending(house: House, there: Receiver) -> None:
    made = create(house, there.url).webhook
    there.held.clear()
    cancelled(house)
    with worker(house, "none"):
        there.wait(1)
    [delivery] = log(house, made.webhook_id, states=[Sent.PENDING])
    assert delivery.try_count == 0
    there.held.set()
    with worker(house, "none"):
        wait_for(lambda: log(house, made.webhook_id, states=[Sent.SUCCEEDED]), "the delivery")
    assert {got.delivery_id for got in there.got} == {delivery.delivery_id}
