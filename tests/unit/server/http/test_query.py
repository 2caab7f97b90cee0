"""Query parameters of a watch, as the edge's transcoder takes those of other calls."""

import pytest

from core.errors import FieldInvalid
from rushes.v1 import media_service_pb2 as pb
from server.http.query import read_query


def watch(*pairs: tuple[str, str]) -> pb.WatchJobsRequest:
    return read_query(pairs, pb.WatchJobsRequest())


def test_every_field_of_a_watch_can_be_named() -> None:
    found = watch(
        ("resume_token", "abc"),
        ("job_ids", "one"),
        ("job_ids", "two"),
        ("labels", "node=7=8"),
        ("recent", "600s"),
        ("checkpoint_interval", "1.5s"),
        ("progress_interval", "0.25s"),
        ("until_done", "true"),
    )

    assert found.resume_token == "abc"
    assert list(found.job_ids) == ["one", "two"]
    assert list(found.labels) == ["node=7=8"]
    assert found.recent.seconds == 600
    assert found.checkpoint_interval.ToMilliseconds() == 1500
    assert found.progress_interval.ToMilliseconds() == 250
    assert found.until_done


def test_names_may_be_in_camel_case() -> None:
    assert watch(("untilDone", "true"), ("resumeToken", "abc")) == watch(
        ("until_done", "true"), ("resume_token", "abc")
    )


def test_enums_go_by_name_in_any_case() -> None:
    found = read_query([("states", "queued"), ("states", "RUNNING")], pb.ListJobsRequest())

    assert [int(state) for state in found.states] == [1, 2]


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        (("untilDoen", "true"), "there is no such parameter"),
        (("access_token", "x"), "there is no such parameter"),
        (("recent.seconds", "5"), "there is no such parameter"),
        (("", ""), "there is no such parameter"),
        (("until_done", "yes"), "must be true or false"),
        (("until_done", ""), "must be true or false"),
        (("recent", "600"), "must be seconds, such as 30s"),
        (("recent", "5m"), "must be seconds, such as 30s"),
        (("checkpointInterval", ""), "must be seconds, such as 30s"),
    ],
)
def test_what_is_wrong_is_named(pair: tuple[str, str], says: str) -> None:
    with pytest.raises(FieldInvalid) as caught:
        watch(("labels", "a=b"), pair)

    [violation] = caught.value.violations
    assert (violation.field, violation.description) == (pair[0], says)


def test_a_wrong_enum_is_told_the_right_ones() -> None:
    with pytest.raises(FieldInvalid) as caught:
        read_query([("states", "BOILING")], pb.ListJobsRequest())

    assert "QUEUED, RUNNING" in caught.value.message


def test_a_field_with_one_value_is_given_once() -> None:
    with pytest.raises(FieldInvalid) as caught:
        watch(("resume_token", "a"), ("resumeToken", "b"))

    assert caught.value.message == "resumeToken: is given more than once"


def test_every_wrong_parameter_is_named_at_once() -> None:
    with pytest.raises(FieldInvalid) as caught:
        watch(("one", ""), ("two", ""))

    assert [violation.field for violation in caught.value.violations] == ["one", "two"]
