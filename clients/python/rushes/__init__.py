"""Client for Rushes: generate images and videos, watch every job live.

with rushes.Client() as client:
    client.run_video("calm ocean waves at sunset", duration=8, out="waves.mp4")

    job = client.submit_video("calm ocean waves at sunset", duration=8)
    for event in job.watch():
        print(event.progress.progress.percent)
    job.download("waves.mp4")

`Client()` takes the server and the token from RUSHES_SERVER and RUSHES_TOKEN (or
RUSHES_TOKEN_FILE). `AsyncClient` is the same for asyncio.
"""

from rushes._async.client import AsyncClient
from rushes._async.event_stream import AsyncEventStream
from rushes._async.job_handle import AsyncJobHandle
from rushes._sync.client import Client
from rushes._sync.event_stream import EventStream
from rushes._sync.job_handle import JobHandle
from rushes.errors import (
    BudgetExceeded,
    Cancelled,
    Conflict,
    CostAboveLimit,
    CredentialsExpired,
    DeadlineExceeded,
    DownloadDamaged,
    InternalError,
    InvalidArgument,
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
from rushes.requests import image_job, image_spec, video_job, video_spec
from rushes.results import Batch, JobResult, NewApiKey, NewWebhookSecret, UsageResult
from rushes.v1.account_service_pb2 import ApiKey, Usage
from rushes.v1.budget_pb2 import Budget
from rushes.v1.job_pb2 import ImageSpec, Job, MediaInput, Progress, QueueInfo, VideoSpec
from rushes.v1.media_pb2 import Media
from rushes.v1.media_service_pb2 import EstimateCostResponse as _EstimateCostResponse
from rushes.v1.media_service_pb2 import JobEvent, ProgressEvent, WatchEvent
from rushes.v1.model_pb2 import Model, PromptTemplate
from rushes.v1.notification_pb2 import Announcement, Notification, NotificationSettings
from rushes.v1.recipe_pb2 import Recipe
from rushes.v1.share_service_pb2 import ListSharedMediaResponse as _ListSharedMediaResponse
from rushes.v1.share_service_pb2 import Share
from rushes.v1.view_pb2 import View
from rushes.v1.webhook_service_pb2 import Webhook, WebhookDelivery
from rushes.values import media_input
from rushes.watch_protocol import is_done

__version__ = "0.1.0"
Estimate = _EstimateCostResponse.Estimate
SharedMedia = _ListSharedMediaResponse.SharedMedia

__all__ = [
    "Announcement",
    "ApiKey",
    "AsyncClient",
    "AsyncEventStream",
    "AsyncJobHandle",
    "Batch",
    "Budget",
    "BudgetExceeded",
    "Cancelled",
    "Client",
    "Conflict",
    "CostAboveLimit",
    "CredentialsExpired",
    "DeadlineExceeded",
    "DownloadDamaged",
    "Estimate",
    "EventStream",
    "ImageSpec",
    "InternalError",
    "InvalidArgument",
    "InvalidRequest",
    "Job",
    "JobCancelled",
    "JobEnded",
    "JobEvent",
    "JobFailed",
    "JobHandle",
    "JobResult",
    "LimitReached",
    "Media",
    "MediaInput",
    "Model",
    "ModelRetired",
    "NewApiKey",
    "NewWebhookSecret",
    "NotAllowed",
    "NotFound",
    "NotSignedIn",
    "NotSupported",
    "Notification",
    "NotificationSettings",
    "PreconditionFailed",
    "Progress",
    "ProgressEvent",
    "PromptTemplate",
    "QueueInfo",
    "Recipe",
    "RushesError",
    "RushesWarning",
    "Share",
    "SharedMedia",
    "TooManyWatches",
    "Unavailable",
    "UnsupportedByModel",
    "Usage",
    "UsageResult",
    "VideoSpec",
    "View",
    "WatchEvent",
    "Webhook",
    "WebhookDelivery",
    "image_job",
    "image_spec",
    "is_done",
    "media_input",
    "video_job",
    "video_spec",
]
