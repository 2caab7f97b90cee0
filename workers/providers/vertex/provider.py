"""Videos by Vertex AI. Any process can ask for an operation by its name.

Results stay at Google until they are fetched: in the answer about the operation, which can be asked
for again, or as gs:// objects. Google can neither cancel nor look up an operation.
"""

from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import httpx2

from core.catalog.models import Catalog
from core.errors import Reason
from core.jobs import CostState, Job, JobFailure, Stage
from core.specs import VideoSpec, media_spec
from workers.providers import (
    Done,
    Monitor,
    OutcomeUnknown,
    Output,
    Pending,
    ProviderFailed,
    ReadInput,
    RunStopped,
    Submitted,
    TryLater,
)
from workers.providers.http.answers import (
    AnswerReader,
    AnswerUnreadable,
    Base64File,
    ResultDamaged,
    ResultTooLarge,
)
from workers.providers.http.questions import AskRefused, Enough, Polls, ask
from workers.providers.http.transport import download, download_client, unavailable
from workers.providers.vertex import errors
from workers.providers.vertex.addresses import Addresses
from workers.providers.vertex.client import Prepared, Submits
from workers.providers.vertex.operations import Finished, read_operation
from workers.providers.vertex.requests import make_request
from workers.providers.vertex.tokens import CredentialsRefused, CredentialsUnreachable, Tokens

# The field of an answer that has the bytes of a result.
_INLINE = "bytesBase64Encoded"
_NO_ANSWER = (CredentialsRefused, CredentialsUnreachable, httpx2.HTTPError)


class VertexProvider:
    """Implements `Provider`; one object serves all threads of a worker process."""

    can_look_up = False

    def __init__(
        self,
        *,
        catalog: Catalog,
        addresses: Addresses,
        tokens: Tokens,
        submits: Submits,
        most_inline_bytes: int,
        most_bytes: int,
    ) -> None:
        self._catalog = catalog
        self._addresses = addresses
        self._tokens = tokens
        self._submits = submits
        self._most_inline_bytes = most_inline_bytes
        self._most_bytes = most_bytes
        self._polls = Polls()

    @cached_property
    def _downloads(self) -> httpx2.Client:
        return download_client()

    def plan(self, job: Job, read_input: ReadInput) -> Prepared:
        """The whole request but its labels. It refuses a combination that Veo does not take."""
        if not isinstance(job.spec, VideoSpec):
            raise ValueError("Vertex AI makes videos here, and nothing else")
        model = self._catalog.get(job.spec.model)
        name = model.provider_model if model else job.spec.model
        return self._submits.prepare(make_request(job.spec, job.final_prompt, name, read_input))

    def submit(self, job: Job, key: str, plan: Prepared) -> Submitted:
        """Gets a token, then sends one POST. A failure to get the token certainly costs nothing."""
        try:
            send = self._submits.ready(plan, key)
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing was sent
            raise errors.ready_error(error) from None
        try:
            operation = send()
        except Exception as error:  # noqa: BLE001 - all of them are judged
            if getattr(error, "code", None) == httpx2.codes.UNAUTHORIZED:
                self._tokens.forget()
            # Without the error itself, whose text may quote the prompt.
            raise errors.submit_error(error) from None
        if not operation:
            raise OutcomeUnknown("the answer names no operation")
        # Any name is recorded: the operation is paid, and a person can still look at the name.
        return Submitted(operation, done=False)

    async def poll(self, job: Job, operation: str) -> Pending | Done:
        """Asks once. It notices an inline result and does not read it."""
        reader = AnswerReader(_INLINE)
        try:
            headers, url = await self._tokens.headers_async(), self._url(operation)
            question = {"operationName": operation}
            await self._polls.ask("POST", url, headers, reader, _is_inline, question)
        except AskRefused as refused:
            raise self._refused(refused.response, operation) from None
        except _NO_ANSWER as error:
            raise errors.ask_error(error) from None
        except AnswerUnreadable:
            raise _unreadable() from None
        if reader.inline:
            return Done()
        found = _read(reader, operation)
        if found is None:
            return Pending()
        return Done(_charged(job, found))

    def cancel(self, job: Job, operation: str) -> CostState:
        """Veo can't be stopped. Google charges an operation unless it failed or was filtered."""
        try:
            self._ask(operation, AnswerReader(_INLINE), _is_inline)
        except ProviderFailed as failed:
            return failed.cost or CostState.UNCERTAIN
        return CostState.CHARGED

    def look_up(self, key: str) -> str | None:
        """Google lists no operations of Veo."""
        raise TryLater(unavailable(errors.NAME))

    def fetch(
        self, job: Job, operation: str, index: int, path: Path, read_input: ReadInput, run: Monitor
    ) -> Output:
        """Asks again and writes output `index`: the part of the answer, or its gs:// object.

        If Google made fewer videos than the job asked for, those come first. The missing ones fail
        the job as CONTENT_FILTERED, CHARGED for the videos that were made.
        """
        run.report(Stage.DOWNLOADING, 0.0, "Downloading")
        with path.open("wb") as file:
            found = self._inline(operation, index, file, run)
        if found is not None:
            if index >= len(found.videos):
                failure = errors.filter_failure(found.reasons)
                raise ProviderFailed(failure, CostState.CHARGED, _charged(job, found))
            self._object(found.videos[index].uri, path, run)
        run.report(Stage.DOWNLOADING, 1.0, "Downloading")
        # Veo does not say which seed it drew.
        return Output(seed=media_spec(job.spec).seed)

    def _inline(self, operation: str, index: int, file: BinaryIO, run: Monitor) -> Finished | None:
        """Writes the inline result with that number and returns None, or returns the videos if they
        did not come inline."""
        decoder = Base64File(index, file, self._most_inline_bytes)
        reader = AnswerReader(_INLINE, decoder.take)

        def enough(reader: AnswerReader) -> bool:
            if run.stopping():
                raise RunStopped
            return reader.whole(index)

        try:
            found = self._ask(operation, reader, enough)
            if reader.whole(index):
                decoder.close()
                return None
        except ResultDamaged:
            raise ProviderFailed(errors.result_invalid("is damaged"), CostState.CHARGED) from None
        except ResultTooLarge:
            megabytes = self._most_inline_bytes // 1024**2
            failure = errors.result_invalid(f"came inline and has more than {megabytes} MiB")
            raise ProviderFailed(failure, CostState.CHARGED) from None
        if found is None:
            # This answer differs from the one that made the poll return Done.
            raise TryLater(unavailable(errors.NAME), sent=True)
        return found

    def _object(self, uri: str, path: Path, run: Monitor) -> None:
        if not uri:
            raise ProviderFailed(errors.result_invalid("is empty"), CostState.CHARGED)
        url = self._addresses.object(uri)
        if url is None:
            # The next try succeeds if an operator restores the setting.
            message = "The result is not in the bucket that the setting names."
            raise TryLater(errors.auth_failed(errors.OUTPUT, message), sent=True)
        try:
            headers = self._tokens.headers()
        except (CredentialsRefused, CredentialsUnreachable) as error:
            raise errors.ask_error(error) from None
        download(
            self._downloads,
            url,
            path,
            headers=headers,
            most_bytes=self._most_bytes,
            provider="Cloud Storage",
            refused=errors.storage_refused,
            run=run,
        )

    def _ask(self, operation: str, reader: AnswerReader, enough: Enough) -> Finished | None:
        """Asks as `poll` does, in this thread, and reads until it is `enough`. None then, and while
        the operation runs."""
        try:
            headers, url = self._tokens.headers(), self._url(operation)
            question = {"operationName": operation}
            ask(self._downloads, "POST", url, headers, reader, enough, question)
        except AskRefused as refused:
            raise self._refused(refused.response, operation) from None
        except _NO_ANSWER as error:
            raise errors.ask_error(error) from None
        except AnswerUnreadable:
            raise _unreadable() from None
        return None if enough(reader) else _read(reader, operation)

    def _refused(self, response: httpx2.Response, operation: str) -> ProviderFailed | TryLater:
        if response.status_code == httpx2.codes.UNAUTHORIZED:
            self._tokens.forget()
        return errors.ask_refused(response, operation)

    def _url(self, operation: str) -> str:
        url = self._addresses.ask(operation)
        if url is None:
            raise errors.operation_lost(operation)
        return url


def _is_inline(reader: AnswerReader) -> bool:
    """Whether a result has begun. Then the operation is done, and the bytes are not read."""
    return reader.inline


def _read(reader: AnswerReader, operation: str) -> Finished | None:
    try:
        return read_operation(reader.close(), operation)
    except AnswerUnreadable:
        raise _unreadable() from None


def _charged(job: Job, found: Finished) -> int | None:
    """The cost of the videos that were made; None stands for the estimate: Google tells no sum."""
    asked, made = job.spec.output_count, len(found.videos)
    return None if made >= asked else job.cost.estimated_micros * made // asked


def _unreadable() -> TryLater:
    message = f"The answer of {errors.NAME} could not be read."
    return TryLater(JobFailure(reason=Reason.PROVIDER_UNAVAILABLE, message=message), sent=True)
