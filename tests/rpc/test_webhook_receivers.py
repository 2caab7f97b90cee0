"""The receivers of docs/webhooks.md, run as they stand there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from rushes.v1 import webhook_service_pb2 as pb
from tests import node
from tests.house import LoopThread, close_house, open_house
from tests.ports import free_port
from tests.services import Valkey, wait_for

PAGE = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"


def program(language: str) -> str:
    """The receiver in that language."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    [text] = [one for one in found if "WEBHOOK_SECRET" in one]
    return str(text)


def in_python(folder: Path) -> list[str]:
    (folder / "receiver.py").write_text(program("python"))
    return [sys.executable, "receiver.py"]


def in_node(folder: Path) -> list[str]:
    binary = node.node()
    (folder / "node_modules").symlink_to(node.FOLDER / "node_modules")
    (folder / "receiver.mjs").write_text(program("js"))
    return [binary, "receiver.mjs"]


@contextmanager
def running(command: list[str], folder: Path, secret: str, port: int) -> Iterator[Path]:
    """The receiver, and the file of what it prints."""
    out = folder / "out"
    env = {**os.environ, "WEBHOOK_SECRET": secret, "PORT": str(port)}
    with out.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=file)
    try:
        yield out
    finally:
        process.terminate()
        process.wait(20)


def answers(url: str) -> bool:
    try:
        return httpx2.post(url, content=b"{}").status_code > 0
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize("make", [in_python, in_node])
def test_the_receiver_of_the_page_takes_what_is_signed_and_nothing_else(
    house_loop: LoopThread, valkey: Valkey, tmp_path: Path, make: object
) -> None:
    house = open_house(house_loop, tmp_path / "data", valkey.url, webhooks="loopback")
    alice, port = house.caller("alice"), free_port()
    url = f"http://127.0.0.1:{port}/hook"
    made = alice.call(
        "CreateWebhook", pb.CreateWebhookRequest(url=url, kinds=[pb.Webhook.JOB_SUCCEEDED])
    )
    named = {"webhook_id": made.webhook.webhook_id}
    folder = tmp_path / "receiver"
    folder.mkdir()
    try:
        assert callable(make)
        with running(make(folder), folder, made.secret, port) as out:
            wait_for(lambda: answers(url), "the receiver")

            # What is signed is taken, and what is signed with both secrets too
            for _ in range(2):
                delivery = alice.call("TestWebhook", pb.TestWebhookRequest(**named)).delivery
                assert delivery.response_status == 204
                alice.call("RotateWebhookSecret", pb.RotateWebhookSecretRequest(**named))
            wait_for(lambda: out.read_text() == "ping\nping\n", "what it prints")

            # After the second replacement its secret is one of nobody
            delivery = alice.call("TestWebhook", pb.TestWebhookRequest(**named)).delivery
            assert delivery.response_status == 400
            assert httpx2.post(url, content=b"{}").status_code == 400
        assert out.read_text() == "ping\nping\n"
    finally:
        close_house(house_loop, house)
