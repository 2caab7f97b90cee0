"""Asks a provider one free question, and says in words why there is no answer."""

import json
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Any
from urllib.parse import urlsplit

import httpx2

SECONDS = 10.0
CLOCK_SECONDS = 60


class Trouble(Exception):
    """Something is wrong with a provider. The message says what to do, and never holds a key."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of any status, in the form that google-auth needs."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object of the answer; empty when it is not one."""
        try:
            body = json.loads(self.data)
        except ValueError:
            return {}
        # Google's front end answers with a list that holds one object.
        body = body[0] if isinstance(body, list) and body else body
        return body if isinstance(body, dict) else {}

    @property
    def error(self) -> dict[str, Any]:
        """The error in the answer; empty when there is none."""
        error = self.body.get("error")
        return error if isinstance(error, dict) else {}

    @property
    def reasons(self) -> set[str]:
        """The short names of what is wrong, of Google (google.rpc.ErrorInfo) or OpenAI."""
        listed = self.error.get("details")
        details = listed if isinstance(listed, list) else []
        named = [item.get("reason") for item in details if isinstance(item, dict)]
        return {name for name in (*named, self.error.get("code")) if isinstance(name, str)}


Send = Callable[..., Answer]


def send(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: Any,
) -> Answer:
    """Asks once. The parameters are those of google-auth.

    Raises:
        Trouble: when there is no answer, or when the clocks differ.
    """
    host = urlsplit(url).hostname or url
    try:
        # Uses the proxies of this shell, as the adapters do.
        with httpx2.Client(timeout=min(timeout or SECONDS, SECONDS)) as client:
            answer = client.request(method, url, content=body, headers=dict(headers or {}))
    except httpx2.TimeoutException:
        raise Trouble(f"{host} does not answer within {SECONDS:.0f} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Trouble(_no_answer(host, error)) from None
    _compare_clocks(answer.headers.get("date", ""))
    return Answer(answer.status_code, answer.headers, answer.content)


def _no_answer(host: str, error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            why = error.verify_message
            return (
                f"the certificate of {host} is not accepted ({why}): look at this machine's clock"
            )
        if isinstance(error, socket.gaierror):
            return f"the name {host} is not known: there is no network here, or no DNS"
        if isinstance(error, OSError) and error.strerror:
            return f"{host} can't be reached ({error.strerror.lower()})"
        error = error.__cause__ or error.__context__
    return f"{host} can't be reached, or hangs up"


def _compare_clocks(date: str) -> None:
    try:
        ahead = time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return
    if abs(ahead) > CLOCK_SECONDS:
        side = "ahead of" if ahead > 0 else "behind"
        raise Trouble(
            f"this machine's clock is {abs(ahead):.0f} s {side} the provider's: keep it right (NTP)"
        )
