"""Which providers this worker has: the built-in one, and those that the settings configure.

A provider that is not configured is not imported. The SDKs of Google and OpenAI take a second and
60 MiB each, so a provider loads its SDK at its first job.
"""

from collections.abc import Callable, Mapping

from core.blobs import Blobs
from core.catalog.models import Catalog
from core.process.secrets import provider_key, warn_if_exposed
from core.process.settings import Settings
from workers.providers import LocalProvider, Provider, Providers
from workers.providers.builtin.provider import BuiltinProvider

Open = Callable[[Settings, Catalog, Blobs], Provider]


def open_providers(settings: Settings, catalog: Catalog, blobs: Blobs) -> Providers:
    """The configured providers, by name. It calls none of them.

    Raises:
        SettingsInvalid: when a configured provider can't be used, naming the variable.
    """
    warn_if_exposed(settings)
    paid = {name: opened for name, opened in _OPEN.items() if name not in settings.missing}
    providers: dict[str, LocalProvider | Provider] = {"builtin": BuiltinProvider()}
    return providers | {name: opened(settings, catalog, blobs) for name, opened in paid.items()}


def _simulator(settings: Settings, catalog: Catalog, blobs: Blobs) -> Provider:
    from workers.providers.simulator import SimulatorProvider

    folder = settings.data_dir / "simulator"
    return SimulatorProvider(folder, may_kill=settings.simulator_may_kill)


def _gemini(settings: Settings, catalog: Catalog, blobs: Blobs) -> Provider:
    from workers.providers.gemini import open_gemini

    return open_gemini(settings, catalog, blobs, provider_key(settings, "gemini"))


def _vertex(settings: Settings, catalog: Catalog, blobs: Blobs) -> Provider:
    from workers.providers.vertex import open_vertex

    return open_vertex(settings, catalog, blobs)


def _openai(settings: Settings, catalog: Catalog, blobs: Blobs) -> Provider:
    from workers.providers.openai.provider import OpenAIProvider

    return OpenAIProvider(settings, provider_key(settings, "openai"), catalog, blobs)


_OPEN: Mapping[str, Open] = {
    "simulator": _simulator,
    "gemini": _gemini,
    "vertex": _vertex,
    "openai": _openai,
}
