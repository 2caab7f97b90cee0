"""Bytes of the responses of watches. A process serializes each event once for all of them."""

from rushes.v1 import admin_service_pb2
from rushes.v1 import media_service_pb2 as pb
from server.mapping.wire import tag_of, varint, within

_EVENTS_TAG = tag_of(pb.WatchJobsResponse, "events")
_TOKEN_TAG = tag_of(pb.WatchJobsResponse, "resume_token")
# Events have the same number in the responses of both kinds of watches, so that frames fit both.
assert tag_of(admin_service_pb2.WatchAllJobsResponse, "events") == _EVENTS_TAG


def event_frame(event: pb.WatchEvent) -> bytes:
    """The event as an element of `events`."""
    return serialized_frame(event.SerializeToString())


def serialized_frame(event: bytes) -> bytes:
    """The serialized event as an element of `events`."""
    return within(_EVENTS_TAG, event)


def response(frames: list[bytes], resume_token: bytes) -> bytes:
    """A response of these events."""
    return b"".join((*frames, _TOKEN_TAG, varint(len(resume_token)), resume_token))


def all_response(frames: list[bytes], omitted_count: int = 0) -> bytes:
    """A response of these events to a watch over all users."""
    rest = admin_service_pb2.WatchAllJobsResponse(omitted_count=omitted_count)
    return b"".join((*frames, rest.SerializeToString()))
