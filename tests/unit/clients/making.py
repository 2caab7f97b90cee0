"""Values for the tests of the clients."""

import hashlib

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from google.type.money_pb2 import Money

from rushes.v1 import media_service_pb2 as pb
from rushes.v1.job_pb2 import Cost, Job, Progress
from rushes.v1.media_pb2 import Media

JOB_ID = "01900000-0000-7000-8000-000000000001"
OTHER_ID = "01900000-0000-7000-8000-000000000002"
MEDIA_ID = "01900000-0000-7000-8000-00000000000a"
CLIP = b"\0\0\0\x18ftypmp42" + bytes(300_000)


def a_job(state: str = "QUEUED", job_id: str = JOB_ID, revision: int = 1, **fields: object) -> Job:
    job = Job(job_id=job_id, user_id="ada", state=state, revision=revision, **fields)  # type: ignore[arg-type]
    if not job.WhichOneof("spec"):
        job.video.prompt = "calm ocean waves"
    return job


def usd(text: str) -> Money:
    units, _, cents = text.partition(".")
    return Money(currency_code="USD", units=int(units), nanos=int(cents.ljust(9, "0")))


def a_cost(state: str, estimated: str = "0.02", actual: str | None = None) -> Cost:
    return Cost(state=state, estimated=usd(estimated), actual=usd(actual) if actual else None)  # type: ignore[arg-type]


def a_clip(url: str = "", content: bytes = CLIP, media_id: str = MEDIA_ID) -> Media:
    digest = hashlib.sha256(content).hexdigest()
    return Media(
        media_id=media_id,
        type=Media.VIDEO,
        mime_type="video/mp4",
        url=url,
        sha256=digest,
        size_bytes=len(content),
    )


def change(job: Job, type: str = "UPDATED") -> pb.WatchEvent:
    """A durable event at the job's revision."""
    return pb.WatchEvent(revision=job.revision, job=pb.JobEvent(type=type, job=job))


def current(job: Job) -> pb.WatchEvent:
    """A job in a snapshot."""
    return pb.WatchEvent(job=pb.JobEvent(type="CURRENT", job=job))


def progress(percent: int, message: str = "", job_id: str = JOB_ID) -> pb.WatchEvent:
    step = Progress(stage="GENERATING", percent=percent, message=message)
    return pb.WatchEvent(progress=pb.ProgressEvent(job_id=job_id, progress=step))


def synced() -> pb.WatchEvent:
    return pb.WatchEvent(synced=pb.WatchEvent.Synced())


def reset() -> pb.WatchEvent:
    return pb.WatchEvent(reset=pb.WatchEvent.Reset(cause="a new epoch"))


def end(reason: str | None = None) -> pb.WatchEvent:
    return pb.WatchEvent(end=pb.WatchEvent.End(reason=reason))


def response(*events: pb.WatchEvent, token: str = "") -> pb.WatchJobsResponse:
    return pb.WatchJobsResponse(events=events, resume_token=token)


def details(
    reason: str,
    code: grpc.StatusCode,
    message: str = "",
    *,
    violations: tuple[tuple[str, str], ...] = (),
    retry_seconds: int = 0,
    **metadata: str,
) -> tuple[tuple[str, bytes], ...]:
    """Trailing metadata as the server sends it with an error."""
    parts: list[Message] = [
        error_details_pb2.ErrorInfo(reason=reason, domain="rushes", metadata=metadata)
    ]
    if violations:
        bad = error_details_pb2.BadRequest()
        for field, text in violations:
            bad.field_violations.add(field=field, description=text)
        parts.append(bad)
    if retry_seconds:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = retry_seconds
        parts.append(retry)
    status = status_pb2.Status(code=code.value[0], message=message or reason)
    for part in parts:
        packed = Any()
        packed.Pack(part)
        status.details.append(packed)
    return (("grpc-status-details-bin", status.SerializeToString()),)
