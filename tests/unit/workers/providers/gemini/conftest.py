"""Jobs for Gemini, and the provider at a server of the test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.blobs import open_blobs
from core.catalog.models import read_catalog
from core.jobs import Job
from core.process.settings import read_settings
from core.specs import ImageSpec, VideoSpec
from tests.fakes import gemini
from tests.making import job_value
from workers.providers.gemini import GeminiProvider, open_gemini

PROMPT = "a lighthouse at night"


@pytest.fixture
def video_job() -> Callable[..., Job]:
    """Makes a job for a video."""

    def make(prompt: str = PROMPT, **changes: Any) -> Job:
        values = {
            "prompt": "what the user wrote",
            "model": "gemini-omni-1.2-flash",
            "duration_ms": 8000,
            "aspect_ratio": "16:9",
            "resolution": "720p",
        }
        spec = VideoSpec(**{**values, **changes})
        return job_value(spec=spec, final_prompt=prompt, provider="gemini")

    return make


@pytest.fixture
def image_job() -> Callable[..., Job]:
    """Makes a job for an image."""

    def make(prompt: str = PROMPT, **changes: Any) -> Job:
        values = {
            "prompt": "what the user wrote",
            "model": "gemini-3.1-flash-image",
            "aspect_ratio": "16:9",
            "size": "2K",
        }
        spec = ImageSpec(**{**values, **changes})
        return job_value(spec=spec, final_prompt=prompt, provider="gemini")

    return make


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[gemini.GeminiFake]:
    with gemini.GeminiFake(tmp_path, operation_seconds=0) as fake:
        yield fake


@pytest.fixture
def make_provider(fake: gemini.GeminiFake, tmp_path: Path) -> Callable[..., GeminiProvider]:
    """Opens the provider at the fake, as a worker does."""

    def make(key: str = gemini.KEY, **changes: Any) -> GeminiProvider:
        values: dict[str, Any] = {"data_dir": tmp_path, "gemini_base_url": fake.url, **changes}
        settings = read_settings(**values)
        blobs = open_blobs(settings, b"k" * 32)
        return open_gemini(settings, read_catalog(None), blobs, SecretStr(key))

    return make
