"""An installation whose paid providers are the fakes: its variables, keys and models."""

import re
from dataclasses import dataclass
from pathlib import Path

from core.catalog.models import models_path
from tests.fakes import gemini, openai, vertex

# Of the models that tests use, one for each adapter and kind.
VIDEO_MODELS = ("gemini-omni-1.2-flash", "veo-3.1-generate-001")
IMAGE_MODELS = ("gemini-3.1-flash-image", "gpt-image-2.5-flare")
_PACE = re.compile(r"^(?:typical|poll)_seconds = .*\n", re.MULTILINE)
_PROVIDER = re.compile(r'^(provider = ".*")\n', re.MULTILINE)


@dataclass(frozen=True)
class Addresses:
    """Where the fakes are, and the key file of Vertex AI's."""

    gemini: str
    vertex: str
    openai: str
    credentials: Path


def variables(folder: Path, addresses: Addresses) -> dict[str, str]:
    """The variables with which an installation finds the fakes: one key by its variable, the
    others in files of the folder."""
    key = folder / "openai.key"
    key.write_text(f"{openai.KEY}\n")
    key.chmod(0o600)
    addresses.credentials.chmod(0o600)
    return {
        "RUSHES_MODELS_FILE": str(quick_models(folder)),
        "RUSHES_GEMINI_API_KEY": gemini.KEY,
        "RUSHES_GEMINI_BASE_URL": addresses.gemini,
        "RUSHES_OPENAI_API_KEY_FILE": str(key),
        "RUSHES_OPENAI_BASE_URL": f"{addresses.openai}/v1",
        "RUSHES_VERTEX_PROJECT": vertex.PROJECT,
        "RUSHES_VERTEX_LOCATION": vertex.LOCATION,
        "RUSHES_VERTEX_CREDENTIALS_FILE": str(addresses.credentials),
        "RUSHES_VERTEX_BASE_URL": addresses.vertex,
        "RUSHES_STORAGE_BASE_URL": addresses.vertex,
        "RUSHES_VERTEX_OUTPUT_URI": "gs://fake-bucket/results",
    }


def quick_models(folder: Path) -> Path:
    """The packaged models, which take no longer than the fakes do."""
    text = _PACE.sub("", models_path(None).read_text())
    pace = "typical_seconds = 0.3\npoll_seconds = 0.1"
    path = folder / "models.toml"
    path.write_text(_PROVIDER.sub(rf"\1\n{pace}\n", text))
    return path
