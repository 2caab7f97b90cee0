"""Veo on Vertex AI: the SDK submits, and raw HTTP polls and fetches.

The first job imports the libraries of Google.
"""

from core.blobs import Blobs
from core.catalog.models import Catalog
from core.process.settings import Settings
from workers.providers import Provider
from workers.providers.vertex.addresses import Addresses
from workers.providers.vertex.client import Submits
from workers.providers.vertex.provider import VertexProvider
from workers.providers.vertex.tokens import Tokens


def open_vertex(settings: Settings, catalog: Catalog, blobs: Blobs) -> Provider:
    """The provider of an installation that has a `vertex_project`. It does not use the network yet.

    `blobs` is not used, because results stay at Google until they are fetched.

    Raises:
        SettingsInvalid: when the project, the location or the output folder can't be used.
    """
    addresses = Addresses.of(settings)
    tokens = Tokens(settings.vertex_credentials_file)
    return VertexProvider(
        catalog=catalog,
        addresses=addresses,
        tokens=tokens,
        submits=Submits(settings, addresses, tokens),
        most_inline_bytes=settings.max_inline_result_megabytes * 1024**2,
        most_bytes=settings.max_result_megabytes * 1024**2,
    )
