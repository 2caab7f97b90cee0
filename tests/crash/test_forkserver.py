"""The fork server: what it starts can't tell, nor can the suite, that it was not `python -m`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.crash.forkserver import EXEC_ALL, Forked, ForkServer, can_fork, plain, start
from tests.crash.installation import Process
from tests.services import wait_for

PROBE = "tests.crash.probe"
Start = Callable[..., Forked]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    made = ForkServer(PROBE)
    yield made
    made.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def begin(server: ForkServer, log: Path, probe: str = "wait") -> Forked:
    """A probe that has told of its world."""
    with log.open("ab") as file:
        process = server.start(environment(probe), file)
    wait_for(lambda: log.read_text().count("\n"), "the probe's world")
    return process


def environment(probe: str = "") -> dict[str, str]:
    return {**plain(dict(os.environ)), "RUSHES_PROBE": probe}


def told(log: Path) -> Any:
    return json.loads(log.read_text().splitlines()[0])


def lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # Whoever adopts an orphan may take its time to collect it.
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_fork_finds_itself_in_the_world_of_a_process_of_its_own(
    server: ForkServer, tmp_path: Path
) -> None:
    # Given one process of each kind, the forked one beside others
    others = [begin(server, tmp_path / f"other-{number}") for number in range(2)]
    forked = begin(server, tmp_path / "forked", "0")
    command = [sys.executable, "-m", PROBE]
    with (tmp_path / "fresh").open("ab") as log:
        subprocess.run(command, env=environment("0"), stdout=log, stderr=log, check=True)

    # When both have ended
    assert forked.wait(20) == 0
    for other in others:
        other.kill()
        other.wait(20)

    # Then all that they found is the same
    assert told(tmp_path / "forked")["world"] == told(tmp_path / "fresh")["world"]


def test_each_fork_has_its_own_id_and_its_own_luck(server: ForkServer, tmp_path: Path) -> None:
    logs = [tmp_path / str(number) for number in range(3)]
    processes = [begin(server, log, "0") for log in logs]
    assert [told(log)["own"]["pid"] for log in logs] == [process.pid for process in processes]
    assert len({told(log)["own"]["random"] for log in logs}) == len(logs)


@pytest.mark.parametrize(("probe", "code"), [("", 0), ("3", 3), ("raise", 1)])
def test_how_a_fork_ends_by_itself_is_told(
    probe: str, code: int, server: ForkServer, log: Path
) -> None:
    process = begin(server, log, probe)
    assert process.wait(20) == process.poll() == process.returncode == code
    assert ("ValueError: a fault of its own" in log.read_text()) == (probe == "raise")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_ends_a_fork_and_is_told(
    number: signal.Signals, server: ForkServer, log: Path
) -> None:
    # Given a fork that runs
    process = begin(server, log)
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)

    # When it is signalled
    process.send_signal(number)

    # Then everybody who waits hears of it, and it is gone
    with ThreadPoolExecutor(4) as waiting:
        assert set(waiting.map(lambda _: process.wait(20), range(4))) == {-number}
    assert not lives(process.pid)
    process.kill()


def test_a_frozen_fork_has_not_ended_and_can_be_killed(server: ForkServer, log: Path) -> None:
    process = begin(server, log)
    process.send_signal(signal.SIGSTOP)
    assert process.poll() is None
    process.kill()
    assert process.wait(20) == -signal.SIGKILL


def test_what_a_fork_server_started_ends_with_it(tmp_path: Path) -> None:
    server = ForkServer(PROBE)
    processes = [begin(server, tmp_path / str(number)) for number in range(2)]
    server.close()
    assert not any(lives(process.pid) for process in processes)
    assert [process.wait(20) for process in processes] == [-signal.SIGKILL] * 2


def test_whoever_asks_a_fork_server_that_is_gone_is_told_so(log: Path) -> None:
    # Given a fork server that died
    server = ForkServer(PROBE)
    process = begin(server, log)
    os.kill(server.pid, signal.SIGKILL)

    # When it is asked for a process, or for the end of one
    with pytest.raises(RuntimeError, match="gone"):
        process.wait(20)
    with log.open("ab") as file, pytest.raises(RuntimeError, match="ended"):
        server.start(environment(), file)

    # Then nobody waits in vain, and nothing is left behind
    server.close()
    wait_for(lambda: not lives(process.pid), "its child to die")


def test_only_what_differs_by_settings_is_forked() -> None:
    env = environment()
    assert can_fork([sys.executable, "-m", "server"], env)
    assert can_fork([sys.executable, "-m", "tests.crash.planted", "no_cas", "workers"], env)
    assert not can_fork([sys.executable, "-m", "admin"], env)
    assert not can_fork([sys.executable, "-m", "workers", "--queues", "video"], env)
    assert not can_fork([sys.executable, "-m", "workers", "--queues", "server"], env)
    assert not can_fork(["/usr/bin/envoy", "-c", "envoy.yaml"], env)
    assert not can_fork([sys.executable, "-m", "server"], {**env, "LD_PRELOAD": "libfaketime.so.1"})


def test_what_differs_by_what_a_test_has_set_for_all_is_not_forked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    assert not can_fork([sys.executable, "-m", "server"], environment())


@pytest.mark.parametrize("fresh", [True, False])
def test_it_can_be_turned_off(fresh: bool, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EXEC_ALL, "" if fresh else "1")
    with log.open("ab") as file:
        process = start([sys.executable, "-m", "server"], {}, file, fresh)
    assert isinstance(process, subprocess.Popen)
    process.kill()
    process.wait()


@pytest.mark.parametrize("role", ["server", "workers"])
def test_a_role_that_is_forked_says_why_it_can_not_start(role: str, log: Path) -> None:
    process = Process("one", [sys.executable, "-m", role], environment(), log)
    process.start({"RUSHES_LEASE_SECONDS": "nonsense"})
    assert isinstance(process.running, Forked)
    assert process.running.wait(60) != 0
    assert process.said("RUSHES_LEASE_SECONDS") == 1
