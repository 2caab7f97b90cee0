"""gRPC-Web as a browser speaks it: HTTP/1.1, frames taken apart by hand."""

import base64

import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.e2e.running import Running
from tests.edge.wire import Answer, frame, http

pytestmark = pytest.mark.asyncio
SERVICE = "rushes.v1.MediaService"
TRAILERS = 128
HEAD_BYTES = 5
Job = job_pb2.Job


class Frames:
    """The frames of a body as they come in, whatever the chunks are."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._rest = b""

    async def next(self) -> tuple[int, bytes]:
        """(flag, bytes); flag 128 is the trailers."""
        head = await self._take(HEAD_BYTES)
        return head[0], await self._take(int.from_bytes(head[1:], "big"))

    async def _take(self, size: int) -> bytes:
        while len(self._rest) < size:
            chunk = await self._answer.chunk()
            assert chunk, "the body ended in a frame"
            self._rest += chunk
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


class Browser:
    """Sends one request per connection, as one user."""

    def __init__(self, run: Running, user: str) -> None:
        self._port = run.port
        self._headers = {
            "content-type": "application/grpc-web+proto",
            "x-grpc-web": "1",
            "authorization": f"Bearer {run.token(user)}",
        }

    def open(self, method: str, request: Message):  # type: ignore[no-untyped-def]
        body = frame(request.SerializeToString())
        return http(self._port, f"POST /{SERVICE}/{method}", self._headers, body)

    async def call(self, method: str, request: Message) -> tuple[list[bytes], dict[str, str]]:
        """The messages and the trailers."""
        async with self.open(method, request) as answer:
            assert answer.status == 200
            frames, messages = Frames(answer), []
            while True:
                flag, data = await frames.next()
                if flag == TRAILERS:
                    return messages, read_trailers(data)
                messages.append(data)


def read_trailers(data: bytes) -> dict[str, str]:
    pairs = (line.split(":", 1) for line in data.decode().strip().split("\r\n"))
    return {name.lower(): value.strip() for name, value in pairs}


@pytest.fixture
def browser(run: Running, user: str) -> Browser:
    return Browser(run, user)


async def test_a_unary_call_is_answered(browser: Browser) -> None:
    [message], trailers = await browser.call("ListModels", pb.ListModelsRequest())

    models = {model.model for model in pb.ListModelsResponse.FromString(message).models}
    assert models >= {"builtin-video", "builtin-image"}
    assert trailers["grpc-status"] == "0"


async def test_a_watch_shows_a_job_while_it_runs(browser: Browser) -> None:
    spec = job_pb2.VideoSpec(prompt="sea")
    [message], _ = await browser.call("GenerateVideo", pb.GenerateVideoRequest(spec=spec))
    job_id = pb.GenerateVideoResponse.FromString(message).job.job_id

    states, trailers = set(), {}
    request = pb.WatchJobsRequest(job_ids=[job_id], until_done=True)
    async with browser.open("WatchJobs", request) as answer:
        frames = Frames(answer)
        while not trailers:
            flag, data = await frames.next()
            if flag == TRAILERS:
                trailers = read_trailers(data)
                break
            for event in pb.WatchJobsResponse.FromString(data).events:
                states.add(event.job.job.state)
                if event.progress.progress.percent:
                    # That this comes in time proves that nothing was held back.
                    await browser.call("CancelJob", pb.CancelJobRequest(job_id=job_id))

    assert Job.CANCELLED in states
    assert Job.SUCCEEDED not in states
    assert trailers["grpc-status"] == "0"


async def test_an_error_is_told_with_its_details(browser: Browser) -> None:
    request = pb.GenerateImageRequest(spec=job_pb2.ImageSpec(prompt=""))
    async with browser.open("GenerateImage", request) as answer:
        found = answer.headers
        if "grpc-status" not in found:  # Envoy may tell it in either place
            found = read_trailers((await Frames(answer).next())[1])

    assert answer.status == 200
    assert found["grpc-status"] == "3"
    packed = base64.b64decode(found["grpc-status-details-bin"] + "==")
    info = error_details_pb2.ErrorInfo()
    assert any(d.Unpack(info) for d in status_pb2.Status.FromString(packed).details)
    assert info.reason == "FIELD_INVALID"
