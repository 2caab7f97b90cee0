"""The one place where a client of OpenAI's SDK is made."""

from typing import TYPE_CHECKING

from pydantic import SecretStr

from workers.providers.http.transport import submit_client

if TYPE_CHECKING:
    import openai

BASE_URL = "https://api.openai.com/v1"


def open_client(key: SecretStr, base_url: str, seconds: float, most_bytes: int) -> "openai.OpenAI":
    """A client that sends each call once: by itself the SDK sends a failed one three times.

    `base_url` ends in /v1, or is empty for OpenAI's own; an answer has at most `most_bytes` and
    `seconds`.
    """
    # Here, because it costs a second and 60 MiB that a worker without a key need not pay.
    import openai

    return openai.OpenAI(
        api_key=key.get_secret_value(),
        # Never left out: the SDK would look for OPENAI_BASE_URL.
        base_url=base_url or BASE_URL,
        max_retries=0,
        timeout=seconds,
        http_client=submit_client(seconds, most_bytes),
    )
