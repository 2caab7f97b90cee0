"""The part of the HTTP process that reads bodies, behind an edge of a test."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from starlette.applications import Starlette
from starlette.routing import Route

from server.http.bindings import Bindings
from server.http.bodies import METHODS, PREFIX, Bodies
from tests.services import wait_for_async


def services_of(descriptors: Path) -> list[ServiceDescriptor]:
    """The services of a descriptor set."""
    files = FileDescriptorSet.FromString(descriptors.read_bytes()).file
    pool = DescriptorPool()
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    return [
        pool.FindServiceByName(f"{file.package}.{service.name}")
        for file in files
        for service in file.service
    ]


@asynccontextmanager
async def checking(where: Path, descriptors: Path) -> AsyncIterator[None]:
    """Checks bodies on a unix socket, until the block ends."""
    bodies = Bodies(Bindings(services_of(descriptors)))
    route = Route(f"{PREFIX}/{{path:path}}", bodies.answer, methods=METHODS)
    config = uvicorn.Config(
        Starlette(routes=[route]), http="h11", ws="none", lifespan="off", log_config=None
    )
    server = _Server(config)
    listener = _listen(where)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await wait_for_async(lambda: server.started, "the checks of bodies")
        yield
    finally:
        server.should_exit = True
        await task
        listener.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(where: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(where))
    listener.listen()
    return listener
