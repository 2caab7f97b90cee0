"""`rushes watch` as a process."""

import json

import grpc

from rushes.v1 import media_service_pb2 as pb
from rushes.v1.media_pb2 import Media
from rushes.v1.notification_pb2 import Announcement, AnnouncementEvent, Notification
from rushes.v1.view_pb2 import View
from tests.unit.clients.conftest import CommandLine
from tests.unit.clients.making import (
    CLIP,
    JOB_ID,
    MEDIA_ID,
    OTHER_ID,
    a_clip,
    a_job,
    change,
    current,
    progress,
    response,
    synced,
)
from tests.unit.clients.stand_in import Files, StandIn, refuse, runs_to, stays_open


def test_each_state_change_is_a_line(cli: CommandLine, server: StandIn) -> None:
    server.watches = [runs_to(a_job("SUCCEEDED"), progress(40))]
    done = cli("watch", JOB_ID, "--label", "node=1", "--until-done")
    assert done.code == 0
    assert done.out.splitlines() == [
        f"Job {JOB_ID} queued",
        f"Job {JOB_ID} running",
        f"Job {JOB_ID} succeeded",
    ]
    [request] = server.sent(pb.WatchJobsRequest)
    assert (list(request.job_ids), list(request.labels)) == ([JOB_ID], ["node=1"])
    assert request.until_done


def test_json_has_one_event_per_line(cli: CommandLine, server: StandIn) -> None:
    server.watches = [runs_to(a_job("SUCCEEDED"), progress(40))]
    done = cli("watch", "--until-done", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    kinds = [next(iter({"job", "synced", "progress"} & event.keys())) for event in events]
    assert kinds == ["job", "synced", "job", "progress", "job"]
    assert events[-1]["job"]["job"]["jobId"] == JOB_ID
    assert done.err == ""


def beside() -> list[pb.WatchEvent]:
    """What a watch brings that includes all: two changes with a job, and some without."""
    told = Notification(notification_id="n", title="Your video is ready", text="in 3 s")
    shown = View(view="card/42", media=Media(media_id=MEDIA_ID))
    job = change(a_job("SUCCEEDED", revision=2), "SUCCEEDED")
    job.notifications.add(type="UPDATED", notification=told, unread_count=3)
    job.views.add(type="APPLIED", view=shown)
    alone = pb.WatchEvent(revision=3)
    alone.notifications.add(type="READ", notification_ids=["n", "m"], unread_count=1)
    alone.views.add(type="CLEARED", view=View(view="card/42"))
    new = Announcement(announcement_id="a", title="Closed on Sunday\x1b[2J")
    said = [
        pb.WatchEvent(announcement=AnnouncementEvent(type="CREATED", announcement=new)),
        pb.WatchEvent(announcement=AnnouncementEvent(type="DELETED", announcement_ids=["a"])),
    ]
    deleted = pb.WatchEvent(revision=4)
    deleted.notifications.add(type="DELETED", until_time={"seconds": 5}, unread_count=0)
    return [job, alone, *said, deleted]


def test_what_is_included_is_a_line_each(cli: CommandLine, server: StandIn) -> None:
    # Given a watch that brings everything
    first = [current(a_job()), synced()]
    server.watches = [lambda request, context: iter([response(*first, *beside(), token="t")])]

    # When all of it is asked for
    done = cli("watch", "--include", "notifications", "--include", "views", "--until-done")

    # Then each change is a line, which nothing can colour
    assert done.out.splitlines() == [
        f"Job {JOB_ID} queued",
        f"Job {JOB_ID} succeeded",
        "Notification: Your video is ready (in 3 s), 3 unread",
        f"View card/42 shows {MEDIA_ID}",
        "2 notifications read, 1 unread",
        "View card/42 shows nothing",
        "Announcement: Closed on Sunday\N{REPLACEMENT CHARACTER}[2J",
        "Announcement deleted: a",
        "All deleted, 0 unread",
    ]
    [request] = server.sent(pb.WatchJobsRequest)
    assert list(request.include) == [pb.WatchJobsRequest.NOTIFICATIONS, pb.WatchJobsRequest.VIEWS]


def test_what_is_included_is_json_too_and_an_unknown_part_is_code_2(
    cli: CommandLine, server: StandIn
) -> None:
    server.watches = [lambda request, context: iter([response(synced(), *beside(), token="t")])]
    done = cli("watch", "--include", "views", "--until-done", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert events[1]["views"][0]["view"]["view"] == "card/42"
    assert events[2]["notifications"][0]["unreadCount"] == 1
    assert events[3]["announcement"]["type"] == "CREATED"

    assert cli("watch", "--include", "jobs").code == 2
    assert cli("watch", JOB_ID, "--out", "waves.mp4", "--include", "views").code == 2


def test_a_break_is_told_once_and_bridged(cli: CommandLine, server: StandIn) -> None:
    def cut(request, context):  # type: ignore[no-untyped-def]
        yield response(current(a_job()), synced(), token="t1")
        refuse(context, grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING")

    server.watches = [cut, runs_to(a_job("SUCCEEDED"))]
    done = cli("watch", "--until-done")
    assert done.code == 0
    assert done.err == "The connection broke; trying again.\n"
    assert done.out.splitlines()[-1] == f"Job {JOB_ID} succeeded"


def test_control_c_ends_it_quietly(cli: CommandLine, server: StandIn) -> None:
    server.watches = [stays_open(response(current(a_job()), synced()))]
    process = cli.start("watch")
    assert process.stdout is not None
    assert process.stdout.readline() == f"Job {JOB_ID} queued\n"
    done = cli.interrupt(process)
    assert (done.code, done.out, done.err) == (130, "", "")


def test_naming_a_job_ends_the_watch_with_it(cli: CommandLine, server: StandIn) -> None:
    ended = response(current(a_job("SUCCEEDED", revision=3)), synced(), token="t1")
    server.watches = [lambda request, context: iter([ended])]
    done = cli("watch", JOB_ID)
    assert (done.code, done.out) == (0, f"Job {JOB_ID} succeeded\n")
    assert server.sent(pb.WatchJobsRequest)[0].until_done


def test_the_result_of_a_watched_job_is_saved(
    cli: CommandLine, server: StandIn, files: Files
) -> None:
    clip = a_clip(files.put("clip", (200, CLIP)))
    server.answers["GetJob"] = pb.GetJobResponse(job=a_job("RUNNING"))
    server.watches = [runs_to(a_job("SUCCEEDED", outputs=[clip]))]
    done = cli("watch", JOB_ID, "--out", "waves.mp4")
    assert (done.code, done.out) == (0, "waves.mp4\n")
    assert (cli.folder / "waves.mp4").read_bytes() == CLIP
    for wrong in ((), (JOB_ID, OTHER_ID)):
        assert cli("watch", *wrong, "--out", "waves.mp4").code == 2


def test_an_unknown_job_is_code_2(cli: CommandLine, server: StandIn) -> None:
    server.watches = [
        lambda _, context: refuse(
            context, grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", "There is no such job."
        )
    ]
    done = cli("watch", OTHER_ID)
    assert (done.code, done.err) == (2, "There is no such job.\n")


def test_a_reader_that_has_seen_enough_ends_it_quietly(cli: CommandLine, server: StandIn) -> None:
    many = [current(a_job(job_id=f"job-{number}")) for number in range(5000)]
    server.watches = [stays_open(response(*many, synced()))]
    process = cli.start("watch")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(20) == 0
    process.stderr.close()
    assert process.stdin is not None
    process.stdin.close()
