"""The steps of a provider's job, one by one, as the contract suite takes them."""

import asyncio
from pathlib import Path

from core.jobs import Job
from tests.fakes import media
from tests.services import wait_for
from workers.providers import Done, Pending, Provider, Submitted


class Run:
    """Implements workers.providers.Monitor; stops when it is told to."""

    def __init__(self, stops: bool = False) -> None:
        self._stops = stops

    def stopping(self) -> bool:
        return self._stops

    def report(self, *_: object) -> None:
        pass


def read_input(media_id: str) -> bytes:
    return media.image()


def submit(provider: Provider, job: Job) -> Submitted:
    return provider.submit(job, f"{job.job_id}.1", provider.plan(job, read_input))


def poll(provider: Provider, job: Job, operation: str) -> Pending | Done:
    async def ask() -> Pending | Done:
        return await provider.poll(job, operation)

    return asyncio.run(ask())


def wait_until_done(provider: Provider, job: Job, submitted: Submitted) -> None:
    if not submitted.done:
        wait_for(lambda: isinstance(poll(provider, job, submitted.operation), Done), "the end")


def fetch(provider: Provider, job: Job, operation: str, folder: Path) -> list[Path]:
    paths = [folder / f"output-{index}" for index in range(job.spec.output_count)]
    for index, path in enumerate(paths):
        provider.fetch(job, operation, index, path, read_input, Run())
    return paths


def run_to_end(provider: Provider, job: Job, folder: Path) -> list[Path]:
    """The files that the job brings."""
    submitted = submit(provider, job)
    wait_until_done(provider, job, submitted)
    return fetch(provider, job, submitted.operation, folder)
