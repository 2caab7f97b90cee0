"""The client of the SDK and its paid requests: each sends one POST, whatever happens.

The first job imports this module, because the SDK takes a second and tens of MiB.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.process.settings import Settings
from workers.providers.http.transport import submit_client, unused_async
from workers.providers.vertex.addresses import API_VERSION, Addresses
from workers.providers.vertex.requests import Input, VeoRequest
from workers.providers.vertex.tokens import Tokens

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.genai import Client, types

LABEL = "rushes_job"
_MOST_ANSWER_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request in the form of the SDK, without the parts that depend on the submission."""

    model: str
    source: "types.GenerateVideosSource"
    config: "types.GenerateVideosConfig"


class Submits:
    """Starts operations. All threads share its client."""

    def __init__(self, settings: Settings, addresses: Addresses, tokens: Tokens) -> None:
        self._settings = settings
        self._addresses = addresses
        self._tokens = tokens
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._credentials: Credentials | None = None

    def prepare(self, request: VeoRequest) -> Prepared:
        """The request in the form of the SDK. Nothing is sent."""
        return Prepared(request.model, _source(request), _config(request))

    def ready(self, prepared: Prepared, key: str) -> Callable[[], str]:
        """Prepares all but the sending. The function that it returns sends the request once, and
        returns the name of the operation, which may be empty.

        Raises, here, when nothing was sent:
            CredentialsRefused, CredentialsUnreachable: when there is no token.

        Raises, when called:
            google.genai.errors.APIError: when the answer was not 200.
            httpx2.HTTPError: when there was no answer.
        """
        from google.genai import types

        client = self._open()
        config = prepared.config.model_copy(
            update={
                "labels": {LABEL: label(key)},
                "output_gcs_uri": self._addresses.folder(key),
                # Google seems to ignore it; it does no harm.
                "http_options": types.HttpOptions(headers={"Idempotency-Key": key}),
            }
        )

        def send() -> str:
            made = client.models.generate_videos(
                model=prepared.model, source=prepared.source, config=config
            )
            return made.name or ""

        return send

    def _open(self) -> "Client":
        # Before each submit, so that the SDK has a good token and does not fetch one itself.
        credentials = self._tokens.credentials()
        with self._lock:
            if self._client is None or self._credentials is not credentials:
                from google.genai import Client, types

                seconds = self._settings.submit_timeout_seconds
                self._client = Client(
                    enterprise=True,
                    project=self._settings.vertex_project,
                    location=self._settings.vertex_location,
                    credentials=credentials,
                    http_options=types.HttpOptions(
                        base_url=self._addresses.base or None,
                        api_version=API_VERSION,
                        timeout=int(seconds * 1000),
                        retry_options=types.HttpRetryOptions(attempts=1),
                        httpx_client=submit_client(seconds, _MOST_ANSWER_BYTES),
                        async_client_args=unused_async(),
                    ),
                )
                self._credentials = credentials
            return self._client


def label(key: str) -> str:
    """The submission's key in the alphabet of Google's labels."""
    return re.sub(r"[^a-z0-9_-]", "-", key.lower())[:63]


def _source(request: VeoRequest) -> "types.GenerateVideosSource":
    from google.genai import types

    video = request.video
    return types.GenerateVideosSource(
        prompt=request.prompt or None,
        image=_image(request.first_frame),
        video=types.Video(video_bytes=video.data, mime_type=video.mime_type) if video else None,
    )


def _config(request: VeoRequest) -> "types.GenerateVideosConfig":
    from google.genai import types

    asset = types.VideoGenerationReferenceType.ASSET
    references = [
        types.VideoGenerationReferenceImage(image=_image(picture), reference_type=asset)
        for picture in request.references
    ]
    return types.GenerateVideosConfig(
        number_of_videos=request.count,
        duration_seconds=request.seconds,
        aspect_ratio=request.aspect_ratio,
        # Google writes "4k".
        resolution=request.resolution.lower(),
        negative_prompt=request.negative_prompt or None,
        seed=request.seed,
        generate_audio=request.audio,
        last_frame=_image(request.last_frame),
        reference_images=references or None,
    )


def _image(picture: Input | None) -> "types.Image | None":
    from google.genai import types

    if picture is None:
        return None
    return types.Image(image_bytes=picture.data, mime_type=picture.mime_type)
