"""What a reader of server-sent events has at each point, and gets when it goes on from there."""

from typing import Any

import pytest

from core.errors import ResumeTokenInvalid
from rushes.v1 import media_service_pb2 as pb
from server.http import sse
from tests.sse import Message, messages


def change(revision: int) -> pb.WatchEvent:
    event = pb.WatchEvent(revision=revision)
    event.job.type = pb.JobEvent.UPDATED if revision else pb.JobEvent.CURRENT
    event.job.job.job_id = f"job-{revision}"
    return event


def progress() -> pb.WatchEvent:
    return pb.WatchEvent(progress=pb.ProgressEvent(job_id="job-1", attempt=1))


def synced() -> pb.WatchEvent:
    return pb.WatchEvent(synced=pb.WatchEvent.Synced())


def reset() -> pb.WatchEvent:
    return pb.WatchEvent(reset=pb.WatchEvent.Reset(cause="too old"))


def response(token: str, *events: pb.WatchEvent) -> pb.WatchJobsResponse:
    return pb.WatchJobsResponse(resume_token=token, events=events)


def read(encoded: bytes) -> list[Message]:
    return list(messages(encoded.splitlines(keepends=True)))


def revisions(found: list[Message]) -> list[int]:
    events = [event for message in found for event in message.events]
    return [int(event["revision"]) for event in events if "revision" in event]


def test_a_response_of_one_kind_is_one_message() -> None:
    [message] = read(sse.encode(response("T1", change(4), change(5)), "T0"))

    assert (message.name, message.last_id) == ("job", "T1")
    assert message.json["resumeToken"] == "T1"
    assert [event["revision"] for event in message.events] == ["4", "5"]
    assert message.events[0]["job"]["job"]["jobId"] == "job-4"


def test_a_checkpoint_moves_the_id_on() -> None:
    [message] = read(sse.encode(response("T1"), "T0"))

    assert (message.name, message.last_id) == ("checkpoint", "T1")
    assert message.json == {"resumeToken": "T1"}


def test_a_response_of_several_kinds_is_a_message_for_each_in_order() -> None:
    found = read(sse.encode(response("T1", change(4), change(5), progress(), synced()), "T0"))

    assert [(m.name, m.last_id) for m in found] == [
        ("job", "T0.5"),
        ("progress", "T0.5"),
        ("synced", "T1"),
    ]
    assert all(message.json["resumeToken"] == message.last_id for message in found)


def test_an_event_without_a_kind_goes_by_its_first_part() -> None:
    notified, both = pb.WatchEvent(revision=3), change(4)
    for event in (notified, both):
        event.notifications.add()
        event.views.add()

    assert sse.name_of(both) == "job"
    assert sse.name_of(notified) == "notifications"
    assert sse.name_of(pb.WatchEvent(revision=3)) == "change"


def test_a_reader_that_was_cut_within_a_response_gets_the_rest_and_nothing_twice() -> None:
    history = [change(4), change(5), progress(), change(6), synced()]
    every = read(sse.encode(response("T1", *history), "T0"))

    for cut in range(1, len(every) + 1):
        # When it goes on from the last message that it has, and the servers replay after the token
        place = sse.read_place(every[cut - 1].last_id)
        replayed = (
            response("T2", change(4), change(5), change(6), change(7), synced())
            if place.token == "T0"
            else response("T2", change(7), synced())
        )
        rest = read(sse.encode(sse.Skip(place).from_response(replayed), place.token))

        # Then all that it ever saw is each change once
        assert revisions(every[:cut] + rest) == [4, 5, 6, 7], cut


def test_a_reader_that_was_cut_within_its_first_snapshot_starts_over() -> None:
    first, _ = read(sse.encode(response("T1", change(0), synced()), ""))
    place = sse.read_place(first.last_id)
    assert (place.token, place.in_first_snapshot) == ("", True)

    skip = sse.Skip(place)
    found = read(sse.encode(skip.from_response(response("T1", change(0), synced())), ""))
    later = skip.from_response(response("T2", change(1)))

    assert [message.name for message in found] == ["reset", "job", "synced"]
    assert not any(event.HasField("reset") for event in later.events)


def test_nothing_of_another_history_is_left_out() -> None:
    # Given a reader that has revisions up to 9 of a database that was restored since
    skip = sse.Skip(sse.Place("T0", 9))

    first = skip.from_response(response("T1", reset(), change(0), synced()))
    second = skip.from_response(response("T2", change(3)))

    assert len(first.events) == 3
    assert [event.revision for event in second.events] == [3]


@pytest.mark.parametrize("text", ["T0.", "T0.x", "T0.-1", "T0.1.2", "T0." + "9" * 19, "."])
def test_an_id_that_no_stream_has_is_refused(text: str) -> None:
    with pytest.raises(ResumeTokenInvalid):
        sse.read_place(text)


@pytest.mark.parametrize(
    ("said", "reason"),
    [("RESUME_TOKEN_INVALID", "RESUME_TOKEN_INVALID"), ("", "INTERNAL_ERROR")],
)
def test_the_end_names_a_reason(said: str, reason: str) -> None:
    [message] = read(sse.encode(sse.end(said, "T1"), "T1"))

    assert (message.name, message.last_id) == ("end", "T1")
    assert message.events == [{"end": {"reason": reason}}]


def test_text_can_not_break_out_of_its_message() -> None:
    event: Any = change(1)
    event.job.job.video.prompt = "a\n\nevent: end\ndata: {}\r\r\u2028b"

    [message] = read(sse.encode(response("T1", event), "T0"))

    assert message.events[0]["job"]["job"]["video"]["prompt"] == event.job.job.video.prompt
