"""An installation with a flooder who has a history, and with others who watch."""

import argparse
import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from bench.harness.client import Plan, connect, request
from bench.harness.processes import Child, python
from bench.installation import Installation, installation
from bench.starve.cells import PICTURE, STREAMS, UNARY, Known, usual
from bench.systems.rushes import edge
from bench.systems.users import insert_users, name_of
from core.process.settings import read_settings
from core.store import open_database
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from tests.ports import free_port

HOST = "127.0.0.1"
LIMITED = (UNARY, "user_request_burst", STREAMS)
CATALOG = Path(__file__).parents[2] / "core" / "catalog" / "models.toml"
WATCHERS = 4
FLOODER = "flooder"
# What the flooder has. The first of the jobs have a picture each.
JOBS, PICTURES = 400, 20


@dataclass(frozen=True, slots=True)
class Place:
    """What runs. `watchers` hold the watches, and `publisher` changes what they see."""

    running: Installation
    port: int
    flooder: Child
    publisher: Child
    watchers: Child
    known: Known

    @property
    def server(self) -> int:
        """The server process."""
        return self.running.processes["server"].pid


def start(stack: ExitStack, asked: argparse.Namespace) -> Place:
    """Starts everything, with the limits that an installation has by itself. `stack` ends it."""
    port = free_port()
    settings = {f"RUSHES_{name.upper()}": str(usual(name)) for name in LIMITED}
    running = stack.enter_context(
        installation(
            asked.database,
            0,
            port=0 if asked.envoy else port,
            in_memory=True,
            settings=settings | {"RUSHES_MODELS_FILE": str(CATALOG)},
        )
    )
    if asked.envoy:
        stack.enter_context(edge(running, port))
    db = open_database(read_settings(database_url=running.database_url))
    insert_users(db, WATCHERS)
    db.close()
    known = asyncio.run(_history(port, running.token(FLOODER)))
    publisher = _started(stack, Child(python("bench.systems.publisher", "1"), running.environment))
    watchers = connect(stack, _watches(running, port), running.data.parent).client
    command = python("bench.systems.flood", str(port), running.token(FLOODER))
    return Place(running, port, _started(stack, Child(command)), publisher, watchers, known)


def metadata(token: str) -> tuple[tuple[str, str], ...]:
    """The headers of the user's calls."""
    return (("authorization", f"Bearer {token}"),)


def _started(stack: ExitStack, child: Child) -> Child:
    stack.callback(child.end)
    child.hello()
    return child


def _watches(running: Installation, port: int) -> Plan:
    return Plan(
        host=HOST,
        ports=[port] * WATCHERS,
        places=list(range(WATCHERS)),
        tokens=[running.token(name_of(number)) for number in range(WATCHERS)],
        requests=[request()] * WATCHERS,
    )


async def _history(port: int, token: str) -> Known:
    """The jobs and pictures of the flooder, made at the pace that its limits allow."""
    plain = job_pb2.ImageSpec(prompt="a lighthouse and a boat")
    pictured = job_pb2.ImageSpec(prompt="a boat", references=[{"content": PICTURE}])
    async with grpc.aio.insecure_channel(f"{HOST}:{port}") as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        jobs = []
        for number in range(JOBS):
            spec = pictured if number < PICTURES else plain
            made = pb.GenerateImageRequest(spec=spec)
            jobs.append((await stub.GenerateImage(made, metadata=metadata(token))).job)
            await asyncio.sleep(1 / usual(UNARY))
        ended = jobs[0].job_id
        await stub.CancelJob(pb.CancelJobRequest(job_id=ended), metadata=metadata(token))
    return Known(jobs[-1].job_id, ended, jobs[0].image.references[0].media_id)
