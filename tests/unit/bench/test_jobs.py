"""What is counted of jobs: losses, and the shape of an accept."""

import pytest

from bench.accept import INSERT, LOCK, READ, mirror, shape
from bench.jobs.kill import losses


def test_losses_are_told_apart_from_jobs_that_ran_twice() -> None:
    begun = [b"1", b"2", b"2", b"3", b"3"]
    done = [b"1", b"3", b"3"]
    assert losses(begun, done, 4) == {"missing": 2, "begun_again": 2, "done_again": 1}


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([], (0, 0, 0)),
        (["SELECT 1"], (1, 1, 1)),
        (["BEGIN; UPDATE a", "SELECT 1", "INSERT b; INSERT c; COMMIT"], (4, 3, 1)),
        (["SELECT 1", "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 2; COMMIT"], (2, 2, 2)),
    ],
)
def test_an_accept_has_a_shape(batches: list[str], expected: tuple[int, int, int]) -> None:
    found = shape(batches)
    assert (found["statements"], found["trips"], found["commits"]) == expected


def test_the_bare_loop_sends_as_many_statements_in_as_many_trips() -> None:
    batches = ["BEGIN; UPDATE a", "SELECT 1", "INSERT b; INSERT c; COMMIT", "SELECT 2"]
    assert mirror(batches) == [
        f"BEGIN; {LOCK}",
        READ,
        f"{INSERT}; {INSERT}; COMMIT",
        READ,
    ]
    assert shape(mirror(batches)) == shape(batches)
