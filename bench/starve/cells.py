"""The floods: each call of each service, within the limits of a user and beyond them."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from core.process.settings import Settings
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from server.services import SERVICES
from tests.rpc.requests import png


def name_of(method: MethodDescriptor) -> str:
    """The name of a call in the tables; those of other services than the first say which."""
    service = method.containing_service.name
    return str(method.name if service == "MediaService" else f"{service}.{method.name}")


METHODS = {name_of(method): method for one in SERVICES for method in one.descriptor.methods}
# The settings that limit how many calls a user may begin in a second.
UNARY, STREAMS = "user_requests_per_second", "user_watch_opens_per_second"
# So many times the limit, with at most so many calls under way.
BEYOND, AT_ONCE = 10, 400
PICTURE = png(1024, 768)


def usual(setting: str) -> int:
    """The default of a setting."""
    return int(Settings.model_fields[setting].default)


@dataclass(frozen=True, slots=True)
class Cell:
    """A flood: a call with its request, so many times a second."""

    name: str
    method: MethodDescriptor
    request: Message
    rate: float

    @property
    def asked(self) -> dict[str, Any]:
        """As `bench.systems.flood` takes it."""
        return {
            "path": f"/{self.method.containing_service.full_name}/{self.method.name}",
            "request": base64.b64encode(self.request.SerializeToString()).decode(),
            "streaming": self.method.server_streaming,
            "rate": self.rate,
            "at_once": AT_ONCE,
        }


@dataclass(frozen=True, slots=True)
class Known:
    """What the flooder has: a job that waits, one that ended, and a picture."""

    waiting: str
    ended: str
    media: str


def floods(known: Known) -> Iterator[Cell]:
    """Each call within the limits and beyond them."""
    for name, (method_name, request) in (_of_all(known) | _dearest(known)).items():
        method = METHODS[method_name]
        rate = usual(STREAMS if method.server_streaming else UNARY)
        yield Cell(f"{name}, within", method, request, rate)
        yield Cell(f"{name}, beyond", method, request, rate * BEYOND)


def _of_all(known: Known) -> dict[str, tuple[str, Message]]:
    """Requests with the fields set that make a call do something, and much of it."""
    prompt = {"prompt": "a lighthouse and a boat"}
    values: dict[str, Any] = {
        "job_id": known.ended,
        "media_id": known.media,
        "media_ids": [known.media],
        "page_size": 1000,
        "query": "lighthouse boat",
        "title": "a boat",
        "recent": Duration(seconds=9 * 365 * 24 * 3600),
        "spec": prompt,
        "image": prompt,
    }

    def filled(method: MethodDescriptor) -> Message:
        fields = {field.name for field in method.input_type.fields}
        if "job_id" in fields:
            fields -= {"image"}  # a retry with another spec
        return GetMessageClass(method.input_type)(
            **{name: value for name, value in values.items() if name in fields}
        )

    return {name: (name, filled(method)) for name, method in METHODS.items()}


def _dearest(known: Known) -> dict[str, tuple[str, Message]]:
    """Requests that cost more than others of their calls."""
    spec = job_pb2.ImageSpec(prompt="a boat", references=[{"content": PICTURE}])
    wait = pb.GetJobRequest(job_id=known.waiting, wait=Duration(seconds=50))
    models = [f"model-{number}" for number in range(50)]
    estimate = pb.EstimateCostRequest(image=spec, models=models)
    return {
        "GetJob that waits": ("GetJob", wait),
        "GenerateImage with a picture": ("GenerateImage", pb.GenerateImageRequest(spec=spec)),
        "EstimateCost of 50 models": ("EstimateCost", estimate),
    }
