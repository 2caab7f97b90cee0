"""Addresses at Google: the host of a location, an operation by its name, a gs:// object."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from core.errors import SettingsInvalid
from core.process.settings import Settings

API_VERSION = "v1beta1"
STORAGE = "https://storage.googleapis.com"
_MULTI_REGIONS = frozenset({"us", "eu"})
_PROJECT, _LOCATION = "[a-z0-9][a-z0-9:.-]*", "[a-z0-9-]+"
_NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"
# No other text gets into an address.
_OPERATION = re.compile(
    f"(projects/{_PROJECT}/locations/({_LOCATION})/publishers/google/models/{_NAME})"
    f"/operations/{_NAME}"
)
_GS = re.compile(r"gs://([a-z0-9][a-z0-9._-]+[a-z0-9])(?:/(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of an installation. `output` is a gs:// folder without a slash at the end, or
    empty if results come inline."""

    base: str
    storage: str
    output: str

    @classmethod
    def of(cls, settings: Settings) -> "Addresses":
        """The addresses that the settings describe.

        Raises:
            SettingsInvalid: when a setting can't be used, naming it.
        """
        output = settings.vertex_output_uri.rstrip("/")
        if output and not _GS.fullmatch(output):
            raise SettingsInvalid("RUSHES_VERTEX_OUTPUT_URI: must be gs://bucket or a folder in it")
        if not re.fullmatch(_PROJECT, settings.vertex_project):
            raise SettingsInvalid("RUSHES_VERTEX_PROJECT: must be a project's id")
        if not re.fullmatch(_LOCATION, settings.vertex_location):
            raise SettingsInvalid("RUSHES_VERTEX_LOCATION: must be a location like us-central1")
        return cls(
            base=settings.vertex_base_url.rstrip("/"),
            storage=settings.storage_base_url.rstrip("/") or STORAGE,
            output=output,
        )

    def ask(self, operation: str) -> str | None:
        """Where to ask for the operation; None if its name is not one of Vertex AI.

        The host follows from the location in the name, because the setting may have changed.
        """
        found = _OPERATION.fullmatch(operation)
        if found is None:
            return None
        model, location = found[1], found[2]
        return f"{self.base or _host(location)}/{API_VERSION}/{model}:fetchPredictOperation"

    def folder(self, key: str) -> str | None:
        """The folder for the results of a submission; None if they come inline."""
        return f"{self.output}/{key}/" if self.output else None

    def object(self, uri: str) -> str | None:
        """Where to download the object; None if it is not in the bucket of our results."""
        found, ours = _GS.fullmatch(uri), _GS.fullmatch(self.output)
        if found is None or ours is None or found[1] != ours[1] or not found[2]:
            return None
        return f"{self.storage}/storage/v1/b/{found[1]}/o/{quote(found[2], safe='')}?alt=media"


def short_name(operation: str) -> str:
    """The name of the operation for users: without project and location."""
    return operation.rpartition("/")[2]


def _host(location: str) -> str:
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"
