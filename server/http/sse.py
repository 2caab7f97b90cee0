"""Responses of a watch as server-sent events: their names, their ids, and what an id means.

A response with events of several kinds becomes several messages, because a message has one name.
The last one's id is the response's resume token. A reader that loses the connection before it has
that one names the id of an earlier one: the token before the response, a dot, and the revision up
to which it has the response's durable events.
"""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from core.errors import Reason, ResumeTokenInvalid
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.error_reason_pb2 import ErrorReason
from server.mapping.as_json import as_json

KEEP_ALIVE = b": keep-alive\n\n"
CHECKPOINT = "checkpoint"
_REASONS = frozenset(ErrorReason.keys())
_REVISION = re.compile("[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader stands: after `token`, and with a `revision` within the response after it.

    Then it has that response's durable events up to the revision, and perhaps others.
    """

    token: str
    revision: int | None = None

    def __str__(self) -> str:
        return self.token if self.revision is None else f"{self.token}.{self.revision}"

    @property
    def in_first_snapshot(self) -> bool:
        """Whether the reader had some of a snapshot, and no token yet that could tell."""
        return not self.token and self.revision is not None


def read_place(text: str) -> Place:
    """What an id stands for.

    Raises:
        ResumeTokenInvalid: when no stream has such an id.
    """
    token, dot, revision = text.partition(".")
    if not dot:
        return Place(token)
    if not _REVISION.fullmatch(revision):
        raise ResumeTokenInvalid
    return Place(token, int(revision))


def name_of(event: pb.WatchEvent) -> str:
    """The name of the event's kind. One without a kind goes by the first of the parts beside it."""
    kind: str | None = event.WhichOneof("event")
    if kind is not None:
        return kind
    parts = [field.name for field, _ in event.ListFields() if field.message_type is not None]
    return next((name for name in parts if name != "event_time"), "change")


def retry(milliseconds: int) -> bytes:
    """Tells a browser when to connect again after a loss."""
    return b"retry: %d\n\n" % milliseconds


def encode(response: pb.WatchJobsResponse, before: str) -> bytes:
    """The messages of a response; `before` is the token that the reader had until now."""
    groups = [(name, list(events)) for name, events in itertools.groupby(response.events, name_of)]
    *others, (name, events) = groups or [(CHECKPOINT, [])]
    messages, has = [], 0
    for other, some in others:
        has = max(has, *(event.revision for event in some))
        messages.append(_message(other, some, Place(before, has)))
    messages.append(_message(name, events, Place(response.resume_token)))
    return b"".join(messages)


def end(reason: str, token: str) -> pb.WatchJobsResponse:
    """The response that says why a stream ends, where no server says it."""
    known = reason if reason in _REASONS else Reason.INTERNAL_ERROR
    said = pb.WatchEvent.End(reason=str(known))
    return pb.WatchJobsResponse(events=[pb.WatchEvent(end=said)], resume_token=token)


class Skip:
    """Leaves out what a reader has already that stopped within a response."""

    def __init__(self, place: Place) -> None:
        self._until = place.revision or 0
        self._reset = place.in_first_snapshot

    def from_response(self, response: pb.WatchJobsResponse) -> pb.WatchJobsResponse:
        """The response without what the reader has."""
        if not self._until and not self._reset:
            return response
        events = [event for event in self._with_reset(response.events) if self._is_news(event)]
        return pb.WatchJobsResponse(events=events, resume_token=response.resume_token)

    def _with_reset(self, events: Iterable[pb.WatchEvent]) -> Iterable[pb.WatchEvent]:
        if not self._reset:
            return events
        self._reset = False
        cause = pb.WatchEvent.Reset(cause="the snapshot was not complete")
        return [pb.WatchEvent(reset=cause), *events]

    def _is_news(self, event: pb.WatchEvent) -> bool:
        if event.WhichOneof("event") in ("reset", "synced"):
            self._until = 0  # the history is another one, or the replay is over
        return event.revision == 0 or event.revision > self._until


def _message(name: str, events: list[pb.WatchEvent], place: Place) -> bytes:
    data: dict[str, Any] = {"events": [as_json(event) for event in events]} if events else {}
    data["resumeToken"] = str(place)
    head = f"event: {name}\nid: {place}\ndata: ".encode()
    return head + orjson.dumps(data) + b"\n\n"
