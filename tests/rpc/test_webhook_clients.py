"""Webhooks by the Python client and by the command line, against a real server."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier

import rushes
from core.ids import new_id
from rushes.v1 import webhook_service_pb2 as pb
from tests.fakes.receiver import Receiver, receiver
from tests.house import House
from tests.rpc.working import worker
from tests.services import wait_for

DEADLINE_SECONDS = 60


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as opened:
        yield opened


def client(house: House) -> rushes.Client:
    return rushes.Client(f"localhost:{house.app.port}", token=house.token("alice"))


def test_the_client_makes_tests_changes_and_removes_webhooks(house: House, there: Receiver) -> None:
    with client(house) as alice:
        made = alice.create_webhook(
            there.url, ["job_cancelled"], labels={"a": "1"}, description="Mine"
        )
        webhook_id = made.webhook.webhook_id
        assert made.secret not in repr(made)
        assert alice.webhooks() == [made.webhook]

        # A test is verified with the secret, and with both while it is replaced
        assert alice.test_webhook(webhook_id).response_status == 204
        Verifier(made.secret).verify(there.got[0].body, there.got[0].headers)
        rotated = alice.rotate_webhook_secret(webhook_id)
        alice.test_webhook(webhook_id)
        for secret in (made.secret, rotated.secret):
            Verifier(secret).verify(there.got[1].body, there.got[1].headers)

        # A change leaves what it does not name
        changed = alice.update_webhook(webhook_id, labels={}, enabled=False)
        assert changed.state == rushes.Webhook.DISABLED
        assert (list(changed.labels), changed.description) == ([], "Mine")
        changed = alice.update_webhook(webhook_id, kinds=["JOB_QUEUED"], description="", url=None)
        assert (list(changed.kinds), changed.description) == ([rushes.Webhook.JOB_QUEUED], "")
        alice.update_webhook(webhook_id, enabled=True)

        # Deliveries are listed by state, and tried again
        alice.generate_video("waves")
        [waiting] = alice.webhook_deliveries(webhook_id, states=["pending"])
        assert len(list(alice.webhook_deliveries(webhook_id))) == 3
        assert len(list(alice.webhook_deliveries(webhook_id, limit=2))) == 2
        again = alice.redeliver_webhook(webhook_id, waiting.delivery_id)
        assert again.state == rushes.WebhookDelivery.PENDING
        alice.delete_webhook(webhook_id)
        alice.delete_webhook(webhook_id)
        assert alice.webhooks() == []
        with pytest.raises(rushes.InvalidArgument, match="kinds"):
            alice.create_webhook(there.url, ["job_exploded"])
        with pytest.raises(rushes.NotFound):
            alice.test_webhook(new_id())


def test_the_asyncio_client_does_the_same(house: House, there: Receiver) -> None:
    async def use() -> list[int]:
        server = f"localhost:{house.app.port}"
        async with rushes.AsyncClient(server, token=house.token("alice")) as alice:
            made = await alice.create_webhook(there.url, [rushes.Webhook.JOB_QUEUED])
            webhook_id = made.webhook.webhook_id
            assert await alice.webhooks() == [made.webhook]
            await alice.test_webhook(webhook_id)
            await alice.rotate_webhook_secret(webhook_id)
            await alice.update_webhook(webhook_id, enabled=True)
            found = [one.response_status async for one in alice.webhook_deliveries(webhook_id)]
            await alice.delete_webhook(webhook_id)
            return found

    assert asyncio.run(use()) == [204]


def environment(house: House) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    ours = {
        "RUSHES_SERVER": f"localhost:{house.app.port}",
        "RUSHES_TOKEN": house.token("alice"),
        "PYTHONUTF8": "1",
    }
    return known | ours


COMMAND = [sys.executable, "-m", "rushes.cli", "webhooks"]


def run(house: House, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(house),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def on_a_terminal(house: House, folder: Path, *arguments: str) -> list[str]:
    """The lines of a table on a terminal of 100 columns."""
    leader, follower = os.openpty()
    env = environment(house) | {"COLUMNS": "100", "TERM": "xterm"}
    with open(leader, "rb", buffering=0) as read:
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=folder, env=env, stdout=follower, check=True, timeout=60
        )
        os.close(follower)
        assert done.returncode == 0
        text = read.read(65_536).decode()
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


def test_the_command_line_does_it_all_in_100_columns(
    house: House, there: Receiver, tmp_path: Path
) -> None:
    def rushes_webhooks(*arguments: str) -> str:
        done = run(house, tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # Given a webhook, whose secret alone is on stdout
    made = run(house, tmp_path, "create", there.url + "/" + "a" * 200, "--label", "a=1")
    assert re.fullmatch(r"whsec_\S{44}\n", made.stdout)
    [webhook] = client(house).webhooks()
    short = webhook.webhook_id[:20]
    assert webhook.webhook_id in made.stderr

    # Then it is listed in 100 columns
    head, row = on_a_terminal(house, tmp_path, "list")
    assert head.split() == ["WEBHOOK", "STATE", "TAKEN", "FAILURES", "URL"]
    assert row.startswith(webhook.webhook_id)
    assert max(map(len, (head, row))) <= 100

    # When it is listed, tested, changed, disabled and enabled
    assert webhook.webhook_id in rushes_webhooks("list")
    assert rushes_webhooks("test", short) == "succeeded (204)\n"
    rushes_webhooks("update", short, "--url", there.url, "--kind", "job_queued", "--label", "b=2")
    rushes_webhooks("disable", short)
    rushes_webhooks("enable", short)
    assert re.fullmatch(r"whsec_\S{44}\n", rushes_webhooks("rotate", short))
    [webhook] = client(house).webhooks()
    assert (webhook.url, list(webhook.labels)) == (there.url, ["b=2"])

    # Then its deliveries are listed and sent again
    assert "ping" in rushes_webhooks("deliveries", short)
    head, row = on_a_terminal(house, tmp_path, "deliveries", short)
    assert head.split() == ["DELIVERY", "TIME", "KIND", "TRIES", "OUTCOME"]
    assert max(map(len, (head, row))) <= 100
    [delivery] = map(json.loads, rushes_webhooks("deliveries", short, "--json").splitlines())
    again = json.loads(rushes_webhooks("redeliver", short, delivery["deliveryId"], "--json"))
    assert again["state"] == "PENDING"
    [listed] = map(json.loads, rushes_webhooks("list", "--json").splitlines())
    assert listed["webhookId"] == webhook.webhook_id
    assert json.loads(rushes_webhooks("create", there.url, "--json"))["secret"]
    rushes_webhooks("delete", webhook.webhook_id)
    assert len(client(house).webhooks()) == 1


def test_what_is_wrong_names_the_option(house: House, there: Receiver, tmp_path: Path) -> None:
    mine = client(house).create_webhook(there.url, ["job_queued"]).webhook.webhook_id
    for arguments, says in (
        (("create", "ftp://localhost/"), "URL"),
        (("create", there.url, "--kind", "ping"), "--kind"),
        (("create", there.url, "--label", "a"), "--label"),
        (("update", mine, "--url", "http://example.com/"), "--url: must name this machine"),
        (("update", mine, "--label", "A=1"), "--label"),
        (("test", "019a"), "None of your webhooks"),
        (("update", "019a"), "--url"),
        (("redeliver", new_id(), "x"), "DELIVERY_ID"),
        (("deliveries", new_id()), "webhook"),
    ):
        refused = run(house, tmp_path, *arguments)
        assert refused.returncode not in (0, 1), arguments
        assert says in refused.stderr, arguments
        assert "Traceback" not in refused.stderr


def test_a_ping_that_nobody_takes_ends_with_1(
    house: House, there: Receiver, tmp_path: Path
) -> None:
    # Given a webhook for a kind as deliveries write it
    assert run(house, tmp_path, "create", there.url, "--kind", "job.failed").returncode == 0
    [webhook] = client(house).webhooks()
    assert list(webhook.kinds) == [pb.Webhook.JOB_FAILED]

    there.statuses = [503]
    tested = run(house, tmp_path, "test", webhook.webhook_id)
    assert (tested.returncode, tested.stdout) == (1, "failed (503)\n")


def test_deliveries_come_while_the_client_waits_for_nothing(house: House, there: Receiver) -> None:
    with client(house) as alice, worker(house, "none"):
        made = alice.create_webhook(there.url, ["job_queued"])
        job = alice.generate_video("waves")
        there.wait(1)
        wait_for(
            lambda: (
                [
                    one.job_id
                    for one in alice.webhook_deliveries(
                        made.webhook.webhook_id, states=["succeeded"]
                    )
                ]
                == [job.job_id]
            ),
            "the log",
        )
