"""No job of a user kills the jobs of others, unless the operator wants to see that."""

import grpc
import pytest

from core.catalog.simulated import KILLING
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from tests.e2e.processes import linux_only
from tests.e2e.running import Running
from tests.house import read_refusal
from tests.security.conftest import Strangers


@linux_only
@pytest.mark.parametrize("word", sorted(KILLING))
def test_words_that_kill_are_refused(run: Running, strangers: Strangers, word: str) -> None:
    workers = {name: run.child(name) for name in ("worker-1", "worker-2")}
    spec = job_pb2.ImageSpec(prompt=f"a boat {word.upper()}", model="simulator-image")
    metadata = (("authorization", f"Bearer {run.token('attacker')}"),)

    with (
        grpc.insecure_channel(f"localhost:{run.port}") as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        rpc.MediaServiceStub(channel).GenerateImage(
            pb.GenerateImageRequest(spec=spec), metadata=metadata
        )

    refusal = read_refusal(caught.value)
    assert (refusal.reason, refusal.fields) == ("FIELD_INVALID", ("spec.prompt",))
    assert "RUSHES_SIMULATOR_MAY_KILL" in refusal.message
    assert strangers.live_on()
    assert {name: run.child(name) for name in workers} == workers
