"""The job automaton of the store, driven at random against a small pure model.

Whatever happens, in whatever order, and whoever still writes though its lease is long over: the
store does what the model says, and nothing else.
"""

import json
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from core.events import Event
from core.jobs import MOVES, EventType, Job, Progress, State
from core.store import Database, events, flows, submits, usage_days
from core.store.engine.sql import Dialect, Statement
from core.store.places import Queues
from tests.contract.job_model import UNSETTLED, ModelUser
from tests.contract.job_runs import LIVE_MS
from tests.contract.job_submits import JobSubmits
from tests.decoding import event_from_json
from tests.making import money
from tests.steady import STEADY

LOAD = Statement("SELECT running FROM user_stream WHERE user_id = :user_id")
EXAMPLES = {Dialect.SQLITE: 60, Dialect.POSTGRES: 20}
STEPS = 45


class JobMachine(JobSubmits):
    """What always holds, whatever happens."""

    @invariant()
    def the_store_is_what_the_model_says(self) -> None:
        for user in self.users:
            seen = events.snapshot(self.db, user.user_id, recent_ms=LIVE_MS)
            assert seen.revision == user.revision
            mine = {j.job_id: j for j in self.jobs.values() if j.user is user}
            assert {job.job_id for job in seen.jobs} == set(mine)
            for job in seen.jobs:
                model = mine[job.job_id]
                assert (job.state, job.attempt, job.revision, len(job.outputs)) == (
                    model.state,
                    model.attempt,
                    model.revision,
                    model.outputs,
                )
                assert (job.cancel_request_time is not None) is model.cancel_asked
                assert job.cancel_saves_cost is not (model.at_risk or model.state.terminal)
                assert job.cost.state is model.cost
            self._read_news(user)
            assert replayed(user.events) == {job.job_id: lasting(job) for job in seen.jobs}

    @invariant()
    def no_money_is_lost_and_none_is_held_for_nothing(self) -> None:
        for user in self.users:
            mine = [job for job in self.jobs.values() if job.user is user]
            held, spent = sum(job.reserved for job in mine), sum(job.spent for job in mine)
            assert money(self.db, user.user_id) == (held, spent)

    @invariant()
    def the_usage_is_what_the_books_and_the_jobs_say(self) -> None:
        # The jobs of earlier users are gone, and their usage is not.
        wrong = usage_days.different(self.db, jobs_kept_days=30)
        assert not {user.user_id for user in self.users} & set(wrong)

    @invariant()
    def at_most_one_submit_of_a_job_is_at_risk(self) -> None:
        for job in self.jobs.values():
            found = [intent.outcome for intent in submits.of_job(self.db, job.job_id)]
            assert found == job.intents
            assert sum(outcome in UNSETTLED for outcome in found) <= 1

    @invariant()
    def what_is_kept_is_what_would_be_counted(self) -> None:
        assert flows.different(self.db) == []
        for user in self.users:
            load = self.db.row(LOAD, user_id=user.user_id)
            mine = [job for job in self.jobs.values() if job.user is user]
            assert (load[0] if load else 0) == sum(job.state is State.RUNNING for job in mine)

    def _read_news(self, user: ModelUser) -> None:
        """Reads what happened since, and judges each event by those before it."""
        for stored in events.events_after(self.db, user.user_id, len(user.events), 100):
            event = event_from_json(stored.revision, json.loads(stored.payload))
            assert event.revision == event.job.revision == len(user.events) + 1
            before = [e.job for e in user.events if e.job.job_id == event.job.job_id]
            last = before[-1] if before else None
            assert MOVES[last.state if last else None, event.type] is event.job.state
            if last is not None and last.state.terminal:
                settled = replace(event.job, cost=last.cost, revision=last.revision)
                assert (event.type, lasting(settled)) == (EventType.UPDATED, lasting(last))
            if last is not None:
                assert event.job.attempt >= last.attempt
                assert event.job.outputs[: len(last.outputs)] == last.outputs
            user.events.append(event)
        assert len(user.events) == user.revision

    @invariant()
    def places_are_the_order_of_claims(self) -> None:
        places = Queues(self.db, self.concurrency).places(list(self.jobs))
        order = sorted(places, key=lambda job_id: places[job_id].position)
        expected = sorted(self.queued(), key=lambda job: not self.has_room(job.user))
        assert order == [job.job_id for job in expected]
        assert [places[job_id].position for job_id in order] == list(range(1, len(order) + 1))


def lasting(job: Job) -> Job:
    """The job without what changes between two events."""
    job = replace(job, attempt=0, progress=Progress(), provider_operation="")
    return replace(job, start_deadline=None, finish_deadline=None)


def replayed(told: list[Event]) -> dict[str, Job]:
    """The jobs as somebody has them who saw all events from the first."""
    return {event.job.job_id: lasting(event.job) for event in told}


def test_the_store_follows_the_model_whatever_happens(db: Database) -> None:
    profile = settings(
        STEADY,
        max_examples=EXAMPLES[db.dialect],
        stateful_step_count=STEPS,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: JobMachine(db), settings=profile)
