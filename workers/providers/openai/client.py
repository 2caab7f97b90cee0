"""The one place where a client of OpenAI's SDK is made."""

from typing import TYPE_CHECKING

from pydantic import SecretStr

from workers.providers.http.transport import submit_client

if TYPE_CHECKING:
    import openai

BASE_URL = "https://api.openai.com/v1"


def open_client(key: SecretStr, base_url: str, seconds: float, most_bytes: int) -> "openai.OpenAI":
    """A client that sends each call once; by default the SDK sends a failed call three times.

    `base_url` ends in /v1; empty means OpenAI's own. An answer may have `most_bytes` and take
    `seconds`.
    """
    # Imported here: it takes a second and 60 MiB, which a worker without a key does not need.
    import openai

    return openai.OpenAI(
        api_key=key.get_secret_value(),
        # Always given, or else the SDK would look for OPENAI_BASE_URL.
        base_url=base_url or BASE_URL,
        max_retries=0,
        timeout=seconds,
        http_client=submit_client(seconds, most_bytes),
    )
