"""What a server process said to a call, over HTTP: in the shape of the edge's transcoder."""

from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from starlette.responses import JSONResponse

from core.errors import Reason
from server.http.refusals import SAFE, refuse

# google.rpc.Code -> HTTP status, as the transcoder pairs them.
_STATUSES = {
    1: 499,
    3: 400,
    4: 504,
    5: 404,
    6: 409,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    11: 400,
    12: 501,
    14: 503,
    16: 401,
}


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The reason in the call's ErrorInfo; empty when the call never reached a server process."""
    status = _status_of(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def refuse_call(error: grpc.aio.AioRpcError) -> JSONResponse:
    """The response that tells a caller how the call was refused."""
    status = _status_of(error)
    if status is None:
        # Of gRPC itself; its words name sockets.
        return refuse(503, Reason.DEPENDENCY_UNAVAILABLE, "The server can't be reached; try again.")
    return JSONResponse(MessageToDict(status), _STATUSES.get(status.code, 500), headers=SAFE)


def _status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    read: Any = rpc_status.from_call
    status: status_pb2.Status | None = read(error)
    return status
