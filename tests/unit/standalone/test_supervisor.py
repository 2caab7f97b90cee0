"""The whole family of processes, with fakes in every role; it gets real signals."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.services import wait_for
from tests.unit.standalone.lives import is_alive, lives, living

FAKE_RUN = str(Path(__file__).with_name("fake_run.py"))
ROOT = Path(__file__).resolve().parents[3]
ROLES = ("valkey", "server-1", "worker-1", "worker-2", "http", "envoy")
# A second more than promised, for a busy machine.
END_SECONDS = 6


class Family:
    """A supervisor with its children, all of them gone when the test ends."""

    def __init__(self, folder: Path, *behaviours: str) -> None:
        self.folder = folder
        self.output = folder / "output"
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, FAKE_RUN, str(folder), *behaviours],
                stdout=out,
                stderr=out,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def ready(self) -> "Family":
        wait_for(lambda: "ready" in self.text or self.process.poll() is not None)
        assert "ready" in self.text, self.text
        return self

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        return self.process.wait(END_SECONDS)

    def lives(self, role: str) -> list[int]:
        return lives(self.folder / role)

    def living(self) -> list[int]:
        return [pid for role in ROLES for pid in living(self.folder / role)]


StartFamily = Callable[..., Family]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartFamily]:
    """Starts one; `worker-1=dies` gives a role another behaviour than serving."""
    families: list[Family] = []

    def start_family(*behaviours: str) -> Family:
        families.append(Family(tmp_path, *behaviours))
        return families[-1]

    yield start_family
    for family in families:
        family.process.kill()
        family.process.wait()


def test_it_is_ready_when_every_role_serves(start: StartFamily) -> None:
    family = start().ready()

    assert len(family.living()) == len(ROLES)


def test_it_is_not_ready_without_a_worker(start: StartFamily) -> None:
    family = start("worker-1=mute", "worker-2=mute")

    wait_for(lambda: family.lives("envoy"))
    wait_for(lambda: all(family.lives(role) for role in ROLES))

    assert "ready" not in family.text


def test_one_worker_is_enough_to_be_ready(start: StartFamily) -> None:
    start("worker-2=mute").ready()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_in_good_order(start: StartFamily, number: signal.Signals) -> None:
    family = start().ready()

    family.signal(number)

    assert family.end() == 0
    assert family.living() == []


def test_children_that_will_not_end_are_killed_in_time(start: StartFamily) -> None:
    family = start("server-1=stubborn", "worker-1=stubborn", "envoy=stubborn").ready()

    family.signal(signal.SIGINT)

    assert family.end() == 0
    assert family.living() == []


def test_a_worker_that_waits_for_what_is_paid_is_waited_for(start: StartFamily) -> None:
    family = start("worker-1=drains:5", "drain=30").ready()
    lazy = family.lives("worker-1")[0]
    valkey = family.lives("valkey")[0]

    family.signal(signal.SIGINT)

    wait_for(lambda: "paid for" in family.text)
    assert is_alive(lazy)
    assert is_alive(valkey)
    assert family.process.wait(20) == 0
    assert family.living() == []


def test_a_second_signal_does_not_wait_for_what_is_paid_either(start: StartFamily) -> None:
    family = start("worker-1=stubborn", "drain=30").ready()
    family.signal(signal.SIGINT)
    wait_for(lambda: "paid for" in family.text)

    family.signal(signal.SIGINT)

    assert family.end() == 0
    assert family.living() == []


def test_a_second_signal_does_not_wait(start: StartFamily) -> None:
    family = start("server-1=stubborn", "valkey=stubborn").ready()

    family.signal(signal.SIGINT)
    wait_for(lambda: "stopping" in family.text)
    family.signal(signal.SIGINT)

    assert family.end() == 0
    assert family.living() == []


def test_the_edge_and_valkey_outlive_the_servers_drain(start: StartFamily) -> None:
    family = start("server-1=drains:1").ready()
    server = family.lives("server-1")[0]
    others = [family.lives(role)[0] for role in ("envoy", "valkey")]

    family.signal(signal.SIGINT)

    seen: list[bool] = []

    def server_is_gone() -> bool:
        # In this order: what lives after the server was seen alive lived beside it.
        before = is_alive(server)
        seen.append(all(is_alive(pid) for pid in others))
        return not before

    wait_for(server_is_gone)
    assert family.end() == 0
    assert all(seen[:-1])
    assert len(seen) > 1


def test_a_signal_during_the_start_ends_what_was_started(start: StartFamily) -> None:
    family = start("server-1=mute")
    wait_for(lambda: family.lives("worker-2"))

    family.signal(signal.SIGTERM)

    assert family.end() == 0
    assert family.living() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties children to their parent")
def test_killing_the_supervisor_leaves_nothing(start: StartFamily) -> None:
    family = start().ready()

    family.signal(signal.SIGKILL)
    family.process.wait()

    wait_for(lambda: family.living() == [])


def test_a_role_that_keeps_dying_ends_the_run_with_the_reason(start: StartFamily) -> None:
    family = start("http=dies")

    assert family.process.wait(20) == 1
    assert "http keeps ending (exit code 3)" in family.text
    assert "ValueError: no such database" in family.text
    assert "Traceback" not in family.text
    assert family.living() == []


def test_a_killed_role_comes_back_and_the_others_stay(start: StartFamily) -> None:
    family = start().ready()
    # It is ready with one worker.
    wait_for(lambda: len(family.living()) == len(ROLES))
    before = {role: family.lives(role) for role in ROLES}

    os.kill(family.lives("server-1")[0], signal.SIGKILL)
    wait_for(lambda: len(family.living()) == len(ROLES) and len(family.lives("server-1")) == 2)

    unchanged = [role for role in ROLES if role != "server-1"]
    assert {role: family.lives(role) for role in unchanged} == {
        role: before[role] for role in unchanged
    }
    assert "server-1 ended (signal SIGKILL)" in family.text
