"""Notifications and announcements: the clients, and the command line as a process."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from rushes import AsyncClient, Client, errors
from rushes.v1 import notification_service_pb2 as pb
from rushes.v1 import view_service_pb2 as view_pb
from rushes.v1.media_pb2 import Media
from rushes.v1.notification_pb2 import Announcement, Notification, NotificationSettings
from rushes.v1.view_pb2 import View
from tests.unit.clients.conftest import CommandLine
from tests.unit.clients.making import JOB_ID as FIRST_ID
from tests.unit.clients.making import OTHER_ID
from tests.unit.clients.stand_in import StandIn

MADE = Timestamp(seconds=1_700_000_000)
MADE_AT = datetime.fromtimestamp(1_700_000_000, UTC)


def a_notification(notification_id: str = FIRST_ID, *, read: bool = False) -> Notification:
    return Notification(
        notification_id=notification_id,
        kind=Notification.JOB_SUCCEEDED,
        severity=Notification.SUCCESS,
        title="Your video is ready",
        text="With builtin-video.",
        create_time=MADE,
        read_time=MADE if read else None,
    )


def two_pages(server: StandIn) -> None:
    server.answers["ListNotifications"] = [
        pb.ListNotificationsResponse(
            notifications=[a_notification()], next_page_token="2", unread_count=1
        ),
        pb.ListNotificationsResponse(notifications=[a_notification(OTHER_ID, read=True)]),
    ]


def test_all_pages_are_read_as_they_are_needed(server: StandIn) -> None:
    two_pages(server)
    with Client(server.address, "token") as client:
        found = [one.notification_id for one in client.notifications(kinds=["job_succeeded"])]

    assert found == [FIRST_ID, OTHER_ID]
    first, second = server.sent(pb.ListNotificationsRequest)
    assert list(first.kinds) == [Notification.JOB_SUCCEEDED]
    assert (first.page_token, second.page_token) == ("", "2")


def test_reading_and_deleting_answer_how_many_are_unread(server: StandIn) -> None:
    server.answers["MarkNotificationsRead"] = pb.MarkNotificationsReadResponse(unread_count=3)
    server.answers["DeleteNotifications"] = pb.DeleteNotificationsResponse(unread_count=2)
    with Client(server.address, "token") as client:
        assert client.mark_read([FIRST_ID], announcement_ids=[OTHER_ID]) == 3
        assert client.delete_notifications(until=MADE_AT) == 2

    [read] = server.sent(pb.MarkNotificationsReadRequest)
    assert (list(read.notification_ids), list(read.announcement_ids)) == ([FIRST_ID], [OTHER_ID])
    assert not read.HasField("until_time")
    assert server.sent(pb.DeleteNotificationsRequest)[0].until_time == MADE


def test_only_the_settings_that_are_given_are_changed(server: StandIn) -> None:
    kept = NotificationSettings(budget_alert_percents=[90])
    server.answers["UpdateNotificationSettings"] = pb.UpdateNotificationSettingsResponse(
        settings=kept
    )
    with Client(server.address, "token") as client:
        assert client.update_notification_settings(kinds=[], digest_after=60) == kept
        with pytest.raises(errors.InvalidArgument, match="kinds"):
            client.update_notification_settings(kinds=["nothing"])

    [request] = server.sent(pb.UpdateNotificationSettingsRequest)
    assert list(request.update_mask.paths) == ["kinds", "digest_after"]
    assert request.settings.digest_after.seconds == 60


def test_a_message_has_a_request_id_so_that_it_may_be_repeated(server: StandIn) -> None:
    server.answers["CreateNotification"] = pb.CreateNotificationResponse(
        notification=a_notification()
    )
    server.answers["CreateAnnouncement"] = pb.CreateAnnouncementResponse(
        announcement=Announcement(announcement_id=OTHER_ID)
    )
    server.answers["DeleteAnnouncement"] = pb.DeleteAnnouncementResponse()
    button = {"label": "Open", "uri": "https://example.com"}
    with Client(server.address, "token") as client:
        client.notify("alice", "Hello", severity="warning", action=button)
        client.announce("We move", expire_time=MADE_AT, request_id="move")
        client.delete_announcement(OTHER_ID)

    [message] = server.sent(pb.CreateNotificationRequest)
    assert (message.user_id, message.severity) == ("alice", Notification.WARNING)
    assert (message.action.label, message.action.uri) == ("Open", "https://example.com")
    assert len(message.request_id) == 32
    [announced] = server.sent(pb.CreateAnnouncementRequest)
    assert (announced.expire_time, announced.request_id) == (MADE, "move")
    assert server.sent(pb.DeleteAnnouncementRequest)[0].announcement_id == OTHER_ID


def test_the_same_with_asyncio(server: StandIn) -> None:
    two_pages(server)
    server.answers["GetNotificationSettings"] = pb.GetNotificationSettingsResponse(
        settings=NotificationSettings(budget_alert_percents=[50])
    )
    server.answers["ListAnnouncements"] = pb.ListAnnouncementsResponse(
        announcements=[Announcement(title="News")]
    )

    async def work() -> None:
        async with AsyncClient(server.address, "token") as client:
            assert await client.unread_count() == 1
            assert list((await client.notification_settings()).budget_alert_percents) == [50]
            assert [one.title async for one in client.announcements(unread=True)] == ["News"]

    asyncio.run(work())


def test_the_list_marks_what_is_new(cli: CommandLine, server: StandIn) -> None:
    two_pages(server)
    done = cli("notifications")

    first, second = (line.split("\t") for line in done.out.splitlines())
    assert (first[0], second[0]) == ("*", "")
    assert first[1] == FIRST_ID
    assert first[3:] == ["job succeeded", "Your video is ready (With builtin-video.)"]


def test_the_list_as_json_is_a_notification_a_line(cli: CommandLine, server: StandIn) -> None:
    two_pages(server)
    done = cli("notifications", "--json", "--unread")

    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["notificationId"] for row in rows] == [FIRST_ID, OTHER_ID]
    assert server.sent(pb.ListNotificationsRequest)[0].unread


def test_a_notification_is_read_by_how_its_id_begins(cli: CommandLine, server: StandIn) -> None:
    late = a_notification("0199" + OTHER_ID[4:])
    server.answers["ListNotifications"] = pb.ListNotificationsResponse(
        notifications=[late, a_notification()]
    )
    server.answers["MarkNotificationsRead"] = pb.MarkNotificationsReadResponse(unread_count=1)
    done = cli("read", "0199")

    assert (done.code, done.out) == (0, "1 unread\n")
    [request] = server.sent(pb.MarkNotificationsReadRequest)
    assert list(request.notification_ids) == [late.notification_id]


@pytest.mark.parametrize(("typed", "said"), [("x", "not a valid notification ID"), ("7", "None")])
def test_what_names_no_notification_reads_nothing(
    cli: CommandLine, server: StandIn, typed: str, said: str
) -> None:
    two_pages(server)
    done = cli("read", typed)

    assert (done.code, server.sent(pb.MarkNotificationsReadRequest)) == (2, [])
    assert said in done.err


def test_read_all_reads_what_there_is_now(cli: CommandLine, server: StandIn) -> None:
    two_pages(server)
    server.answers["MarkNotificationsRead"] = pb.MarkNotificationsReadResponse()
    done = cli("read", "--all")

    assert (done.code, done.out) == (0, "0 unread\n")
    assert server.sent(pb.MarkNotificationsReadRequest)[0].until_time == MADE


def test_read_all_of_nothing_asks_for_nothing(cli: CommandLine, server: StandIn) -> None:
    server.answers["ListNotifications"] = pb.ListNotificationsResponse()
    done = cli("read", "--all", "--json")

    assert json.loads(done.out) == {"unreadCount": 0}
    assert server.sent(pb.MarkNotificationsReadRequest) == []


@pytest.mark.parametrize("arguments", [("read",), ("read", "--all", FIRST_ID)])
def test_read_wants_ids_or_all(
    cli: CommandLine, server: StandIn, arguments: tuple[str, ...]
) -> None:
    done = cli(*arguments)
    assert (done.code, server.requests) == (2, [])
    assert "--all" in done.err


@pytest.mark.parametrize("command", [("notifications",), ("views",)])
def test_tables_fit_into_a_hundred_columns(
    cli: CommandLine, server: StandIn, command: tuple[str, ...]
) -> None:
    told = Notification(notification_id=FIRST_ID, kind="JOB_RECONCILING", title="t" * 120)
    told.text = "t" * 1000
    server.answers["ListNotifications"] = pb.ListNotificationsResponse(notifications=[told])
    shown = View(view="v" * 128, media=Media(media_id=FIRST_ID, title="t" * 120), looping=True)
    server.answers["ListViews"] = view_pb.ListViewsResponse(views=[shown])

    printed = cli.on_terminal(*command)

    assert max(map(len, printed.splitlines())) <= 100, printed
    assert "…" not in printed.splitlines()[0]
    assert FIRST_ID in printed
