"""The provider `gemini`: Google's models with an API key."""

from pydantic import SecretStr

from core.blobs import Blobs
from core.catalog.models import Catalog
from core.process.settings import Settings
from workers.providers.gemini.provider import GeminiProvider


def open_gemini(
    settings: Settings, catalog: Catalog, blobs: Blobs, key: SecretStr
) -> GeminiProvider:
    """The provider that the settings describe. Its first plan loads google-genai."""
    return GeminiProvider(settings, key, catalog, blobs)
