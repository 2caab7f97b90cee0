"""How a watch ends, and what it leaves behind."""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from core.errors import (
    CredentialsExpired,
    RequestError,
    ServerDraining,
    TooManyWatches,
    WatcherTooSlow,
)
from core.events import event_to_json
from core.store import Database, replay, transitions
from core.store.replay import Replay, Return
from rushes.v1 import error_reason_pb2
from tests.services import Valkey, wait_for_async
from tests.unit.server.watch.place import DEADLINE_SECONDS, Place

pytestmark = pytest.mark.asyncio


async def test_until_done_ends_when_nothing_is_unfinished(place: Place) -> None:
    event = place.accept()
    seen, task = place.watch(until_done=True)
    await seen.until(lambda: "synced" in seen.kinds())
    _, ended = transitions.cancel(place.db, "alice", event.job.job_id, "")
    assert ended is not None
    place.teller.tell(ended)

    await asyncio.wait_for(task, DEADLINE_SECONDS)
    assert seen.kinds() == ["job", "synced", "job", "end"]
    assert seen.events[-1].end.reason == 0


async def test_until_done_with_a_token_knows_what_ended_meanwhile(place: Place) -> None:
    event = place.accept()
    token = await place.token()
    transitions.cancel(place.db, "alice", event.job.job_id, "")
    seen, task = place.watch(until_done=True, resume_token=token)
    await asyncio.wait_for(task, DEADLINE_SECONDS)
    assert seen.kinds() == ["job", "synced", "end"]


async def test_a_job_that_ends_while_a_watch_begins_is_not_lost(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a job that ends between the reads with which a watch begins
    event = place.accept()
    token = await place.token()
    read = replay.replays

    def read_late(db: Database, returns: Sequence[Return], limit: int) -> list[Replay]:
        found = read(db, returns, limit)
        transitions.cancel(db, "alice", event.job.job_id, "")
        return found

    monkeypatch.setattr("server.watch.returns.replay.replays", read_late)

    # When it is watched until it is done, then its end is seen
    seen, task = place.watch(until_done=True, resume_token=token)
    await asyncio.wait_for(task, DEADLINE_SECONDS)
    assert seen.revisions() == [2]
    assert seen.kinds()[-1] == "end"


async def test_silence_is_broken_by_checkpoints(place: Place) -> None:
    seen = await place.synced(checkpoint_ms=50)
    await seen.until(lambda: len(seen.responses) >= 3)
    assert not seen.responses[-1].events
    assert seen.responses[-1].resume_token


async def test_a_drain_ends_every_watch_with_a_reason_and_a_token(place: Place) -> None:
    seen, task = place.watch()
    await seen.until(lambda: "synced" in seen.kinds())
    place.hub.drain()
    with pytest.raises(ServerDraining):
        await asyncio.wait_for(task, DEADLINE_SECONDS)
    assert seen.events[-1].end.reason == error_reason_pb2.SERVER_DRAINING
    assert seen.token
    _, late = place.watch()
    with pytest.raises(ServerDraining):
        await late


async def test_a_watch_ends_with_its_token(place: Place) -> None:
    soon = int(time.time() * 1000) + 200
    seen, task = place.watch(expire_time=soon)
    with pytest.raises(CredentialsExpired):
        await asyncio.wait_for(task, DEADLINE_SECONDS)
    assert seen.events[-1].end.reason == error_reason_pb2.CREDENTIALS_EXPIRED


async def test_a_stuck_watcher_is_ended_and_loses_nothing(place: Place) -> None:
    seen, task = place.watch(stuck_seconds=0.2)
    await seen.until(lambda: "synced" in seen.kinds())
    fast = await place.synced()
    seen.hold.clear()
    place.accept()
    with pytest.raises(WatcherTooSlow):
        await asyncio.wait_for(task, DEADLINE_SECONDS)
    await fast.until(lambda: fast.revisions() == [1])
    again = await place.synced(resume_token=seen.token)
    assert again.revisions() == [1]


async def test_a_slow_watcher_gets_what_it_missed_in_one_response(place: Place) -> None:
    seen = await place.synced()
    seen.hold.clear()
    for _ in range(20):
        place.accept()
    fast = await place.synced()
    assert len(fast.events) == 21
    seen.hold.set()
    await seen.until(lambda: len(seen.revisions()) == 20)
    assert seen.revisions() == list(range(1, 21))
    assert len(seen.responses) <= 4


async def test_a_user_has_a_limited_number_of_watches(tmp_path: Any, valkey: Valkey) -> None:
    from core.process.settings import read_settings

    place = Place(read_settings(data_dir=tmp_path, redis_url=valkey.url, max_watches=2))
    await place.start()
    try:
        await place.synced()
        _, second = place.watch()
        _, third = place.watch()
        done, _ = await asyncio.wait(
            {second, third}, timeout=DEADLINE_SECONDS, return_when="FIRST_COMPLETED"
        )
        [refused] = done
        assert isinstance(refused.exception(), TooManyWatches)
        assert isinstance(refused.exception(), RequestError)
    finally:
        await place.close()


async def test_a_hub_that_breaks_says_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    await place.synced()
    monkeypatch.setattr("server.watch.reader.events.revisions", bug)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await place.background.broken.wait()


async def test_what_left_leaves_nothing_behind(place: Place) -> None:
    before = len(asyncio.all_tasks())
    for _ in range(20):
        seen, task = place.watch()
        await seen.until(lambda seen=seen: "synced" in seen.kinds())
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    place.tasks.clear()
    assert place.hub.watch_count == 0
    assert len(asyncio.all_tasks()) <= before + 1
    assert json.dumps(event_to_json(place.accept()))


async def test_a_shard_that_nobody_watches_any_more_is_not_read(place: Place) -> None:
    before = len(place.redis.client_list())
    _, task = place.watch()
    await wait_for_async(lambda: len(place.redis.client_list()) > before)

    task.cancel()

    await wait_for_async(lambda: len(place.redis.client_list()) == before)
    # Who watches then hears again, also what the database need not tell.
    seen = await place.synced()
    place.tick(place.accept(), 7)
    await seen.until(lambda: "progress" in seen.kinds())
