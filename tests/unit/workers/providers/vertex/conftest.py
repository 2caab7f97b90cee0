"""Veo at its fake, and jobs for it."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.blobs import open_blobs
from core.catalog.models import read_catalog
from core.jobs import Cost, CostState, Job
from core.process.settings import Settings, read_settings
from core.specs import VideoSpec
from tests.fakes import media
from tests.fakes.vertex import PROJECT, VertexFake
from tests.making import job_value
from tests.services import wait_for
from workers.providers import Done, Pending, Provider
from workers.providers.vertex import open_vertex

OpenProvider = Callable[..., Provider]
MICROS = 1_000_000
KEY = "0199-job.1"
SPEC = VideoSpec(
    prompt="never sent",
    model="veo-3.1-generate-001",
    duration_ms=8000,
    aspect_ratio="16:9",
    resolution="1080p",
)


def read_input(media_id: str) -> bytes:
    return media.video() if media_id == "film" else media.image()


def video_job(prompt: str = "a boat", **changes: Any) -> Job:
    cost = Cost(state=CostState.RESERVED, estimated_micros=MICROS)
    spec = replace(SPEC, **changes)
    return job_value(spec=spec, cost=cost, provider="vertex", final_prompt=prompt)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[VertexFake]:
    with VertexFake(tmp_path, operation_seconds=0) as fake:
        yield fake


@pytest.fixture
def settings(fake: VertexFake, tmp_path: Path) -> Settings:
    return read_settings(
        data_dir=tmp_path,
        vertex_project=PROJECT,
        vertex_credentials_file=fake.credentials_file,
        vertex_base_url=fake.url,
        storage_base_url=fake.url,
        max_inline_result_megabytes=1,
        max_result_megabytes=1,
    )


@pytest.fixture
def open_provider(settings: Settings) -> OpenProvider:
    """Opens a provider as one more process would, with some settings changed."""

    def open_one(**changes: Any) -> Provider:
        chosen = settings.model_copy(update=changes)
        return open_vertex(chosen, read_catalog(None), open_blobs(chosen, b"k" * 32))

    return open_one


def submit(provider: Provider, job: Job) -> str:
    """The operation of the job."""
    return provider.submit(job, KEY, provider.plan(job, read_input)).operation


def poll(provider: Provider, job: Job, operation: str) -> Pending | Done:
    async def ask() -> Pending | Done:
        return await provider.poll(job, operation)

    return asyncio.run(ask())


def done(provider: Provider, job: Job) -> str:
    """The job's operation when it is done."""
    operation = submit(provider, job)
    wait_for(lambda: isinstance(poll(provider, job, operation), Done), "the end")
    return operation
