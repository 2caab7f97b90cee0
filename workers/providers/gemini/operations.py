"""Operations over raw HTTP: all calls that are free, and may be made again.

The key goes to the API's own address and nowhere else; an address in an answer is never followed.
"""

import base64
import binascii
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
from pydantic import SecretStr

from core.jobs import CostState, Stage
from workers.providers import Done, Monitor, Pending, ProviderFailed, TryLater
from workers.providers.gemini.client import API_VERSION
from workers.providers.gemini.errors import NAME, lost, no_result, poll_refused, read_refusal
from workers.providers.gemini.interactions import GOOGLE, cancelled_cost, find_video, judge
from workers.providers.gemini.usage import Charge
from workers.providers.transport import (
    RawClient,
    Refused,
    download,
    download_client,
    retry_after_ms,
    too_large,
    unavailable,
    was_sent,
)

FILE_PAUSE_MS = 5000
# An answer may be larger than the video in it: base64 takes four bytes for three.
_BASE64 = 4 / 3
_STANDARD = str.maketrans("-_", "+/")
_ROOM_BYTES = 1024 * 1024
_GONE = (httpx2.codes.FORBIDDEN, httpx2.codes.NOT_FOUND, httpx2.codes.GONE)


class Operations:
    """Interactions by their ids, and their videos.

    A video inside an answer may have `most_inline_bytes`, one in a file `most_bytes`.
    """

    def __init__(
        self, key: SecretStr, base_url: str, most_inline_bytes: int, most_bytes: int
    ) -> None:
        self._root = f"{(base_url or GOOGLE).rstrip('/')}/{API_VERSION}"
        self._headers = {"x-goog-api-key": key.get_secret_value()}
        self._most_inline_bytes = most_inline_bytes
        self._most_bytes = most_bytes
        self._polls = RawClient()
        self._http = download_client()

    async def poll(self, operation: str, charge: Charge) -> Pending | Done:
        """How far the interaction is, and what it cost.

        Raises:
            ProviderFailed: when it ended without a video, or is gone.
            TryLater: when it can't be asked for now.
        """
        try:
            response = await self._polls.get(self._interaction(operation), self._headers)
        except httpx2.TransportError as error:
            raise TryLater(unavailable(NAME), sent=was_sent(error)) from error
        if response.status_code != httpx2.codes.OK:
            raise poll_refused(read_refusal(response), operation)
        result = judge(_read(response.content), operation, charge)
        if isinstance(result, Done):
            return result
        return Pending(delay_ms=retry_after_ms(response.headers))

    def cancel(self, operation: str) -> CostState:
        """Stops the interaction if it still runs; what it costs then.

        Raises:
            httpx2.TransportError, TryLater: when that is not known.
        """
        address = self._interaction(operation)
        response = self._http.post(f"{address}/cancel", headers=self._headers)
        if response.status_code != httpx2.codes.OK:
            # What is done can't be cancelled, and costs what it costs.
            response = self._http.get(address, headers=self._headers)
        if response.status_code != httpx2.codes.OK:
            return CostState.UNCERTAIN
        return cancelled_cost(_read(response.content))

    def fetch(self, operation: str, path: Path, run: Monitor, charge: Charge) -> None:
        """Writes the video of a completed interaction to `path`.

        Raises:
            ProviderFailed: when there is none that can be had.
            TryLater: when it can't be had now.
            RunStopped: when the run was asked to stop.
        """
        run.report(Stage.DOWNLOADING, 0.0, "Downloading")
        video = find_video(self._whole(operation, path, run), charge)
        if video.file_id:
            self._fetch_file(operation, video.file_id, path, run)
        else:
            path.write_bytes(self._decoded(video.data))
        run.report(Stage.DOWNLOADING, 1.0, "Downloading")

    def _whole(self, operation: str, path: Path, run: Monitor) -> dict[str, Any]:
        """The interaction with all that is in it, by way of the disk: that has a limit."""
        most = int(self._most_inline_bytes * _BASE64) + _ROOM_BYTES

        def refused(response: httpx2.Response) -> Exception:
            return poll_refused(read_refusal(response), operation)

        self._download(self._interaction(operation), path, most, refused, run)
        return _read(path.read_bytes())

    def _fetch_file(self, operation: str, file_id: str, path: Path, run: Monitor) -> None:
        address = f"{self._root}/files/{file_id}"

        def refused(response: httpx2.Response) -> Exception:
            if response.status_code in _GONE:
                # Files are kept for two days.
                return ProviderFailed(lost(operation), CostState.CHARGED)
            return poll_refused(read_refusal(response), operation)

        self._check_ready(address, refused)
        self._download(f"{address}:download?alt=media", path, self._most_bytes, refused, run)

    def _check_ready(self, address: str, refused: Refused) -> None:
        """Returns once the file can be downloaded; it may be worked on when its video is done."""
        try:
            response = self._http.get(address, headers=self._headers)
        except httpx2.TransportError as error:
            raise TryLater(unavailable(NAME), sent=was_sent(error)) from error
        if response.status_code != httpx2.codes.OK:
            raise refused(response)
        state = _read(response.content).get("state", "ACTIVE")
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

    def _decoded(self, data: str) -> bytes:
        try:
            # In either alphabet: the SDK itself writes the one of addresses.
            video = base64.b64decode(data.translate(_STANDARD), validate=True)
        except binascii.Error:
            failure = no_result(f"{NAME} sent a video that can't be read.")
            raise ProviderFailed(failure, CostState.CHARGED) from None
        if len(video) > self._most_inline_bytes:
            raise too_large(self._most_inline_bytes)
        return video

    def _interaction(self, operation: str) -> str:
        return f"{self._root}/interactions/{quote(operation, safe='')}"


def _read(body: bytes) -> dict[str, Any]:
    """The body of a 200; one that is no object is none of the API's."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise TryLater(unavailable(NAME), sent=True)
    return found
