"""Usage, budgets and API keys: the clients, and the command line as a process."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from rushes import AsyncClient, Client, errors
from rushes.v1 import account_service_pb2 as pb
from rushes.v1.account_service_pb2 import ApiKey, Usage
from rushes.v1.budget_pb2 import Budget
from tests.unit.clients.conftest import CommandLine
from tests.unit.clients.making import JOB_ID as KEY_ID
from tests.unit.clients.making import OTHER_ID, usd
from tests.unit.clients.stand_in import StandIn, refuse

Code = grpc.StatusCode
By = pb.GetUsageRequest
SECRET = "rushes_abcde" + "0" * 44


def a_key(api_key_id: str = KEY_ID, **fields: Any) -> ApiKey:
    key = ApiKey(
        api_key_id=api_key_id,
        label="nightly renders",
        secret_prefix=SECRET[:12],
        scopes=["jobs.read", "jobs.write"],
        create_time=Timestamp(seconds=1_700_000_000),
        expire_time=Timestamp(seconds=4_000_000_000),
    )
    key.MergeFrom(ApiKey(**fields))
    return key


def a_usage(**fields: Any) -> Usage:
    money = {"charged": usd("1.50"), "reserved": usd("0"), "uncertain": usd("0.25")}
    return Usage(**{**money, "succeeded_count": 3, "failed_count": 1, **fields})


def two_pages(server: StandIn) -> None:
    server.answers["GetUsage"] = [
        pb.GetUsageResponse(
            rows=[a_usage(day="2026-11-29", model="a")], next_page_token="2", total=a_usage()
        ),
        pb.GetUsageResponse(rows=[a_usage(day="2026-11-30", model="b")]),
    ]


def test_all_pages_of_usage_are_read_and_the_total_is_that_of_the_first(server: StandIn) -> None:
    two_pages(server)
    with Client(server.address, "token") as client:
        found = client.usage(["day", By.MODEL], start_time=datetime(2026, 11, 1, tzinfo=UTC))

    assert [(row.day, row.model) for row in found.rows] == [
        ("2026-11-29", "a"),
        ("2026-11-30", "b"),
    ]
    assert found.total == a_usage()
    first, second = server.sent(pb.GetUsageRequest)
    assert list(first.group_by) == [By.DAY, By.MODEL]
    assert first.start_time.ToDatetime() == datetime(2026, 11, 1)
    assert not first.HasField("end_time")
    assert (first.page_token, second.page_token) == ("", "2")


def test_a_lone_key_is_a_list_of_one_and_a_wrong_one_is_named(server: StandIn) -> None:
    two_pages(server)
    with Client(server.address, "token") as client:
        client.usage("model", label_key="", user_id="bob")
        with pytest.raises(errors.InvalidArgument, match="week"):
            client.usage("week")
        with pytest.raises(errors.InvalidArgument, match="start_time"):
            client.usage(start_time="2026-11-01")  # type: ignore[arg-type]
    assert list(server.sent(pb.GetUsageRequest)[0].group_by) == [By.MODEL]


def test_a_new_key_is_asked_for_once_and_its_secret_is_not_printed(server: StandIn) -> None:
    server.answers["CreateApiKey"] = pb.CreateApiKeyResponse(api_key=a_key(), secret=SECRET)
    end = datetime(2027, 1, 1, tzinfo=UTC)
    with Client(server.address, "token") as client:
        made = client.create_api_key("nightly", "jobs.read", expire_time=end)

    assert (made.secret, made.api_key) == (SECRET, a_key())
    assert SECRET not in repr(made)
    [request] = server.sent(pb.CreateApiKeyRequest)
    assert (request.label, list(request.scopes)) == ("nightly", ["jobs.read"])
    assert request.expire_time.ToDatetime(UTC) == end


def test_a_key_whose_answer_was_lost_is_not_made_twice(server: StandIn) -> None:
    server.answers["CreateApiKey"] = lambda request, context: refuse(
        context, Code.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"
    )
    with Client(server.address, "token") as client, pytest.raises(errors.Unavailable):
        client.create_api_key("nightly", ["jobs.read"])
    assert len(server.requests) == 1


def test_keys_are_listed_page_by_page_and_revoked(server: StandIn) -> None:
    server.answers["ListApiKeys"] = [
        pb.ListApiKeysResponse(api_keys=[a_key()], next_page_token="2"),
        pb.ListApiKeysResponse(api_keys=[a_key(OTHER_ID)]),
    ]
    server.answers["RevokeApiKey"] = pb.RevokeApiKeyResponse(api_key=a_key())
    with Client(server.address, "token") as client:
        assert [key.api_key_id for key in client.api_keys()] == [KEY_ID, OTHER_ID]
        assert client.revoke_api_key(KEY_ID).api_key_id == KEY_ID


def test_a_refused_limit_is_a_limit_reached(server: StandIn) -> None:
    server.answers["CreateApiKey"] = lambda request, context: refuse(
        context, Code.RESOURCE_EXHAUSTED, "RESOURCE_LIMIT_REACHED"
    )
    with Client(server.address, "token") as client, pytest.raises(errors.LimitReached):
        client.create_api_key("nightly", ["jobs.read"])


def test_the_same_with_asyncio(server: StandIn) -> None:
    two_pages(server)
    server.answers["GetBudget"] = pb.GetBudgetResponse(budgets=[Budget(limit=usd("5"))])
    server.answers["CreateApiKey"] = pb.CreateApiKeyResponse(api_key=a_key(), secret=SECRET)
    server.answers["ListApiKeys"] = pb.ListApiKeysResponse(api_keys=[a_key()])
    server.answers["RevokeApiKey"] = pb.RevokeApiKeyResponse(api_key=a_key())

    async def work() -> None:
        async with AsyncClient(server.address, "token") as client:
            assert len((await client.usage("day")).rows) == 2
            assert (await client.budget("bob"))[0].limit == usd("5")
            assert (await client.create_api_key("x", ["jobs.read"])).secret == SECRET
            assert [key.api_key_id async for key in client.api_keys()] == [KEY_ID]
            await client.revoke_api_key(KEY_ID)

    asyncio.run(work())
    assert server.sent(pb.GetBudgetRequest)[0].user_id == "bob"


def test_usage_is_a_line_for_each_group_and_one_for_all(cli: CommandLine, server: StandIn) -> None:
    two_pages(server)
    done = cli("usage", "--by", "day,model", "--from", "2026-11-01", "--until", "2026-11-30")

    first, second, total = (line.split("\t") for line in done.out.splitlines())
    assert first[:3] == ["2026-11-29", "a", "1.50 USD"]
    assert second[:2] == ["2026-11-30", "b"]
    assert total == ["total", "", "1.50 USD", "0.00 USD", "0.25 USD", "0", "3", "1", "0"]
    request = server.sent(pb.GetUsageRequest)[0]
    # The last day is included
    assert request.start_time.ToDatetime() == datetime(2026, 11, 1)
    assert request.end_time.ToDatetime() == datetime(2026, 12, 1)


def test_usage_as_json_is_an_object_a_line_and_the_total(cli: CommandLine, server: StandIn) -> None:
    two_pages(server)
    done = cli("usage", "--json")

    *rows, total = map(json.loads, done.out.splitlines())
    assert [row["day"] for row in rows] == ["2026-11-29", "2026-11-30"]
    assert total["total"]["charged"]["units"] == "1"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("usage", "--by", "week"), "--by: 'week'"),
        (("usage", "--by", "label"), "--label"),
        (("usage", "--label", "project"), "--by label"),
        (("usage", "--from", "1.11."), "--from"),
        (("usage", "--until", "2026-11-31"), "--until"),
        (("keys", "create", "x"), "--scope"),
        (("keys", "create", "x", "--scope", "jobs.read", "--days", "0"), "--days"),
        (("keys", "create", "x", "--scope", "jobs.read", "--days", "40000"), "--days"),
    ],
)
def test_what_is_typed_wrong_is_named(
    cli: CommandLine, server: StandIn, arguments: tuple[str, ...], named: str
) -> None:
    done = cli(*arguments)

    assert (done.code, done.out, server.requests) == (2, "", [])
    assert named in done.err


def test_what_the_server_finds_wrong_is_named_as_it_was_typed(
    cli: CommandLine, server: StandIn
) -> None:
    wrong = (("scopes[0]", "must be one of jobs.read"),)
    server.answers["CreateApiKey"] = lambda request, context: refuse(
        context, Code.INVALID_ARGUMENT, "FIELD_INVALID", "scopes[0]: no", violations=wrong
    )
    done = cli("keys", "create", "x", "--scope", "jobs")
    assert done.code == 2
    assert "--scope" in done.err


def test_the_scope_that_is_missing_is_named(cli: CommandLine, server: StandIn) -> None:
    server.answers["GetBudget"] = lambda request, context: refuse(
        context, Code.PERMISSION_DENIED, "SCOPE_MISSING", "It lacks a scope.", scope="admin"
    )
    done = cli("budget", "--of", "bob")
    assert (done.code, done.err) == (3, "It lacks a scope: scope admin.\n")


def test_the_budget_says_what_is_left(cli: CommandLine, server: StandIn) -> None:
    day = Budget(period="DAY", limit=usd("5"), spent=usd("1.25"), reserved=usd("0.5"))
    month = Budget(period="MONTH", spent=usd("1.25"), reserved=usd("0"))
    server.answers["GetBudget"] = pb.GetBudgetResponse(budgets=[day, month])

    first, second = (line.split("\t") for line in cli("budget").out.splitlines())
    assert first[:5] == ["day", "5.00 USD", "1.25 USD", "0.50 USD", "3.25 USD"]
    assert second[:5] == ["month", "none", "1.25 USD", "0.00 USD", ""]
    as_json = [json.loads(line) for line in cli("budget", "--json").out.splitlines()]
    assert [one["period"] for one in as_json] == ["DAY", "MONTH"]


def test_a_new_key_prints_its_secret_alone(cli: CommandLine, server: StandIn) -> None:
    server.answers["CreateApiKey"] = pb.CreateApiKeyResponse(api_key=a_key(), secret=SECRET)

    done = cli("keys", "create", "nightly", "--scope", "jobs.read", "--scope", "jobs.write")
    assert (done.code, done.out) == (0, SECRET + "\n")
    assert "not shown again" in done.err
    [request] = server.sent(pb.CreateApiKeyRequest)
    assert list(request.scopes) == ["jobs.read", "jobs.write"]
    assert not request.HasField("expire_time")
    told = json.loads(cli("keys", "create", "x", "--scope", "jobs.read", "--json").out)
    assert (told["secret"], told["apiKey"]["apiKeyId"]) == (SECRET, KEY_ID)


def test_keys_are_listed_with_their_state(cli: CommandLine, server: StandIn) -> None:
    past = Timestamp(seconds=1_600_000_000)
    server.answers["ListApiKeys"] = pb.ListApiKeysResponse(
        api_keys=[a_key(), a_key(revoke_time=past), a_key(expire_time=past, last_use_time=past)]
    )
    rows = [line.split("\t") for line in cli("keys", "list").out.splitlines()]

    assert [row[2].split()[0] for row in rows] == ["until", "revoked", "expired"]
    assert rows[0][:2] == [KEY_ID, SECRET[:12]]
    assert rows[0][3:] == ["never", "nightly renders", "jobs.read jobs.write"]
    assert len(cli("keys", "list", "--json").out.splitlines()) == 3


@pytest.mark.parametrize("typed", [KEY_ID, KEY_ID[:-1] + "1", SECRET[:12], SECRET])
def test_a_key_is_revoked_by_its_id_or_by_how_its_secret_begins(
    cli: CommandLine, server: StandIn, typed: str
) -> None:
    other = a_key(OTHER_ID, secret_prefix="rushes_zzzzz")
    server.answers["ListApiKeys"] = pb.ListApiKeysResponse(api_keys=[a_key(), other])
    server.answers["RevokeApiKey"] = pb.RevokeApiKeyResponse(api_key=a_key())

    done = cli("keys", "revoke", typed)
    assert (done.code, done.out) == (0, f"{KEY_ID} revoked\n")
    assert [request.api_key_id for request in server.sent(pb.RevokeApiKeyRequest)] == [KEY_ID]


@pytest.mark.parametrize("typed", ["0190", "rushes_yyyyy", "x"])
def test_a_beginning_that_names_no_key_or_several_revokes_nothing(
    cli: CommandLine, server: StandIn, typed: str
) -> None:
    other = a_key(OTHER_ID, secret_prefix="rushes_zzzzz")
    server.answers["ListApiKeys"] = pb.ListApiKeysResponse(api_keys=[a_key(), other])

    done = cli("keys", "revoke", typed)
    assert (done.code, server.sent(pb.RevokeApiKeyRequest)) == (2, [])
    assert "your API keys" in done.err


@pytest.mark.parametrize(
    "command", [("usage", "--by", "day,model,user"), ("budget",), ("keys", "list")]
)
def test_tables_fit_into_a_hundred_columns(
    cli: CommandLine, server: StandIn, command: tuple[str, ...]
) -> None:
    long = a_usage(day="2026-11-29", model="veo-3.1-fast-generate", user_id="somebody@example.com")
    server.answers["GetUsage"] = pb.GetUsageResponse(rows=[long], total=long)
    server.answers["GetBudget"] = pb.GetBudgetResponse(
        budgets=[Budget(period="MONTH", limit=usd("12345.678901"), spent=usd("12345.678901"))]
    )
    server.answers["ListApiKeys"] = pb.ListApiKeysResponse(api_keys=[a_key(label="x" * 100)])
    printed = cli.on_terminal(*command)

    assert max(map(len, printed.splitlines())) <= 100, printed
    assert "…" not in printed.splitlines()[0]
    if command[0] == "keys":
        assert SECRET[:12] in printed
