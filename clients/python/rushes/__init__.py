"""Client for Rushes: generate images and videos, watch every job live.

with rushes.Client(token=...) as client:
    job = client.generate_video("calm ocean waves at sunset", duration=8)
    job = client.wait(job.job_id)
    client.download(job.outputs[0], "waves.mp4")
"""

from rushes.aio import AsyncClient
from rushes.aio_watcher import AsyncWatch
from rushes.client import Client
from rushes.errors import (
    BudgetExceeded,
    Cancelled,
    Conflict,
    CostAboveLimit,
    CredentialsExpired,
    DeadlineExceeded,
    DownloadDamaged,
    InternalError,
    InvalidRequest,
    JobCancelled,
    JobEnded,
    JobFailed,
    LimitReached,
    ModelRetired,
    NotAllowed,
    NotFound,
    NotSignedIn,
    NotSupported,
    PreconditionFailed,
    RushesError,
    RushesWarning,
    TooManyWatches,
    Unavailable,
    UnsupportedByModel,
)
from rushes.requests import image_spec, media_input, video_spec
from rushes.v1.job_pb2 import ImageSpec, Job, MediaInput, Progress, QueueInfo, VideoSpec
from rushes.v1.media_pb2 import Media
from rushes.v1.media_service_pb2 import JobEvent, ProgressEvent, WatchEvent
from rushes.v1.model_pb2 import Model
from rushes.watch import is_done
from rushes.watcher import Watch

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncWatch",
    "BudgetExceeded",
    "Cancelled",
    "Client",
    "Conflict",
    "CostAboveLimit",
    "CredentialsExpired",
    "DeadlineExceeded",
    "DownloadDamaged",
    "ImageSpec",
    "InternalError",
    "InvalidRequest",
    "Job",
    "JobCancelled",
    "JobEnded",
    "JobEvent",
    "JobFailed",
    "LimitReached",
    "Media",
    "MediaInput",
    "Model",
    "ModelRetired",
    "NotAllowed",
    "NotFound",
    "NotSignedIn",
    "NotSupported",
    "PreconditionFailed",
    "Progress",
    "ProgressEvent",
    "QueueInfo",
    "RushesError",
    "RushesWarning",
    "TooManyWatches",
    "Unavailable",
    "UnsupportedByModel",
    "VideoSpec",
    "Watch",
    "WatchEvent",
    "image_spec",
    "is_done",
    "media_input",
    "video_spec",
]
