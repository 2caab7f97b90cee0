"""Signs the caller in before the request is read."""

import asyncio
from concurrent.futures import Executor
from typing import Any

from core import api_keys
from core.errors import CredentialsInvalid, CredentialsMissing
from server.interceptors.jwt_verifier import Verifier
from server.interceptors.key_ring import KeyRing
from server.interceptors.layer import Behaviour, Call, Context, Metadata, metadata_of
from server.principal import Principal, set_principal


class Auth:
    """Makes the subject of the bearer token, or the user of the API key, the principal of the
    call."""

    def __init__(self, verifier: Verifier, keys: KeyRing, pool: Executor) -> None:
        self._verifier = verifier
        self._keys = keys
        self._pool = pool

    async def around(self, call: Call, inner: Behaviour, request: Any, context: Context) -> Any:
        set_principal(await self._verify(bearer_token(metadata_of(context))))
        return await inner(request, context)

    async def _verify(self, token: str) -> Principal:
        if token.startswith(api_keys.PREFIX):
            return await self._keys.verify(token)
        if not self._verifier.blocking:
            return self._verifier.verify(token)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._verifier.verify, token)


def bearer_token(metadata: Metadata) -> str:
    """The token of the one authorization header.

    Raises:
        CredentialsMissing: when there is no such header.
        CredentialsInvalid: when there are two, or it holds no bearer token.
    """
    headers = [value for key, value in metadata if key == "authorization"]
    if not headers:
        raise CredentialsMissing
    if len(headers) > 1:
        raise CredentialsInvalid("Send one authorization header, not several.")
    scheme, _, token = str(headers[0]).partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise CredentialsInvalid("The authorization header must be `Bearer <token>`.")
    return token
