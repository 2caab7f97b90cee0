"""The users who go on while another one floods."""

import asyncio
import random
import time
from typing import Any

import grpc

from bench.starve.place import HOST, Place, metadata
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc

# Each calls so often, which is within the limits.
CALLERS, GETS_PER_SECOND, ACCEPTS_PER_SECOND = 3, 25, 10
ACCEPT = pb.GenerateImageRequest(spec=job_pb2.ImageSpec(prompt="a pixel"))
Ages = dict[str, list[float]]


async def call(place: Place, seconds: float) -> Ages:
    """Seconds that each GetJob (`get`) and each GenerateImage (`accept`) of the callers took."""
    ages: Ages = {"get": [], "accept": []}
    async with grpc.aio.insecure_channel(f"{HOST}:{place.port}") as channel:
        stub: Any = rpc.MediaServiceStub(channel)
        ends = time.perf_counter() + seconds
        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                token = place.running.token(f"caller-{number}")
                group.create_task(_call(stub, token, ends, ages))
    return ages


async def _call(stub: Any, token: str, ends: float, ages: Ages) -> None:
    headers = metadata(token)
    job_id = (await stub.GenerateImage(ACCEPT, metadata=headers)).job.job_id
    get = pb.GetJobRequest(job_id=job_id)

    async def repeat(method: Any, request: Any, rate: float, ages: list[float]) -> None:
        due = time.perf_counter() + random.random() / rate
        while due < ends:
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            begun = time.perf_counter()
            await method(request, metadata=headers)
            ages.append(time.perf_counter() - begun)
            due = max(due + 1 / rate, begun)

    await asyncio.gather(
        repeat(stub.GetJob, get, GETS_PER_SECOND, ages["get"]),
        repeat(stub.GenerateImage, ACCEPT, ACCEPTS_PER_SECOND, ages["accept"]),
    )
