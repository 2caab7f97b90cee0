"""Images by OpenAI: one call makes the images, and its answer brings them."""

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from core.blobs import Blobs
from core.catalog.models import Catalog
from core.jobs import CostState, Job
from core.process.settings import Settings
from workers.providers import (
    Done,
    Monitor,
    Output,
    Pending,
    ProviderFailed,
    ReadInput,
    Submitted,
    TryLater,
)
from workers.providers.http.transport import is_too_large, unavailable, without_name
from workers.providers.kept import Result, open_kept
from workers.providers.openai.answers import read_results, read_tokens, unusable
from workers.providers.openai.client import open_client
from workers.providers.openai.errors import NAME, submit_error
from workers.providers.openai.requests import Request, make_request

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import ImagesResponse

_MIB = 1024 * 1024


class OpenAIProvider:
    """Implements `Provider`. `KeptResults` makes an operation of an answer. So it is done from the
    start, and any worker with the same blob store can fetch it."""

    # It finds results that were kept before their worker died. Others may have been paid too.
    can_look_up = True

    def __init__(self, settings: Settings, key: SecretStr, catalog: Catalog, blobs: Blobs) -> None:
        self._settings = settings
        self._key = key
        self._catalog = catalog
        self._kept = open_kept(settings, blobs)
        self._lock = threading.Lock()
        self._opened: OpenAI | None = None

    def plan(self, job: Job, read_input: ReadInput) -> Request:
        """The whole request."""
        self._client()
        model = self._catalog.get(job.spec.model)
        return make_request(job, model.provider_model if model else job.spec.model, read_input)

    def submit(self, job: Job, key: str, plan: Any) -> Submitted:
        """Sends the request, and keeps the results of the answer."""
        request: Request = plan
        charged = None
        try:
            answer = self._send(request, key)
        except Exception as error:
            if not is_too_large(error):
                raise without_name(submit_error(error, has_inputs=request.edits)) from error
            message = f"OpenAI's answer is larger than {self._most_bytes // _MIB} MiB."
            results: list[Result | ProviderFailed] = [unusable(message)] * request.outputs
        else:
            results = read_results(answer, request.outputs)
            charged = self._charged_micros(job, answer)
        operation = self._kept.keep(key, results, charged)
        return Submitted(operation, done=True, charged_micros=charged)

    async def poll(self, job: Job, operation: str) -> Pending | Done:
        """The operation is done. Only one that was found later is polled."""
        return Done(await asyncio.to_thread(self._kept.charged_micros, operation))

    def cancel(self, job: Job, operation: str) -> CostState:
        """The images are made and paid by now, so a cancel changes nothing."""
        return CostState.CHARGED

    def look_up(self, key: str) -> str | None:
        """The operation of that submission, if its results were kept.

        Raises:
            TryLater: when they were not. OpenAI lists no calls, so it may have been accepted.
        """
        operation = self._kept.find(key)
        if operation is None:
            raise TryLater(unavailable(NAME))
        return operation

    def fetch(
        self, job: Job, operation: str, index: int, path: Path, read_input: ReadInput, run: Monitor
    ) -> Output:
        """Copies output `index` from the kept results."""
        return self._kept.fetch(operation, index, path, run)

    def _send(self, request: Request, key: str) -> "ImagesResponse":
        images = self._client().images
        call = images.edit if request.edits else images.generate
        # OpenAI may ignore it; it does no harm.
        answer: ImagesResponse = call(**request.fields, extra_headers={"Idempotency-Key": key})
        return answer

    def _charged_micros(self, job: Job, answer: "ImagesResponse") -> int | None:
        model = self._catalog.get(job.spec.model)
        ability = model.ability(job.kind) if model else None
        return ability.charge_micros(read_tokens(answer)) if ability else None

    @property
    def _most_bytes(self) -> int:
        return self._settings.max_inline_result_megabytes * _MIB

    def _client(self) -> "OpenAI":
        with self._lock:
            if self._opened is None:
                seconds = self._settings.synchronous_timeout_seconds
                # Base64 is a third longer than its bytes.
                most_bytes = self._most_bytes * 4 // 3 + _MIB
                address = self._settings.openai_base_url
                self._opened = open_client(self._key, address, seconds, most_bytes)
            return self._opened
