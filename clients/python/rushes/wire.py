"""Reads and writes what travels beside the messages: error details, the token, the address.

No I/O. `grpcio-status` is not used: it pins one protobuf major version, this client runs on two.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from rushes.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NotSignedIn,
    RushesError,
    Unavailable,
    error_class,
)

DOMAIN = "rushes"
_DETAILS_KEY = "grpc-status-details-bin"
_REQUEST_ID_KEY = "x-request-id"
UNREACHABLE = "The server can't be reached."
_LOOPBACK = ("localhost", "127.", "[::1]", "unix:")

# A small window: what gRPC reads ahead for a slow reader would be stale when it is shown.
_CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.http2.lookahead_bytes", 16_384),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    # gRPC would wait up to two minutes before it dials again: a watch has its own back-off.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


def parse_server(server: str, secure: bool) -> tuple[str, bool]:
    """The gRPC target and whether to use TLS, from host:port, an http(s) address or a target."""
    if not server.startswith(("http://", "https://")):
        return server, secure
    parts = urlsplit(server)
    secure = parts.scheme == "https"
    host = parts.hostname or ""
    try:
        port = parts.port or (443 if secure else 80)
    except ValueError:
        raise InvalidRequest(f"The server's port is wrong: {server}") from None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}", secure


def is_loopback(target: str) -> bool:
    """Whether a gRPC target names this machine."""
    return target.startswith(_LOOPBACK)


def channel_options(target: str) -> list[tuple[str, Any]]:
    """Options of the channel to `target`; a proxy is never used for this machine."""
    return [*_CHANNEL_OPTIONS, ("grpc.enable_http_proxy", 0 if is_loopback(target) else 1)]


def call_metadata(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that signs a call in; none without a token."""
    token = token.strip()
    if not token:
        return ()
    if not (token.isascii() and token.isprintable()):
        raise NotSignedIn("The token holds characters that no token has.")
    return (("authorization", f"Bearer {token}"),)


def read_error(error: grpc.RpcError, server: str = "") -> RushesError:
    """The exception that a failed call becomes, with what its details say."""
    code = error.code()
    trailing = _pairs(error.trailing_metadata())
    status = _read_status(trailing)
    fields: dict[str, Any] = {}
    for detail in status.details:
        fields.update(_read_detail(detail))
    # The edge sends the ID in the initial metadata. An error without a body has only the trailing.
    first: Any = getattr(error, "initial_metadata", tuple)
    headers = {**_pairs(first()), **trailing}
    fields["request_id"] = str(headers.get(_REQUEST_ID_KEY, ""))
    if not fields.get("reason"):
        return _unexplained(code, status.message or error.details() or code.name, server, fields)
    kind = error_class(code, fields["reason"])
    return kind(status.message or error.details() or code.name, code=code, **fields)


def _unexplained(
    code: grpc.StatusCode, text: str, server: str, fields: dict[str, Any]
) -> RushesError:
    """The exception for an error without a Rushes reason: from the connection or from gRPC."""
    kind = error_class(code, "")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in text:
        kind, text = InvalidRequest, "The request is larger than the server takes."
    if code is grpc.StatusCode.CANCELLED:
        # The client did not cancel it: an overloaded server ends some calls like this.
        kind = Unavailable
    if kind is Unavailable:
        text = f"The server at {server} can't be reached." if server else UNREACHABLE
    return kind(text, code=code, **fields)


def went_silent() -> DeadlineExceeded:
    """The error of a stream on which nothing came in time."""
    code = grpc.StatusCode.DEADLINE_EXCEEDED
    return DeadlineExceeded("The server has gone silent.", code=code)


def from_transport(error: RushesError) -> bool:
    """Whether the connection failed, so that another try may succeed; a refusal is final."""
    if error.reason:
        return error.code is grpc.StatusCode.UNAVAILABLE
    return error.code in _BROKEN


_BROKEN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)


def _pairs(metadata: Iterable[Any] | None) -> Mapping[Any, Any]:
    return dict(metadata or ())


def _read_status(trailing: Mapping[Any, Any]) -> status_pb2.Status:
    try:
        return status_pb2.Status.FromString(trailing.get(_DETAILS_KEY, b""))
    except (DecodeError, TypeError):
        return status_pb2.Status()


def _read_detail(detail: Any) -> dict[str, Any]:
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    if detail.Unpack(info) and info.domain == DOMAIN:
        return {"reason": info.reason, "metadata": dict(info.metadata)}
    if detail.Unpack(bad):
        pairs = ((violation.field, violation.description) for violation in bad.field_violations)
        return {"violations": tuple(pairs)}
    if detail.Unpack(retry):
        return {"retry_delay": retry.retry_delay.ToNanoseconds() / 1e9}
    return {}
