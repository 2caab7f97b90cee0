"""From a file that a provider made to the job's result: one maker for each kind of job."""

from pathlib import Path
from typing import Protocol

from core.blobs import Blobs
from core.jobs import Job
from core.kinds import Result
from workers.providers import Output
from workers.runs.results.media import store_output


class MakeResult(Protocol):
    """Makes the result of a job from the file of its output `index`."""

    def __call__(
        self,
        blobs: Blobs,
        job: Job,
        index: int,
        path: Path,
        output: Output,
        generation_ms: int,
        *,
        cost_micros: int,
        max_bytes: int,
    ) -> Result:
        """The result, to be written with the transition of the job. Its bytes are stored.

        Raises:
            ProviderFailed: RESULT_INVALID, when the file is not what the job asked for.
            StorageFull, DependencyUnavailable: when the blob store can't take it.
        """


# By the name of the kind, for every kind that a worker runs.
MAKERS: dict[str, MakeResult] = {"video": store_output, "image": store_output}
