"""Small files that are slow or large to decode: they cost their own user, and nobody else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import grpc
import pytest
from PIL import Image

from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from tests.e2e.processes import linux_only
from tests.e2e.running import Running
from tests.rpc.requests import bomb
from tests.security.conftest import Strangers, memory
from tests.unit.core.decoding.slow import many_scans

MIB = 1024 * 1024


def flat_webp(side: int = 5000) -> bytes:
    """25 million pixels of one colour in a few hundred bytes."""
    output = BytesIO()
    Image.new("RGB", (side, side)).save(output, "WEBP", lossless=True)
    return output.getvalue()


@pytest.fixture
def attacker(run: Running) -> Iterator["Attacker"]:
    with grpc.insecure_channel(f"localhost:{run.port}") as channel:
        yield Attacker(run, channel)


class Attacker:
    """A user who sends what takes long."""

    def __init__(self, run: Running, channel: grpc.Channel) -> None:
        self._metadata = (("authorization", f"Bearer {run.token('attacker')}"),)
        self._stub = rpc.MediaServiceStub(channel)

    def send(self, *references: bytes) -> grpc.StatusCode:
        """How a request with these references ends."""
        spec = job_pb2.ImageSpec(prompt="a boat")
        for content in references:
            spec.references.add(content=content)
        request = pb.GenerateImageRequest(spec=spec)
        request.options.validate_only = True
        try:
            self._stub.GenerateImage(request, metadata=self._metadata, timeout=60)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK


@linux_only
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("kind", "requests", "files"), [("flat-webp", 8, 4), ("scans", 3, 1)])
def test_others_are_served_while_one_user_s_files_are_decoded(
    run: Running, strangers: Strangers, attacker: Attacker, kind: str, requests: int, files: int
) -> None:
    data = flat_webp() if kind == "flat-webp" else many_scans(4000, 4000, 400)
    before = memory(run, "server-1")

    with ThreadPoolExecutor(requests) as pool:
        attacks = [pool.submit(attacker.send, *[data] * files) for _ in range(requests)]
        served = run.rest("calm")("GET /v1/models").status == 200 and strangers.live_on()
        under_attack = not all(attack.done() for attack in attacks)
        grown = memory(run, "server-1") - before
        codes = {attack.result() for attack in attacks}

    assert served
    assert under_attack
    assert grown < 100 * MIB
    if kind == "scans":
        assert codes == {grpc.StatusCode.INVALID_ARGUMENT}


def test_a_bomb_is_refused_by_its_header(attacker: Attacker, strangers: Strangers) -> None:
    assert attacker.send(bomb()) is grpc.StatusCode.INVALID_ARGUMENT
    assert strangers.live_on()
