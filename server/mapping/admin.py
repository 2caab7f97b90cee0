"""Messages of AdminService from domain values.

An administrator sees jobs of other users. Unless the caller asks for prompts, a job comes without
what its user wrote and gave: specs have the fields of SHOWN alone, and outputs have no texts and no
addresses.
"""

from dataclasses import replace
from typing import Any

from core.jobs import Job
from core.media import Media
from core.store.budgets import EACH_USER, INSTALLATION, Budget
from core.store.queue_stats import QueueStats
from core.store.submits import Unsettled
from core.store.workers import Worker
from rushes.v1 import admin_service_pb2 as pb
from rushes.v1 import budget_pb2, job_pb2
from rushes.v1.media_service_pb2 import WatchEvent
from server.mapping import Mapper
from server.mapping.addresses import Signed
from server.mapping.values import duration, enum_value, money, timestamp

# What of a spec is no text and no input of its user. A field of a new kind is hidden until it
# stands here.
SHOWN = frozenset(
    {
        *("model", "quality", "duration_ms", "aspect_ratio", "resolution", "size"),
        *("output_count", "seed", "audio", "loop", "output_mime_type"),
        *("style_pack", "mood", "cinematography"),
    }
)
_TEXTS = ("prompt", "revised_prompt", "title")
_OWNERS = {EACH_USER: budget_pb2.Budget.EACH_USER, INSTALLATION: budget_pb2.Budget.INSTALLATION}


class _NoAddresses:
    """Signs nothing: the bytes are the user's."""

    def sign(
        self, media: Media, ttl_seconds: int | None = None, until_ms: int | None = None
    ) -> Signed:
        return Signed()

    def expire_time_s(self, ttl_seconds: int | None = None) -> int:
        return 0


class AdminMapper:
    """Maps jobs of all users, as an administrator may see them."""

    def __init__(self, mapper: Mapper) -> None:
        self._whole = mapper
        self._without = Mapper(_NoAddresses(), mapper.currency, mapper.max_outputs)

    def job_to_proto(self, job: Job) -> job_pb2.Job:
        """A job without prompts and inputs."""
        return job_pb2.Job(**self._fields(job))

    def current_to_proto(self, job: Job, now_ms: int, *, prompts: bool) -> WatchEvent:
        """A job of a snapshot."""
        if prompts:
            return self._whole.current_to_proto(job, now_ms)
        return self._whole.current_fields_to_proto(self._fields(job), now_ms)

    def event_to_bytes(self, revision: int, values: dict[str, Any], *, prompts: bool) -> bytes:
        """The serialized WatchEvent of a job's durable event.

        Raises:
            ValueError, KeyError, TypeError: when these are not the values of one.
        """
        if prompts:
            return self._whole.kept_to_bytes(revision, values, {})
        return self._without.kept_to_bytes(revision, {**values, "job": _hidden(values["job"])}, {})

    def _fields(self, job: Job) -> dict[str, Any]:
        outputs = [replace(media, prompt="", revised_prompt="", title="") for media in job.outputs]
        return self._without.fields_of(_hidden(job.to_json_alone()), outputs, job.result)


def _hidden(job: dict[str, Any]) -> dict[str, Any]:
    """The values of a job without what its user wrote and gave."""
    spec = {name: value for name, value in job["spec"].items() if name in SHOWN}
    outputs = [
        {name: value for name, value in output.items() if name not in _TEXTS}
        for output in job.get("outputs", ())
    ]
    return {**job, "spec": spec, "final_prompt": "", "outputs": outputs}


def queue_to_proto(stats: QueueStats) -> pb.QueueStats:
    """How a queue fares."""
    pause = stats.pause
    return pb.QueueStats(
        queue=stats.queue,
        queued_count=stats.queued,
        running_count=stats.running,
        reconciling_count=stats.reconciling,
        oldest_wait=duration(stats.oldest_wait_ms),
        median_wait=duration(stats.median_wait_ms),
        succeeded_count=stats.succeeded,
        failed_count=stats.failed,
        worker_count=stats.workers,
        pause_time=timestamp(pause.pause_time) if pause else None,
        pause_reason=pause.reason if pause else "",
    )


def worker_to_proto(worker: Worker) -> pb.Worker:
    """A worker process."""
    return pb.Worker(
        worker_id=worker.worker_id,
        state=enum_value(pb.Worker.State, worker.state),
        host=worker.host,
        pid=worker.pid,
        queues=worker.queues,
        threads=worker.threads,
        running_count=worker.running,
        start_time=timestamp(worker.start_time),
        heartbeat_time=timestamp(worker.heartbeat_time),
        version=worker.version,
    )


def unsettled_to_proto(
    item: Unsettled, currency: str
) -> pb.ListUnsettledSubmitsResponse.UnsettledSubmit:
    """A submit of which somebody has to find out more."""
    intent = item.intent
    return pb.ListUnsettledSubmitsResponse.UnsettledSubmit(
        job_id=intent.job_id,
        user_id=intent.user_id,
        state=enum_value(job_pb2.Job.State, item.state),
        provider=intent.provider,
        model=intent.model,
        key=intent.key,
        provider_operation=intent.operation,
        submit_time=timestamp(intent.create_time),
        amount=money(intent.micros, currency),
    )


def any_budget_to_proto(budget: Budget, currency: str) -> budget_pb2.Budget:
    """A budget of any owner. Nothing is spent from that of each user."""
    found = budget_pb2.Budget(
        owner=_OWNERS.get(budget.owner, budget_pb2.Budget.USER),
        user_id="" if budget.owner in _OWNERS else budget.owner.partition(":")[2],
        period=enum_value(budget_pb2.Budget.Period, budget.period.name),
        limit=money(budget.limit_micros, currency),
        inherited=budget.inherited,
    )
    if budget.owner != EACH_USER:
        spent = money(budget.spent_micros, currency)
        reserved = money(budget.reserved_micros, currency)
        reset = timestamp(budget.reset_time)
        used = budget_pb2.Budget(spent=spent, reserved=reserved, reset_time=reset)
        found.MergeFrom(used)
    return found
