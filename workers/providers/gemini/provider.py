"""The Gemini Developer API, with a key: Omni's videos by interactions, Nano Banana's images.

A video is an operation, which any process can ask for by its id. An image comes in the answer to
its call, so `submit` puts it into the blob store before it returns.
"""

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from core.blobs import Blobs
from core.blobs.keys import RESULTS
from core.catalog.models import Catalog
from core.errors import Reason
from core.jobs import CostState, Job, JobFailure, Stage
from core.process.settings import Settings
from core.specs import media_spec
from workers.providers import (
    Done,
    Monitor,
    OutcomeUnknown,
    Output,
    Pending,
    ProviderFailed,
    ReadInput,
    Submitted,
    TryLater,
)
from workers.providers.gemini.client import open_client
from workers.providers.gemini.errors import NAME, submit_error
from workers.providers.gemini.operations import Operations
from workers.providers.gemini.pictures import read_picture
from workers.providers.gemini.requests import ImagePlan, VideoPlan, plan_request
from workers.providers.gemini.usage import Charge, Tokens, content_tokens
from workers.providers.http.transport import is_too_large, submit_client, too_large, without_name
from workers.providers.kept import Result, open_kept

if TYPE_CHECKING:
    from google.genai import Client

# The header with the key of the submission. Google may ignore it.
KEY_HEADER = "Idempotency-Key"
_MEBIBYTE = 1024 * 1024
# The answer names the operation, and may repeat the inputs.
_MOST_ACCEPTED_BYTES = 128 * _MEBIBYTE


class GeminiProvider:
    """Implements `Provider`."""

    # It finds images that were kept before their worker died. Google lists no calls.
    can_look_up = True

    def __init__(self, settings: Settings, key: SecretStr, catalog: Catalog, blobs: Blobs) -> None:
        self._settings = settings
        self._key = key
        self._catalog = catalog
        self._kept = open_kept(settings, blobs)
        self._most_inline_bytes = settings.max_inline_result_megabytes * _MEBIBYTE
        self._operations = Operations(
            key,
            settings.gemini_base_url,
            self._most_inline_bytes,
            settings.max_result_megabytes * _MEBIBYTE,
        )
        self._opening = threading.Lock()
        self._clients: dict[type, Client] = {}

    def plan(self, job: Job, read_input: ReadInput) -> VideoPlan | ImagePlan:
        """The whole request."""
        plan = plan_request(job, self._catalog, read_input)
        # The SDK takes a second to load, so it is loaded before the intent is written.
        self._client(type(plan))
        return plan

    def submit(self, job: Job, key: str, plan: Any) -> Submitted:
        """Sends the one request."""
        client = self._client(type(plan))
        if isinstance(plan, VideoPlan):
            return self._submit_video(client, key, plan)
        return self._submit_image(client, job, key, plan)

    async def poll(self, job: Job, operation: str) -> Pending | Done:
        """How far the operation is. An operation with kept results is done."""
        if operation.startswith(RESULTS):
            return Done(await asyncio.to_thread(self._kept.charged_micros, operation))
        return await self._operations.poll(operation, self._charge(job))

    def cancel(self, job: Job, operation: str) -> CostState:
        """Stops a video that is being made. An image is done before it has an operation."""
        if operation.startswith(RESULTS):
            return CostState.CHARGED
        return self._operations.cancel(operation)

    def look_up(self, key: str) -> str | None:
        """The operation of the submission, if its results were kept.

        Raises:
            TryLater: when they were not. It may have been accepted all the same.
        """
        operation = self._kept.find(key)
        if operation is None:
            raise TryLater(_unlisted())
        return operation

    def fetch(
        self, job: Job, operation: str, index: int, path: Path, read_input: ReadInput, run: Monitor
    ) -> Output:
        """Writes the one output."""
        if operation.startswith(RESULTS):
            output = self._kept.fetch(operation, index, path, run)
            run.report(Stage.DOWNLOADING, 1.0, "Downloading")
            return output
        self._operations.fetch(operation, path, run, self._charge(job))
        return Output(seed=media_spec(job.spec).seed)

    def _submit_video(self, client: "Client", key: str, plan: VideoPlan) -> Submitted:
        try:
            made: Any = client.interactions.create(**plan.body, extra_headers={KEY_HEADER: key})
        except Exception as error:
            raise submit_error(error) from error
        if not made.id:
            raise OutcomeUnknown(f"{NAME} named no interaction")
        return Submitted(str(made.id), done=False)

    def _submit_image(self, client: "Client", job: Job, key: str, plan: ImagePlan) -> Submitted:
        config: Any = plan.config | {"http_options": {"headers": {KEY_HEADER: key}}}
        contents: Any = plan.contents
        try:
            answer = client.models.generate_content(
                model=plan.model, contents=contents, config=config
            )
        except Exception as error:
            if not is_too_large(error):
                raise without_name(submit_error(error)) from error
            result: Result | ProviderFailed = _charged(too_large(self._most_inline_bytes))
            tokens: Tokens = {}
        else:
            seed = media_spec(job.spec).seed
            result = read_picture(answer, has_inputs=bool(job.spec.inputs), seed=seed)
            tokens = content_tokens(answer.usage_metadata)
        free = isinstance(result, ProviderFailed) and result.cost is not CostState.CHARGED
        charged = None if free else self._charge(job)(tokens)
        operation = self._kept.keep(key, [result], charged)
        return Submitted(operation, done=True, charged_micros=charged)

    def _charge(self, job: Job) -> Charge:
        """The function that prices the tokens of the job's model."""
        model = self._catalog.get(job.spec.model)
        ability = model.ability(job.kind) if model else None
        return ability.charge_micros if ability else lambda _: None

    def _client(self, kind: type) -> "Client":
        """The client for plans of that class. The first plan opens it."""
        with self._opening:
            if kind not in self._clients:
                self._clients[kind] = self._open(kind)
            return self._clients[kind]

    def _open(self, kind: type) -> "Client":
        settings = self._settings
        if kind is VideoPlan:
            seconds, most_bytes = settings.submit_timeout_seconds, _MOST_ACCEPTED_BYTES
        else:
            # Base64 is a third longer than its bytes.
            seconds = settings.synchronous_timeout_seconds
            most_bytes = self._most_inline_bytes * 4 // 3 + _MEBIBYTE
        http = submit_client(seconds, most_bytes)
        client = open_client(http, self._key, settings.gemini_base_url, seconds)
        if kind is VideoPlan:
            # Loads the other half of the SDK, which takes longer than the first.
            _ = client.interactions
        return client


def _unlisted() -> JobFailure:
    message = f"{NAME} does not list what it accepted."
    return JobFailure(reason=Reason.PROVIDER_UNAVAILABLE, message=message)


def _charged(error: ProviderFailed) -> ProviderFailed:
    return ProviderFailed(error.failure, CostState.CHARGED)
