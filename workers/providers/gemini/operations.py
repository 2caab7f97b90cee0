"""Operations over raw HTTP: all calls that are free and may be repeated.

Only the address of the API gets the key. An address in an answer is never followed.
"""

import contextlib
import re
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import httpx2
from pydantic import SecretStr

from core.jobs import CostState, Stage
from workers.providers import Done, Monitor, Pending, ProviderFailed, TryLater
from workers.providers.gemini.client import API_VERSION
from workers.providers.gemini.errors import NAME, lost, no_result, poll_refused, read_refusal
from workers.providers.gemini.interactions import (
    DATA,
    GOOGLE,
    Interaction,
    cancelled_cost,
    find_video,
    judge,
)
from workers.providers.gemini.requests import MAX_INPUT_BYTES
from workers.providers.gemini.usage import Charge
from workers.providers.http.answers import (
    AnswerReader,
    AnswerUnreadable,
    Base64File,
    ResultDamaged,
    ResultTooLarge,
    Take,
)
from workers.providers.http.questions import AskRefused, Polls, ask
from workers.providers.http.transport import (
    CHUNK_BYTES,
    Refused,
    download,
    download_client,
    retry_after_ms,
    too_large,
    unavailable,
    was_sent,
)

FILE_PAUSE_MS = 5000
# A longer answer is read on only until it is known to have a video in it.
MOST_POLLED_BYTES = 32 * 1024 * 1024
_COMPLETED = re.compile(rb'"status"\s*:\s*"completed"')
# An answer may be larger than the video in it: base64 takes four bytes for three.
_BASE64 = 4 / 3
_ROOM_BYTES = 1024 * 1024
# The answer may repeat the inputs, but nothing else in it has as many bytes.
_MOST_INPUT_BYTES = int(MAX_INPUT_BYTES * _BASE64) + _ROOM_BYTES
_GONE = (httpx2.codes.FORBIDDEN, httpx2.codes.NOT_FOUND, httpx2.codes.GONE)


class Operations:
    """Interactions by their ids, and their videos.

    A video inside an answer may have `most_inline_bytes`, and a video in a file `most_bytes`.
    """

    def __init__(
        self, key: SecretStr, base_url: str, most_inline_bytes: int, most_bytes: int
    ) -> None:
        self._root = f"{(base_url or GOOGLE).rstrip('/')}/{API_VERSION}"
        self._headers = {"x-goog-api-key": key.get_secret_value()}
        self._most_inline_bytes = most_inline_bytes
        self._most_bytes = most_bytes
        self._polls = Polls()
        self._http = download_client()

    async def poll(self, operation: str, charge: Charge) -> Pending | Done:
        """How far the interaction is, and its cost.

        Raises:
            ProviderFailed: when it ended without a video, or is gone.
            TryLater: when the API can't be asked now.
        """
        reader, url = AnswerReader(DATA), self._interaction(operation)
        try:
            headers = await self._polls.ask("GET", url, self._headers, reader, _enough)
        except AskRefused as refused:
            raise poll_refused(read_refusal(refused.response), operation) from None
        except httpx2.HTTPError as error:
            raise TryLater(unavailable(NAME), sent=was_sent(error)) from error
        except AnswerUnreadable:
            raise _unreadable() from None
        if _enough(reader):
            # The interaction stays at Google, and so does the record of its cost.
            return Done()
        result = judge(_whole(reader), operation, charge)
        if isinstance(result, Done):
            return result
        return Pending(delay_ms=retry_after_ms(headers))

    def cancel(self, operation: str) -> CostState:
        """Stops the interaction if it still runs, and returns its cost.

        Raises:
            httpx2.HTTPError, TryLater: when the cost is not known.
        """
        address = self._interaction(operation)
        # An interaction that is done can't be cancelled, and its cost stays.
        for method, url in (("POST", f"{address}/cancel"), ("GET", address)):
            with contextlib.suppress(AskRefused):
                return cancelled_cost(self._ask(method, url))
        return CostState.UNCERTAIN

    def fetch(self, operation: str, path: Path, run: Monitor, charge: Charge) -> None:
        """Writes the video of a completed interaction to `path`.

        Raises:
            ProviderFailed: when it has no video that can be fetched.
            TryLater: when the video can't be fetched now.
            RunStopped: when the run was asked to stop.
        """
        run.report(Stage.DOWNLOADING, 0.0, "Downloading")
        self._download_answer(operation, path, run)
        with path.open("rb") as answer:
            found = _read(answer)
            if isinstance(judge(found, operation, charge), Pending):
                # This answer differs from the one that made the poll return Done.
                raise TryLater(unavailable(NAME), sent=True)
            video = find_video(found, charge)
            if not video.file_id:
                # Without a name, so that the disk is free again when the file is closed.
                path.unlink()
                self._decode(answer, video.number, path)
        if video.file_id:
            self._fetch_file(operation, video.file_id, path, run)
        run.report(Stage.DOWNLOADING, 1.0, "Downloading")

    def _download_answer(self, operation: str, path: Path, run: Monitor) -> None:
        """Writes the whole interaction to `path`."""
        most = int(self._most_inline_bytes * _BASE64) + _ROOM_BYTES

        def refused(response: httpx2.Response) -> Exception:
            return poll_refused(read_refusal(response), operation)

        self._download(self._interaction(operation), path, most, refused, run)

    def _fetch_file(self, operation: str, file_id: str, path: Path, run: Monitor) -> None:
        address = f"{self._root}/files/{file_id}"

        def refused(response: httpx2.Response) -> Exception:
            if response.status_code in _GONE:
                # Google keeps files for two days.
                return ProviderFailed(lost(operation), CostState.CHARGED)
            return poll_refused(read_refusal(response), operation)

        self._check_ready(address, refused)
        self._download(f"{address}:download?alt=media", path, self._most_bytes, refused, run)

    def _check_ready(self, address: str, refused: Refused) -> None:
        """Checks that the file can be downloaded. Google may still process it when its video is
        done."""
        try:
            state = self._ask("GET", address).get("state", "ACTIVE")
        except AskRefused as error:
            raise refused(error.response) from None
        except httpx2.HTTPError as error:
            raise TryLater(unavailable(NAME), sent=was_sent(error)) from error
        if state == "FAILED":
            failure = no_result(f"{NAME} made a video that can't be used.", "FAILED")
            raise ProviderFailed(failure, CostState.CHARGED)
        if state != "ACTIVE":
            raise TryLater(unavailable(NAME), delay_ms=FILE_PAUSE_MS, sent=True)

    def _download(self, url: str, path: Path, most: int, refused: Refused, run: Monitor) -> None:
        download(
            self._http,
            url,
            path,
            headers=self._headers,
            most_bytes=most,
            provider=NAME,
            refused=refused,
            run=run,
        )

    def _ask(self, method: str, url: str) -> dict[str, Any]:
        """The JSON of the answer, without any data.

        Raises:
            AskRefused, httpx2.HTTPError: when there is no answer.
            TryLater: when the answer can't be read.
        """
        reader = AnswerReader(DATA)
        try:
            ask(self._http, method, url, self._headers, reader, _enough)
        except AnswerUnreadable:
            raise _unreadable() from None
        return _whole(reader)

    def _decode(self, answer: BinaryIO, number: int, path: Path) -> None:
        """Writes the data with that number to `path`."""
        with path.open("wb") as file:
            decoder = Base64File(number, file, self._most_inline_bytes)
            try:
                _read(answer, decoder.take)
                decoder.close()
            except ResultDamaged:
                failure = no_result(f"{NAME} sent a video that can't be read.")
                raise ProviderFailed(failure, CostState.CHARGED) from None
            except ResultTooLarge:
                raise too_large(self._most_inline_bytes) from None

    def _interaction(self, operation: str) -> str:
        return f"{self._root}/interactions/{quote(operation, safe='')}"


def _enough(reader: AnswerReader) -> bool:
    """Whether the answer has a video in it; to wait for its end would take too long."""
    if reader.size <= MOST_POLLED_BYTES:
        return False
    return reader.size > _MOST_INPUT_BYTES or reader.says(_COMPLETED)


def _read(answer: BinaryIO, take: Take = lambda number, piece: None) -> Interaction:
    """Reads the answer again, from its beginning."""
    reader = AnswerReader(DATA, take)
    answer.seek(0)
    try:
        while chunk := answer.read(CHUNK_BYTES):
            reader.feed(chunk)
    except AnswerUnreadable:
        raise _unreadable() from None
    return _whole(reader)


def _whole(reader: AnswerReader) -> dict[str, Any]:
    """The body of a 200, which must be an object to come from the API."""
    try:
        return reader.close()
    except AnswerUnreadable:
        raise _unreadable() from None


def _unreadable() -> TryLater:
    return TryLater(unavailable(NAME), sent=True)
