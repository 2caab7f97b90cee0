"""OAuth tokens for Vertex AI and Cloud Storage. google-auth gets them; they are kept until old."""

import asyncio
import json
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from core.errors import RushesError
from workers.providers.http.connections import tls_context

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

SETTING = "RUSHES_VERTEX_CREDENTIALS_FILE"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
# More than the 225 s of google-auth, so that the SDK never fetches one by itself.
_SPARE = timedelta(seconds=300)
_SECONDS = 10.0
# Many polls at once must not all wait for something that just failed. A search for missing
# Application Default Credentials takes long.
_HOLD_SECONDS = 3.0
_LONG_HOLD_SECONDS = 30.0


class CredentialsRefused(RushesError):
    """The credentials are missing, damaged or not accepted."""


class CredentialsUnreachable(RushesError):
    """Google can't be asked for a token now."""


class Tokens:
    """The credentials of a process, loaded at first use. Any thread or loop may ask for them.

    `file` is the key of a service account; None means Application Default Credentials.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._credentials: Credentials | None = None
        self._failure: RushesError | None = None
        self._held_until = 0.0
        self._made_at = 0.0

    def credentials(self) -> "Credentials":
        """Credentials with a token that is good for minutes; may wait for the network.

        Raises:
            CredentialsRefused: when there are none, or they are not accepted.
            CredentialsUnreachable: when Google can't be asked for a token now.
        """
        credentials = self._credentials
        if credentials is not None and _fresh(credentials):
            return credentials
        with self._lock:
            return self._refreshed()

    def headers(self) -> dict[str, str]:
        """The headers that authorize a request. Raises as `credentials` does."""
        return _headers(self.credentials())

    async def headers_async(self) -> dict[str, str]:
        """The headers, without blocking the loop."""
        credentials = self._credentials
        if credentials is not None and _fresh(credentials):
            return _headers(credentials)
        return await asyncio.to_thread(self.headers)

    def forget(self) -> None:
        """Forgets a token that was refused before its time. The next one is made from the file as
        it is then. It keeps a token that is quite new: another would be refused too."""
        with self._lock:
            if time.monotonic() - self._made_at > _LONG_HOLD_SECONDS:
                self._credentials = None

    def _refreshed(self) -> "Credentials":
        if self._credentials is not None and _fresh(self._credentials):
            return self._credentials
        if self._failure is not None and time.monotonic() < self._held_until:
            raise type(self._failure)(self._failure.message)
        try:
            credentials = self._credentials or _load(self._file)
            _refresh(credentials)
        except (CredentialsRefused, CredentialsUnreachable) as error:
            self._failure = error
            lasting = self._file is None and isinstance(error, CredentialsRefused)
            hold = _LONG_HOLD_SECONDS if lasting else _HOLD_SECONDS
            self._held_until = time.monotonic() + hold
            raise
        self._failure, self._made_at = None, time.monotonic()
        self._credentials = credentials
        return credentials


def _load(file: Path | None) -> "Credentials":
    # Without a file, google-auth searches the environment, which can take seconds.
    return _default() if file is None else _service_account(file)


def _service_account(file: Path) -> "Credentials":
    from google.oauth2.service_account import Credentials

    try:
        info = json.loads(file.read_bytes())
        if not isinstance(info, dict) or info.get("type") != "service_account":
            raise CredentialsRefused("not the key of a service account")
        made: Any = Credentials.from_service_account_info(info, scopes=_SCOPES)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise CredentialsRefused(type(error).__name__) from None
    return made  # type: ignore[no-any-return]


def _default() -> "Credentials":
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        credentials, _ = google.auth.default(scopes=_SCOPES)
    except (DefaultCredentialsError, OSError, ValueError) as error:
        raise CredentialsRefused(type(error).__name__) from None
    return credentials


def _refresh(credentials: "Credentials") -> None:
    from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError

    try:
        credentials.refresh(_ask)  # type: ignore[no-untyped-call]
    except (TransportError, TimeoutError) as error:
        raise CredentialsUnreachable(type(error).__name__) from None
    except RefreshError as error:
        # The text of the error may be the whole answer of the endpoint.
        kind = CredentialsUnreachable if error.retryable else CredentialsRefused
        raise kind(type(error).__name__) from None
    except (GoogleAuthError, ValueError) as error:
        raise CredentialsRefused(type(error).__name__) from None


class _Answer:
    """The part of an answer that google-auth reads."""

    def __init__(self, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.data = response.content


def _ask(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: Any,
) -> _Answer:
    """The transport of google-auth, over the HTTP client of this program."""
    from google.auth.exceptions import TransportError

    limit = min(timeout or _SECONDS, _SECONDS)
    try:
        with httpx2.Client(verify=tls_context(), timeout=limit) as client:
            response = client.request(method, url, content=body, headers=dict(headers or {}))
    except httpx2.HTTPError as error:
        raise TransportError(type(error).__name__) from None  # type: ignore[no-untyped-call]
    if response.status_code >= 500 or response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
        # Or else google-auth tries again here, and sleeps in between.
        raise TransportError(str(response.status_code))  # type: ignore[no-untyped-call]
    return _Answer(response)


def _fresh(credentials: "Credentials") -> bool:
    if not credentials.token:
        return False
    # The times of google-auth are UTC without a time zone.
    now = datetime.now(UTC).replace(tzinfo=None)
    return credentials.expiry is None or credentials.expiry - now > _SPARE


def _headers(credentials: "Credentials") -> dict[str, str]:
    headers = {"authorization": f"Bearer {credentials.token}"}
    if credentials.quota_project_id:
        headers["x-goog-user-project"] = credentials.quota_project_id
    return headers
