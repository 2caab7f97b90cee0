"""Bytes that are small on the wire and large behind it: nobody unpacks them beyond the limits."""

import gzip
from typing import Any

import grpc
import pytest

from tests.e2e.processes import linux_only
from tests.e2e.running import Running
from tests.house import read_refusal
from tests.security.conftest import Strangers, memory

MIB = 1024 * 1024
UNPACKED = bytes(64 * MIB)
CALLS = 3
METHODS = ["GenerateImage", "GetJob", "WatchJobs"]


def code_of(channel: grpc.Channel, run: Running, method: str, token: str) -> Any:
    """The code of a call whose message is small on the wire alone."""
    path = f"/rushes.v1.MediaService/{method}"
    make = channel.unary_stream if method == "WatchJobs" else channel.unary_unary
    metadata = (("authorization", f"Bearer {token}"),)
    packed = grpc.Compression.Gzip
    try:
        list(make(path)(UNPACKED, metadata=metadata, timeout=20, compression=packed))
    except grpc.RpcError as error:
        return read_refusal(error).code
    raise AssertionError(f"{method} was not refused")


@linux_only
@pytest.mark.parametrize("signed_in", [True, False])
def test_a_message_that_swells_is_refused_before_it_does(
    run: Running, strangers: Strangers, signed_in: bool
) -> None:
    token = run.token("alice") if signed_in else "x"
    before = {name: memory(run, name) for name in ("server-1", "envoy")}
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]

    with grpc.insecure_channel(f"localhost:{run.port}", options=options) as channel:
        codes = {code_of(channel, run, method, token) for method in METHODS * CALLS}
        grown = {name: memory(run, name) - old for name, old in before.items()}

    assert codes <= {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAUTHENTICATED}
    assert max(grown.values()) < 2 * len(UNPACKED), grown
    assert strangers.live_on()


@linux_only
def test_a_packed_body_of_rest_is_not_unpacked(run: Running, strangers: Strangers) -> None:
    packed = gzip.compress(b'{"spec": {"prompt": "' + UNPACKED + b'"}}')
    before = {name: memory(run, name) for name in ("server-1", "envoy")}

    for _ in range(CALLS):
        answer = run.rest("alice")("POST /v1/images:generate", packed, content_encoding="gzip")
        assert 400 <= answer.status < 500, answer

    for name, old in before.items():
        assert memory(run, name) - old < len(UNPACKED), name
    assert strangers.live_on()
