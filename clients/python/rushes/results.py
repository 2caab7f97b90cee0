"""What a run of a job gives back."""

from dataclasses import dataclass, field
from pathlib import Path

from google.type.money_pb2 import Money

from rushes.v1.account_service_pb2 import ApiKey, Usage
from rushes.v1.job_pb2 import Job
from rushes.v1.webhook_service_pb2 import Webhook


@dataclass(frozen=True)
class JobResult:
    """A job that has succeeded, its media in `job.outputs`, and the files that were saved."""

    job: Job
    paths: list[Path]


@dataclass(frozen=True)
class Batch:
    """Jobs that were made together, in the order of the requests, and the sum of their estimates.

    batch_id: empty when the batch was only validated.
    deduplicated: the request_id was known, so these are the jobs of an earlier batch.
    warnings: what the server warned of; each begins with its request, "requests[3]: ".
    """

    batch_id: str
    jobs: list[Job]
    estimated: Money
    deduplicated: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class UsageResult:
    """Usage of the whole time, and in groups: by day, oldest first, then by the most money."""

    total: Usage
    rows: list[Usage]


@dataclass(frozen=True)
class NewApiKey:
    """An API key with its secret, which is not shown again, nor by `repr`."""

    api_key: ApiKey
    secret: str = field(repr=False)


@dataclass(frozen=True)
class NewWebhookSecret:
    """A webhook with its secret, which is not shown again, nor by `repr`."""

    webhook: Webhook
    secret: str = field(repr=False)
