"""Telling never raises, never slows its caller down, and begins again by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from core.errors import DependencyUnavailable, Reason
from core.events import Event, ProgressTick, UserChange
from core.jobs import Cost, CostState, EventType, JobFailure, Progress, Stage, State
from core.process.settings import read_settings
from core.telling.changes import PAUSE_SECONDS, Changes, Teller
from core.telling.stream import RedisStream, connect
from core.telling.wakeups import JobQueue
from tests.counting import growth
from tests.making import job_value

JOB = job_value()
TICK = ProgressTick(
    user_id="alice",
    job_id=JOB.job_id,
    attempt=1,
    progress=Progress(stage=Stage.GENERATING, percent=5),
)


def event(type: EventType = EventType.QUEUED) -> Event:
    return Event(1, type, 1234, JOB)


@dataclass
class Recorder:
    """A stream and a queue that keep what they are told, or fail as they are told to."""

    told: list[str] = field(default_factory=list)
    failure: Exception | None = None

    def publish(self, event: Event, wakes: str = "") -> None:
        self._keep(f"event, wake {wakes}" if wakes else "event")

    def publish_all(self, told: Sequence[tuple[Event, str]]) -> None:
        for event, wakes in told:
            self.publish(event, wakes)

    def publish_change(self, change: UserChange) -> None:
        self._keep(f"change {change.kind}")

    def publish_progress(self, tick: ProgressTick) -> None:
        self._keep("progress")

    def wake(self, queue: str) -> None:
        self._keep(f"wake {queue}")

    def _keep(self, what: str) -> None:
        self.told.append(what)
        if self.failure is not None:
            raise self.failure


@dataclass
class Clock:
    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("core.telling.changes.time", SimpleNamespace(monotonic=made.monotonic))
    return made


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def teller(recorder: Recorder, clock: Clock) -> Teller:
    return Teller(recorder, recorder)  # type: ignore[arg-type]


def test_a_waiting_job_is_told_to_watchers_and_to_workers(
    teller: Teller, recorder: Recorder
) -> None:
    teller.tell(event())
    assert recorder.told == ["event, wake video"]


def test_a_job_in_a_queue_of_its_own_wakes_those_who_serve_it(
    teller: Teller, recorder: Recorder
) -> None:
    queued = event()
    teller.tell(replace(queued, job=replace(queued.job, queue="slow-1")))
    assert recorder.told == ["event, wake slow-1"]


@pytest.mark.parametrize(
    "type", [EventType.STARTED, EventType.SUCCEEDED, EventType.FAILED, EventType.CANCELLED]
)
def test_what_gives_workers_nothing_to_do_is_told_to_watchers_only(
    teller: Teller, recorder: Recorder, type: EventType
) -> None:
    teller.tell(event(type))
    assert recorder.told == ["event"]


def test_progress_and_wake_ups_are_told_alone(teller: Teller, recorder: Recorder) -> None:
    teller.tell_progress(TICK)
    teller.wake("image")
    assert recorder.told == ["progress", "wake image"]


def test_no_failure_reaches_the_caller(teller: Teller, recorder: Recorder) -> None:
    recorder.failure = DependencyUnavailable("event stream")
    teller.tell(event())
    teller.tell_progress(TICK)
    teller.wake("video")


def test_after_a_failure_it_keeps_silent_for_a_moment(
    teller: Teller, recorder: Recorder, clock: Clock
) -> None:
    # Given a failure
    recorder.failure = DependencyUnavailable("event stream")
    teller.tell(event())
    assert recorder.told == ["event, wake video"]

    # Then nothing is tried until the pause is over, and again after it
    recorder.failure = None
    teller.tell(event())
    teller.wake("video")
    assert recorder.told == ["event, wake video"]
    clock.now += PAUSE_SECONDS
    teller.tell(event())
    assert recorder.told == ["event, wake video"] * 2


def test_a_redis_that_is_not_there_is_borne() -> None:
    settings = read_settings(redis_url="unix:///nowhere/valkey.sock")
    with connect(settings) as client:
        teller = Teller(RedisStream(client, settings), JobQueue(client))
        teller.tell(event())
        teller.tell_progress(TICK)
        Teller(RedisStream(client, settings), JobQueue(client)).wake("video")


def test_each_event_is_counted_once_whether_or_not_it_could_be_told(
    teller: Teller, recorder: Recorder
) -> None:
    counted = growth("rushes_job_events_total", type="QUEUED")
    untold = growth("rushes_tell_failures_total", what="event")
    unwoken = growth("rushes_tell_failures_total", what="wake_up")

    recorder.failure = DependencyUnavailable("event stream")
    teller.tell(event())

    assert (counted(), untold(), unwoken()) == (1, 1, 1)


def test_the_end_of_a_job_counts_its_lost_runs_and_why_it_failed(teller: Teller) -> None:
    lost = growth("rushes_leases_expired_total", queue="video")
    failed = growth("rushes_job_failures_total", reason="WORKER_LOST")
    failure = JobFailure(reason=Reason.WORKER_LOST, message="It ended again and again.")
    dead = job_value(state=State.FAILED, attempt=4, failure=failure)

    teller.tell(Event(1, EventType.STARTED, 1234, job_value(state=State.RUNNING, attempt=3)))
    assert (lost(), failed()) == (0, 0)
    teller.tell(Event(2, EventType.FAILED, 1234, dead))
    teller.tell(Event(3, EventType.UPDATED, 1234, dead))

    assert (lost(), failed()) == (3, 1)


@pytest.mark.parametrize(("actual", "counts"), [(None, 0), (100, 0), (101, 1)])
def test_a_charge_above_its_estimate_is_counted_and_logged_once(
    teller: Teller, actual: int | None, counts: int
) -> None:
    above = growth("rushes_charges_above_estimate_total", provider="paid")
    cost = Cost(state=CostState.CHARGED, estimated_micros=100, actual_micros=actual)
    done = job_value(state=State.SUCCEEDED, provider="paid", cost=cost)

    with capture_logs() as logs:
        teller.tell(Event(1, EventType.SUCCEEDED, 1234, done))
        teller.tell(Event(2, EventType.UPDATED, 1234, done))

    assert above() == counts
    assert [entry["event"] for entry in logs] == ["charged_above_estimate"] * counts


@dataclass(frozen=True)
class Result:
    """What a transaction gives back besides its event."""

    event: Event | None


@pytest.fixture
def changes(teller: Teller, recorder: Recorder) -> Changes:
    return Changes(recorder, teller)  # type: ignore[arg-type] # stands in for the database


@pytest.mark.parametrize("made", [event(), Result(event())])
def test_a_change_is_told_after_its_commit(
    changes: Changes, recorder: Recorder, made: Event | Result
) -> None:
    def change(db: object) -> Event | Result:
        assert db is recorder
        recorder.told.append("commit")
        return made

    assert changes.make(change) is made
    assert recorder.told == ["commit", "event, wake video"]


@pytest.mark.parametrize("made", [None, Result(None)])
def test_a_transaction_that_changed_nothing_tells_nothing(
    changes: Changes, recorder: Recorder, made: Result | None
) -> None:
    assert changes.make(lambda _: made) is made
    assert recorder.told == []


def test_a_transaction_that_is_undone_tells_nothing(changes: Changes, recorder: Recorder) -> None:
    def change(_: object) -> Event:
        raise DependencyUnavailable("database")

    with pytest.raises(DependencyUnavailable):
        changes.make(change)
    assert recorder.told == []
