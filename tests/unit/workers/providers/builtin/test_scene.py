"""Scenes: every place, hour and style can be painted, at any size and any time."""

import numpy as np
import pytest

from workers.providers.builtin.finish import Finish
from workers.providers.builtin.noise import F32
from workers.providers.builtin.scene import Scene
from workers.providers.builtin.stage import set_stage
from workers.providers.builtin.words import describe

PROMPTS = [
    "a boat and a lighthouse on a stormy sea, lightning, rain",
    "northern lights over a lake with a cabin",
    "underwater reef with fish",
    "fireflies in a forest, person",
    "fireworks over a neon city",
    "noir city by day, hills",
    "mountains with balloons, pastel",
    "a snowy winter cabin, vintage",
    "a cat in a minimal desert",
    "lavender flowers in a meadow, watercolour",
    "a purple planet in space",
    "a blue campfire",
    "birds in the sky",
    "abstract marble",
]


def painted(prompt: str, *, size: tuple[int, int], time: float, seed: int = 3) -> F32:
    description = describe(prompt)
    stage = set_stage(description, seed=seed, size=size, seconds=4.0)
    canvas = np.zeros((3, size[1], size[0]), np.float32)
    Scene(stage).paint(canvas, time)
    return Finish(*size, description.style, seed).apply(canvas, 0)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_scene_fills_the_frame(prompt: str) -> None:
    light = painted(prompt, size=(192, 108), time=1.7)

    assert np.isfinite(light).all()
    assert 0 <= light.min() <= light.max() <= 255
    assert light.std() > 4


@pytest.mark.parametrize("size", [(64, 200), (16, 16), (201, 97)])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_scene_fits_odd_frames(prompt: str, size: tuple[int, int]) -> None:
    light = painted(prompt, size=size, time=4.0)

    assert np.isfinite(light).all()


def test_a_moment_looks_the_same_however_one_got_there() -> None:
    stage = set_stage(describe("snow on the sea"), seed=1, size=(96, 54), seconds=4.0)
    straight, after = np.zeros((2, 3, 54, 96), np.float32)

    Scene(stage).paint(straight, 2.0)
    scene = Scene(stage)
    for time in (0.0, 3.0, 2.0):
        scene.paint(after, time)

    np.testing.assert_array_equal(straight, after)
