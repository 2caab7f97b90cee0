"""The only place that turns domain values into messages; `validation` is the way back.

Times are milliseconds and money micro-units in the domain, Timestamp, Duration and Money here.
"""

import json
from typing import Any

from core.catalog.models import Model
from core.errors import RequestError
from core.events import Event, ProgressTick, QueueInfo, UserChange, event_from_json
from core.jobs import Cost, Job, JobFailure, Progress
from core.media import Media
from rushes.v1 import error_reason_pb2, job_pb2, media_pb2, model_pb2
from rushes.v1 import media_service_pb2 as pb
from server.commands.read import Estimate
from server.commands.requests import Unpriced
from server.mapping.addresses import Addresses
from server.mapping.models import model_to_proto, price_lines
from server.mapping.specs import result_to_field, spec_to_field
from server.mapping.values import duration, enum_value, money, timestamp


class Mapper:
    """Maps with the installation's currency, its limit of outputs, and signed addresses."""

    def __init__(self, addresses: Addresses, currency: str, max_outputs: int) -> None:
        self._addresses = addresses
        self.currency = currency
        self._max_outputs = max_outputs

    def job_to_proto(self, job: Job, queue: QueueInfo | None = None) -> job_pb2.Job:
        """A job as callers see it; `queue` is its place while it waits."""
        return job_pb2.Job(
            job_id=job.job_id,
            user_id=job.user_id,
            **spec_to_field(job.spec),
            **result_to_field(job),
            state=enum_value(job_pb2.Job.State, job.state),
            progress=progress_to_proto(job.progress),
            queue=queue_to_proto(queue),
            cost=self.cost_to_proto(job.cost),
            error=failure_to_proto(job.failure),
            outputs=[self.media_to_proto(media) for media in job.outputs],
            labels=job.labels,
            provider=job.provider,
            model=job.spec.model,
            # The last part alone: what is before it names the account at the provider.
            provider_operation=job.provider_operation.rpartition("/")[2],
            attempt=job.attempt,
            revision=job.revision,
            cancel_request_time=timestamp(job.cancel_request_time),
            cancel_reason=job.cancel_reason,
            cancel_saves_cost=job.cancel_saves_cost,
            retry_of=job.retry_of,
            create_time=timestamp(job.create_time),
            start_time=timestamp(job.start_time),
            end_time=timestamp(job.end_time),
            start_deadline=timestamp(job.start_deadline),
            finish_deadline=timestamp(job.finish_deadline),
            request_id=job.request_id,
            final_prompt=job.final_prompt,
        )

    def media_to_proto(self, media: Media, ttl_seconds: int | None = None) -> media_pb2.Media:
        """A media item with addresses that last `ttl_seconds`, or as long as is usual here."""
        signed = self._addresses.sign(media, ttl_seconds)
        return media_pb2.Media(
            media_id=media.media_id,
            user_id=media.user_id,
            job_id=media.job_id,
            type=enum_value(media_pb2.Media.Type, media.type),
            mime_type=media.mime_type,
            size_bytes=media.size_bytes,
            sha256=media.sha256,
            width=media.width,
            height=media.height,
            duration=duration(media.duration_ms),
            url=signed.url,
            thumbnail_url=signed.thumbnail_url,
            url_expire_time=timestamp(signed.expire_time),
            title=media.title,
            prompt=media.prompt,
            revised_prompt=media.revised_prompt,
            seed=media.seed,
            provider=media.provider,
            model=media.model,
            cost=money(media.cost_micros, self.currency),
            generation_duration=duration(media.generation_ms),
            labels=media.labels,
            starred=media.starred,
            create_time=timestamp(media.create_time),
            delete_time=timestamp(media.delete_time),
            purge_time=timestamp(media.purge_time),
            has_content_credentials=media.has_content_credentials,
        )

    def model_to_proto(self, model: Model, now_ms: int) -> model_pb2.Model:
        """A model of the catalog, as it is at that time."""
        return model_to_proto(model, self.currency, self._max_outputs, now_ms)

    def estimate_to_proto(self, estimate: Estimate | Unpriced) -> pb.EstimateCostResponse.Estimate:
        """The price and the queue of one model, or why it can't be priced."""
        if isinstance(estimate, Unpriced):
            error = error_to_proto(estimate.error)
            return pb.EstimateCostResponse.Estimate(model=estimate.model, error=error)
        candidate = estimate.candidate
        return pb.EstimateCostResponse.Estimate(
            model=candidate.model.model,
            cost=money(estimate.cost_micros, self.currency),
            queue=queue_to_proto(estimate.queue),
            lines=price_lines(estimate.lines, self.currency),
            unsupported_fields=candidate.unsupported_fields,
            affordable=estimate.affordable,
            error=error_to_proto(estimate.error),
        )

    def cost_to_proto(self, cost: Cost) -> job_pb2.Cost:
        """Where a job's money stands."""
        return job_pb2.Cost(
            state=enum_value(job_pb2.Cost.State, cost.state),
            estimated=money(cost.estimated_micros, self.currency),
            actual=money(cost.actual_micros, self.currency),
            price_revision=cost.price_revision,
        )

    def event_to_proto(self, event: Event) -> pb.WatchEvent:
        """A durable event, with the whole job after it."""
        return pb.WatchEvent(
            revision=event.revision,
            event_time=timestamp(event.event_time),
            job=pb.JobEvent(
                type=enum_value(pb.JobEvent.Type, event.type), job=self.job_to_proto(event.job)
            ),
        )

    def stored_to_proto(self, stored: UserChange) -> pb.WatchEvent:
        """A durable event as the database and the stream carry it."""
        return self.event_to_proto(event_from_json(stored.revision, json.loads(stored.payload)))

    def current_to_proto(
        self, job: Job, now_ms: int, queue: QueueInfo | None = None
    ) -> pb.WatchEvent:
        """A job in a snapshot; it has no revision of its own there."""
        return pb.WatchEvent(
            event_time=timestamp(now_ms),
            job=pb.JobEvent(type=pb.JobEvent.CURRENT, job=self.job_to_proto(job, queue)),
        )


def tick_to_proto(
    tick: ProgressTick, now_ms: int | None = None, queue: QueueInfo | None = None
) -> pb.WatchEvent:
    """Progress of a job, or with `queue` its place while it waits."""
    return pb.WatchEvent(
        event_time=timestamp(now_ms),
        progress=pb.ProgressEvent(
            job_id=tick.job_id,
            attempt=tick.attempt,
            progress=progress_to_proto(tick.progress),
            queue=queue_to_proto(queue),
        ),
    )


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


def progress_to_proto(progress: Progress) -> job_pb2.Progress:
    """How far a job is."""
    return job_pb2.Progress(
        stage=enum_value(job_pb2.Progress.Stage, progress.stage),
        percent=progress.percent,
        estimated=progress.estimated,
        message=progress.message,
        remaining=duration(progress.remaining_ms),
    )


def queue_to_proto(queue: QueueInfo | None) -> Any:
    """The place of a job that waits; None for one that does not."""
    if queue is None:
        return None
    return job_pb2.QueueInfo(
        position=queue.position,
        estimated_wait=duration(queue.estimated_wait_ms),
        estimated_run=duration(queue.estimated_run_ms),
        sample_count=queue.sample_count,
        blocked_reason=queue.blocked_reason,
    )


def error_to_proto(error: RequestError | None) -> Any:
    """Why one part of a request was refused while the others were not; None when it was not."""
    if error is None:
        return None
    return job_pb2.JobError(
        reason=enum_value(error_reason_pb2.ErrorReason, error.reason),
        message=error.message,
        metadata=error.metadata,
    )


def failure_to_proto(failure: JobFailure | None) -> Any:
    """Why a job failed; None while it did not."""
    if failure is None:
        return None
    return job_pb2.JobError(
        reason=enum_value(error_reason_pb2.ErrorReason, failure.reason),
        message=failure.message,
        metadata=failure.metadata,
    )
