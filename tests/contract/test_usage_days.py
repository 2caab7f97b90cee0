"""Usage by day, model, label and user, on SQLite and on PostgreSQL alike."""

from typing import Any

import pytest

from core.errors import Reason
from core.jobs import Cost, CostState, JobFailure, Outcome
from core.specs import ImageSpec
from core.store import Database, accept, retention, submits, transitions, usage_days
from core.store.accept import Accepted
from core.store.budgets import Period, span
from core.store.engine.sql import Statement
from core.store.usage_days import DAY_MS, Key, Usage, UsageQuery
from tests.making import (
    IMAGE,
    MICROS,
    VIDEO,
    accepted,
    begun,
    claimed,
    money,
    new_job,
    new_media,
    paid,
)

NO = JobFailure(reason=Reason.PROVIDER_REJECTED, message="no")
LATE = "operations/late"
COUNT = Statement("SELECT count(*) FROM usage_day")
WRONG = {
    "charged": Statement("UPDATE usage_day SET charged = charged + 1 WHERE user_id = 'alice'"),
    "reserved": Statement("UPDATE usage_day SET reserved = reserved + 1 WHERE user_id = 'alice'"),
    "uncertain": Statement(
        "UPDATE usage_day SET uncertain = uncertain + 1, charged = charged - 1"
        " WHERE user_id = 'alice'"
    ),
    "counts": Statement("UPDATE usage_day SET failed = failed + 1 WHERE user_id = 'alice'"),
    "model": Statement("UPDATE usage_day SET model = 'x' WHERE user_id = 'alice'"),
    "day": Statement("UPDATE usage_day SET day = '2026-01-01' WHERE user_id = 'alice'"),
    "nothing": Statement("DELETE FROM usage_day WHERE user_id = 'alice'"),
}
KEPT_DAYS = 30


def query(db: Database, *keys: Key, user_id: str | None = "alice", **changes: Any) -> UsageQuery:
    """Of the last 30 days."""
    now = db.now_ms()
    today = now // DAY_MS * DAY_MS
    days = int(changes.pop("days", 30))
    values: dict[str, Any] = {
        "first_day": span(Period.DAY, now - days * DAY_MS),
        "last_day": span(Period.DAY, now),
        "from_ms": today - days * DAY_MS,
        "until_ms": today + DAY_MS,
        "keys": keys,
    }
    return UsageQuery(user_id=user_id, **{**values, **changes})


def groups(db: Database, *keys: Key, **changes: Any) -> list[Usage]:
    return usage_days.page(db, query(db, *keys, **changes), after=None, limit=1000)[0]


def total(db: Database, **changes: Any) -> Usage:
    found = usage_days.page(db, query(db, **changes), after=None, limit=1)[1]
    assert found is not None
    return found


def spent(db: Database, days_ago: int, model: str, micros: int, user_id: str = "alice") -> None:
    """Something that was charged in the past."""
    when = db.now_ms() - days_ago * DAY_MS
    db.write(lambda s: usage_days.settled(s, user_id, when, model, charged=micros))


def well(db: Database) -> bool:
    return usage_days.different(db, KEPT_DAYS) == []


def test_a_job_counts_from_its_accept_to_its_end(db: Database) -> None:
    paid(db)
    assert total(db) == Usage(reserved=MICROS, unfinished=1)
    claim = begun(db)
    submits.accepted(db, claim.run.job_id, 1, "operations/1", done=True, charged_micros=70_000)
    assert total(db) == Usage(reserved=MICROS, unfinished=1)

    transitions.succeed(db, claim.run, new_media(job_id=claim.run.job_id))

    assert total(db) == Usage(charged=70_000, succeeded=1)
    assert well(db)


def test_what_fails_or_is_cancelled_is_released(db: Database) -> None:
    cancelled, failed = paid(db), paid(db)
    transitions.cancel(db, "alice", cancelled, "")
    claim = begun(db)
    assert claim.run.job_id == failed
    submits.refused(db, claim.run, 1, Outcome.REJECTED, NO)

    assert total(db) == Usage(failed=1, cancelled=1)
    assert well(db)


def test_what_may_have_been_charged_is_uncertain_until_somebody_knows(db: Database) -> None:
    # Given a job whose submit has an unknown outcome: its money is held
    job_id = paid(db)
    assert submits.unknown(db, begun(db).run) is not None
    assert total(db) == Usage(reserved=MICROS, unfinished=1)

    # When nobody ever learns it
    submits.give_up(db, claimed(db).run)
    assert total(db) == Usage(uncertain=MICROS, failed=1)
    assert well(db)

    # And an administrator knows better
    submits.resolve(db, job_id, charged=True)
    assert total(db) == Usage(charged=MICROS, failed=1)
    assert money(db) == (0, MICROS)
    assert well(db)


def test_what_was_not_charged_after_all_is_taken_back(db: Database) -> None:
    job_id = paid(db)
    assert submits.unknown(db, begun(db).run) is not None
    submits.give_up(db, claimed(db).run)

    submits.resolve(db, job_id, charged=False)

    assert total(db) == Usage(failed=1)
    assert well(db)


def test_an_operation_that_turns_up_late_comes_on_top(db: Database) -> None:
    job_id = paid(db)
    submits.refused(db, begun(db).run, 1, Outcome.REJECTED, NO)

    submits.accepted(db, job_id, 1, LATE)
    assert total(db) == Usage(charged=MICROS, failed=1)
    submits.accepted(db, job_id, 1, LATE)
    assert total(db) == Usage(charged=MICROS, failed=1)
    assert money(db) == (0, MICROS)
    assert well(db)


def test_jobs_that_are_accepted_together_count_each_for_its_user_and_model(db: Database) -> None:
    cost = Cost(state=CostState.ESTIMATED, estimated_micros=5)
    jobs = [
        new_job("alice", cost=cost),
        new_job("bob", cost=cost),
        new_job("alice", spec=IMAGE),
        new_job("alice", cost=cost),
    ]
    outcomes = accept.accept_all(db, jobs)

    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert groups(db, Key.MODEL) == [
        Usage(model=VIDEO.model, reserved=10, unfinished=2),
        Usage(model=IMAGE.model, unfinished=1),
    ]
    assert total(db, user_id="bob") == Usage(reserved=5, unfinished=1)
    assert total(db, user_id=None) == Usage(reserved=15, unfinished=4)
    assert well(db)


def test_a_request_that_is_repeated_or_refused_counts_nothing(db: Database) -> None:
    for _ in range(2):
        paid(db, request_id="1", fingerprint="f")
    [_, outcome] = accept.accept_all(db, [new_job(), new_job(max_queued=1)])

    assert not isinstance(outcome, Accepted)
    assert total(db) == Usage(reserved=MICROS, unfinished=2)
    assert well(db)


def test_groups_come_by_day_and_then_by_the_most_money(db: Database) -> None:
    for days_ago, model, micros in (
        (1, "a", 5),
        (2, "b", 1),
        (2, "a", 1),
        (2, "c", 9),
        (1, "b", 7),
        (31, "a", 100),
    ):
        spent(db, days_ago, model, micros)
    spent(db, 1, "a", 1000, "bob")
    first, second = (span(Period.DAY, db.now_ms() - n * DAY_MS) for n in (2, 1))

    assert [(u.day, u.model, u.charged) for u in groups(db, Key.DAY, Key.MODEL)] == [
        (first, "c", 9),
        (first, "a", 1),
        (first, "b", 1),
        (second, "b", 7),
        (second, "a", 5),
    ]
    assert [(u.day, u.charged) for u in groups(db, Key.DAY)] == [(first, 11), (second, 12)]
    assert [(u.model, u.charged) for u in groups(db, Key.MODEL)] == [("c", 9), ("b", 8), ("a", 6)]
    assert [(u.user_id, u.charged) for u in groups(db, Key.USER, user_id=None)] == [
        ("bob", 1000),
        ("alice", 23),
    ]
    assert groups(db) == []
    assert total(db).charged == 23
    assert total(db, days=31).charged == 123
    assert total(db, user_id="carol") == Usage()


KEYS = [
    (Key.DAY, Key.MODEL),
    (Key.MODEL,),
    (Key.USER,),
    (Key.DAY, Key.MODEL, Key.USER),
    (Key.DAY, Key.LABEL),
    (Key.LABEL, Key.MODEL, Key.USER),
]


@pytest.mark.parametrize("user_id", ["alice", None])
@pytest.mark.parametrize("keys", KEYS)
def test_pages_together_are_the_whole_list(
    db: Database, keys: tuple[Key, ...], user_id: str | None
) -> None:
    # Given groups of which several have the same money
    for number, micros in enumerate((5, 5, 0, 7, 5, 0)):
        spec = IMAGE if number % 2 else VIDEO
        cost = Cost(state=CostState.ESTIMATED, estimated_micros=micros)
        for owner in ("alice", "bob"):
            accepted(db, owner, spec=spec, cost=cost, labels={"n": f"{number}"})
    asked = query(db, *keys, user_id=user_id, label_key="n")
    whole, _ = usage_days.page(db, asked, after=None, limit=1000)

    found: list[Usage] = []
    after = None
    while page := usage_days.page(db, asked, after=after, limit=2)[0]:
        found += page
        after = page[-1].position

    assert found == whole
    assert len(set(map(str, found))) == len(found)
    assert sum(usage.unfinished for usage in found) == (6 if user_id else 12)
    assert sum(usage.reserved for usage in found) == (22 if user_id else 44)


def test_labels_group_the_jobs_that_are_kept(db: Database) -> None:
    # Given jobs with and without a label, one of them ended, and one of another user
    first = paid(db, labels={"project": "sea", "team.a-1": "x"})
    paid(db, labels={"project": "sea"})
    paid(db, labels={"other": "sea"})
    paid(db, "bob", labels={"project": "sea"})
    transitions.cancel(db, "alice", first, "")

    def by(label_key: str, **changes: Any) -> list[tuple[str, int, int, int]]:
        found = groups(db, Key.LABEL, label_key=label_key, **changes)
        return [(u.label_value, u.reserved, u.unfinished, u.cancelled) for u in found]

    assert by("project") == [("", MICROS, 1, 0), ("sea", MICROS, 1, 1)]
    assert by("team.a-1") == [("", 2 * MICROS, 2, 0), ("x", 0, 0, 1)]
    assert by("project", user_id=None) == [("sea", 2 * MICROS, 2, 1), ("", MICROS, 1, 0)]
    assert by("nothing") == [("", 2 * MICROS, 2, 1)]
    [both, _] = groups(db, Key.LABEL, Key.MODEL, Key.DAY, label_key="project")
    assert (both.model, both.day) == (VIDEO.model, span(Period.DAY, db.now_ms()))

    # When the ended job is forgotten, then its label is too, and its usage is not
    retention.forget(db, keep_ms=-60_000)
    assert by("project") == [("", MICROS, 1, 0), ("sea", MICROS, 1, 0)]
    assert total(db) == Usage(reserved=2 * MICROS, unfinished=2, cancelled=1)


def test_labels_sum_up_what_each_job_costs(db: Database) -> None:
    for end in ("charged", "uncertain", "reconciling"):
        paid(db, labels={"end": end})
        claim = begun(db)
        if end == "charged":
            submits.accepted(db, claim.run.job_id, 1, "1", done=True, charged_micros=3)
            transitions.succeed(db, claim.run, new_media(job_id=claim.run.job_id))
        else:
            assert submits.unknown(db, claim.run) is not None
        if end == "uncertain":
            submits.give_up(db, claimed(db).run)

    assert groups(db, Key.LABEL, label_key="end") == [
        Usage(label_value="reconciling", reserved=MICROS, unfinished=1),
        Usage(label_value="uncertain", uncertain=MICROS, failed=1),
        Usage(label_value="charged", charged=3, succeeded=1),
    ]


def test_days_are_kept_for_four_hundred_and_then_removed(db: Database) -> None:
    for days_ago in (0, 399, 400, 401, 500):
        spent(db, days_ago, "a", 1)

    assert db.write(lambda session: usage_days.forget(session, 400, 1)) == 1
    retention.forget(db, keep_ms=10**12)
    assert db.rows(COUNT) == [(3,)]
    assert total(db, days=400).charged == 3
    retention.forget(db, keep_ms=10**12, kept=retention.Kept(usage_days=60))
    assert db.rows(COUNT) == [(1,)]


@pytest.mark.parametrize("what", WRONG)
def test_what_is_kept_wrong_is_found(db: Database, what: str) -> None:
    for user_id in ("alice", "bob"):
        paid(db, user_id)
    assert well(db)

    db.write(lambda session: session.run(WRONG[what]))

    assert usage_days.different(db, KEPT_DAYS) == ["alice"]


def test_all_users_are_looked_at(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_days, "_USERS_AT_ONCE", 2)
    for number in range(5):
        paid(db, f"user-{number}")
    db.write(lambda session: session.run(Statement("DELETE FROM usage_day")))

    assert len(usage_days.different(db, KEPT_DAYS)) == 5


def test_a_quote_in_a_model_or_label_is_only_a_letter(db: Database) -> None:
    spec = ImageSpec(prompt="a", model='it\'s "x"', aspect_ratio="1:1", size="256x256")
    accepted(db, spec=spec, labels={"a": 'it\'s "x" é\\'})

    [found] = groups(db, Key.LABEL, Key.MODEL, label_key="a")
    assert (found.model, found.label_value) == ('it\'s "x"', 'it\'s "x" é\\')
