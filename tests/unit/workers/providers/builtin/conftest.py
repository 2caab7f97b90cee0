"""Specs, pictures and renders for the tests of the built-in renderer."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.specs import ImageSpec, VideoSpec
from workers.providers.builtin import render_image, render_video


def ignore(done: int, total: int) -> None:
    """Progress that nobody looks at."""


def never() -> bool:
    """A job that nobody cancels."""
    return False


@pytest.fixture
def video_spec() -> Callable[..., VideoSpec]:
    """A spec of one short film at 360p, changed by the arguments."""

    def build(prompt: str = "calm ocean waves at sunset", **changes: Any) -> VideoSpec:
        values: dict[str, Any] = {
            "duration_ms": 250,
            "aspect_ratio": "16:9",
            "resolution": "360p",
        } | changes
        return VideoSpec(prompt=prompt, model="builtin", **values)

    return build


@pytest.fixture
def image_spec() -> Callable[..., ImageSpec]:
    """A spec of one small still, changed by the arguments."""

    def build(prompt: str = "calm ocean waves at sunset", **changes: Any) -> ImageSpec:
        values: dict[str, Any] = {"aspect_ratio": "1:1", "size": "256x256"} | changes
        return ImageSpec(prompt=prompt, model="builtin", **values)

    return build


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """Renders a film and says where it is."""

    def render(spec: VideoSpec, *, seed: int = 1, **changes: Any) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.mp4"
        values: dict[str, Any] = {
            "first_frame": None,
            "progress": ignore,
            "cancelled": never,
        } | changes
        render_video(spec, seed=seed, path=path, **values)
        return path

    return render


@pytest.fixture
def still(tmp_path: Path) -> Callable[..., Path]:
    """Renders a still and says where it is."""

    def render(spec: ImageSpec, *, seed: int = 1, **changes: Any) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.picture"
        values: dict[str, Any] = {
            "references": (),
            "mask": None,
            "progress": ignore,
            "cancelled": never,
        } | changes
        render_image(spec, seed=seed, path=path, **values)
        return path

    return render


@pytest.fixture
def photo() -> bytes:
    """A picture with four differently coloured quarters, 320 by 180."""
    picture = Image.new("RGB", (320, 180), (200, 40, 40))
    picture.paste((40, 160, 60), (160, 0, 320, 90))
    picture.paste((40, 60, 200), (0, 90, 160, 180))
    picture.paste((230, 220, 90), (160, 90, 320, 180))
    return encoded(picture)


@pytest.fixture
def left_half() -> bytes:
    """A mask that is white in its left half."""
    mask = Image.new("L", (256, 256), 0)
    mask.paste(255, (0, 0, 128, 256))
    return encoded(mask)


def encoded(picture: Image.Image) -> bytes:
    """The picture as PNG bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
