"""Bytes of WatchJobsResponse. A process serializes each event once; each response joins some."""

from rushes.v1 import media_service_pb2 as pb

_EVENTS_TAG = b"\x0a"  # field 1, length-delimited
_TOKEN_TAG = b"\x12"  # field 2, length-delimited


def event_frame(event: pb.WatchEvent) -> bytes:
    """The event as an element of `events`."""
    body = event.SerializeToString()
    return _EVENTS_TAG + _varint(len(body)) + body


def response(frames: list[bytes], resume_token: str) -> bytes:
    """A response of these events. In protobuf, joined bytes are a merged message."""
    token = resume_token.encode()
    return b"".join(frames) + _TOKEN_TAG + _varint(len(token)) + token


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
