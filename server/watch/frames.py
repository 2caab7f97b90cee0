"""Bytes of WatchJobsResponse. A process serializes each event once; each response joins some."""

from rushes.v1 import media_service_pb2 as pb

_EVENTS_TAG = b"\x0a"  # field 1, length-delimited
_TOKEN_TAG = b"\x12"  # field 2, length-delimited


_SHORT = [bytes([value]) for value in range(0x80)]


def event_frame(event: pb.WatchEvent) -> bytes:
    """The event as an element of `events`."""
    body = event.SerializeToString()
    return _EVENTS_TAG + _varint(len(body)) + body


def response(frames: list[bytes], resume_token: bytes) -> bytes:
    """A response of these events. In protobuf, joined bytes are a merged message."""
    return b"".join((*frames, _TOKEN_TAG, _varint(len(resume_token)), resume_token))


def _varint(value: int) -> bytes:
    if value < len(_SHORT):
        return _SHORT[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
