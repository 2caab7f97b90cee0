"""What an operator sets for all users: how many views and API keys, and days of usage."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rushes.v1 import account_service_pb2 as account_pb
from rushes.v1 import view_service_pb2 as view_pb
from tests.house import House, LoopThread, close_house, open_house
from tests.rpc.requests import store_picture
from tests.services import Valkey

DAY = 24 * 3600


@pytest.fixture
def strict(house_loop: LoopThread, valkey: Valkey, tmp_path: Path) -> Iterator[House]:
    """A server that allows less than usual."""
    house = open_house(
        house_loop,
        tmp_path,
        valkey.url,
        max_views=2,
        usage_days=60,
        max_api_keys=1,
        api_key_days=7,
        max_api_key_days=30,
    )
    yield house
    close_house(house_loop, house)


def apply(view: str, media_id: str) -> view_pb.ApplyViewRequest:
    return view_pb.ApplyViewRequest(view=view, media_id=media_id)


def key(**fields: int) -> account_pb.CreateApiKeyRequest:
    return account_pb.CreateApiKeyRequest(label="nightly", scopes=["jobs.read"], **fields)


def test_so_many_views_show_something(strict: House) -> None:
    alice = strict.caller("alice")
    item = store_picture(alice)
    for view in ("a", "b", "a"):
        alice.call("ApplyView", apply(view, item))

    refusal = alice.refused("ApplyView", apply("c", item))

    assert (refusal.reason, refusal.metadata["limit"]) == ("RESOURCE_LIMIT_REACHED", "2")


def test_usage_may_be_asked_for_so_many_days_back(strict: House) -> None:
    alice, now = strict.caller("alice"), int(time.time())

    def since(days: int) -> account_pb.GetUsageRequest:
        return account_pb.GetUsageRequest(start_time={"seconds": now - days * DAY})

    alice.call("GetUsage", since(60))
    refusal = alice.refused("GetUsage", since(61))

    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", ("start_time",))
    assert "60 days" in refusal.message


def test_an_api_key_works_for_so_many_days(strict: House) -> None:
    alice, now = strict.caller("alice"), int(time.time())
    late = key()
    late.expire_time.seconds = now + 31 * DAY
    before = strict.count_rows()

    refusal = alice.refused("CreateApiKey", late)
    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", ("expire_time",))
    assert "30 days" in refusal.message
    assert strict.count_rows() == before

    made = alice.call("CreateApiKey", key()).api_key
    assert abs(made.expire_time.seconds - now - 7 * DAY) < 60
    assert alice.refused("CreateApiKey", key()).metadata["limit"] == "1"
