"""The watch without I/O: what is handed on, and when it connects again."""

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes import errors
from rushes.errors import RushesError, error_class
from rushes.requests import watch_request
from rushes.retry import Backoff
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.job_pb2 import Job
from rushes.watch_protocol import Reconnect, Stop, WatchLimits, WatchProtocol, is_done
from tests.unit.clients.making import (
    a_job,
    change,
    current,
    end,
    progress,
    reset,
    response,
    synced,
)

Code = grpc.StatusCode


def a_state(limits: WatchLimits | None = None, *, fresh_token: bool = False) -> WatchProtocol:
    backoff = Backoff(base=1.0, draw=lambda: 1.0)
    wanted = watch_request({"job_ids": ["a"], "resume_token": "t0"})
    return WatchProtocol(wanted, 0.0, limits or WatchLimits(), fresh_token, backoff)


def an_error(code: Code, reason: str = "", retry_delay: float = 0.0) -> RushesError:
    kind = error_class(code, reason)
    return kind(code.name, code=code, reason=reason, retry_delay=retry_delay)


class House:
    """A model of the server: one user's history, which only a restore from a backup shortens."""

    def __init__(self) -> None:
        self.epoch = 0
        self.history: list[str] = []
        self._to_send: list[pb.WatchJobsResponse] = []
        self._next = 0

    def happens(self, job_id: str) -> None:
        self.history.append(job_id)

    def is_restored(self, kept: int) -> None:
        self.epoch += 1
        del self.history[kept:]

    def jobs(self) -> dict[str, int]:
        return {job_id: number for number, job_id in enumerate(self.history, 1)}

    def connect(self, token: str, repeated: int, split: bool) -> None:
        """`repeated`: how many events before the token it sends once more."""
        epoch, _, revision = token.partition(":")
        if epoch == str(self.epoch) and revision != "partial":
            self._to_send = []
            self._next = max(0, int(revision) - repeated)
            return
        head, parts = f"{self.epoch}:{len(self.history)}", f"{self.epoch}:partial"
        snapshot = [current(a_job(job_id=j, revision=r)) for j, r in self.jobs().items()]
        self._to_send = [response(reset(), token=parts)] if token else []
        if split:
            self._to_send += [response(event, token=parts) for event in snapshot]
            snapshot = []
        self._to_send.append(response(*snapshot, synced(), token=head))
        self._next = len(self.history)

    def sends(self, count: int) -> pb.WatchJobsResponse:
        if self._to_send:
            return self._to_send.pop(0)
        start, self._next = self._next, min(self._next + count, len(self.history))
        news = self.history[start : self._next]
        events = [
            change(a_job(job_id=job_id, revision=start + number))
            for number, job_id in enumerate(news, 1)
        ]
        return response(*events, token=f"{self.epoch}:{self._next}")

    def has_sent_all(self) -> bool:
        return not self._to_send and self._next == len(self.history)


class Consumer:
    """What a caller of the client learns, and whether it was told anything twice or too late."""

    def __init__(self) -> None:
        self.jobs: dict[str, int] = {}
        self._last = 0

    def take(self, event: pb.WatchEvent) -> None:
        if event.HasField("reset"):
            self.jobs.clear()
            self._last = 0
        elif event.HasField("synced"):
            self._last = max([self._last, *self.jobs.values()])
        elif event.HasField("job"):
            if event.revision:
                assert event.revision == self._last + 1, "lost, repeated or out of order"
                self._last = event.revision
            self.jobs[event.job.job.job_id] = event.job.job.revision


STEPS = st.one_of(
    st.tuples(st.just("happens"), st.sampled_from("abc")),
    st.tuples(st.just("sends"), st.integers(1, 4)),
    st.tuples(st.just("cut"), st.integers(0, 5)),
    st.tuples(st.just("restored"), st.integers(0, 3)),
)


@given(steps=st.lists(STEPS, max_size=60), split=st.booleans())
def test_cuts_repeats_and_resets_never_lose_or_repeat_a_revision(
    steps: list[tuple[str, object]], split: bool
) -> None:
    house, consumer = House(), Consumer()
    state = WatchProtocol(watch_request({}), 0.0, backoff=Backoff(draw=lambda: 0.0))

    def connect(repeated: int) -> None:
        house.connect(state.request().resume_token, repeated, split)

    def deliver(count: int) -> None:
        for event in state.receive(house.sends(count), 0.0):
            consumer.take(event)

    connect(0)
    for step, value in steps:
        if step == "happens":
            house.happens(str(value))
        elif step == "sends":
            deliver(int(str(value)))
        else:
            if step == "restored":
                house.is_restored(min(int(str(value)), len(house.history)))
            assert isinstance(state.ended(an_error(Code.UNAVAILABLE), 0.0), Reconnect)
            connect(int(str(value)))
    while not house.has_sent_all():
        deliver(3)
    assert consumer.jobs == house.jobs()


def test_each_users_revisions_are_counted_apart() -> None:
    state = a_state()
    ada, bob = a_job(revision=9), Job(job_id="b", user_id="bob", revision=2)
    assert len(state.receive(response(change(ada), change(bob)), 0.0)) == 2
    assert state.receive(response(change(bob)), 0.0) == []


def test_the_token_moves_with_every_response_also_with_a_checkpoint() -> None:
    state = a_state()
    assert state.request().resume_token == "t0"
    assert state.receive(response(token="t1"), 0.0) == []
    assert state.request().resume_token == "t1"
    assert state.request().job_ids == ["a"]
    assert state.wanted.resume_token == "t0"


def test_progress_synced_and_reset_are_handed_on_and_end_is_not() -> None:
    events = (reset(), synced(), progress(5))
    assert a_state().receive(response(*events, end("SERVER_DRAINING")), 0.0) == list(events)


def test_an_event_that_is_newer_than_this_client_is_left_out() -> None:
    assert a_state().receive(response(pb.WatchEvent()), 0.0) == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (Code.UNAVAILABLE, "SERVER_DRAINING"),
        (Code.UNKNOWN, ""),
        (Code.INTERNAL, ""),
        (Code.DEADLINE_EXCEEDED, ""),
        (Code.ABORTED, ""),
        (Code.RESOURCE_EXHAUSTED, "WATCHER_TOO_SLOW"),
        (Code.CANCELLED, ""),
    ],
)
def test_what_may_pass_is_tried_again(code: Code, reason: str) -> None:
    assert isinstance(a_state().ended(an_error(code, reason), 0.0), Reconnect)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (Code.UNAUTHENTICATED, "CREDENTIALS_INVALID"),
        (Code.UNAUTHENTICATED, "CREDENTIALS_EXPIRED"),
        (Code.PERMISSION_DENIED, "SCOPE_MISSING"),
        (Code.INVALID_ARGUMENT, "RESUME_TOKEN_INVALID"),
        (Code.NOT_FOUND, "RESOURCE_NOT_FOUND"),
        (Code.UNIMPLEMENTED, ""),
        (Code.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES"),
    ],
)
def test_what_stays_wrong_ends_the_watch(code: Code, reason: str) -> None:
    error = an_error(code, reason)
    assert a_state().ended(error, 0.0) == Stop(error)


def test_an_expired_token_is_renewed_once_per_success() -> None:
    state, expired = (
        a_state(fresh_token=True),
        an_error(Code.UNAUTHENTICATED, "CREDENTIALS_EXPIRED"),
    )
    assert state.ended(expired, 0.0) == Reconnect(0.0, expired)
    assert state.ended(expired, 0.0) == Stop(expired)
    state.receive(response(token="t1"), 0.0)
    assert state.ended(expired, 0.0) == Reconnect(0.0, expired)


def test_delays_grow_until_a_response_came_and_respect_the_server() -> None:
    state, gone = a_state(), an_error(Code.UNAVAILABLE)
    assert state.ended(gone, 0.0) == Reconnect(1.0, gone)
    assert state.ended(gone, 0.0) == Reconnect(2.0, gone)
    state.receive(response(), 0.0)
    busy = an_error(Code.UNAVAILABLE, retry_delay=5.0)
    assert state.ended(busy, 0.0) == Reconnect(6.0, busy)


def test_a_server_that_was_never_there_is_given_up_sooner_than_one_that_went() -> None:
    limits, gone = WatchLimits(connect=10.0, outage=100.0), an_error(Code.UNAVAILABLE)
    state = a_state(limits)
    assert isinstance(state.ended(gone, 5.0), Reconnect)
    assert state.ended(gone, 9.0) == Stop(gone)
    state.receive(response(), 20.0)
    assert isinstance(state.ended(gone, 90.0), Reconnect)
    assert state.ended(gone, 119.5) == Stop(gone)


def test_without_a_limit_it_never_gives_up() -> None:
    state = a_state()
    state.receive(response(), 0.0)
    assert isinstance(state.ended(an_error(Code.UNAVAILABLE), 1e9), Reconnect)


def test_until_done_ends_with_ok_and_nothing_else_does() -> None:
    state = WatchProtocol(watch_request({"until_done": True}), 0.0)
    assert state.ended(None, 0.0) == Stop()
    cut = a_state().ended(None, 0.0)
    assert isinstance(cut, Reconnect)
    assert isinstance(cut.error, errors.Unavailable)


def test_the_last_event_says_why_where_the_status_was_lost() -> None:
    state = WatchProtocol(watch_request({"until_done": True}), 0.0)
    state.receive(response(end("SERVER_DRAINING"), token="t"), 0.0)
    assert isinstance(state.ended(None, 0.0), Reconnect)
    state.request()
    state.receive(response(end("CREDENTIALS_EXPIRED"), token="t"), 0.0)
    step = state.ended(an_error(Code.UNKNOWN), 0.0)
    assert isinstance(step, Stop)
    assert isinstance(step.error, errors.CredentialsExpired)
    state.request()
    state.receive(response(end()), 0.0)
    assert state.ended(None, 0.0) == Stop()


def test_the_last_event_of_an_earlier_connection_says_nothing_about_this_one() -> None:
    state = WatchProtocol(watch_request({"until_done": True}), 0.0)
    state.receive(response(end("SERVER_DRAINING")), 0.0)
    state.request()
    assert state.ended(None, 0.0) == Stop()


def test_a_reason_of_the_status_counts_more_than_the_last_event() -> None:
    state = a_state()
    state.receive(response(end("SERVER_DRAINING")), 0.0)
    refused = an_error(Code.PERMISSION_DENIED, "SCOPE_MISSING")
    assert state.ended(refused, 0.0) == Stop(refused)


def test_its_own_time_limit_ends_it() -> None:
    state = a_state(WatchLimits(total=10.0))
    assert state.read_timeout(4.0) == 6.0
    step = state.ended(an_error(Code.DEADLINE_EXCEEDED), 10.0)
    assert isinstance(step, Stop)
    assert isinstance(step.error, errors.DeadlineExceeded)


@pytest.mark.parametrize(
    ("asked", "silence"), [(None, 45.0), (0.1, 3.0), (10.0, 30.0), (900, 180.0)]
)
def test_three_missing_checkpoints_are_a_dead_stream(asked: float | None, silence: float) -> None:
    wanted = watch_request({"checkpoint_interval": asked} if asked is not None else {})
    assert WatchProtocol(wanted, 0.0).read_timeout(1e6) == silence


def test_a_job_is_done_by_its_state_or_by_its_end_time() -> None:
    assert is_done(a_job("FAILED"))
    assert not is_done(a_job("RECONCILING"))
    newer = Job(state=99)  # type: ignore[arg-type]
    assert not is_done(newer)
    newer.end_time.seconds = 1
    assert is_done(newer)
