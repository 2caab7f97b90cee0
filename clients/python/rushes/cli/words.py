"""Describes jobs in words: state, place in the queue, progress and money."""

from google.protobuf.duration_pb2 import Duration
from google.type.money_pb2 import Money

from rushes.cli.output import money
from rushes.errors import reason_name
from rushes.v1 import job_pb2
from rushes.v1.job_pb2 import Cost, Job, JobError, QueueInfo

Stage = job_pb2.Progress.Stage


def error_text(error: JobError) -> str:
    """An error's sentence with its reason."""
    message = error.message.rstrip(".") or "no reason given"
    reason = reason_name(error.reason)
    return f"{message} ({reason})" if reason else message


def describe(job: Job) -> str:
    """A job's state, with the reason when it failed or was cancelled, or is not known."""
    if job.state == Job.RECONCILING:
        return "reconciling: the submit's outcome is not known yet"
    if job.state == Job.FAILED:
        return f"failed: {error_text(job.error)}"
    if job.state == Job.QUEUED and job.queue.position:
        return queue_text(job.queue)
    if job.state == Job.CANCELLED and job.cancel_reason:
        return f"cancelled: {job.cancel_reason}"
    return state_name(job).lower()


def progress_text(progress: job_pb2.Progress) -> str:
    """Percent, stage and the time left."""
    text = f"{progress.percent} % {doing(progress)}"
    return f"{text}, {left_text(progress)}" if left_text(progress) else text


def left_text(progress: job_pb2.Progress) -> str:
    """The time left; empty when it is not known."""
    if not progress.HasField("remaining"):
        return ""
    return f"about {span_text(progress.remaining)} left"


def describe_change(job: Job) -> str:
    """As `describe`; for a job that failed or was cancelled, also its cost."""
    in_vain = job.state in (Job.FAILED, Job.CANCELLED)
    cost = cost_text(job.cost) if in_vain else ""
    return f"{describe(job)}; {cost}" if cost else describe(job)


def state_name(job: Job) -> str:
    """The state's name; its number when it is newer than this client."""
    value = Job.State.DESCRIPTOR.values_by_number.get(job.state)
    return value.name if value else str(job.state)


def queue_text(queue: QueueInfo) -> str:
    """The place in the queue."""
    text = f"queued, place {queue.position}" if queue.position else "queued"
    if queue.blocked_reason:
        return f"{text} ({queue.blocked_reason})"
    if queue.estimated_wait.seconds:
        return f"{text}, starts in about {span_text(queue.estimated_wait)}"
    return text


def span_text(span: Duration) -> str:
    """A time as people say it: seconds up to two minutes, minutes up to two hours."""
    seconds = span.seconds
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min" if seconds < 7200 else f"{round(seconds / 3600)} h"


def doing(progress: job_pb2.Progress) -> str:
    """The stage and what it says about itself."""
    value = Stage.DESCRIPTOR.values_by_number.get(progress.stage)
    stage = value.name.replace("_", " ").lower() if value and value.number else "running"
    return f"{stage}: {progress.message}" if progress.message else stage


def cost_text(cost: Cost) -> str:
    """Where the money stands; empty when nothing is known of it."""
    if cost.state == Cost.CHARGED:
        spent = cost.actual.units or cost.actual.nanos
        return f"charged {money(cost.actual)}" if spent else "nothing charged"
    if cost.state == Cost.RELEASED:
        return "nothing charged"
    if cost.state == Cost.UNCERTAIN:
        return f"may have cost up to {money(cost.estimated)}"
    if cost.state == Cost.RESERVED:
        return f"{money(cost.estimated)} reserved"
    return f"{money(cost.estimated)} estimated" if cost.HasField("estimated") else ""


def amount_text(cost: Cost) -> str:
    """What was spent or may yet be, as an amount; empty when nothing is known of it."""
    if cost.state == Cost.CHARGED:
        return money(cost.actual)
    if cost.state == Cost.RELEASED:
        return money(Money(currency_code=cost.estimated.currency_code))
    if cost.estimated.units or cost.estimated.nanos:
        return f"up to {money(cost.estimated)}"
    return money(cost.estimated) if cost.HasField("estimated") else ""
