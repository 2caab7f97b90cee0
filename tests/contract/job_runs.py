"""What happens to jobs, at random: claims, runs, cancels and deadlines; each in store and model."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from core.errors import JobStateInvalid, LeaseLost, Reason
from core.events import Event
from core.jobs import (
    MOVES,
    CostState,
    EventType,
    IllegalMove,
    JobFailure,
    Progress,
    Stage,
    State,
    Step,
)
from core.store import Database, claims, polls, transitions
from core.store.claims import Run
from core.store.engine.sql import Statement
from core.store.starts import claim_and_start
from tests.contract.job_model import ModelJob, ModelUser, new_model_job
from tests.making import PRICE, accepted, new_media

LIVE_MS, EXPIRED_MS = 600_000, -1
FAILURE = JobFailure(reason=Reason.RESULT_INVALID, message="broken")
CLEAR = (
    Statement("DELETE FROM job"),
    Statement("DELETE FROM flow"),
    Statement("UPDATE user_stream SET running = 0, busy = FALSE"),
)
LATE = {
    "start": Statement("UPDATE job SET start_deadline = 0 WHERE job_id = :job_id"),
    "end": Statement("UPDATE job SET finish_deadline = 0 WHERE job_id = :job_id"),
}
USERS = st.sampled_from([0, 1])
numbers = itertools.count()


class JobRuns(RuleBasedStateMachine):
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
        self.db.write(lambda session: [session.run(statement) for statement in CLEAR])

    # What the model knows

    def has_room(self, user: ModelUser) -> bool:
        running = [j for j in self.jobs.values() if j.user is user and j.state is State.RUNNING]
        return len(running) < self.concurrency

    def owned(self, run: Run) -> ModelJob | None:
        """The job, if the run still has it."""
        job = self.jobs[run.job_id]
        return job if job.fence == run.fence and not job.state.terminal else None

    def queued(self) -> list[ModelJob]:
        waiting = [job for job in self.jobs.values() if job.state is State.QUEUED]
        return sorted(waiting, key=lambda job: (job.turn, job.job_id))

    def try_move(
        self, run: Run, type: EventType, write: Callable[[], Event | None]
    ) -> ModelJob | None:
        """Does it in the store; the job, if it is the run's and the move is legal."""
        job = self.owned(run)
        if job is None:
            with pytest.raises(LeaseLost):
                write()
            return None
        if (job.state, type) not in MOVES:
            with pytest.raises(IllegalMove):
                write()
            return None
        told = write()
        assert told is not None
        assert (told.type, told.revision) == (type, job.user.revision + 1)
        return job

    def lost(self, run: Run, write: Callable[[], object]) -> ModelJob | None:
        """The run's job; when it has none, the store says so too."""
        job = self.owned(run)
        if job is None:
            with pytest.raises(LeaseLost):
                write()
        return job

    def pick(self, data: st.DataObject) -> Run:
        # Late ones more often: most of the early ones are over.
        place = data.draw(st.integers(0, min(len(self.runs), 4) - 1))
        return self.runs[-1 - place]

    def pick_job(self, data: st.DataObject) -> ModelJob:
        # The latest first: a second try of the same matters too.
        place = data.draw(st.integers(0, min(len(self.jobs), 3) - 1))
        return list(self.jobs.values())[-1 - place]

    # What may happen

    @rule(number=USERS, costs=st.sampled_from([True, True, False]))
    def accept(self, number: int, costs: bool) -> None:
        user = self.users[number]
        price = {"cost": PRICE} if costs else {}
        made = accepted(self.db, user.user_id, **price).job
        reached = max((job.turn for job in self.jobs.values() if job.started), default=0)
        own = max((job.turn for job in self.queued() if job.user is user), default=0)
        turn = max(reached, min(user.last_turn, reached) + 1, own + 1)
        self.jobs[made.job_id] = new_model_job(made.job_id, user, turn, costs)

    @rule(lives=st.booleans(), starts=st.booleans())
    def claim(self, lives: bool, starts: bool) -> None:
        self.do_claim(lives, starts)

    def do_claim(self, lives: bool, starts: bool = False) -> None:
        due = {
            job.job_id
            for job in self.jobs.values()
            if not job.live
            and (job.waits_for_news or (job.state is State.RUNNING and job.step is not Step.POLL))
        }
        waiting = [j.job_id for j in self.queued() if not j.live and self.has_room(j.user)]
        lease_ms = LIVE_MS if lives else EXPIRED_MS
        cap = self.concurrency
        if starts:
            taken = claim_and_start(self.db, "video", "worker", lease_ms, cap, ["builtin"])
        else:
            taken = claims.claim(self.db, "video", "worker", lease_ms, cap)
        if not due and not waiting:
            assert taken is None
            return
        assert taken is not None
        assert taken.run.job_id in due if due else taken.run.job_id == waiting[0]
        job = self.jobs[taken.run.job_id]
        begins = starts and not (due or job.leased or job.missed)
        self.took(taken, lives)
        assert (taken.event is not None) is begins
        if taken.event is not None:
            job.moved(EventType.STARTED)
            assert taken.event.revision == job.revision

    @rule(lives=st.booleans())
    def claim_polls(self, lives: bool) -> None:
        due = {
            job.job_id
            for job in self.jobs.values()
            if job.state is State.RUNNING and job.step is Step.POLL and not job.live
        }
        lease_ms = LIVE_MS if lives else EXPIRED_MS
        taken = polls.claim_polls(self.db, ["video"], "poller", lease_ms, 100)
        assert {claim.run.job_id for claim in taken} == due
        for claim in taken:
            self.took(claim, lives)

    def took(self, claim: claims.Claim, lives: bool) -> None:
        job = self.jobs[claim.run.job_id]
        job.claimed(lives)
        assert (claim.run.fence, claim.job.attempt) == (job.fence, job.attempt)
        assert (claim.step, claim.at_risk) == (job.step, job.at_risk)
        self.runs.append(claim.run)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        run = self.pick(data)
        write = lambda: transitions.start(self.db, run, self.concurrency)  # noqa: E731
        job = self.owned(run)
        if job is not None and job.waits_for_news:
            return  # Only `accepted` and `send_again` let it go on.
        if job is not None and job.missed:
            if self.try_move(run, EventType.FAILED, write):
                job.ended(EventType.FAILED)
        elif job is not None and not self.has_room(job.user):
            assert write() is None
        elif self.try_move(run, EventType.STARTED, write) and job is not None:
            job.moved(EventType.STARTED)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def hand_back(self, data: st.DataObject) -> None:
        run = self.pick(data)
        job = self.owned(run)
        held = job is not None and job.leased
        assert claims.hand_back(self.db, run) is held
        if job is not None and held:
            job.attempt -= job.state is State.QUEUED
            job.freed()

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), lives=st.booleans())
    def renew_or_let_expire(self, data: st.DataObject, lives: bool) -> None:
        run = self.pick(data)
        job = self.owned(run)
        progress = Progress(stage=Stage.GENERATING, percent=50, message="half")
        lease_ms = LIVE_MS if lives else EXPIRED_MS
        held = job is not None and job.leased
        assert claims.renew(self.db, run, lease_ms, progress) is held
        if job is not None and held:
            job.leased, job.live = True, lives

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), what=st.sampled_from(["start", "end"]))
    def let_time_pass(self, data: st.DataObject, what: str) -> None:
        job = self.pick_job(data)
        self.db.write(lambda session: session.run(LATE[what], job_id=job.job_id))
        setattr(job, f"late_to_{what}", True)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def fail_overdue(self, data: st.DataObject) -> None:
        job = self.pick_job(data)
        found = job.missed and not job.state.terminal
        assert ((job.user.user_id, job.job_id) in claims.overdue(self.db)) is found
        told = transitions.fail_overdue(self.db, job.user.user_id, job.job_id)
        assert (told is not None) is found
        if found:
            job.ended(EventType.FAILED)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), only_if_free=st.booleans())
    def cancel(self, data: st.DataObject, only_if_free: bool) -> None:
        job = self.pick_job(data)

        def cancel() -> transitions.Cancelled:
            return transitions.cancel(self.db, job.user.user_id, job.job_id, "enough", only_if_free)

        if job.state.terminal or job.cancel_asked:
            after, told = cancel()
            assert told is None
        elif only_if_free and job.at_risk:
            with pytest.raises(JobStateInvalid):
                cancel()
            return
        else:
            after, _ = cancel()
            job.cancel_asked = True
            if job.state is State.RUNNING:
                job.moved(EventType.UPDATED)
            else:
                job.ended(EventType.CANCELLED)
        assert (after.state, after.revision) == (job.state, job.revision)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), last=st.booleans())
    def make_output(self, data: st.DataObject, last: bool) -> None:
        run = self.pick(data)
        item = new_media(run.user_id, job_id=run.job_id, output_index=self.jobs[run.job_id].outputs)
        finish: Any = transitions.succeed if last else transitions.add_output
        type = EventType.SUCCEEDED if last else EventType.UPDATED
        if (job := self.try_move(run, type, lambda: finish(self.db, run, item))) is not None:
            job.outputs += 1
            if last:
                job.ended(type, CostState.CHARGED)
            else:
                job.moved(type)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), cancelled=st.booleans())
    def end_without_result(self, data: st.DataObject, cancelled: bool) -> None:
        run = self.pick(data)
        if cancelled:
            type, end = EventType.CANCELLED, lambda: transitions.end_cancelled(self.db, run)
        else:
            type, end = EventType.FAILED, lambda: transitions.fail(self.db, run, FAILURE)
        if (job := self.try_move(run, type, end)) is not None:
            job.ended(type)
