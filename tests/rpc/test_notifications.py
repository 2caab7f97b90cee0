"""NotificationService, and what watches bring of it beside jobs."""

import time
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode as Code

from core.errors import Reason
from core.ids import new_id
from core.jobs import JobFailure
from core.store import transitions
from core.store.engine.sql import Statement
from rushes.v1 import media_service_pb2 as media_pb
from rushes.v1 import notification_pb2
from rushes.v1 import notification_service_pb2 as pb
from tests.house import Caller, House
from tests.making import new_media, started
from tests.rpc.requests import image, store_picture, video
from tests.rpc.watching import Watch
from tests.services import wait_for

Notification = notification_pb2.Notification
Told = notification_pb2.NotificationEvent
NOTIFICATIONS = media_pb.WatchJobsRequest.NOTIFICATIONS
OVER = Statement("UPDATE announcement SET expire_time = 1 WHERE announcement_id = :announcement_id")
AWAY = Statement("UPDATE user_stream SET watched_time = {now} - 3600000")
IS_BACK = Statement("SELECT user_id FROM user_stream WHERE watched_time > {now} - 60000")
SERVICE = "jobs.read notifications.read notifications.write"


def service(house: House, scope: str = SERVICE) -> Caller:
    """A service that may notify any user."""
    return house.caller_with(f"Bearer {house.token('billing', scope=scope)}")


def operator(house: House) -> Caller:
    return house.caller_with(f"Bearer {house.token('operator', scope='admin')}")


def notify(house: House, user_id: str = "alice", **fields: Any) -> Any:
    values = {"user_id": user_id, "title": "Your invoice is ready", **fields}
    return service(house).call("CreateNotification", pb.CreateNotificationRequest(**values))


def listed(house: House, user_id: str = "alice", **fields: Any) -> Any:
    return house.caller(user_id).call("ListNotifications", pb.ListNotificationsRequest(**fields))


def read(house: House, **fields: Any) -> Any:
    request = pb.MarkNotificationsReadRequest(**fields)
    return house.caller("alice").call("MarkNotificationsRead", request)


def finished(house: House) -> str:
    """The id of a job that has succeeded."""
    job_id = house.caller("alice").call("GenerateVideo", video()).job.job_id
    transitions.succeed(house.db, started(house.db).run, new_media(job_id=job_id))
    return str(job_id)


def told(watch: Watch) -> list[tuple[str, str, int]]:
    """What a watch was told of notifications: the type, the kind, how many are unread then."""
    return [
        (Told.Type.Name(one.type), Notification.Kind.Name(one.notification.kind), one.unread_count)
        for event in watch.events
        for one in event.notifications
    ]


def test_a_watch_brings_a_job_and_its_notification_in_one_event(house: House) -> None:
    # Given a watch that includes notifications, and one that does not
    watch, plain = Watch(house, include=[NOTIFICATIONS]), Watch(house)
    watch.until("synced")
    plain.until("synced")

    # When a job succeeds
    finished(house)

    # Then one watch sees both parts at each revision, and the other the jobs alone
    for one in (watch, plain):
        wait_for(lambda one=one: len([e for e in one.events if e.revision]) == 3, "three changes")
    changes = [event for event in watch.events if event.revision]
    assert [event.revision for event in changes] == [1, 2, 3]
    assert [event.WhichOneof("event") for event in changes] == ["job"] * 3
    assert told(watch) == [("CREATED", "JOB_STARTED", 1), ("UPDATED", "JOB_SUCCEEDED", 1)]
    assert told(plain) == []
    [_, done] = [one.notification for event in changes for one in event.notifications]
    assert done.action.label == "View result"
    assert (done.action.job_id, done.job_id) == (changes[0].job.job.job_id,) * 2
    assert (done.severity, done.HasField("read_time")) == (Notification.SUCCESS, False)
    watch.close()
    plain.close()


def test_a_change_of_notifications_alone_is_a_gap_to_who_does_not_include_them(
    house: House,
) -> None:
    # Given both kinds of watches
    watch, plain = Watch(house, include=[NOTIFICATIONS]), Watch(house)
    watch.until("synced")
    plain.until("synced")

    # When a message comes and is read, and then a job comes
    made = notify(house).notification
    assert read(house, notification_ids=[made.notification_id]).unread_count == 0
    house.caller("alice").call("GenerateImage", image())

    # Then one watch sees all of it, and the other a job with a gap before it
    wait_for(lambda: any(event.revision == 3 for event in plain.events), "the job")
    wait_for(lambda: any(event.revision == 3 for event in watch.events), "the job")
    assert [event.revision for event in plain.events if event.revision] == [3]
    assert [event.revision for event in watch.events if event.revision] == [1, 2, 3]
    assert told(watch) == [("CREATED", "MESSAGE", 1), ("READ", "KIND_UNSPECIFIED", 0)]
    assert watch.events[-2].WhichOneof("event") is None
    watch.close()
    plain.close()


def test_the_filters_of_a_watch_narrow_jobs_and_no_notifications(house: House) -> None:
    watch = Watch(house, labels=["team=none"], include=[NOTIFICATIONS])
    watch.until("synced")

    finished(house)

    wait_for(lambda: len(told(watch)) == 2, "two changes of the notification")
    changes = [event for event in watch.events if event.revision]
    assert [event.revision for event in changes] == [2, 3]
    assert [event.WhichOneof("event") for event in changes] == [None, None]
    watch.close()


def test_a_snapshot_has_the_unread_ones_and_a_resume_what_came_after(house: House) -> None:
    # Given one that is unread and one that is read
    first, second = (notify(house, title=title).notification for title in ("One", "Two"))
    read(house, notification_ids=[first.notification_id])

    # When a watch begins, and another one goes on from its token after a third message
    watch = Watch(house, include=[NOTIFICATIONS])
    watch.until("synced")
    assert told(watch) == [("CURRENT", "MESSAGE", 1)]
    [shown] = [one.notification for event in watch.events for one in event.notifications]
    assert shown.notification_id == second.notification_id
    watch.close()
    notify(house, title="Three")
    again = Watch(house, include=[NOTIFICATIONS], resume_token=watch.responses[-1].resume_token)

    # Then it sees the third one once
    again.until("synced")
    assert told(again) == [("CREATED", "MESSAGE", 2)]
    again.close()


def test_a_list_s_token_is_where_a_watch_goes_on(house: House) -> None:
    notify(house, title="One")
    page = listed(house)
    notify(house, title="Two")

    watch = Watch(house, include=[NOTIFICATIONS], resume_token=page.resume_token)
    watch.until("synced")

    assert told(watch) == [("CREATED", "MESSAGE", 2)]
    watch.close()


@pytest.mark.parametrize(("scope", "lacks"), [("jobs.read", "notifications.read")])
def test_what_is_included_needs_its_scope(house: House, scope: str, lacks: str) -> None:
    caller = house.caller_with(f"Bearer {house.token('alice', scope=scope)}")
    refusal = caller.refused("WatchJobs", media_pb.WatchJobsRequest(include=[NOTIFICATIONS]))
    assert (refusal.code, refusal.metadata) == (Code.PERMISSION_DENIED, {"scope": lacks})


def test_a_list_comes_in_pages_newest_first(house: House) -> None:
    for number in range(5):
        notify(house, title=f"{number}")
    read(house, notification_ids=[listed(house).notifications[0].notification_id])

    first = listed(house, page_size=2)
    second = listed(house, page_size=2, page_token=first.next_page_token)
    unread = listed(house, unread=True)

    assert [one.title for one in first.notifications] == ["4", "3"]
    assert [one.title for one in second.notifications] == ["2", "1"]
    assert (first.unread_count, second.unread_count) == (4, 4)
    assert first.resume_token
    assert not second.resume_token
    assert [one.title for one in unread.notifications] == ["3", "2", "1", "0"]
    assert listed(house, kinds=[Notification.JOB_FAILED]).notifications == []
    caller = house.caller("alice")
    other = pb.ListNotificationsRequest(unread=True, page_token=first.next_page_token)
    assert caller.refused("ListNotifications", other).reason == "PAGE_TOKEN_INVALID"


def test_all_that_were_made_up_to_a_time_are_read_or_deleted(house: House) -> None:
    notify(house)
    last = notify(house).notification.create_time

    assert read(house, until_time=last).unread_count == 0
    request = pb.DeleteNotificationsRequest(until_time=last)
    assert house.caller("alice").call("DeleteNotifications", request).unread_count == 0

    assert listed(house).notifications == []


def test_a_message_has_its_sender_and_a_button(house: House) -> None:
    media_id = store_picture(house.caller("alice"))
    made = notify(
        house,
        text="See the result.",
        severity=Notification.WARNING,
        action={"label": "Open", "media_id": media_id},
    )

    [one] = listed(house).notifications
    assert one == made.notification
    assert (one.kind, one.sender, one.severity) == (
        Notification.MESSAGE,
        "billing",
        Notification.WARNING,
    )
    assert (one.action.label, one.action.media_id) == ("Open", media_id)
    assert not made.deduplicated


def test_a_request_id_makes_one_message(house: House) -> None:
    first, again = (notify(house, request_id="invoice-7") for _ in range(2))

    assert again.deduplicated
    assert again.notification == first.notification
    refusal = service(house).refused(
        "CreateNotification",
        pb.CreateNotificationRequest(user_id="bob", title="Hello", request_id="invoice-7"),
    )
    assert refusal.reason == "REQUEST_ID_CONFLICT"
    assert refusal.metadata == {"notification_id": first.notification.notification_id}
    assert listed(house, "bob").notifications == []


BAD_MESSAGES: dict[str, tuple[dict[str, Any], str]] = {
    "no user": ({"user_id": ""}, "user_id"),
    "no title": ({"title": " "}, "title"),
    "a long title": ({"title": "x" * 121}, "title"),
    "a title of two lines": ({"title": "a\nb"}, "title"),
    "a long text": ({"text": "x" * 1001}, "text"),
    "a severity that there is not": ({"severity": 77}, "severity"),
    "a button without a label": ({"action": {"uri": "https://a.example/"}}, "action.label"),
    "a button without a target": ({"action": {"label": "Open"}}, "action"),
    "a script": ({"action": {"label": "Open", "uri": "javascript:alert(1)"}}, "action.uri"),
    "a file": ({"action": {"label": "Open", "uri": "file:///etc/passwd"}}, "action.uri"),
    "a uri with a space": ({"action": {"label": "x", "uri": "https://a b/"}}, "action.uri"),
    "a long uri": ({"action": {"label": "x", "uri": "https://a/" + "x" * 2000}}, "action.uri"),
    "a request_id": ({"request_id": "no spaces"}, "request_id"),
}


@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_a_bad_message_is_refused_by_its_field(house: House, name: str) -> None:
    fields, field = BAD_MESSAGES[name]
    before = house.count_rows()
    request = pb.CreateNotificationRequest(**{"user_id": "alice", "title": "Hello", **fields})

    refusal = service(house).refused("CreateNotification", request)

    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", (field,))
    assert house.count_rows() == before


def test_the_target_of_a_button_must_be_the_user_s(house: House) -> None:
    theirs = store_picture(house.caller("bob"))
    for media_id in (theirs, new_id()):
        request = pb.CreateNotificationRequest(
            user_id="alice", title="Hello", action={"label": "Open", "media_id": media_id}
        )
        refusal = service(house).refused("CreateNotification", request)
        assert (refusal.reason, refusal.fields) == ("RESOURCE_NOT_FOUND", ("action.media_id",))


def test_a_button_opens_a_batch_of_the_user_and_no_other(house: House) -> None:
    # Given a batch of alice and one of bob
    request = media_pb.BatchGenerateRequest(requests=[{"image": {"prompt": "a boat"}}])
    hers, his = (
        house.caller(user_id).call("BatchGenerate", request).batch_id
        for user_id in ("alice", "bob")
    )

    # When a service offers alice a button for each, then only her own is taken
    made = notify(house, action={"label": "View batch", "batch_id": hers})
    assert made.notification.action.batch_id == hers
    for batch_id in (his, new_id()):
        bad = pb.CreateNotificationRequest(
            user_id="alice", title="Hello", action={"label": "View", "batch_id": batch_id}
        )
        refusal = service(house).refused("CreateNotification", bad)
        assert (refusal.reason, refusal.fields) == ("RESOURCE_NOT_FOUND", ("action.batch_id",))


def test_settings_change_by_the_mask_and_are_refused_by_their_field(house: House) -> None:
    caller = house.caller("alice")

    def update(paths: list[str], **settings: Any) -> pb.UpdateNotificationSettingsRequest:
        return pb.UpdateNotificationSettingsRequest(settings=settings, update_mask={"paths": paths})

    first = caller.call("GetNotificationSettings", pb.GetNotificationSettingsRequest()).settings
    assert len(first.kinds) == len(Notification.Kind.items()) - 1
    assert list(first.budget_alert_percents) == [50, 80, 100]
    assert not first.digest_after.seconds

    hour = Duration(seconds=3600)
    changed = caller.call(
        "UpdateNotificationSettings", update(["digest_after"], digest_after=hour)
    ).settings
    assert changed.digest_after == hour
    assert changed.kinds == first.kinds
    emptied = caller.call("UpdateNotificationSettings", update(["kinds"])).settings
    assert list(emptied.kinds) == []
    by_what_is_set = caller.call(
        "UpdateNotificationSettings", update([], budget_alert_percents=[90, 10])
    ).settings
    assert list(by_what_is_set.budget_alert_percents) == [10, 90]
    assert by_what_is_set.digest_after == hour

    bad = {
        "settings.digest_after": update([], digest_after=Duration(seconds=59)),
        "settings.kinds[0]": update([], kinds=[0]),
        "update_mask": update(["colour"]),
        "settings": update([]),
    }
    for field, request in bad.items():
        assert caller.refused("UpdateNotificationSettings", request).fields == (field,)
    for percents in ([0], [101], [1, 2, 3, 4, 5, 6]):
        request = update([], budget_alert_percents=percents)
        refusal = caller.refused("UpdateNotificationSettings", request)
        assert refusal.fields == ("settings.budget_alert_percents",)
    month = update([], digest_after=Duration(seconds=30 * 24 * 3600))
    assert caller.call("UpdateNotificationSettings", month).settings.digest_after.seconds
    longer = update([], digest_after=Duration(seconds=30 * 24 * 3600 + 1))
    refusal = caller.refused("UpdateNotificationSettings", longer)
    assert refusal.fields == ("settings.digest_after",)


def test_what_the_user_does_not_want_is_not_made(house: House) -> None:
    request = pb.UpdateNotificationSettingsRequest(settings={"kinds": [Notification.JOB_FAILED]})
    house.caller("alice").call("UpdateNotificationSettings", request)

    finished(house)
    house.caller("alice").call("GenerateVideo", video())
    failure = JobFailure(reason=Reason.CONTENT_FILTERED, message="The provider refused it.")
    transitions.fail(house.db, started(house.db).run, failure)

    [one] = listed(house).notifications
    assert (one.kind, one.text) == (Notification.JOB_FAILED, "The provider refused it.")


def announce(house: House, **fields: Any) -> Any:
    request = pb.CreateAnnouncementRequest(**{"title": "We move on Sunday", **fields})
    return operator(house).call("CreateAnnouncement", request).announcement


def announced(watch: Watch) -> list[str]:
    return [
        notification_pb2.AnnouncementEvent.Type.Name(event.announcement.type)
        for event in watch.events
        if event.HasField("announcement")
    ]


def test_a_watch_of_any_length_ends_an_absence(house: House) -> None:
    # Given a user who wants a digest and was away for long
    wanted = pb.UpdateNotificationSettingsRequest(settings={"digest_after": {"seconds": 60}})
    house.caller("alice").call("UpdateNotificationSettings", wanted)
    house.db.write(lambda session: session.run(AWAY))
    house.caller("alice").call("GenerateVideo", video())
    started(house.db)
    assert [one.kind for one in listed(house).notifications] == [Notification.DIGEST]

    # When it watches jobs alone, it stays away
    Watch(house).close()

    # And when it watches notifications, if only for a moment
    watch = Watch(house, include=[NOTIFICATIONS])
    watch.until("synced")
    watch.close()
    wait_for(lambda: house.db.row(IS_BACK) == ("alice",), "the watch to be noted")

    # Then what happens next is told by itself
    house.caller("alice").call("GenerateVideo", video())
    started(house.db)
    kinds = [one.kind for one in listed(house).notifications]
    assert kinds == [Notification.JOB_STARTED, Notification.DIGEST]


def test_an_announcement_reaches_open_watches_and_begins_later_ones(house: House) -> None:
    # Given an open watch that includes notifications, and one that does not
    watch, plain = Watch(house, include=[NOTIFICATIONS]), Watch(house)
    watch.until("synced")
    plain.until("synced")

    # When something is announced
    made = announce(house, text="For an hour.", uri="https://status.example/")

    # Then the open watch sees it, without a revision, and a new one begins with it
    wait_for(lambda: announced(watch) == ["CREATED"], "the announcement")
    [event] = [event for event in watch.events if event.HasField("announcement")]
    assert event.announcement.announcement == made
    assert event.revision == 0
    later = Watch(house, include=[NOTIFICATIONS])
    later.until("synced")
    assert announced(later) == ["CURRENT"]

    # And when it is read, each watch of the user hears it, and a new one begins without it
    read(house, announcement_ids=[made.announcement_id])
    for one in (watch, later):
        wait_for(lambda one=one: announced(one)[-1] == "READ", "that it was read")
    again = Watch(house, include=[NOTIFICATIONS])
    again.until("synced")
    assert announced(again) == []
    listing = house.caller("alice").call("ListAnnouncements", pb.ListAnnouncementsRequest())
    assert [one.HasField("read_time") for one in listing.announcements] == [True]

    # And when it is withdrawn, open watches hear it
    request = pb.DeleteAnnouncementRequest(announcement_id=made.announcement_id)
    for _ in range(2):
        operator(house).call("DeleteAnnouncement", request)
    wait_for(lambda: announced(watch)[-1] == "DELETED", "that it is gone")
    assert announced(plain) == []
    for one in (watch, plain, later, again):
        one.close()


def test_an_announcement_ends_by_its_time(house: House) -> None:
    past = Timestamp(seconds=int(time.time()) - 1)
    request = pb.CreateAnnouncementRequest(title="Too late", expire_time=past)
    assert operator(house).refused("CreateAnnouncement", request).fields == ("expire_time",)


def test_announcements_are_listed_newest_first_by_pages_and_without_those_that_are_over(
    house: House,
) -> None:
    # Given four announcements, one of which is over, and one is read
    soon = Timestamp(seconds=int(time.time()) + 3600)
    early = Watch(house, include=[NOTIFICATIONS])
    early.until("synced")
    made = [announce(house, title=f"{number}", expire_time=soon) for number in range(4)]
    wait_for(lambda: announced(early) == ["CREATED"] * 4, "all of them")
    early.close()
    house.db.write(lambda session: session.run(OVER, announcement_id=made[1].announcement_id))
    read(house, announcement_ids=[made[2].announcement_id])

    def titles(**fields: Any) -> list[str]:
        found, token = [], ""
        while True:
            request = pb.ListAnnouncementsRequest(page_size=1, page_token=token, **fields)
            answer = house.caller("alice").call("ListAnnouncements", request)
            found += [one.title for one in answer.announcements]
            token = answer.next_page_token
            if not token:
                return found

    # Then lists have the others, and so has the snapshot of a watch if they are unread
    assert titles() == ["3", "2", "0"]
    assert titles(unread=True) == ["3", "0"]
    watch = Watch(house, include=[NOTIFICATIONS])
    watch.until("synced")
    watch.close()
    shown = [event.announcement.announcement.title for event in watch.events]
    assert [title for title in shown if title] == ["0", "3"]


BAD_ANNOUNCEMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "no title": ({"title": ""}, "title"),
    "a long title": ({"title": "x" * 121}, "title"),
    "a long text": ({"text": "x" * 1001}, "text"),
    "a script": ({"uri": "javascript:alert(1)"}, "uri"),
    "a long uri": ({"uri": "https://a.example/" + "x" * 2000}, "uri"),
    "a severity that there is not": ({"severity": 77}, "severity"),
    "a request_id": ({"request_id": "no spaces"}, "request_id"),
}


@pytest.mark.parametrize("name", BAD_ANNOUNCEMENTS)
def test_a_bad_announcement_is_refused_by_its_field(house: House, name: str) -> None:
    fields, field = BAD_ANNOUNCEMENTS[name]
    before = house.count_rows()
    request = pb.CreateAnnouncementRequest(**{"title": "News", **fields})

    refusal = operator(house).refused("CreateAnnouncement", request)

    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", (field,))
    assert house.count_rows() == before


def test_open_watches_hear_what_is_deleted(house: House) -> None:
    gone, kept = (notify(house).notification.notification_id for _ in range(2))
    watch = Watch(house, include=[NOTIFICATIONS])
    watch.until("synced")

    request = pb.DeleteNotificationsRequest(notification_ids=[gone, new_id()])
    assert house.caller("alice").call("DeleteNotifications", request).unread_count == 1

    wait_for(lambda: told(watch)[-1][0] == "DELETED", "the deletion")
    [change] = watch.events[-1].notifications
    assert (list(change.notification_ids), change.unread_count) == ([gone], 1)
    assert [one.notification_id for one in listed(house).notifications] == [kept]
    watch.close()


def test_a_request_id_makes_one_announcement(house: House) -> None:
    first, again = (announce(house, request_id="move") for _ in range(2))
    assert first == again

    # Another one by it is refused, and names the announcement
    other = pb.CreateAnnouncementRequest(title="Another", request_id="move")
    refusal = operator(house).refused("CreateAnnouncement", other)
    assert refusal.reason == "REQUEST_ID_CONFLICT"
    assert refusal.metadata == {"announcement_id": first.announcement_id}


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("MarkNotificationsRead", pb.MarkNotificationsReadRequest(), "notification_ids"),
        ("DeleteNotifications", pb.DeleteNotificationsRequest(), "notification_ids"),
        (
            "DeleteNotifications",
            pb.DeleteNotificationsRequest(
                notification_ids=[new_id()], until_time=Timestamp(seconds=5)
            ),
            "until_time",
        ),
        (
            "MarkNotificationsRead",
            pb.MarkNotificationsReadRequest(announcement_ids=[new_id() for _ in range(101)]),
            "announcement_ids",
        ),
        *(
            (method, request(notification_ids=[new_id() for _ in range(1001)]), "notification_ids")
            for method, request in (
                ("MarkNotificationsRead", pb.MarkNotificationsReadRequest),
                ("DeleteNotifications", pb.DeleteNotificationsRequest),
            )
        ),
        ("ListNotifications", pb.ListNotificationsRequest(kinds=[0]), "kinds[0]"),
        ("ListNotifications", pb.ListNotificationsRequest(page_size=-1), "page_size"),
    ],
)
def test_a_bad_request_is_refused_by_its_field(
    house: House, method: str, request_: Any, field: str
) -> None:
    refusal = house.caller("alice").refused(method, request_)
    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", (field,))
