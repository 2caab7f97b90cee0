"""The only place that turns domain values into messages; `validation` is the way back.

Times are milliseconds and money micro-units in the domain, Timestamp, Duration and Money here.
A message inside another is made as the values of its fields (see `values`).
"""

import functools
from collections.abc import Iterable
from typing import Any

import orjson

from core.catalog.models import Model
from core.errors import RequestError
from core.events import QueueInfo, UserChange
from core.jobs import Job
from core.kinds import Record, record_from_json
from core.media import Media
from core.views import View
from rushes.v1 import error_reason_pb2, job_pb2, media_pb2, model_pb2, view_pb2
from rushes.v1 import media_service_pb2 as pb
from server.commands.read import Estimate
from server.commands.requests import Unpriced
from server.mapping.addresses import Addresses
from server.mapping.models import model_to_proto, price_lines
from server.mapping.specs import SPECS, result_field
from server.mapping.values import duration, enum_value, money, timestamp
from server.mapping.wire import tag_of, within

# The fields of a job, and those of its progress, that an event keeps as they are shown. What was
# asked for stays as it is while a job lives; the rest moves.
_ASKED = (
    "job_id",
    "user_id",
    "provider",
    "labels",
    "retry_of",
    "request_id",
    "apply_to_view",
    "batch_id",
    "final_prompt",
)
_ASKED_TIMES = ("create_time", "start_deadline", "finish_deadline")
_MOVING = ("attempt", "revision", "cancel_reason", "cancel_saves_cost")
_MOVING_TIMES = ("cancel_request_time", "start_time", "end_time")
_PROGRESS = ("percent", "estimated", "message")
_ALL_ASKED = ("kind", "spec", *_ASKED, *_ASKED_TIMES)

# What jobs were asked to make, by job: as JSON, and as the part of a serialized Job.
Asked = dict[str, tuple[bytes, bytes]]
_JOB_EVENT_TAG = tag_of(pb.WatchEvent, "job")
_JOB_TAG = tag_of(pb.JobEvent, "job")


class Mapper:
    """Maps with the installation's currency, its limit of outputs, and signed addresses."""

    def __init__(self, addresses: Addresses, currency: str, max_outputs: int) -> None:
        self._addresses = addresses
        self.currency = currency
        self.max_outputs = max_outputs

    def expire_time_s(self, ttl_seconds: int | None = None) -> int:
        """When addresses end that are made now, in seconds of the epoch."""
        return self._addresses.expire_time_s(ttl_seconds)

    def job_to_proto(self, job: Job, queue: QueueInfo | None = None) -> job_pb2.Job:
        """A job as callers see it; `queue` is its place while it waits."""
        return job_pb2.Job(**self.job_fields(job, queue))

    def job_fields(self, job: Job, queue: QueueInfo | None = None) -> Any:
        """The same as the fields of a job, for a message that has several."""
        return self.fields_of(job.to_json_alone(), job.outputs, job.result, queue)

    def fields_of(
        self,
        values: dict[str, Any],
        outputs: Iterable[Media],
        record: Record | None,
        queue: QueueInfo | None = None,
    ) -> dict[str, Any]:
        """The fields of a job of which an event keeps `values`.

        Events are mapped from what they keep, because a watch maps many, and a Job made in between
        would cost more than the rest. A call's job passes here too, so that both look the same.
        """
        return self._asked(values) | self._moving(values, outputs, record, queue)

    def _asked(self, values: dict[str, Any]) -> dict[str, Any]:
        """The fields that stay as they are while the job lives, of _ALL_ASKED."""
        fields = {name: values[name] for name in _ASKED if name in values}
        fields |= {name: timestamp(values[name]) for name in _ASKED_TIMES if name in values}
        kind, spec = values["kind"], values["spec"]
        fields[kind] = SPECS[kind](spec)
        fields["model"] = spec.get("model")
        return fields

    def _moving(
        self,
        values: dict[str, Any],
        outputs: Iterable[Media],
        record: Record | None,
        queue: QueueInfo | None = None,
    ) -> dict[str, Any]:
        """The other fields."""
        fields = {name: values[name] for name in _MOVING if name in values}
        fields |= {name: timestamp(values[name]) for name in _MOVING_TIMES if name in values}
        fields["state"] = enum_value(job_pb2.Job.State, values["state"])
        fields["progress"] = _progress(values["progress"])
        fields["cost"] = self._cost(values["cost"])
        fields["outputs"] = [self.media_fields(media) for media in outputs]
        if record is not None:
            fields |= result_field(values["kind"], record)
        if operation := values.get("provider_operation"):
            # The last part alone: what is before it names the account at the provider.
            fields["provider_operation"] = operation.rpartition("/")[2]
        if failure := values.get("failure"):
            fields["error"] = _failure(failure)
        if queue is not None:
            fields["queue"] = _queue(queue)
        return fields

    def media_to_proto(
        self, media: Media, ttl_seconds: int | None = None, until_ms: int | None = None
    ) -> media_pb2.Media:
        """A media item with addresses that last `ttl_seconds`, or as long as is usual here, and
        never after `until_ms`."""
        return media_pb2.Media(**self.media_fields(media, ttl_seconds, until_ms))

    def media_fields(
        self, media: Media, ttl_seconds: int | None = None, until_ms: int | None = None
    ) -> Any:
        """The same as the fields of an item, for a message that has several."""
        signed = self._addresses.sign(media, ttl_seconds, until_ms)
        return {
            "media_id": media.media_id,
            "user_id": media.user_id,
            "job_id": media.job_id,
            "type": enum_value(media_pb2.Media.Type, media.type),
            "mime_type": media.mime_type,
            "size_bytes": media.size_bytes,
            "sha256": media.sha256,
            "width": media.width,
            "height": media.height,
            "duration": duration(media.duration_ms),
            "url": signed.url,
            "thumbnail_url": signed.thumbnail_url,
            "url_expire_time": timestamp(signed.expire_time),
            "title": media.title,
            "prompt": media.prompt,
            "revised_prompt": media.revised_prompt,
            "seed": media.seed,
            "provider": media.provider,
            "model": media.model,
            "cost": money(media.cost_micros, self.currency),
            "generation_duration": duration(media.generation_ms),
            "labels": media.labels,
            "starred": media.starred,
            "create_time": timestamp(media.create_time),
            "delete_time": timestamp(media.delete_time),
            "purge_time": timestamp(media.purge_time),
            "has_content_credentials": media.has_content_credentials,
        }

    def model_to_proto(self, model: Model, now_ms: int) -> model_pb2.Model:
        """A model of the catalog, as it is at that time."""
        return model_to_proto(model, self.currency, self.max_outputs, now_ms)

    def estimate_to_proto(self, estimate: Estimate | Unpriced) -> pb.EstimateCostResponse.Estimate:
        """The price and the queue of one model, or why it can't be priced."""
        if isinstance(estimate, Unpriced):
            error = _error(estimate.error)
            return pb.EstimateCostResponse.Estimate(model=estimate.model, error=error)
        candidate = estimate.candidate
        return pb.EstimateCostResponse.Estimate(
            model=candidate.model.model,
            cost=money(estimate.cost_micros, self.currency),
            queue=_queue(estimate.queue),
            lines=price_lines(estimate.lines, self.currency),
            unsupported_fields=candidate.unsupported_fields,
            affordable=estimate.affordable,
            error=_error(estimate.error),
        )

    def _cost(self, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "state": enum_value(job_pb2.Cost.State, values["state"]),
            "estimated": money(values["estimated_micros"], self.currency),
            "actual": money(values.get("actual_micros"), self.currency),
            "price_revision": values.get("price_revision"),
        }

    def stored_to_proto(self, stored: UserChange) -> pb.WatchEvent:
        """A durable event as the database and the stream carry it."""
        return self.kept_to_proto(stored.revision, orjson.loads(stored.payload))

    def kept_to_proto(self, revision: int, values: dict[str, Any]) -> pb.WatchEvent:
        """The durable event of which these are the decoded values; raises as `kept_to_bytes`."""
        job = values["job"]
        outputs = [Media.from_json(item) for item in job["outputs"]]
        record = record_from_json(job["kind"], job.get("result"))
        type = enum_value(pb.JobEvent.Type, values["type"])
        return pb.WatchEvent(
            revision=revision,
            event_time=timestamp(values["event_time"]),
            job=_job_event(type, self.fields_of(job, outputs, record)),
        )

    def kept_to_bytes(self, revision: int, values: dict[str, Any], asked: Asked) -> bytes:
        """A serialized WatchEvent: the durable event of which these are the decoded values.

        Most of an event is what the job was asked to make, which is the same in all of its events.
        `asked` keeps that part for the job's next event.

        Raises:
            ValueError, KeyError, TypeError: when they are not those of an event.
        """
        job = values["job"]
        outputs = [Media.from_json(item) for item in job["outputs"]]
        record = record_from_json(job["kind"], job.get("result"))
        said = orjson.dumps([job.get(name) for name in _ALL_ASKED])
        known, part = asked.get(job["job_id"], (b"", b""))
        if known != said:
            part = job_pb2.Job(**self._asked(job)).SerializeToString()
            asked[job["job_id"]] = said, part
        moving = job_pb2.Job(**self._moving(job, outputs, record)).SerializeToString()
        told = _type_bytes(values["type"]) + within(_JOB_TAG, part + moving)
        return head_to_bytes(revision, values) + within(_JOB_EVENT_TAG, told)

    def views_to_proto(self, views: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The fields of ViewEvents, of what `ViewChange.to_json` wrote."""
        return [self._view_event(one["type"], one["view"]) for one in views]

    def _view_event(self, type: str, values: dict[str, Any]) -> dict[str, Any]:
        media = values.get("media")
        view = self._view(values, Media.from_json(media) if media else None)
        return {"type": enum_value(view_pb2.ViewEvent.Type, type), "view": view}

    def _view(
        self, values: dict[str, Any], media: Media | None, ttl_seconds: int | None = None
    ) -> dict[str, Any]:
        names = ("view", "looping", "job_id", "deleted_media_id")
        fields: dict[str, Any] = {name: values[name] for name in names if name in values}
        fields["apply_time"] = timestamp(values.get("apply_time"))
        if media is not None:
            fields["media"] = self.media_fields(media, ttl_seconds)
        return fields

    def view_to_proto(self, view: View, ttl_seconds: int | None = None) -> view_pb2.View:
        """A view with addresses that last `ttl_seconds`, or as long as is usual here."""
        return view_pb2.View(**self._view(view.to_json_alone(), view.media, ttl_seconds))

    def current_views_to_proto(self, views: Iterable[View], now_ms: int) -> pb.WatchEvent:
        """What views show in a snapshot."""
        shown = [
            {
                "type": view_pb2.ViewEvent.CURRENT,
                "view": self._view(view.to_json_alone(), view.media),
            }
            for view in views
        ]
        return pb.WatchEvent(event_time=timestamp(now_ms), views=shown)

    def current_to_proto(
        self, job: Job, now_ms: int, queue: QueueInfo | None = None
    ) -> pb.WatchEvent:
        """A job in a snapshot; it has no revision of its own there."""
        return self.current_fields_to_proto(self.job_fields(job, queue), now_ms)

    def current_fields_to_proto(self, fields: dict[str, Any], now_ms: int) -> pb.WatchEvent:
        """The same of the fields of a job."""
        return pb.WatchEvent(
            event_time=timestamp(now_ms), job=_job_event(pb.JobEvent.CURRENT, fields)
        )


def tick_to_proto(
    job_id: str,
    attempt: int,
    progress: dict[str, Any],
    now_ms: int,
    queue: QueueInfo | None = None,
) -> pb.WatchEvent:
    """Progress of a job as the stream carries it, or with `queue` its place while it waits."""
    tick: Any = {"job_id": job_id, "attempt": attempt, "progress": _progress(progress)}
    if queue is not None:
        tick["queue"] = _queue(queue)
    return pb.WatchEvent(event_time=timestamp(now_ms), progress=tick)


def head_to_bytes(revision: int, values: dict[str, Any]) -> bytes:
    """The serialized WatchEvent of a durable change, without its parts."""
    event = pb.WatchEvent(revision=revision, event_time=timestamp(values["event_time"]))
    return event.SerializeToString()


def synced_to_proto() -> pb.WatchEvent:
    """The snapshot or the replay is complete."""
    return pb.WatchEvent(synced=pb.WatchEvent.Synced())


def reset_to_proto(cause: str) -> pb.WatchEvent:
    """The token could not be continued."""
    return pb.WatchEvent(reset=pb.WatchEvent.Reset(cause=cause))


def end_to_proto(reason: str = "") -> pb.WatchEvent:
    """The server ends the stream; no reason when `until_done` was reached."""
    return pb.WatchEvent(
        end=pb.WatchEvent.End(reason=enum_value(error_reason_pb2.ErrorReason, reason))
    )


@functools.cache
def _type_bytes(type: str) -> bytes:
    return pb.JobEvent(type=enum_value(pb.JobEvent.Type, type)).SerializeToString()


def _job_event(type: Any, job: dict[str, Any]) -> Any:
    return {"type": type, "job": job}


def _progress(values: dict[str, Any]) -> dict[str, Any]:
    """How far a job is, from what `progress_to_json` wrote."""
    fields = {name: values[name] for name in _PROGRESS if name in values}
    fields["stage"] = enum_value(job_pb2.Progress.Stage, values.get("stage", ""))
    if "remaining_ms" in values:
        fields["remaining"] = duration(values["remaining_ms"])
    return fields


def _queue(queue: QueueInfo) -> dict[str, Any]:
    """The place of a job that waits."""
    return {
        "position": queue.position,
        "estimated_wait": duration(queue.estimated_wait_ms),
        "estimated_run": duration(queue.estimated_run_ms),
        "sample_count": queue.sample_count,
        "blocked_reason": queue.blocked_reason,
    }


def _error(error: RequestError | None) -> Any:
    """Why one part of a request was refused while the others were not; None when it was not."""
    if error is None:
        return None
    return {
        "reason": enum_value(error_reason_pb2.ErrorReason, error.reason),
        "message": error.message,
        "metadata": error.metadata,
    }


def _failure(values: dict[str, Any]) -> dict[str, Any]:
    """Why a job failed, from what an event keeps."""
    return {
        "reason": enum_value(error_reason_pb2.ErrorReason, values["reason"]),
        "message": values.get("message"),
        "metadata": values.get("metadata"),
    }
