"""What a run of a job gives back."""

from dataclasses import dataclass
from pathlib import Path

from rushes.v1.job_pb2 import Job


@dataclass(frozen=True)
class JobResult:
    """A job that has succeeded, its media in `job.outputs`, and the files that were saved."""

    job: Job
    paths: list[Path]
