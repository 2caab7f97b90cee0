"""A simulator with a clock of its own, and jobs for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from core.jobs import Cost, CostState, Job
from tests.making import IMAGE, VIDEO, job_value
from workers.providers.simulator import SimulatorProvider

START_MS = 1_000_000
PRICE = 100_000


@dataclass
class Clock:
    """Stands still until it is moved."""

    ms: int = START_MS

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "simulator"


@pytest.fixture
def simulator(folder: Path, clock: Clock) -> SimulatorProvider:
    return SimulatorProvider(folder, clock, late_seconds=0.05)


@pytest.fixture
def other_process(folder: Path, clock: Clock) -> Callable[[], SimulatorProvider]:
    """The simulator as another process has it: it shares nothing but the folder."""
    return lambda: SimulatorProvider(folder, clock, late_seconds=0.05)


def video_job(words: str = "", **changes: Any) -> Job:
    return _job(replace(VIDEO, prompt=f"a boat {words}", model="simulator-video"), changes)


def image_job(words: str = "", **changes: Any) -> Job:
    return _job(replace(IMAGE, prompt=f"a boat {words}", model="simulator-image"), changes)


def _job(spec: Any, changes: dict[str, Any]) -> Job:
    cost = Cost(state=CostState.RESERVED, estimated_micros=PRICE)
    spec = replace(spec, **changes)
    return job_value(spec=spec, cost=cost, provider="simulator")


def no_input(media_id: str) -> bytes:
    raise AssertionError("no input was given")
