"""A restored database is safe to run on: old tokens are not continued, nothing is paid twice."""

from typing import Any, cast

import pytest

from core.jobs import Cost, CostState, EventType, Outcome, State
from core.store import Database, budgets, claims, events, jobs, polls, submits, transitions
from core.store.budgets import owner_of
from core.store.engine.sql import Statement
from core.store.restore import begin_anew
from core.telling.changes import Changes
from tests.making import accepted, claimed, new_media, started
from workers.backoff import Backoff
from workers.endings import Endings
from workers.runs.reconcile import Reconciler

PAID = Cost(state=CostState.ESTIMATED, estimated_micros=100)
LOCAL = ("builtin",)
DAY_MS = 24 * 3600 * 1000
AGE_JOBS = Statement(
    "UPDATE job SET create_time = create_time - :ms, start_deadline = start_deadline - :ms,"
    " finish_deadline = finish_deadline - :ms"
)
AGE_INTENTS = Statement(
    "UPDATE intent SET create_time = create_time - :ms, outcome_time = outcome_time - :ms"
)


def paid_job(db: Database, user_id: str = "alice") -> str:
    return accepted(db, user_id, provider="paid", cost=PAID).job.job_id


def state(db: Database, job_id: str, user_id: str = "alice") -> State:
    return jobs.get(db, user_id, job_id).state


def let_pass(db: Database, ms: int) -> None:
    """As if everything had been written that much earlier."""
    db.write(lambda session: [session.run(what, ms=ms) for what in (AGE_JOBS, AGE_INTENTS)])


def test_the_epoch_is_another_one(db: Database) -> None:
    before = db.epoch()
    restored = begin_anew(db, LOCAL)
    assert before != db.epoch()
    assert db.epoch().startswith(restored.epoch)


def test_the_installation_stays_the_same(db: Database) -> None:
    before = db.installation()
    begin_anew(db, LOCAL)
    assert db.installation() == before


def test_a_waiting_job_of_a_paid_provider_is_never_submitted_again(db: Database) -> None:
    # Given a job that waited at the moment of the backup
    job_id = paid_job(db)

    # When the database is restored
    assert begin_anew(db, LOCAL).doubtful == 1

    # Then it counts as sent, and no worker finds it to submit
    job = jobs.get(db, "alice", job_id)
    assert (job.state, job.cost.state) == (State.RECONCILING, CostState.UNCERTAIN)
    assert not job.cancel_saves_cost
    [intent] = submits.of_job(db, job_id)
    assert (intent.number, intent.outcome, intent.restored) == (1, Outcome.UNKNOWN, True)
    claim = claimed(db)
    assert (claim.job.state, claim.at_risk) == (State.RECONCILING, True)
    found = [event.revision for event in events.events_after(db, "alice", 0, 10)]
    assert found == [1, 2, 3]


def test_its_operation_can_still_be_adopted(db: Database) -> None:
    job_id = paid_job(db)
    begin_anew(db, LOCAL)

    event = submits.accepted(db, job_id, 1, "op-1")

    assert event is not None
    assert event.type is EventType.STARTED
    assert jobs.get(db, "alice", job_id).provider_operation == "op-1"


def test_when_nobody_finds_it_its_estimate_stays_spent(db: Database) -> None:
    paid_job(db)
    begin_anew(db, LOCAL)

    submits.give_up(db, claimed(db).run)

    [day, *_] = budgets.show(db, "alice")
    assert (day.owner, day.reserved_micros, day.spent_micros) == (owner_of("alice"), 0, 100)


def test_a_job_between_two_submits_is_not_sent_again_either(db: Database) -> None:
    job_id = paid_job(db)
    claim = claimed(db)
    begun = submits.begin(db, claim.run, "worker", 9)
    assert begun is not None
    submits.refused(db, claim.run, 1, Outcome.NOT_SENT)

    begin_anew(db, LOCAL)

    assert state(db, job_id) is State.RECONCILING
    assert [i.number for i in submits.of_job(db, job_id)] == [1, 2]


def test_an_open_submit_is_left_to_the_usual_way_but_not_to_a_look_up(db: Database) -> None:
    job_id = paid_job(db)
    assert submits.begin(db, claimed(db).run, "worker", 9) is not None

    assert begin_anew(db, LOCAL).doubtful == 0

    assert state(db, job_id) is State.RUNNING
    [intent] = submits.of_job(db, job_id)
    assert (intent.outcome, intent.restored) == (Outcome.OPEN, True)


def test_what_was_accepted_is_polled_on(db: Database) -> None:
    job_id = paid_job(db)
    assert submits.begin(db, claimed(db).run, "worker", 9) is not None
    submits.accepted(db, job_id, 1, "op-1")

    begin_anew(db, LOCAL)

    assert state(db, job_id) is State.RUNNING
    assert polls.claim_polls(db, ["video"], "worker", 1000, 9) != []


def test_jobs_that_cost_nothing_and_ended_ones_are_left_alone(db: Database) -> None:
    waiting = accepted(db).job.job_id
    started(db)
    free = accepted(db, "bob").job.job_id
    ended = paid_job(db, "carol")
    transitions.cancel(db, "carol", ended, "")

    assert begin_anew(db, LOCAL).doubtful == 0

    assert state(db, waiting) is State.RUNNING
    assert state(db, free, "bob") is State.QUEUED
    assert state(db, ended, "carol") is State.CANCELLED
    assert transitions.succeed(db, _run(db, waiting), new_media(job_id=waiting))


def test_unfinished_jobs_have_their_whole_time_again(db: Database) -> None:
    # Given a free job and a paid one in a backup that is older than their deadlines
    free = accepted(db, start_within_ms=60_000).job.job_id
    paid = paid_job(db)
    let_pass(db, DAY_MS)
    assert {job_id for _, job_id in claims.overdue(db)} == {free, paid}

    # When it is restored
    before = db.now_ms()
    begin_anew(db, LOCAL)
    after = db.now_ms()

    # Then no rescue round fails them: one runs, the other can be adopted
    assert claims.overdue(db) == []
    job = jobs.get(db, "alice", free)
    assert job.finish_deadline is not None
    assert job.start_deadline is not None
    assert before <= job.finish_deadline - 600_000 <= after
    assert before <= job.start_deadline - 60_000 <= after
    assert transitions.fail_overdue(db, "alice", paid) is None
    assert submits.accepted(db, paid, 1, "op-1") is not None
    assert jobs.get(db, "alice", paid).start_deadline is None


def test_no_deadline_becomes_an_earlier_one(db: Database) -> None:
    # Given a job of a clock that was ahead, and one that has ended
    ahead = accepted(db, "bob").job.job_id
    let_pass(db, -DAY_MS)
    ended = accepted(db).job.job_id
    transitions.cancel(db, "alice", ended, "")
    before = [jobs.get(db, *job).finish_deadline for job in (("bob", ahead), ("alice", ended))]

    begin_anew(db, LOCAL)

    after = [jobs.get(db, *job).finish_deadline for job in (("bob", ahead), ("alice", ended))]
    assert after == before


def test_a_job_that_waited_for_news_at_the_backup_has_the_whole_time_to_be_adopted(
    db: Database,
) -> None:
    job_id = paid_job(db)
    claim = claimed(db)
    assert submits.begin(db, claim.run, "worker", 9) is not None
    submits.unknown(db, claim.run)
    let_pass(db, DAY_MS)

    begin_anew(db, LOCAL)
    reconciler(db, reconcile_ms=60_000).reconcile(claimed(db), None)

    assert state(db, job_id) is State.RECONCILING


def test_it_may_be_done_again(db: Database) -> None:
    job_id = paid_job(db)
    begin_anew(db, LOCAL)
    assert begin_anew(db, LOCAL).doubtful == 0
    assert len(submits.of_job(db, job_id)) == 1


def _run(db: Database, job_id: str) -> claims.Run:
    return claims.Run("alice", job_id, 1)


class Deaf:
    """A teller whom nobody hears."""

    def tell(self, event: object) -> None:
        return

    def wake(self, queue: str) -> None:
        return


class Unaware:
    """A provider that knows of no submission."""

    can_look_up = True

    def look_up(self, key: str) -> str | None:
        return None


def reconciler(db: Database, reconcile_ms: int) -> Reconciler:
    quiet: Any = Deaf()
    return Reconciler(
        db=db,
        teller=quiet,
        endings=Endings(
            db=db,
            changes=Changes(db, quiet),
            backoff=Backoff(1, 1),
            aside=lambda work: work(),
        ),
        submitter=cast(Any, None),
        resubmits=True,
        reconcile_ms=reconcile_ms,
        look_up_ms=1,
    )


@pytest.mark.parametrize(("restored", "after"), [(False, State.RUNNING), (True, State.FAILED)])
def test_a_look_up_does_not_send_it_again_after_a_restore(
    db: Database, restored: bool, after: State
) -> None:
    # Given a submit of unknown outcome, and the policy resubmit_after_lookup
    job_id = paid_job(db)
    claim = claimed(db)
    assert submits.begin(db, claim.run, "worker", 9) is not None
    submits.unknown(db, claim.run)
    if restored:
        begin_anew(db, LOCAL)

    # When the provider knows nothing of it after the whole time
    reconciler(db, reconcile_ms=0).reconcile(claimed(db), cast(Any, Unaware()))

    # Then it is sent again only if no later submit of it can have been forgotten
    assert state(db, job_id) is after
