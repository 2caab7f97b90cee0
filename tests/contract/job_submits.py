"""What happens to paid submits, at random; each in the store and in the model."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from core.errors import LeaseLost
from core.jobs import CostState, EventType, Outcome, State, Step
from core.store import claims, submits
from core.store.claims import Run
from tests.contract.job_model import UNSETTLED, ModelJob
from tests.contract.job_runs import FAILURE, JobRuns
from tests.making import MICROS

FREE = st.sampled_from([Outcome.NOT_SENT, Outcome.REJECTED])


class JobSubmits(JobRuns):
    """Jobs that cost money: intents, outcomes, and those who settle them."""

    def sent(self) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job.intents]

    def pick_sent(self, data: st.DataObject) -> ModelJob:
        found = self.sent()
        return found[-1 - data.draw(st.integers(0, min(len(found), 3) - 1))]

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.do_begin(self.pick(data))

    @rule()
    def claim_and_begin(self) -> None:
        before = len(self.runs)
        self.do_claim(lives=True)
        if len(self.runs) > before:
            self.do_begin(self.runs[-1])

    def do_begin(self, run: Run) -> None:
        write = lambda: submits.begin(self.db, run, "worker", self.concurrency)  # noqa: E731
        job = self.lost(run, write)
        if job is None:
            return
        if job.at_risk:
            with pytest.raises(LeaseLost):
                write()
            return
        made = write()
        if job.cancel_asked:
            assert made is None
        elif job.missed:
            assert made is not None
            assert made.number is None
            job.ended(EventType.FAILED)
        elif job.state is State.QUEUED and not self.has_room(job.user):
            assert made is None
        else:
            job.begun()
            assert made is not None
            assert (made.number, made.event.revision) == (len(job.intents), job.revision)

    @precondition(lambda self: self.sent())
    @rule(data=st.data(), number=st.sampled_from([1, 1, 2]), done=st.booleans())
    def learn_of_operation(self, data: st.DataObject, number: int, done: bool) -> None:
        job = self.pick_sent(data)
        told = submits.accepted(self.db, job.job_id, number, "operation", done=done)
        goes_on = job.accepted(number, done)
        assert (told.revision if told else None) == (job.revision if goes_on else None)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), outcome=FREE, ends=st.booleans())
    def refuse(self, data: st.DataObject, outcome: Outcome, ends: bool) -> None:
        run = self.pick(data)
        number = len(self.jobs[run.job_id].intents)
        failure = FAILURE if ends else None
        write = lambda: submits.refused(self.db, run, number, outcome, failure)  # noqa: E731
        job = self.owned(run)
        if job is not None and (job.state is not State.RUNNING or Outcome.OPEN not in job.intents):
            return  # Only the run that wrote the intent says so.
        if (job := self.lost(run, write)) is None:
            return
        told = write()
        if ends:
            job.settle(outcome)
            job.at_risk = False
            job.ended(EventType.FAILED)
        else:
            job.not_sent(outcome)
        assert (told.revision, told.job.state) == (job.revision, job.state)

    @precondition(lambda self: self.sent())
    @rule(data=st.data(), outcome=FREE, number=st.sampled_from([1, 1, 2]))
    def was_free(self, data: st.DataObject, outcome: Outcome, number: int) -> None:
        job = self.pick_sent(data)
        told = submits.was_free(self.db, job.job_id, number, outcome)
        open_one = number <= len(job.intents) and job.intents[number - 1] in UNSETTLED
        if not open_one or (job.state.terminal and job.cost is not CostState.UNCERTAIN):
            assert told is None
            return
        if job.waits_for_news:
            job.sent_again(outcome)
        elif job.state.terminal:
            job.corrected(False, outcome)
        else:
            job.not_sent(outcome)
        assert told is not None
        assert told.revision == job.revision

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), retracts=st.booleans())
    def lose_the_answer(self, data: st.DataObject, retracts: bool) -> None:
        run = self.pick(data)
        write = submits.retract if retracts else submits.unknown
        job = self.lost(run, lambda: write(self.db, run))
        if job is None:
            return
        told = write(self.db, run)
        if job.state is not State.RUNNING or not set(job.intents) & set(UNSETTLED):
            assert told is None
            return
        if retracts:
            job.not_sent(Outcome.NOT_SENT)
        else:
            job.unknown()
        assert told is not None
        assert (told.revision, told.job.state) == (job.revision, job.state)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        run = self.pick(data)
        job = self.lost(run, lambda: submits.send_again(self.db, run))
        if job is None:
            return
        told = submits.send_again(self.db, run)
        assert (told is not None) is job.waits_for_news
        if job.waits_for_news:
            job.sent_again(Outcome.NOT_SENT)

    @precondition(lambda self: self.sent())
    @rule(data=st.data(), number=st.sampled_from([1, 1, 2]))
    def lose(self, data: st.DataObject, number: int) -> None:
        job = self.pick_sent(data)
        told = submits.lose(self.db, job.job_id, number)
        open_one = number <= len(job.intents) and job.intents[number - 1] in UNSETTLED
        if not open_one or job.state.terminal:
            assert told is None
            return
        job.settle(Outcome.UNKNOWN)
        end = EventType.CANCELLED if job.cancel_asked else EventType.FAILED
        job.ended(end, CostState.UNCERTAIN)
        assert told is not None
        assert (told.revision, told.job.state) == (job.revision, job.state)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        run = self.pick(data)
        job = self.owned(run)
        if job is None or not job.waits_for_news:
            with pytest.raises(LeaseLost):
                submits.give_up(self.db, run)
            return
        submits.give_up(self.db, run)
        job.ended(EventType.FAILED, CostState.UNCERTAIN)

    @precondition(lambda self: self.sent())
    @rule(data=st.data(), charged=st.booleans())
    def resolve(self, data: st.DataObject, charged: bool) -> None:
        job = self.pick_sent(data)
        told = submits.resolve(self.db, job.job_id, charged=charged)
        assert (told is not None) is (job.cost is CostState.UNCERTAIN)
        if told is None:
            return
        if not job.waits_for_news:
            job.corrected(charged, Outcome.ACCEPTED if charged else Outcome.REJECTED)
        elif charged:
            job.settle(Outcome.ACCEPTED)
            job.ended(EventType.FAILED, CostState.CHARGED)
        else:
            job.sent_again(Outcome.NOT_SENT)
        assert (told.revision, told.job.state) == (job.revision, job.state)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), charged=st.sampled_from([None, MICROS - 1, MICROS + 1]))
    def fetch_next(self, data: st.DataObject, charged: int | None) -> None:
        run = self.pick(data)
        job = self.owned(run)
        charged = charged if self.jobs[run.job_id].price else None
        runs = job is not None and job.state is State.RUNNING
        assert claims.fetch_next(self.db, run, charged) is runs
        if job is not None and runs:
            job.step, job.actual = Step.FETCH, charged
            job.freed()
