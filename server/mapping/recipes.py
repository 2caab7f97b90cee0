"""Recipes as their owners and those see them with whom an item is shared."""

from typing import Any

from core.recipes import Recipe, RecipeInput
from rushes.v1 import recipe_pb2
from server.mapping.specs import SPECS
from server.mapping.values import money, timestamp


def recipe_to_proto(recipe: Recipe, currency: str) -> recipe_pb2.Recipe:
    """A recipe as its owner sees it."""
    media = recipe.media
    return recipe_pb2.Recipe(
        **_shown(recipe),
        job_id=media.job_id,
        cost=money(media.cost_micros, currency),
        price_revision=recipe.price_revision,
    )


def shared_recipe_to_proto(recipe: Recipe) -> recipe_pb2.Recipe:
    """A recipe without what is its owner's business: the job and the cost."""
    return recipe_pb2.Recipe(**_shown(recipe))


def _shown(recipe: Recipe) -> dict[str, Any]:
    media = recipe.media
    return {
        recipe.kind: SPECS[recipe.kind](recipe.spec),
        "sha256": media.sha256,
        "output_index": media.output_index,
        "media_id": media.media_id,
        "inputs": map(_input, recipe.inputs),
        "final_prompt": recipe.final_prompt,
        "revised_prompt": media.revised_prompt,
        "provider": media.provider,
        "provider_model": recipe.provider_model,
        "submit_time": timestamp(recipe.submit_time),
        "rushes_version": recipe.rushes_version,
        "format": recipe.format,
        "partial": recipe.partial,
    }


def _input(given: RecipeInput) -> dict[str, str]:
    return {
        "field": given.field,
        "media_id": given.media_id,
        "sha256": given.sha256,
        "mime_type": given.mime_type,
    }
