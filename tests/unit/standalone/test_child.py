"""One supervised process, with small fakes that speak the notify protocol."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from standalone.child import Child, ChildKeepsDying, Command, Patience, Place, Probe
from tests.services import wait_for_async
from tests.unit.standalone.lives import is_alive, lives, living

pytestmark = pytest.mark.asyncio
FAKE = str(Path(__file__).with_name("fake_child.py"))
SHORT = Patience(start=0.6, watchdog=0.6)


class Run:
    """A child, what it was heard to do, and the folder with one file per life."""

    def __init__(self, folder: Path, behaviour: str, patience: Patience, probe: Probe | None):
        self.lives = folder / "lives"
        self.lives.mkdir()
        (folder / "logs").mkdir()
        self.told: list[str] = []
        argv = (sys.executable, FAKE, behaviour, str(self.lives), "0.3")
        command = Command("worker-1", argv, dict(os.environ), probe)
        self.child = Child(command, Place(folder, folder / "logs"), self.told.append, patience)


@asynccontextmanager
async def running(
    folder: Path, behaviour: str, patience: Patience | None = None, probe: Probe | None = None
) -> AsyncIterator[Run]:
    run = Run(folder, behaviour, patience or Patience(), probe)
    task = asyncio.create_task(run.child.run())
    try:
        yield run
    finally:
        run.child.terminate()
        run.child.kill()
        with suppress(ChildKeepsDying):
            await task


async def test_it_is_ready_when_it_says_so(tmp_path: Path) -> None:
    async with running(tmp_path, "serves") as run:
        await wait_for_async(run.child.ready.is_set)

        assert living(run.lives) == [run.child.pid]


async def test_it_is_asked_once_and_ends(tmp_path: Path) -> None:
    async with running(tmp_path, "drains") as run:
        await wait_for_async(run.child.ready.is_set)

        run.child.terminate()
        run.child.terminate()
        await wait_for_async(lambda: run.child.pid is None)

    assert len(lives(run.lives)) == 1
    assert run.told == []


async def test_one_that_was_killed_lives_again_and_that_is_told_once(tmp_path: Path) -> None:
    async with running(tmp_path, "serves") as run:
        await wait_for_async(run.child.ready.is_set)
        first = run.child.pid
        assert first

        os.kill(first, signal.SIGKILL)
        await wait_for_async(lambda: run.child.pid not in (None, first))
        await wait_for_async(run.child.ready.is_set)

    assert run.told == ["worker-1 ended (signal SIGKILL); starting it again in 0.2 s"]


async def test_one_that_keeps_dying_is_given_up_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("standalone.restarts.FIRST_PAUSE_SECONDS", 0.01)
    run = Run(tmp_path, "dies", Patience(), None)

    with pytest.raises(ChildKeepsDying, match="exit code 3") as caught:
        await run.child.run()

    assert len(lives(run.lives)) == 5
    assert "ValueError: no such database" in str(caught.value)
    assert "Traceback" not in str(caught.value)


async def test_the_last_words_of_an_earlier_run_are_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("standalone.restarts.FIRST_PAUSE_SECONDS", 0.01)
    run = Run(tmp_path, "dies", Patience(), None)
    run.child.log.write_text("of an earlier run\n")

    with pytest.raises(ChildKeepsDying, match="no such database") as caught:
        await run.child.run()

    assert "earlier" not in str(caught.value)


async def test_one_that_refuses_its_settings_is_given_up_at_once(tmp_path: Path) -> None:
    run = Run(tmp_path, "refuses", Patience(), None)

    with pytest.raises(ChildKeepsDying) as caught:
        await run.child.run()

    assert str(caught.value) == "worker-1 can't start: RUSHES_X: use another"
    assert len(lives(run.lives)) == 1
    assert run.told == []


async def test_one_that_has_served_is_started_again_whatever_it_says(tmp_path: Path) -> None:
    async with running(tmp_path, "serves-then-refuses") as run:
        await wait_for_async(lambda: len(run.told) == 2)

    assert "exit code 2" in run.told[0]


async def test_one_that_can_not_be_started_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("standalone.restarts.FIRST_PAUSE_SECONDS", 0.01)
    (tmp_path / "logs").mkdir()
    command = Command("envoy", ("/nowhere/envoy",), {})
    child = Child(command, Place(tmp_path, tmp_path / "logs"), lambda _: None)

    with pytest.raises(ChildKeepsDying, match="can't be started"):
        await child.run()


async def test_a_frozen_one_is_killed_and_lives_again(tmp_path: Path) -> None:
    async with running(tmp_path, "serves", SHORT) as run:
        await wait_for_async(run.child.ready.is_set)
        frozen = run.child.pid
        assert frozen

        os.kill(frozen, signal.SIGSTOP)
        await wait_for_async(lambda: not is_alive(frozen))
        await wait_for_async(run.child.ready.is_set)

    assert run.told[0] == "worker-1 has been silent for 0.6 s; ending it"


async def test_one_that_never_serves_is_killed(tmp_path: Path) -> None:
    async with running(tmp_path, "mute", SHORT) as run:
        await wait_for_async(lambda: len(run.told) == 2)

    assert "silent" in run.told[0]


async def test_a_probe_speaks_for_one_that_does_not(tmp_path: Path) -> None:
    answers = asyncio.Event()

    async def probe() -> bool:
        return answers.is_set()

    async with running(tmp_path, "mute", probe=probe) as run:
        await wait_for_async(lambda: living(run.lives))
        assert not run.child.ready.is_set()

        answers.set()
        await wait_for_async(run.child.ready.is_set)


async def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    async with running(tmp_path, "parent") as run:
        await wait_for_async(lambda: len(living(run.lives)) == 2)

        run.child.terminate()
        await wait_for_async(lambda: living(run.lives) == [])


async def test_an_end_during_the_pause_starts_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, "dies") as run:
        await wait_for_async(lambda: run.told)
        run.child.terminate()
        count = len(lives(run.lives))

    assert len(lives(run.lives)) == count
