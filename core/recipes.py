"""Recipes: how a media item was made. A recipe is kept with its item, longer than the job."""

from dataclasses import dataclass
from typing import Any

from core.media import Media

# Of the layout of a recipe.
FORMAT = 1
# The fields of a spec that hold one media id each.
_SINGLE_INPUTS = ("first_frame", "last_frame", "source_video", "mask")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeInput:
    """An input, by its field in the spec. Without `sha256` nobody knows its bytes any more."""

    field: str
    media_id: str
    sha256: str = ""
    mime_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one item was made. Times in milliseconds.

    `spec` has the JSON values of a spec of that kind, as the job ran: `core.specs.spec_to_json`
    wrote them, and the seed is among them if it was drawn. In a `partial` recipe it has only what
    the item itself knows.
    """

    media: Media
    kind: str
    spec: dict[str, Any]
    inputs: tuple[RecipeInput, ...] = ()
    final_prompt: str = ""
    provider_model: str = ""
    price_revision: str = ""
    submit_time: int | None = None
    rushes_version: str = ""
    format: int = FORMAT
    partial: bool = False


def inputs_by_field(spec: dict[str, Any]) -> dict[str, str]:
    """The media ids of the inputs of a spec's JSON values, by their fields ("references[0]")."""
    single = {name: spec[name] for name in _SINGLE_INPUTS if spec.get(name)}
    several = {f"references[{n}]": one for n, one in enumerate(spec.get("references", ()))}
    return single | several


def partial_recipe(media: Media) -> Recipe:
    """What the item itself knows of how it was made."""
    known = {"prompt": media.prompt, "model": media.model, "seed": media.seed}
    spec = {name: value for name, value in known.items() if value is not None}
    return Recipe(media=media, kind=media.type.lower(), spec=spec, partial=True)
