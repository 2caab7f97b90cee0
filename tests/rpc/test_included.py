"""Whatever a watch includes: its RESET, its drain, and a token of a watch that included otherwise.

Announcements come with notifications, and have no revision.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from core.store import retention, transitions
from rushes.v1 import error_reason_pb2, notification_pb2, view_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import House, LoopThread, close_house, open_house
from tests.making import new_media, started
from tests.rpc.requests import video
from tests.rpc.test_notifications import announce, notify
from tests.rpc.test_views import apply, film
from tests.rpc.watching import Watch
from tests.services import Valkey, wait_for

NOTIFICATIONS = pb.WatchJobsRequest.NOTIFICATIONS
VIEWS = pb.WatchJobsRequest.VIEWS
EACH = {
    "jobs alone": (),
    "notifications": (NOTIFICATIONS,),
    "views": (VIEWS,),
    "both": (NOTIFICATIONS, VIEWS),
}
Include = Sequence["pb.WatchJobsRequest.Include.ValueType"]
# The event's job, then notifications and views, by the types of their changes.
Parts = tuple[str, tuple[str, ...], tuple[str, ...]]
# What `change_everything` tells who includes everything.
CHANGES: list[Parts] = [
    ("", ("CREATED",), ()),
    ("", (), ("APPLIED",)),
    ("QUEUED", (), ()),
    ("STARTED", ("CREATED",), ()),
    ("SUCCEEDED", ("UPDATED",), ("APPLIED",)),
]
EVERY_INCLUDE = pytest.mark.parametrize("include", EACH.values(), ids=EACH)


def change_everything(house: House) -> None:
    """Changes notifications, a view, and a job that changes both: five revisions."""
    notify(house)
    apply(house, "desk", film(house))
    job_id = house.caller("alice").call("GenerateVideo", video(apply_to_view="wall")).job.job_id
    transitions.succeed(house.db, started(house.db).run, new_media(job_id=job_id))


def announce_to_all(house: House) -> None:
    """Announces something, and waits until the server tells it to who watches."""
    watch = Watch(house, user_id="carol", include=[NOTIFICATIONS])
    watch.until("synced")
    announce(house)
    wait_for(lambda: any(e.HasField("announcement") for e in watch.events), "the announcement")
    watch.close()


def narrowed(parts: Parts, include: Include) -> Parts:
    job, notifications, views = parts
    return job, notifications if NOTIFICATIONS in include else (), views if VIEWS in include else ()


def expected(include: Include, before: int = 0) -> list[tuple[int, Parts]]:
    """What a watch is told of `change_everything`, by the revisions after `before`."""
    told = [(before + n, narrowed(parts, include)) for n, parts in enumerate(CHANGES, 1)]
    return [(revision, parts) for revision, parts in told if any(parts)]


def parts_of(event: pb.WatchEvent) -> Parts:
    job = pb.JobEvent.Type.Name(event.job.type) if event.HasField("job") else ""
    told = notification_pb2.NotificationEvent.Type
    seen = view_pb2.ViewEvent.Type
    return (
        job,
        tuple(told.Name(one.type) for one in event.notifications),
        tuple(seen.Name(one.type) for one in event.views),
    )


def changes(watch: Watch) -> list[tuple[int, Parts]]:
    return [(event.revision, parts_of(event)) for event in watch.events if event.revision]


def shown(watch: Watch) -> list[str]:
    """What a watch was shown without a revision, in order, each kind once."""
    kinds = []
    for event in watch.events:
        if not event.revision:
            job, notifications, views = parts_of(event)
            named = {"job": job, "notifications": notifications, "views": views}
            kinds += [name for name, types in named.items() if types]
            kinds += ["announcement"] if event.HasField("announcement") else []
            kinds += [name for name in ("reset", "synced") if event.HasField(name)]
    return list(dict.fromkeys(kinds))


def token_of(house: House, include: Include) -> str:
    """Where a watch stands that included this."""
    watch = Watch(house, include=include)
    watch.until("synced")
    watch.close()
    return watch.responses[-1].resume_token


@EVERY_INCLUDE
def test_a_token_from_before_the_log_begins_gets_a_reset_and_a_snapshot_of_all_that_is_included(
    house: House, include: Include
) -> None:
    # Given a watch that left, and changes since that are forgotten by now
    token = token_of(house, include)
    announce_to_all(house)
    change_everything(house)
    house.caller("alice").call("GenerateVideo", video())
    retention.forget(house.db, keep_ms=-60_000)

    # When it comes back
    watch = Watch(house, resume_token=token, include=include)
    watch.until("synced")

    # Then it begins anew, with a snapshot of each part that it includes and of no other
    snapshot = ["reset", "synced", "job"]
    snapshot += ["notifications", "announcement"] if NOTIFICATIONS in include else []
    snapshot += ["views"] if VIEWS in include else []
    assert watch.kinds()[0] == "reset"
    assert watch.kinds()[-1] == "synced"
    assert sorted(shown(watch)) == sorted(snapshot)
    assert changes(watch) == []

    # And what happens from there on comes once
    apply(house, "other", film(house))
    notify(house)
    house.caller("alice").call("GenerateVideo", video())
    wait_for(lambda: (9, ("QUEUED", (), ())) in changes(watch), "the last change")
    later = [(7, ("", (), ("APPLIED",))), (8, ("", ("CREATED",), ())), (9, ("QUEUED", (), ()))]
    told = [(revision, narrowed(parts, include)) for revision, parts in later]
    assert changes(watch) == [(revision, parts) for revision, parts in told if any(parts)]
    watch.close()


@EVERY_INCLUDE
def test_a_drain_ends_a_watch_with_a_token_that_misses_nothing_of_what_is_included(
    house_loop: LoopThread, valkey: Valkey, tmp_path: Path, include: Include
) -> None:
    # Given a watch that has seen a change of everything
    house = open_house(house_loop, tmp_path / "data", valkey.url)
    watch = Watch(house, include=include)
    watch.until("synced")
    change_everything(house)
    wait_for(lambda: changes(watch) == expected(include), "all changes")

    # When the server drains
    house_loop.run(house.app.stop())
    watch.ended()
    house.channel.close()

    # Then the last event says so, and the token goes on after what was told, at the next server
    assert watch.events[-1].end.reason == error_reason_pb2.SERVER_DRAINING
    again = open_house(house_loop, tmp_path / "data", valkey.url)
    try:
        announce_to_all(again)
        change_everything(again)
        token = watch.responses[-1].resume_token
        back = Watch(again, resume_token=token, include=include)
        back.until("synced")
        assert changes(back) == expected(include, before=len(CHANGES))
        announced = ["announcement"] if NOTIFICATIONS in include else []
        assert shown(back) == [*announced, "synced"]
        back.close()
    finally:
        close_house(house_loop, again)


@EVERY_INCLUDE
@pytest.mark.parametrize("before", EACH.values(), ids=[f"after {name}" for name in EACH])
def test_a_token_holds_no_include_and_what_is_new_comes_from_the_token_on(
    house: House, before: Include, include: Include
) -> None:
    # Given a watch that includes something, and leaves after a change of everything
    change_everything(house)
    token = token_of(house, before)

    # When everything changes again, and a watch goes on that includes something else
    change_everything(house)
    watch = Watch(house, resume_token=token, include=include)
    watch.until("synced")

    # Then it is told what it includes, from the token on, and nothing of before
    assert changes(watch) == expected(include, before=len(CHANGES))
    assert shown(watch) == ["synced"]
    watch.close()
