"""Failpoints: no-ops unless they are armed, and only as often as they were told to act."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from core.errors import SettingsInvalid
from core.process import failpoints
from core.process.failpoints import FailpointHit


@pytest.fixture(autouse=True)
def none_is_left() -> Iterator[None]:
    yield
    failpoints.arm("")


def hits(name: str, times: int) -> int:
    """How many of so many hits raised."""
    count = 0
    for _ in range(times):
        try:
            failpoints.hit(name)
        except FailpointHit:
            count += 1
    return count


def test_one_that_is_not_armed_does_nothing() -> None:
    assert sum(hits(name, 1) for name in failpoints.NAMES) == 0
    failpoints.arm("claim.after=exception")
    assert hits("intent.after_commit", 3) == 0


def test_one_acts_each_time_or_as_often_as_it_was_told() -> None:
    failpoints.arm("claim.after=exception, intent.after_commit=exception*2")
    assert hits("claim.after", 5) == 5
    assert hits("intent.after_commit", 5) == 2
    failpoints.arm("")
    assert hits("claim.after", 5) == 0


def test_one_acts_on_a_share_of_the_hits() -> None:
    failpoints.arm("claim.after=exception@0.3")
    assert 200 < hits("claim.after", 1000) < 400
    failpoints.arm("claim.after=exception@0.5*3")
    assert hits("claim.after", 1000) == 3


def test_one_may_sleep() -> None:
    failpoints.arm("claim.after=sleep:0.05*1")
    begun = time.monotonic()
    assert hits("claim.after", 1) == 0
    assert time.monotonic() - begun >= 0.05


def test_one_may_kill_the_process() -> None:
    program = (
        "from core.process import failpoints as f\nf.arm('claim.after=kill')\nf.hit('claim.after')"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9


@pytest.mark.parametrize(
    "rule", ["nowhere=kill", "claim.after", "claim.after=die", "claim.after=sleep", "=kill"]
)
def test_a_rule_that_means_nothing_is_refused(rule: str) -> None:
    with pytest.raises(SettingsInvalid, match="RUSHES_FAILPOINTS"):
        failpoints.arm(rule)


def test_no_two_places_have_one_name() -> None:
    assert len(set(failpoints.NAMES)) == len(failpoints.NAMES) >= 24
