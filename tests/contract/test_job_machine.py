"""The job automaton of the store, driven at random against a small pure model.

Whatever happens, in whatever order, and whoever still writes though its lease is long over: the
store does what the model says, and nothing else.
"""

import itertools
import json
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.errors import LeaseLost, Reason
from core.events import Event, event_from_json
from core.jobs import MOVES, EventType, IllegalMove, Job, JobFailure, Progress, Stage, State, Step
from core.store import Database, claims, events, jobs, transitions
from core.store.claims import Run
from core.store.sql import Dialect, Statement
from tests.making import accepted, new_media
from tests.steady import STEADY

EXAMPLES = {Dialect.SQLITE: 50, Dialect.POSTGRES: 20}
STEPS = 35
LIVE_MS, EXPIRED_MS = 600_000, -1
FAILURE = JobFailure(reason=Reason.RESULT_INVALID, message="broken")
CLEAR = Statement("DELETE FROM job")
USERS = st.sampled_from([0, 1])
numbers = itertools.count()


@dataclass
class ModelJob:
    """What a job should be."""

    job_id: str
    user_id: str
    turn: int
    state: State = State.QUEUED
    attempt: int = 0
    fence: int = 0
    leased: bool = False
    live: bool = False
    cancel_asked: bool = False
    outputs: int = 0
    revision: int = 0


@dataclass
class ModelUser:
    """What a user should have, and what was read of it."""

    user_id: str
    revision: int = 0
    last_turn: int = 0
    events: list[Event] = field(default_factory=list)


class JobMachine(RuleBasedStateMachine):
    """Two users and as many workers as there are claims."""

    def __init__(self, db: Database) -> None:
        super().__init__()
        self.db = db
        self.users = [ModelUser(f"user-{next(numbers)}") for _ in range(2)]
        self.jobs: dict[str, ModelJob] = {}
        self.runs: list[Run] = []

    @initialize(concurrency=st.sampled_from([1, 1, 2]))
    def allow(self, concurrency: int) -> None:
        """How many jobs of a user may run at once."""
        self.concurrency = concurrency

    def teardown(self) -> None:
        """Leaves no job for the claims of the next example."""
        self.db.write(lambda session: session.run(CLEAR))

    # What the model knows

    def user(self, user_id: str) -> ModelUser:
        return next(user for user in self.users if user.user_id == user_id)

    def running(self, user_id: str) -> int:
        return sum(j.user_id == user_id and j.state is State.RUNNING for j in self.jobs.values())

    def owned(self, run: Run) -> ModelJob | None:
        """The job, if the run still has it."""
        job = self.jobs[run.job_id]
        return job if job.fence == run.fence and not job.state.terminal else None

    def queued(self) -> list[ModelJob]:
        waiting = [job for job in self.jobs.values() if job.state is State.QUEUED]
        return sorted(waiting, key=lambda job: (job.turn, job.job_id))

    def moved(self, job: ModelJob, type: EventType) -> None:
        user = self.user(job.user_id)
        user.revision += 1
        job.revision = user.revision
        job.state = MOVES[job.state, type]
        if job.state.terminal:
            job.leased = job.live = False

    def try_move(self, run: Run, type: EventType, write: "object") -> ModelJob | None:
        """Does it in the store; in the model too, if it is the run's job and a legal move."""
        job = self.owned(run)
        if job is None:
            with pytest.raises(LeaseLost):
                write()  # type: ignore[operator]
            return None
        if (job.state, type) not in MOVES:
            with pytest.raises(IllegalMove):
                write()  # type: ignore[operator]
            return None
        told = write()  # type: ignore[operator]
        self.moved(job, type)
        assert (told.type, told.revision) == (type, job.revision)
        return job

    # What may happen

    @rule(number=USERS)
    def accept(self, number: int) -> None:
        user = self.users[number]
        made = accepted(self.db, user.user_id).job
        first = min((job.turn for job in self.queued()), default=None)
        turn = user.last_turn + 1 if first is None else max(user.last_turn + 1, first - 1)
        user.revision += 1
        user.last_turn = turn
        self.jobs[made.job_id] = ModelJob(made.job_id, user.user_id, turn, revision=user.revision)

    @rule(lives=st.booleans())
    def claim(self, lives: bool) -> None:
        due = {j.job_id for j in self.jobs.values() if j.state is State.RUNNING and not j.live}
        waiting = [
            job.job_id
            for job in self.queued()
            if not job.live and self.running(job.user_id) < self.concurrency
        ]
        lease_ms = LIVE_MS if lives else EXPIRED_MS
        taken = claims.claim(self.db, "video", "worker", lease_ms, self.concurrency)
        if not due and not waiting:
            assert taken is None
            return
        assert taken is not None
        assert taken.run.job_id in due if due else taken.run.job_id == waiting[0]
        job = self.jobs[taken.run.job_id]
        job.attempt += job.state is State.QUEUED or job.leased
        job.fence += 1
        job.leased, job.live = True, lives
        assert (taken.run.fence, taken.job.attempt) == (job.fence, job.attempt)
        self.runs.append(taken.run)

    def pick(self, data: st.DataObject) -> Run:
        # Late ones more often: most of the early ones are over.
        place = data.draw(st.integers(0, min(len(self.runs), 4) - 1))
        return self.runs[-1 - place]

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        run = self.pick(data)
        job = self.owned(run)
        if job is not None and self.running(job.user_id) >= self.concurrency:
            assert transitions.start(self.db, run, self.concurrency) is None
            return
        self.try_move(
            run, EventType.STARTED, lambda: transitions.start(self.db, run, self.concurrency)
        )

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def hand_back(self, data: st.DataObject) -> None:
        run = self.pick(data)
        job = self.owned(run)
        assert claims.hand_back(self.db, run) is (job is not None)
        if job is not None:
            job.attempt -= job.state is State.QUEUED
            job.leased = job.live = False

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), lives=st.booleans())
    def renew_or_let_expire(self, data: st.DataObject, lives: bool) -> None:
        run = self.pick(data)
        job = self.owned(run)
        progress = Progress(stage=Stage.GENERATING, percent=50, message="half")
        lease_ms = LIVE_MS if lives else EXPIRED_MS
        assert claims.renew(self.db, run, lease_ms, progress) is (job is not None)
        if job is not None:
            job.leased, job.live = True, lives

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def record_step(self, data: st.DataObject) -> None:
        run = self.pick(data)
        job = self.owned(run)
        runs = job is not None and job.state is State.RUNNING
        assert claims.record_step(self.db, run, Step.FETCH, "operation") is runs

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        # The latest first: a second cancel of the same job matters too.
        job = list(self.jobs.values())[-1 - data.draw(st.integers(0, min(len(self.jobs), 3) - 1))]
        after, told = transitions.cancel(self.db, job.user_id, job.job_id, "enough")
        if job.state.terminal or job.cancel_asked:
            assert told is None
        else:
            job.cancel_asked = True
            waits = job.state is State.QUEUED
            self.moved(job, EventType.CANCELLED if waits else EventType.UPDATED)
        assert (after.state, after.revision) == (job.state, job.revision)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def add_output(self, data: st.DataObject) -> None:
        run = self.pick(data)
        item = new_media(run.user_id, job_id=run.job_id, output_index=self.jobs[run.job_id].outputs)
        write = lambda: transitions.add_output(self.db, run, item)  # noqa: E731
        if (job := self.try_move(run, EventType.UPDATED, write)) is not None:
            job.outputs += 1

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        run = self.pick(data)
        item = new_media(run.user_id, job_id=run.job_id, output_index=self.jobs[run.job_id].outputs)
        write = lambda: transitions.succeed(self.db, run, item)  # noqa: E731
        if (job := self.try_move(run, EventType.SUCCEEDED, write)) is not None:
            job.outputs += 1

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), cancelled=st.booleans())
    def end_without_result(self, data: st.DataObject, cancelled: bool) -> None:
        run = self.pick(data)
        if cancelled:
            end = lambda: transitions.end_cancelled(self.db, run)  # noqa: E731
            self.try_move(run, EventType.CANCELLED, end)
        else:
            fail = lambda: transitions.fail(self.db, run, FAILURE)  # noqa: E731
            self.try_move(run, EventType.FAILED, fail)

    # What always holds

    @invariant()
    def the_store_is_what_the_model_says(self) -> None:
        for user in self.users:
            seen = events.snapshot(self.db, user.user_id, recent_ms=LIVE_MS)
            assert seen.revision == user.revision
            mine = {j.job_id: j for j in self.jobs.values() if j.user_id == user.user_id}
            assert {job.job_id for job in seen.jobs} == set(mine)
            for job in seen.jobs:
                model = mine[job.job_id]
                assert (job.state, job.attempt, job.revision, len(job.outputs)) == (
                    *(model.state, model.attempt, model.revision, model.outputs),
                )
                assert (job.cancel_request_time is not None) is model.cancel_asked
            self._read_news(user)
            assert replayed(user.events) == {job.job_id: lasting(job) for job in seen.jobs}

    def _read_news(self, user: ModelUser) -> None:
        """Reads what happened since, and judges each event by those before it."""
        for stored in events.events_after(self.db, user.user_id, len(user.events), 100):
            event = event_from_json(stored.revision, json.loads(stored.payload))
            assert event.revision == event.job.revision == len(user.events) + 1
            before = [e.job for e in user.events if e.job.job_id == event.job.job_id]
            last = before[-1] if before else None
            assert MOVES[last.state if last else None, event.type] is event.job.state
            if last is not None:
                assert not last.state.terminal
                assert event.job.attempt >= last.attempt
                assert event.job.outputs[: len(last.outputs)] == last.outputs
            user.events.append(event)
        assert len(user.events) == user.revision

    @invariant()
    def places_are_the_order_of_turns(self) -> None:
        places = jobs.queue_places(self.db, list(self.jobs))
        order = sorted(places, key=lambda job_id: places[job_id].position)
        assert order == [job.job_id for job in self.queued()]
        assert [places[job_id].position for job_id in order] == list(range(1, len(order) + 1))


def lasting(job: Job) -> Job:
    """The job without what changes between two events."""
    return replace(job, attempt=0, progress=Progress(), provider_operation="")


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
