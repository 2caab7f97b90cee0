"""What the load will ask for: drawn from a seed, so that a failing run can be asked again."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.crash.history import secret_of, user_name
from tests.fakes.installed import VIDEO_MODELS

# How often, in a thousand. A word makes the simulator misbehave (docs/simulator.md).
MODELS = {"simulator-image": 550, "simulator-video": 200, "builtin-image": 250}
WORDS = {
    "": 700,
    "sim:filtered": 30,
    "sim:filtered-charged": 20,
    "sim:filtered-prompt": 20,
    "sim:rejected": 20,
    "sim:unreachable-once": 40,
    "sim:busy-once": 40,
    "sim:lost-request-once": 20,
    "sim:lost-answer": 20,
    "sim:late-answer": 30,
    "sim:vanish": 20,
    "sim:timeout": 10,
    "sim:broken-file": 20,
    "sim:download-fails-once": 30,
    "sim:kill-worker-once": 10,
    "sim:no-cancel": 10,
    "sim:slow": 10,
}
DUPLICATES, CANCELS, LOOKS, READS = 0.10, 0.05, 0.05, 0.15
VIEWS = 3
BURST_SECONDS = (0.2, 1.0)
BURST_RATE = (50, 200)
PAUSE_SECONDS = (0.1, 1.5)


@dataclass(frozen=True)
class Ask:
    """One submit: how often it is sent, and what is done to the job afterwards, after a while."""

    user: str
    request_id: str
    prompt: str
    model: str
    copies: int = 1
    cancel_after: float | None = None
    only_if_free: bool = False
    look_after: float | None = None
    read_after: float | None = None
    reads_all: bool = False

    @property
    def is_video(self) -> bool:
        """Whether it asks for a video."""
        return "video" in self.model or self.model in VIDEO_MODELS

    @property
    def view(self) -> str:
        """Where the result is to be shown: few names, so that jobs compete for each."""
        return f"card/{sum(self.request_id.encode()) % VIEWS}"

    @property
    def fields(self) -> dict[str, Any]:
        """The spec besides prompt and model: small, because two cores run everything."""
        if self.model == "builtin-video":
            return {"duration": 1, "resolution": "360p"}
        return {"size": "256x256"} if self.model == "builtin-image" else {}


@dataclass(frozen=True)
class Burst:
    """Submits at one rate, and how long it is quiet after them."""

    asks: list[Ask] = field(default_factory=list)
    per_second: float = 0
    pause: float = 0


@dataclass(frozen=True)
class Mix:
    """Which models and words are asked for; parts of a thousand, or of whatever they add up to."""

    models: dict[str, int] = field(default_factory=lambda: dict(MODELS))
    words: dict[str, int] = field(default_factory=lambda: dict(WORDS))


def bursts(seed: int, users: int, total: int, mix: Mix | None = None) -> Iterator[Burst]:
    """`total` submits, in bursts."""
    dice, numbers = random.Random(seed), itertools.count()
    while total > 0:
        rate = dice.uniform(*BURST_RATE)
        count = min(total, max(1, int(rate * dice.uniform(*BURST_SECONDS))))
        asks = [_ask(dice, f"{seed:x}-{next(numbers)}", users, mix or Mix()) for _ in range(count)]
        total -= count
        yield Burst(asks, rate, dice.uniform(*PAUSE_SECONDS))


def _ask(dice: random.Random, tail: str, users: int, mix: Mix) -> Ask:
    user = user_name(dice.randrange(users))
    model = _draw(dice, mix.models)
    word = "" if model.startswith("builtin") else _draw(dice, mix.words)
    return Ask(
        user=user,
        request_id=f"{user}-{tail}",
        prompt=f"{word} a boat {secret_of(user, tail)}".strip(),
        model=model,
        copies=dice.randint(2, 4) if dice.random() < DUPLICATES else 1,
        cancel_after=dice.uniform(0, 2) if dice.random() < CANCELS else None,
        only_if_free=dice.random() < 0.3,
        look_after=dice.uniform(0, 3) if dice.random() < LOOKS else None,
        read_after=dice.uniform(0, 3) if dice.random() < READS else None,
        reads_all=dice.random() < 0.3,
    )


def _draw(dice: random.Random, shares: dict[str, int]) -> str:
    return dice.choices(list(shares), list(shares.values()))[0]
