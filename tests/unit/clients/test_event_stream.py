"""The synchronous watch: its connections, its watchdog, its end."""

import threading
from collections.abc import Callable

import grpc
import pytest

from rushes import Client, errors, watch_protocol
from rushes._sync.seam import Watchdog
from rushes.v1 import media_service_pb2 as pb
from tests.unit.clients.making import a_job, change, current, progress, response, synced
from tests.unit.clients.stand_in import (
    DEADLINE_SECONDS,
    StandIn,
    Watching,
    refuse,
    runs_to,
    stays_open,
)

Code = grpc.StatusCode
Until = Callable[[Callable[[], bool]], None]


def cut_after(*responses: pb.WatchJobsResponse) -> Watching:
    def watching(request, context):  # type: ignore[no-untyped-def]
        yield from responses
        refuse(context, Code.UNAVAILABLE, "SERVER_DRAINING")

    return watching


def revisions(events: object) -> list[int]:
    return [event.revision for event in events if event.revision]  # type: ignore[attr-defined]


def test_it_goes_on_where_it_was_cut(server: StandIn) -> None:
    first = response(current(a_job()), synced(), token="t1")
    second = response(change(a_job("RUNNING", revision=2)), token="t2")
    third = response(change(a_job("RUNNING", revision=2)), change(a_job("SUCCEEDED", revision=3)))
    server.watches = [
        cut_after(first, second),
        lambda request, context: iter([third]),
    ]
    told: list[float] = []
    with (
        Client(server.address) as client,
        client.watch(until_done=True, on_retry=lambda error, delay: told.append(delay)) as events,
    ):
        assert revisions(events) == [2, 3]
    assert [request.resume_token for request in server.sent(pb.WatchJobsRequest)] == ["", "t2"]
    assert len(told) == 1


def test_the_token_counts_what_was_dealt_with(server: StandIn) -> None:
    server.watches = [stays_open(response(progress(1), progress(2), token="t1"))]
    with Client(server.address) as client, client.watch(resume_token="t0") as events:
        next(events)
        assert events.resume_token == "t0"
        next(events)
        assert events.resume_token == "t0"
        with (
            pytest.raises(errors.DeadlineExceeded),
            client.watch(resume_token="t0", timeout=0.2) as limited,
        ):
            for _ in limited:
                pass
        assert limited.resume_token == "t1"


def test_leaving_the_block_cancels_the_call(server: StandIn) -> None:
    server.watches = [stays_open(response(synced()))]
    with Client(server.address) as client, client.watch() as events:
        next(events)
    assert server.watch_over.wait(DEADLINE_SECONDS)
    assert list(events) == []


def test_closing_the_client_ends_a_watch_in_another_thread(server: StandIn) -> None:
    server.watches = [stays_open(response(synced()))]
    client, seen = Client(server.address), threading.Event()
    got: list[object] = []

    def follow() -> None:
        for event in client.watch():
            got.append(event)
            seen.set()

    thread = threading.Thread(target=follow)
    thread.start()
    assert seen.wait(DEADLINE_SECONDS)
    client.close()
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive()
    assert got == [synced()]


def test_a_watch_that_is_forgotten_leaves_no_call_and_no_thread(
    server: StandIn, until: Until
) -> None:
    server.watches = [stays_open(response(synced()))]
    with Client(server.address) as client:
        for _ in client.watch():
            break
        assert server.watch_over.wait(DEADLINE_SECONDS)
        until(lambda: not [t for t in threading.enumerate() if t.name == "rushes-watchdog"])


def test_a_silent_stream_is_opened_anew(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_protocol, "CHECKPOINT_BOUNDS", (0.05, 60.0))
    server.watches = [stays_open(response(synced(), token="t1")), runs_to(a_job("SUCCEEDED"))]
    causes: list[errors.RushesError] = []
    with (
        Client(server.address) as client,
        client.watch(
            until_done=True,
            checkpoint_interval=0.05,
            on_retry=lambda error, delay: causes.append(error),
        ) as events,
    ):
        assert revisions(events) == [2, 3]
    assert "silent" in causes[0].message
    assert server.sent(pb.WatchJobsRequest)[1].resume_token == "t1"


def test_a_refusal_is_raised_once(server: StandIn) -> None:
    server.watches = [lambda _, context: refuse(context, Code.NOT_FOUND, "RESOURCE_NOT_FOUND")]
    with Client(server.address) as client, client.watch(job_ids=["x"]) as events:
        with pytest.raises(errors.NotFound):
            next(events)
        assert list(events) == []


def test_a_token_that_expires_is_fetched_again(server: StandIn) -> None:
    def expire(request, context):  # type: ignore[no-untyped-def]
        yield response(synced(), token="t1")
        refuse(context, Code.UNAUTHENTICATED, "CREDENTIALS_EXPIRED")

    server.watches = [expire, runs_to(a_job("SUCCEEDED"))]
    tokens = iter(["old", "new"])
    with (
        Client(server.address, lambda: next(tokens)) as client,
        client.watch(until_done=True) as events,
    ):
        assert revisions(events) == [2, 3]
    assert server.tokens == ["old", "new"]


def test_the_watchdog_bites_only_what_takes_too_long() -> None:
    bitten = threading.Event()
    dog = Watchdog(bitten.set)
    for _ in range(3):
        with dog.armed(DEADLINE_SECONDS):
            pass
    assert not dog.bitten
    with dog.armed(0.01):
        assert bitten.wait(DEADLINE_SECONDS)
    dog.end()
    assert dog.bitten


def test_the_watchdog_does_not_count_the_time_between_reads() -> None:
    bitten = threading.Event()
    dog = Watchdog(bitten.set)
    with dog.armed(0.02):
        pass
    assert not bitten.wait(0.1)
    dog.end()
    assert not dog.bitten
