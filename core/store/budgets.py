"""Budgets: who may spend how much in each day and month, and how much is reserved and spent.

A job counts in the day and the month (UTC) in which it was accepted. `reserved` holds the estimates
of jobs that have not ended. `spent` holds what the provider charged, or may have charged. A
transaction locks these rows last, the user's before the installation's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from core.errors import BudgetExceeded
from core.money import amount
from core.notifications import settings_from_json
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.times import iso, utc

INSTALLATION = "installation"
# The budget of every user who has none of its own.
EACH_USER = "each-user"
_USER = "user:"


class Period(StrEnum):
    """What a budget is for."""

    DAY = "day"
    MONTH = "month"

    @property
    def adjective(self) -> str:
        """For people: "daily"."""
        return {Period.DAY: "daily", Period.MONTH: "monthly"}[self]


# Index: the primary key.
_SETTINGS = Statement("SELECT notification_settings FROM user_stream WHERE user_id = :user_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """An owner's money in one span, in micro-units; `limit_micros` is None for no limit.

    `owner` is "installation", "each-user" or "user:<id>"; `reset_time` is when the span ends, ms.
    `inherited` says that the limit is that of each user.
    """

    owner: str
    period: Period
    span: str
    limit_micros: int | None
    reserved_micros: int = 0
    spent_micros: int = 0
    reset_time: int = 0
    inherited: bool = False

    @property
    def left_micros(self) -> int | None:
        """What may still be reserved; None for no limit."""
        if self.limit_micros is None:
            return None
        return max(self.limit_micros - self.reserved_micros - self.spent_micros, 0)

    def has_room(self, micros: int) -> bool:
        """Whether so much may still be reserved."""
        return self.left_micros is None or micros <= self.left_micros


# The limits that may bind users: their own, that of each user, the installation's.
# Index: the primary key.
_LIMITS = Statement("SELECT owner, period, limit_micros FROM budget WHERE owner = ANY(:owners)")
# Reserves money in one span, if that has room for it; else changes no row. A span that has no row
# has nothing in it: the caller compares with its limit. Index: the primary key.
_RESERVE = Statement("""
    INSERT INTO spending (owner, span, reserved, spent) VALUES (:owner, :span, :micros, 0)
    ON CONFLICT (owner, span) DO UPDATE SET reserved = spending.reserved + :micros
    WHERE spending.spent + spending.reserved + :micros <= :limit_micros
""")
# Turns what was reserved in one span into what was spent. A row that is not there has nothing
# reserved: of a job that was to be free, or of a span that was forgotten. Index: the primary key.
_SETTLE = Statement("""
    INSERT INTO spending (owner, span, reserved, spent)
    SELECT :owner, :span, 0, :spent
    WHERE :spent > 0
        OR EXISTS (SELECT 1 FROM spending WHERE owner = :owner AND span = :span)
    ON CONFLICT (owner, span) DO UPDATE
        SET reserved = spending.reserved - :reserved, spent = spending.spent + :spent
""")
# Index of the next five: the primary key.
_USAGE = Statement("SELECT reserved, spent FROM spending WHERE owner = :owner AND span = :span")
_ALERTED = Statement("""
    UPDATE spending SET alerted = :percent WHERE owner = :owner AND span = :span
""")
_USAGES = Statement("""
    SELECT owner, span, reserved, spent, alerted FROM spending
    WHERE owner = ANY(:owners) AND span = ANY(:spans)
""")
_SET = Statement("""
    INSERT INTO budget (owner, period, limit_micros) VALUES (:owner, :period, :limit_micros)
    ON CONFLICT (owner, period) DO UPDATE SET limit_micros = excluded.limit_micros
""")
_CLEAR = Statement("DELETE FROM budget WHERE owner = :owner AND period = :period")
# Those who have a budget or have spent in this day or month, from one name on, for administrators.
# Indexes: the primary key, `spending_day` and `spending_month`.
_OWNERS = Statement("""
    SELECT owner FROM (SELECT owner FROM budget WHERE owner >= :first) budgets
    UNION
    SELECT owner FROM (
        SELECT owner FROM spending WHERE length(span) > 7 AND span = :day AND owner >= :first
        ORDER BY owner LIMIT :most
    ) days
    UNION
    SELECT owner FROM (
        SELECT owner FROM spending WHERE length(span) = 7 AND span = :month AND owner >= :first
        ORDER BY owner LIMIT :most
    ) months
    ORDER BY owner LIMIT :most
""")
# Removes some days before `:day`; the name of a day is longer than that of a month.
# Indexes: `spending_day`, then the primary key.
_FORGET_DAYS = Statement("""
    DELETE FROM spending WHERE (owner, span) IN (
        SELECT owner, span FROM spending WHERE length(span) > 7 AND span < :span
        ORDER BY span LIMIT :part
    )
""")
# Removes some months before `:span`. Indexes: `spending_month`, then the primary key.
_FORGET_MONTHS = Statement("""
    DELETE FROM spending WHERE (owner, span) IN (
        SELECT owner, span FROM spending WHERE length(span) = 7 AND span < :span
        ORDER BY span LIMIT :part
    )
""")
_FORGET = {Period.DAY: _FORGET_DAYS, Period.MONTH: _FORGET_MONTHS}
_NO_LIMIT = 2**62
# Only today and this month bind anybody. Older spans are kept for people to look into, and because
# some jobs are settled late: days until the next month's bill has come, months for a year and the
# current one.
_KEPT_MS = {Period.DAY: 60 * 24 * 3600 * 1000, Period.MONTH: 400 * 24 * 3600 * 1000}


def owner_of(user_id: str) -> str:
    """The name under which a user's budget is kept."""
    return f"{_USER}{user_id}"


class Reservations:
    """What the jobs of one transaction reserve. `write` has the last statements of it.

    `users` are those who may reserve something.
    """

    def __init__(self, session: Session, users: Sequence[str], now_ms: int) -> None:
        self._session = session
        limits = _limits(session, users) if users else {}
        self._budgets = {user: _binding(limits, user, now_ms) for user in users}
        # What is reserved for these jobs, by the name of each budget.
        self._micros: dict[str, dict[str, int]] = {}
        self._usage = _usages(session, self._budgets) if limits else {}
        # The percentages that were passed, by owner and span.
        self._alerted: dict[tuple[str, str], int] = {}

    def add(self, user_id: str, micros: int) -> None:
        """Reserves the estimate of a job in every span.

        Raises:
            BudgetExceeded: naming the budget that has no room.
        """
        budgets = self._budgets[user_id] if micros else []
        for budget in budgets:
            used = self._used(budget)
            if not used.has_room(micros):
                raise exceeded(used, micros)
        for budget in budgets:
            spans = self._micros.setdefault(budget.owner, {})
            spans[budget.span] = spans.get(budget.span, 0) + micros

    def passed(self, user_id: str, percents: Sequence[int]) -> list[tuple[Budget, int]]:
        """The user's own budgets that have come to one of the percentages for the first time, each
        with the highest of them."""
        found = []
        for budget in self._budgets.get(user_id, ())[: len(Period)]:
            if not budget.limit_micros:
                continue
            used, key = self._used(budget), (budget.owner, budget.span)
            told = self._alerted.get(key, self._usage.get(key, (0, 0, 0))[2])
            whole = (used.reserved_micros + used.spent_micros) * 100
            reached = [p for p in percents if told < p and p * budget.limit_micros <= whole]
            if reached:
                self._alerted[key] = max(reached)
                found.append((used, max(reached)))
        return found

    def write(self) -> None:
        """Holds what was reserved, in the order of the locks.

        Raises:
            BudgetExceeded: when others have taken the room meanwhile; the transaction must roll
                back.
        """
        users = (b for user in sorted(self._budgets) for b in self._budgets[user][: len(Period)])
        shared = next(iter(self._budgets.values()), [])[len(Period) :]
        for budget in (*users, *shared):
            micros = self._micros.get(budget.owner, {}).get(budget.span, 0)
            if micros:
                self._hold(budget, micros)
        for (owner, span), percent in sorted(self._alerted.items()):
            self._session.later(_ALERTED, owner=owner, span=span, percent=percent)

    def _hold(self, budget: Budget, micros: int) -> None:
        values = {"owner": budget.owner, "span": budget.span, "micros": micros}
        if budget.limit_micros is None:
            self._session.later(_RESERVE, **values, limit_micros=_NO_LIMIT)
        elif self._session.run(_RESERVE, **values, limit_micros=budget.limit_micros) != 1:
            raise exceeded(_with_usage(self._session, budget), micros)

    def _used(self, budget: Budget) -> Budget:
        """The budget with what is used of it, also by the jobs of this transaction."""
        reserved, spent, _ = self._usage.get((budget.owner, budget.span), (0, 0, 0))
        held = self._micros.get(budget.owner, {}).get(budget.span, 0)
        return replace(budget, reserved_micros=reserved + held, spent_micros=spent)


def settle(
    session: Session, user_id: str, accept_ms: int, reserved_micros: int, spent_micros: int
) -> None:
    """Turns what was held into what was spent; a negative amount takes back what was booked."""
    if not reserved_micros and not spent_micros:
        return
    for owner in (owner_of(user_id), INSTALLATION):
        for period in Period:
            session.later(
                _SETTLE,
                owner=owner,
                span=span(period, accept_ms),
                reserved=reserved_micros,
                spent=spent_micros,
            )


def forget(session: Session, part: int) -> int:
    """Removes up to `part` rows of days and months that are long over; tells how many."""
    now_ms, count = session.now_ms(), 0
    for period, statement in _FORGET.items():
        oldest = span(period, now_ms - _KEPT_MS[period])
        count += session.run(statement, span=oldest, part=part - count)
    return count


def shortage(db: Database, user_id: str, micros: int) -> Budget | None:
    """The budget that has no room for that now, if there is one."""
    return next((b for b in show(db, user_id) if not b.has_room(micros)), None)


def exceeded(budget: Budget, micros: int) -> BudgetExceeded:
    """The refusal of a job that would exceed the budget."""
    whose = "the installation's" if budget.owner == INSTALLATION else "your"
    error = BudgetExceeded(
        f"This job would exceed {whose} {budget.period.adjective} budget.",
        period=budget.period,
        required=amount(micros),
        reset_time=iso(budget.reset_time),
    )
    # The installation's figures would tell the caller how much other users spend.
    if budget.owner != INSTALLATION:
        error.metadata |= {
            "limit": amount(budget.limit_micros or 0),
            "spent": amount(budget.spent_micros),
            "reserved": amount(budget.reserved_micros),
        }
    return error


def set_limit(db: Database, owner: str, period: Period, limit_micros: int | None) -> None:
    """Gives the owner a budget, or with None takes it away."""
    values = {"owner": owner, "period": period}
    if limit_micros is None:
        db.write(lambda session: session.run(_CLEAR, **values))
    else:
        db.write(lambda session: session.run(_SET, **values, limit_micros=limit_micros))


def show(db: Database, user_id: str | None = None) -> list[Budget]:
    """Every budget and spending of today and this month, or only those that bind the user."""

    if user_id is None:
        return list_page(db)

    def work(session: Session) -> list[Budget]:
        found = _budgets(session, user_id, session.now_ms())
        return [_with_usage(session, budget) for budget in found]

    return db.read(work)


def list_page(
    db: Database, *, after: tuple[str, Period] | None = None, limit: int = _NO_LIMIT
) -> list[Budget]:
    """Every budget that is set, and what every user and all of them have spent in this day and
    month, by owner, after the position (owner, period)."""

    def work(session: Session) -> list[Budget]:
        now_ms = session.now_ms()
        spans = {period.value: span(period, now_ms) for period in Period}
        # An owner has two at most, and those of the first one may come up to the position.
        first, most = after[0] if after else "", limit + 1
        owners = [row[0] for row in session.rows(_OWNERS, **spans, first=first, most=most)]
        limits = _limits_of(session, [*owners, EACH_USER])
        found = [b for owner in owners for b in _of_owner(limits, owner, now_ms)]
        if after is not None:
            found = [b for b in found if b.owner != first or b.period.value > after[1].value]
        found = found[:limit]
        usage = _usages(session, {"": found}) if found else {}
        return [_used(usage, budget) for budget in found]

    return db.read(work)


def of_owner(db: Database, owner: str, period: Period) -> Budget:
    """The owner's budget of this day or month, also when it has no limit."""

    def work(session: Session) -> Budget:
        now_ms, limits = session.now_ms(), _limits_of(session, [owner, EACH_USER])
        return _with_usage(session, _bound(limits, owner, period, now_ms))

    return db.read(work)


def of_user(db: Database, user_id: str) -> list[Budget]:
    """The budgets that bind the user alone: of today, then of this month."""

    def work(session: Session) -> list[Budget]:
        found = _budgets(session, user_id, session.now_ms())[: len(Period)]
        return [_with_usage(session, budget) for budget in found]

    return db.read(work)


def alert_percents(db: Database, user_id: str) -> tuple[int, ...]:
    """How much of the user's budgets is spent when the user is told so."""
    row = db.row(_SETTINGS, user_id=user_id)
    return settings_from_json(row[0] if row else "").budget_alert_percents


def span(period: Period, now_ms: int) -> str:
    """The name of the day or month (UTC) that the time is in."""
    return utc(now_ms).strftime("%Y-%m-%d" if period is Period.DAY else "%Y-%m")


def reset_time(period: Period, now_ms: int) -> int:
    """When the span that the time is in ends, in milliseconds."""
    midnight = utc(now_ms).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is Period.DAY:
        end = midnight + timedelta(days=1)
    else:
        end = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return int(end.timestamp() * 1000)


def _limits(session: Session, users: Sequence[str]) -> dict[tuple[str, str], int]:
    """The limits that may bind the users, by owner and period."""
    return _limits_of(session, [*map(owner_of, users), EACH_USER, INSTALLATION])


def _limits_of(session: Session, owners: Sequence[str]) -> dict[tuple[str, str], int]:
    rows = session.rows(_LIMITS, owners=owners)
    return {(owner, period): int(micros) for owner, period, micros in rows}


def _usages(
    session: Session, budgets: Mapping[str, Sequence[Budget]]
) -> dict[tuple[str, str], tuple[int, int, int]]:
    """What is reserved and spent of the budgets, and at which percentage their users were told
    last, by owner and span."""
    bind = [budget for each in budgets.values() for budget in each]
    owners, spans = sorted({b.owner for b in bind}), sorted({b.span for b in bind})
    rows = session.rows(_USAGES, owners=owners, spans=spans)
    return {(owner, span): (int(r), int(spent), int(told)) for owner, span, r, spent, told in rows}


def _budgets(session: Session, user_id: str, now_ms: int) -> list[Budget]:
    """The budgets that bind the user, in lock order, without what is used of them."""
    return _binding(_limits(session, [user_id]), user_id, now_ms)


def _binding(limits: Mapping[tuple[str, str], int], user_id: str, now_ms: int) -> list[Budget]:
    """The budgets that bind the user, in lock order, without what is used of them."""
    owners = (owner_of(user_id), INSTALLATION)
    return [_bound(limits, owner, period, now_ms) for owner in owners for period in Period]


def _of_owner(limits: Mapping[tuple[str, str], int], owner: str, now_ms: int) -> list[Budget]:
    """The budgets of the owner. Nothing is spent from that of each user, so that one without a
    limit is none."""
    found = [_bound(limits, owner, period, now_ms) for period in Period]
    return [b for b in found if owner != EACH_USER or b.limit_micros is not None]


def _bound(
    limits: Mapping[tuple[str, str], int], owner: str, period: Period, now_ms: int
) -> Budget:
    """A budget with its limit, which is that of each user where a user has none."""
    limit = limits.get((owner, period))
    inherited = limit is None and owner.startswith(_USER) and (EACH_USER, period) in limits
    return Budget(
        owner=owner,
        period=period,
        span=span(period, now_ms),
        limit_micros=limits[EACH_USER, period] if inherited else limit,
        reset_time=reset_time(period, now_ms),
        inherited=inherited,
    )


def _used(usage: Mapping[tuple[str, str], tuple[int, int, int]], budget: Budget) -> Budget:
    reserved, spent, _ = usage.get((budget.owner, budget.span), (0, 0, 0))
    return replace(budget, reserved_micros=reserved, spent_micros=spent)


def _with_usage(session: Session, budget: Budget) -> Budget:
    row = session.row(_USAGE, owner=budget.owner, span=budget.span)
    reserved, spent = (int(row[0]), int(row[1])) if row else (0, 0)
    return replace(budget, reserved_micros=reserved, spent_micros=spent)
