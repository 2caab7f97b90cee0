"""A client of google-genai for paid calls, which sends each call once.

The first call imports this module, because the SDK takes a second and 60 MiB.
"""

from typing import TYPE_CHECKING

import httpx2
from pydantic import SecretStr

from workers.providers.gemini.interactions import GOOGLE
from workers.providers.http.transport import unused_async

if TYPE_CHECKING:
    from google.genai import Client

API_VERSION = "v1"


def open_client(http: httpx2.Client, key: SecretStr, base_url: str, seconds: float) -> "Client":
    """A client that waits `seconds` for an answer, over `http`."""
    from google.genai import Client
    from google.genai.types import HttpOptions, HttpRetryOptions

    # Every option is given, because the SDK takes those that are missing from the environment.
    options = HttpOptions(
        base_url=base_url or GOOGLE,
        api_version=API_VERSION,
        timeout=int(seconds * 1000),
        # The first attempt counts too, so this means no retries.
        retry_options=HttpRetryOptions(attempts=1),
        httpx_client=http,
        async_client_args=unused_async(),
    )
    return Client(enterprise=False, api_key=key.get_secret_value(), http_options=options)
