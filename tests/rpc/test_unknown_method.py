"""Methods that the server does not have are refused with a reason."""

import grpc
import pytest

from tests.house import House, Refusal, read_refusal

Code = grpc.StatusCode

UNKNOWN_METHODS = [
    ("/rushes.v1.MediaService/MakeTea", "MakeTea"),
    ("/rushes.v1.TeaService/MakeTea", "rushes.v1.TeaService/MakeTea"),
    ("/rushes.v2.MediaService/GetJob", "rushes.v2.MediaService/GetJob"),
]


@pytest.mark.parametrize(("path", "method"), UNKNOWN_METHODS)
@pytest.mark.parametrize("streaming", [False, True])
def test_an_unknown_method_is_refused_with_a_reason(
    house: House, path: str, method: str, streaming: bool
) -> None:
    refusal = refuse_raw(house, path, streaming, f"Bearer {house.token('alice')}")
    assert (refusal.code, refusal.reason) == (Code.UNIMPLEMENTED, "METHOD_UNIMPLEMENTED")
    assert (refusal.domain, refusal.metadata) == ("rushes", {"method": method})


def test_a_stranger_learns_nothing_of_which_methods_there_are(house: House) -> None:
    known = refuse_raw(house, "/rushes.v1.MediaService/GetJob", False, "Bearer x")
    assert known.reason == "CREDENTIALS_INVALID"
    assert refuse_raw(house, UNKNOWN_METHODS[0][0], False, "Bearer x") == known


def test_a_very_long_method_name_still_fits_into_the_trailers(house: House) -> None:
    path = "/rushes.v1.MediaService/" + "x" * 5000
    refusal = refuse_raw(house, path, False, f"Bearer {house.token('alice')}")
    assert refusal.reason == "METHOD_UNIMPLEMENTED"


def test_a_service_that_is_not_ours_gets_grpc_s_own_refusal(house: House) -> None:
    refusal = refuse_raw(house, "/tea.v1.TeaService/MakeTea", False, "Bearer x")
    assert (refusal.code, refusal.reason) == (Code.UNIMPLEMENTED, "")


def refuse_raw(house: House, path: str, streaming: bool, authorization: str) -> Refusal:
    """How bytes sent to the path are refused."""
    metadata = (("authorization", authorization),)
    open_stream, call = house.channel.unary_stream(path), house.channel.unary_unary(path)
    with pytest.raises(grpc.RpcError) as caught:
        list((open_stream if streaming else call)(b"\xff", metadata=metadata, timeout=10))
    return read_refusal(caught.value)
