"""Usage and budgets as callers and administrators see them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.type.money_pb2 import Money

from core.money import MICROS
from core.store import budgets, usage_days
from core.store.budgets import EACH_USER, INSTALLATION, Period, owner_of
from core.store.usage_days import DAY_MS
from rushes.v1 import account_service_pb2 as pb
from rushes.v1 import budget_pb2
from rushes.v1 import media_service_pb2 as media
from tests.house import Caller, House
from tests.rpc.paid import COST
from tests.rpc.requests import video

Code = grpc.StatusCode
By = pb.GetUsageRequest
Budget = budget_pb2.Budget
ESTIMATE = Money(currency_code="USD", nanos=COST * 1000)
NOTHING = Money(currency_code="USD")


def admin(house: House, scope: str = "admin account.read") -> Caller:
    return house.caller_with(f"Bearer {house.token('root', scope=scope)}")


def spent(house: House, days_ago: float, model: str, micros: int, user_id: str = "alice") -> None:
    """Something that was charged in the past."""
    when = int(house.db.now_ms() - days_ago * DAY_MS)
    house.db.write(lambda s: usage_days.settled(s, user_id, when, model, charged=micros))


def day(days_ago: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days_ago)).strftime("%Y-%m-%d")


def asked(
    *group_by: int, start: float | None = None, end: float | None = None, **fields: Any
) -> Any:
    """A request whose times are days before now."""
    request = pb.GetUsageRequest(group_by=group_by, **fields)
    now = datetime.now(UTC)
    if start is not None:
        request.start_time.FromDatetime(now - timedelta(days=start))
    if end is not None:
        request.end_time.FromDatetime(now - timedelta(days=end))
    return request


def test_a_job_is_reserved_first_and_then_charged_or_not(paid_house: House) -> None:
    alice = paid_house.caller("alice")
    job = alice.call("GenerateVideo", video()).job

    held = alice.call("GetUsage", asked()).total
    assert (held.charged, held.reserved, held.uncertain) == (NOTHING, ESTIMATE, NOTHING)
    assert (held.unfinished_count, held.cancelled_count) == (1, 0)
    alice.call("CancelJob", media.CancelJobRequest(job_id=job.job_id))

    freed = alice.call("GetUsage", asked()).total
    assert (freed.charged, freed.reserved, freed.uncertain) == (NOTHING, NOTHING, NOTHING)
    assert (freed.unfinished_count, freed.cancelled_count) == (0, 1)


def test_without_keys_there_is_the_total_alone(paid_house: House) -> None:
    alice = paid_house.caller("alice")
    alice.call("GenerateVideo", video())

    answer = alice.call("GetUsage", asked())

    assert not answer.rows
    assert answer.next_page_token == ""
    assert (answer.total.day, answer.total.model, answer.total.user_id) == ("", "", "")


def test_only_the_keys_that_were_asked_for_are_set(paid_house: House) -> None:
    alice = paid_house.caller("alice")
    alice.call("GenerateVideo", video(labels={"project": "sea"}))

    [by_day] = alice.call("GetUsage", asked(By.DAY)).rows
    assert (by_day.day, by_day.model, by_day.label_value, by_day.user_id) == (day(0), "", "", "")
    [by_model] = alice.call("GetUsage", asked(By.MODEL)).rows
    assert (by_model.day, by_model.model) == ("", "paid")
    [by_label] = alice.call("GetUsage", asked(By.LABEL, label_key="project")).rows
    assert (by_label.label_value, by_label.reserved) == ("sea", ESTIMATE)
    [without] = alice.call("GetUsage", asked(By.LABEL, label_key="other")).rows
    assert (without.label_value, without.reserved) == ("", ESTIMATE)


def test_groups_come_by_day_then_by_the_most_money_page_by_page(house: House) -> None:
    for days_ago, model, micros in ((2, "b", 1), (2, "a", 5), (1, "a", 7), (1, "c", 9)):
        spent(house, days_ago, model, micros)
    alice, found, token, totals = house.caller("alice"), [], "", []
    while len(found) < 10:
        request = asked(By.DAY, By.MODEL, page_size=1, page_token=token)
        answer = alice.call("GetUsage", request)
        found += [(row.day, row.model) for row in answer.rows]
        totals.append(answer.HasField("total"))
        token = answer.next_page_token
        if not token:
            break

    assert found == [(day(2), "a"), (day(2), "b"), (day(1), "c"), (day(1), "a")]
    # The total is of the whole time, and on the first page only
    assert totals == [True, False, False, False]
    first = alice.call("GetUsage", asked(By.DAY, page_size=1)).total
    assert first.charged == Money(currency_code="USD", nanos=22_000)


def test_the_time_is_widened_to_whole_days_and_has_usual_ends(house: House) -> None:
    for days_ago in (0, 1, 5, 29, 30, 31, 399):
        spent(house, days_ago, "a", 10**days_ago if days_ago < 6 else days_ago)

    def charged(request: pb.GetUsageRequest) -> int:
        total = house.caller("alice").call("GetUsage", request).total.charged
        return int(total.units * MICROS + total.nanos // 1000)

    recent = 1 + 10 + 10**5
    # Unset: from 30 days before now
    assert charged(asked()) == recent + 29 + 30
    # All of the first day and of the last one, however late or early in them the times are
    assert charged(asked(start=1)) == 1 + 10
    assert charged(asked(start=5, end=1)) == 10 + 10**5
    # The end is not included: at midnight the day that begins is not
    request = asked(start=5)
    request.end_time.FromDatetime(
        datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    )
    assert charged(request) == 10 + 10**5
    # Unset start: 30 days before the end
    assert charged(asked(end=1)) == 10 + 10**5 + 29 + 30 + 31
    assert charged(asked(start=400)) == recent + 29 + 30 + 31 + 399


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (asked(start=401), "start_time"),
        (asked(start=1, end=1), "start_time"),
        (asked(start=1, end=2), "start_time"),
        (asked(start=-1), "start_time"),
        (asked(By.DAY, By.MODEL, By.DAY), "group_by[2]"),
        (asked(0), "group_by[0]"),
        (asked(77), "group_by[0]"),
        (asked(By.LABEL), "label_key"),
        (asked(By.DAY, label_key="project"), "label_key"),
        (asked(By.LABEL, label_key="Not a key"), "label_key"),
        (asked(user_id="x" * 257), "user_id"),
        (asked(user_id="a\nb"), "user_id"),
        (asked(user_id="bob", all_users=True), "all_users"),
        (asked(By.DAY, page_size=-1), "page_size"),
    ],
)
def test_what_is_wrong_is_named(house: House, request_: pb.GetUsageRequest, field: str) -> None:
    refusal = house.caller("alice").refused("GetUsage", request_)

    assert (refusal.code, refusal.reason) == (Code.INVALID_ARGUMENT, "FIELD_INVALID")
    assert refusal.fields == (field,)


def test_two_times_that_are_none_are_named(house: House) -> None:
    request = pb.GetUsageRequest()
    request.start_time.seconds = -(2**62)
    assert house.caller("alice").refused("GetUsage", request).fields == ("start_time",)
    request.end_time.nanos = -1
    assert house.caller("alice").refused("GetUsage", request).fields == ("end_time",)


def test_a_page_token_belongs_to_its_question_and_its_caller(house: House) -> None:
    for model in "abc":
        spent(house, 1, model, 1)
    alice = house.caller("alice")
    token = alice.call("GetUsage", asked(By.MODEL, page_size=1)).next_page_token

    assert len(alice.call("GetUsage", asked(By.MODEL, page_token=token)).rows) == 2
    others = [asked(By.DAY, page_token=token), asked(By.MODEL, start=5, page_token=token)]
    for other in others:
        assert alice.refused("GetUsage", other).reason == "PAGE_TOKEN_INVALID"
    bob = house.caller("bob").refused("GetUsage", asked(By.MODEL, page_token=token))
    assert bob.reason == "PAGE_TOKEN_INVALID"


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("GetUsage", asked(user_id="bob")),
        ("GetUsage", asked(all_users=True)),
        ("GetUsage", asked(By.USER)),
        ("GetBudget", pb.GetBudgetRequest(user_id="bob")),
    ],
)
def test_what_is_of_others_needs_the_scope_admin_beside_that_of_the_call(
    house: House, method: str, request_: Any
) -> None:
    for caller in (house.caller("alice"), admin(house, "account.read jobs.read")):
        refusal = caller.refused(method, request_)
        assert (refusal.code, refusal.reason) == (Code.PERMISSION_DENIED, "SCOPE_MISSING")
        assert refusal.metadata == {"scope": "admin"}

    # The scope admin includes no other
    alone = admin(house, "admin").refused(method, request_)
    assert alone.metadata == {"scope": "account.read"}
    admin(house).call(method, request_)


def test_an_administrator_sees_others_and_all(house: House) -> None:
    spent(house, 1, "a", 3, "alice")
    spent(house, 1, "b", 7, "bob")
    root = admin(house)

    [bob] = root.call("GetUsage", asked(By.MODEL, user_id="bob")).rows
    assert (bob.model, bob.user_id, bob.charged.nanos) == ("b", "", 7000)
    both = root.call("GetUsage", asked(By.USER, all_users=True))
    assert [(row.user_id, row.charged.nanos) for row in both.rows] == [
        ("bob", 7000),
        ("alice", 3000),
    ]
    assert both.total.charged.nanos == 10_000
    # Its own, and its own by name, are one thing
    own = root.call("GetUsage", asked(By.DAY, user_id="root"))
    assert own == root.call("GetUsage", asked(By.DAY))
    assert not own.rows


def test_naming_oneself_needs_no_administrator(house: House) -> None:
    alice = house.caller("alice")
    alice.call("GetUsage", asked(By.DAY, user_id="alice"))
    alice.call("GetBudget", pb.GetBudgetRequest(user_id="alice"))


def test_the_budgets_of_the_day_and_the_month_without_a_limit(house: House) -> None:
    day_, month = house.caller("alice").call("GetBudget", pb.GetBudgetRequest()).budgets

    assert [(b.owner, b.user_id, b.period) for b in (day_, month)] == [
        (Budget.USER, "alice", Budget.DAY),
        (Budget.USER, "alice", Budget.MONTH),
    ]
    for budget in (day_, month):
        assert not budget.HasField("limit")
        assert not budget.inherited
        assert (budget.spent, budget.reserved) == (NOTHING, NOTHING)
        assert list(budget.alert_percents) == [50, 80, 100]
    assert day_.reset_time.ToDatetime(UTC).strftime("%H:%M:%S") == "00:00:00"
    assert 0 < (day_.reset_time.ToDatetime(UTC) - datetime.now(UTC)).total_seconds() <= 86400
    assert month.reset_time.ToDatetime(UTC).day == 1


def test_a_limit_is_the_user_s_own_or_that_of_each_user(paid_house: House) -> None:
    # Given a limit for each user, an own one, and one of the installation that is nobody's to see
    budgets.set_limit(paid_house.db, EACH_USER, Period.DAY, 2 * MICROS)
    budgets.set_limit(paid_house.db, owner_of("alice"), Period.MONTH, 9 * MICROS)
    budgets.set_limit(paid_house.db, INSTALLATION, Period.DAY, 3 * MICROS)
    alice = paid_house.caller("alice")
    alice.call("GenerateVideo", video())

    day_, month = alice.call("GetBudget", pb.GetBudgetRequest()).budgets
    assert (day_.limit.units, day_.inherited) == (2, True)
    assert (month.limit.units, month.inherited) == (9, False)
    assert day_.reserved == month.reserved == ESTIMATE

    # An own limit hides that of each user
    budgets.set_limit(paid_house.db, owner_of("alice"), Period.DAY, 0)
    asked_by_admin = admin(paid_house).call("GetBudget", pb.GetBudgetRequest(user_id="alice"))
    own = asked_by_admin.budgets[0]
    assert (own.HasField("limit"), own.limit.units, own.inherited) == (True, 0, False)
    assert own.user_id == "alice"
    assert own.reserved == ESTIMATE


def test_a_user_that_is_none_is_named(house: House) -> None:
    for user_id in ("x" * 257, "a\x00b"):
        request = pb.GetBudgetRequest(user_id=user_id)
        assert house.caller("alice").refused("GetBudget", request).fields == ("user_id",)


def test_a_user_may_have_any_name_that_a_token_may(house: House) -> None:
    for user_id in ("zoë", "a/b c", "\u202eturned", "x" * 256):
        caller = house.caller(user_id)
        assert caller.call("GetBudget", pb.GetBudgetRequest(user_id=user_id)).budgets
