"""Polls over one raw client: an answer is read only as far as it has something to say."""

import httpx2

from workers.providers.transport import RawClient
from workers.providers.vertex.answers import AnswerReader

_MOST_ERROR_BYTES = 64 * 1024


class PollRefused(Exception):
    """The question was answered with an error."""

    def __init__(self, response: httpx2.Response, body: bytes) -> None:
        super().__init__(response.status_code)
        self.response = response
        self.body = body


class Polls(RawClient):
    """Asks about operations, from the event loop of the poller."""

    async def ask(
        self, url: str, operation: str, headers: dict[str, str], reader: AnswerReader
    ) -> None:
        """Asks once and feeds the answer to `reader`, up to the first inline result: when that
        comes, the operation is done, and its bytes stay where they are.

        Raises:
            PollRefused: when the answer is an error.
            httpx2.HTTPError: when there was none.
            AnswerUnreadable: when it is none.
        """
        client = await self._open()
        question = {"operationName": operation}
        async with client.stream("POST", url, json=question, headers=headers) as response:
            if response.status_code != httpx2.codes.OK:
                body = b""
                async for chunk in response.aiter_bytes():
                    body = (body + chunk)[:_MOST_ERROR_BYTES]
                raise PollRefused(response, body)
            async for chunk in response.aiter_bytes():
                reader.feed(chunk)
                if reader.inline:
                    return
