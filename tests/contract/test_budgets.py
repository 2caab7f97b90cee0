"""Budgets hold on SQLite and on PostgreSQL alike, however many submit at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from core.errors import BudgetExceeded, DependencyUnavailable, Reason
from core.ids import new_id
from core.jobs import Cost, CostState, JobFailure
from core.store import Database, accept, budgets, claims, events, transitions
from core.store.budgets import EACH_USER, INSTALLATION, Budget, Period, owner_of
from tests.making import accepted, claimed, new_job, new_media, started

COST = 250_000
TRIES = 20
PAID = Cost(state=CostState.ESTIMATED, estimated_micros=COST)


def used(db: Database, owner: str, period: Period = Period.DAY) -> tuple[int, int]:
    found = [b for b in budgets.show(db) if (b.owner, b.period) == (owner, period)]
    return (found[0].reserved_micros, found[0].spent_micros) if found else (0, 0)


def settle(db: Database, accept_ms: int, reserved: int, spent: int) -> None:
    db.write(lambda session: budgets.settle(session, "alice", accept_ms, reserved, spent))


def try_accept(db: Database, user_id: str, **changes: object) -> bool:
    """Whether the budgets have room. On a machine that is slow enough the database does not answer
    in time; then it asks again, as callers do."""
    request = {"request_id": new_id(), "fingerprint": "f"}
    for _ in range(TRIES):
        try:
            accept.accept(db, new_job(user_id, cost=PAID, **request | changes))
        except BudgetExceeded:
            return False
        except DependencyUnavailable:
            continue
        return True
    pytest.fail(f"the database did not answer in {TRIES} tries")


@pytest.mark.parametrize("owner", [INSTALLATION, EACH_USER, owner_of("alice")])
@pytest.mark.parametrize("period", list(Period))
def test_a_hundred_submits_at_once_never_overshoot_a_budget_for_three(
    db: Database, owner: str, period: Period
) -> None:
    budgets.set_limit(db, owner, period, 4 * COST - 1)

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: try_accept(db, "alice"), range(100)))

    assert sum(taken) == 3
    for place in (INSTALLATION, owner_of("alice")):
        assert used(db, place, period) == (3 * COST, 0)
    # And a refusal costs no revision.
    assert events.revisions(db, ["alice"]) == {"alice": 3}


def test_users_share_the_installation_s_budget(db: Database) -> None:
    budgets.set_limit(db, INSTALLATION, Period.DAY, 3 * COST)

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: try_accept(db, f"user-{n % 10}"), range(100)))

    assert sum(taken) == 3
    assert used(db, INSTALLATION) == (3 * COST, 0)


def test_a_hundred_copies_of_one_request_reserve_once(db: Database) -> None:
    budgets.set_limit(db, EACH_USER, Period.DAY, COST)

    def copy(_: int) -> str:
        return accepted(db, cost=PAID, request_id="r", fingerprint="f").job.job_id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(copy, range(100)))) == 1
    assert used(db, owner_of("alice")) == (COST, 0)


def test_a_refused_reservation_takes_back_those_before_it(db: Database) -> None:
    budgets.set_limit(db, INSTALLATION, Period.MONTH, COST - 1)

    assert not try_accept(db, "alice")
    assert budgets.show(db, "alice")[0].reserved_micros == 0


def test_a_budget_of_one_s_own_goes_before_everybody_s(db: Database) -> None:
    budgets.set_limit(db, EACH_USER, Period.DAY, 0)
    budgets.set_limit(db, owner_of("alice"), Period.DAY, COST)

    assert try_accept(db, "alice")
    assert not try_accept(db, "bob")


def test_a_budget_that_is_taken_away_binds_nobody(db: Database) -> None:
    budgets.set_limit(db, EACH_USER, Period.DAY, 0)
    budgets.set_limit(db, EACH_USER, Period.DAY, None)
    assert try_accept(db, "alice")


def test_a_lowered_budget_leaves_what_is_reserved_alone(db: Database) -> None:
    accepted(db, cost=PAID)
    budgets.set_limit(db, EACH_USER, Period.DAY, COST // 2)

    [day, *_] = budgets.show(db, "alice")
    assert (day.limit_micros, day.reserved_micros, day.left_micros) == (COST // 2, COST, 0)
    assert not try_accept(db, "alice")


def test_a_free_job_needs_no_budget(db: Database) -> None:
    budgets.set_limit(db, INSTALLATION, Period.DAY, 0)
    accepted(db)
    assert used(db, INSTALLATION) == (0, 0)
    assert budgets.shortage(db, "alice", 0) is None


def test_a_job_that_succeeds_is_spent_and_no_longer_reserved(db: Database) -> None:
    made = accepted(db, cost=PAID)
    claim = started(db)
    transitions.succeed(db, claim.run, new_media(job_id=made.job.job_id))

    for owner in (owner_of("alice"), INSTALLATION):
        for period in Period:
            assert used(db, owner, period) == (0, COST)


def test_what_a_provider_charged_for_a_free_job_is_spent(db: Database) -> None:
    # Given a job with an estimate of nothing, and a provider that charged for it
    made = accepted(db)
    claim = started(db)
    assert claims.fetch_next(db, claim.run, 70_000)

    # When it ends
    event = transitions.succeed(db, claimed(db).run, new_media(job_id=made.job.job_id))

    # Then that is in all books
    assert event.job.cost.state is CostState.CHARGED
    for owner in (owner_of("alice"), INSTALLATION):
        for period in Period:
            assert used(db, owner, period) == (0, 70_000)


def test_a_charge_above_its_estimate_is_booked_in_full_and_the_budget_takes_no_more(
    db: Database,
) -> None:
    # Given a budget for two, one of which is charged more than was estimated
    budgets.set_limit(db, EACH_USER, Period.DAY, 2 * COST)
    made = accepted(db, cost=PAID)
    assert claims.fetch_next(db, started(db).run, 2 * COST + 1)
    assert try_accept(db, "alice")

    transitions.succeed(db, claimed(db).run, new_media(job_id=made.job.job_id))

    # Then the books have what was charged, and no room is left, nor less than none
    assert used(db, owner_of("alice")) == (COST, 2 * COST + 1)
    assert budgets.show(db, "alice")[0].left_micros == 0
    assert not try_accept(db, "alice")


@pytest.mark.parametrize(("reserved", "spent"), [(0, 0), (5, 0), (0, -5)])
def test_no_book_is_opened_to_write_nothing(db: Database, reserved: int, spent: int) -> None:
    settle(db, db.now_ms(), reserved, spent)
    assert budgets.show(db) == []


def test_a_book_that_was_opened_by_what_was_spent_has_nothing_reserved(db: Database) -> None:
    now = db.now_ms()
    settle(db, now, 5, 7)
    settle(db, now, 0, 2)
    assert used(db, owner_of("alice")) == (0, 9)


@pytest.mark.parametrize(
    ("cost", "spent"),
    [(CostState.RELEASED, 0), (CostState.UNCERTAIN, COST), (CostState.CHARGED, COST)],
)
def test_a_failed_job_spends_what_may_have_been_charged(
    db: Database, cost: CostState, spent: int
) -> None:
    accepted(db, cost=PAID)
    failure = JobFailure(reason=Reason.PROVIDER_REJECTED, message="no")
    transitions.fail(db, started(db).run, failure, cost)
    assert used(db, owner_of("alice")) == (0, spent)


def test_a_shortage_names_the_first_budget_without_room(db: Database) -> None:
    budgets.set_limit(db, EACH_USER, Period.MONTH, COST)
    budgets.set_limit(db, INSTALLATION, Period.DAY, 0)

    short = budgets.shortage(db, "alice", COST)
    assert short is not None
    assert (short.owner, short.period) == (INSTALLATION, Period.DAY)
    both = budgets.shortage(db, "alice", COST + 1)
    assert both is not None
    assert (both.owner, both.period) == (owner_of("alice"), Period.MONTH)


def test_all_budgets_and_all_spending_are_shown(db: Database) -> None:
    budgets.set_limit(db, EACH_USER, Period.DAY, COST)
    accepted(db, "bob", cost=PAID)

    shown = {(b.owner, b.period): b for b in budgets.show(db)}
    # A limit of each user that is not set is none, because nothing is spent from it
    owners = (INSTALLATION, owner_of("bob"))
    assert set(shown) == {(owner, period) for owner in owners for period in Period} | {
        (EACH_USER, Period.DAY)
    }
    assert shown[owner_of("bob"), Period.DAY].left_micros == 0
    assert shown[owner_of("bob"), Period.MONTH].left_micros is None


@pytest.mark.parametrize(
    ("period", "now", "name", "end"),
    [
        (Period.DAY, "2026-11-21T12:00", "2026-11-21", "2026-11-22T00:00"),
        (Period.DAY, "2026-12-31T23:59", "2026-12-31", "2027-01-01T00:00"),
        (Period.MONTH, "2026-11-01T00:00", "2026-11", "2026-12-01T00:00"),
        (Period.MONTH, "2026-12-31T23:59", "2026-12", "2027-01-01T00:00"),
        (Period.MONTH, "2028-01-31T12:00", "2028-01", "2028-02-01T00:00"),
    ],
)
def test_days_and_months_are_those_of_utc(period: Period, now: str, name: str, end: str) -> None:
    def ms(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)

    assert budgets.span(period, ms(now)) == name
    assert budgets.reset_time(period, ms(now)) == ms(end)


def test_only_the_owner_s_figures_are_told() -> None:
    values = {"period": Period.DAY, "span": "2026-11-21", "limit_micros": 1, "reset_time": 0}
    own = budgets.exceeded(Budget(owner=owner_of("alice"), **values), 2)  # type: ignore[arg-type]
    others = budgets.exceeded(Budget(owner=INSTALLATION, **values), 2)  # type: ignore[arg-type]
    assert own.metadata["limit"] == "0.000001"
    assert own.metadata["required"] == "0.000002"
    assert others.metadata == {
        "period": "day",
        "required": "0.000002",
        "reset_time": "1970-01-01T00:00:00.000Z",
    }
