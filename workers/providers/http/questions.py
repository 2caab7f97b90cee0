"""Questions about operations: they are free, and may be asked again at any time.

An answer may have a whole result in it. So an `AnswerReader` reads it, which does not keep results,
and reading stops as soon as the reader knows enough.
"""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import httpx2

from workers.providers.http.answers import AnswerReader
from workers.providers.http.transport import MOST_ERROR_BYTES, RawClient, error_of, read_error

Enough = Callable[[AnswerReader], bool]


class AskRefused(Exception):
    """The answer was an error. `response` has as much of its body as an error needs."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class Polls(RawClient):
    """Asks in the event loop of the poller."""

    async def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        reader: AnswerReader,
        enough: Enough,
        question: Any = None,
    ) -> httpx2.Headers:
        """Asks once and feeds the answer to `reader` until it has `enough`. Returns the headers.

        Raises:
            AskRefused: when the answer is an error.
            httpx2.HTTPError: when there was no answer.
            AnswerUnreadable: when the answer is not JSON.
        """
        async with self.stream(method, url, headers, question) as response:
            if response.status_code != httpx2.codes.OK:
                raise AskRefused(await _read_error(response))
            async for chunk in response.aiter_bytes():
                reader.feed(chunk)
                if enough(reader):
                    break
            return response.headers


def ask(
    client: httpx2.Client,
    method: str,
    url: str,
    headers: Mapping[str, str],
    reader: AnswerReader,
    enough: Enough,
    question: Any = None,
) -> None:
    """Asks as `Polls.ask` does, in a thread."""
    with client.stream(method, url, json=question, headers=dict(headers)) as response:
        if response.status_code != httpx2.codes.OK:
            raise AskRefused(read_error(response))
        for chunk in response.iter_bytes():
            reader.feed(chunk)
            if enough(reader):
                return


async def _read_error(response: httpx2.Response) -> httpx2.Response:
    body = b""
    with contextlib.suppress(httpx2.HTTPError):
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) >= MOST_ERROR_BYTES:
                break
    return error_of(response, body)
