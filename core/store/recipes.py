"""Recipes: a row beside each item that a job made. It stays as long as the item does.

The transaction that keeps an output writes its recipe too. Items from before there were recipes
have none: theirs comes from the job while that is remembered, and else from the item alone.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import orjson

from core.media import Media
from core.recipes import FORMAT, Recipe, RecipeInput, inputs_by_field, partial_recipe
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement, columns, name_part

_NAMES = (
    *("media_id", "kind", "spec", "inputs", "final_prompt", "provider_model", "price_revision"),
    *("submit_time", "rushes_version", "format"),
)
_OF_JOB = (
    *("job_id", "kind", "spec", "final_prompt", "provider_model", "price_revision"),
    *("submit_time", "start_time"),
)
name_part("recipe_columns", columns(_NAMES))
name_part("recipe_values", ", ".join(f":{name}" for name in _NAMES))
name_part("recipe_job_columns", columns(_OF_JOB))
# Index of all below, unless another is named: the primary key.
_INSERT = Statement("INSERT INTO recipe ({recipe_columns}) VALUES ({recipe_values})")
_FIND = Statement("SELECT {recipe_columns} FROM recipe WHERE media_id = ANY(:media_ids)")
_ERASE = Statement("DELETE FROM recipe WHERE media_id = ANY(:media_ids)")
_INPUTS = Statement("""
    SELECT media_id, sha256, mime_type FROM media WHERE media_id = ANY(:media_ids)
""")
_JOBS = Statement("SELECT {recipe_job_columns} FROM job WHERE job_id = ANY(:job_ids)")
# The seed of the first output of each job. Index: `media_output`.
_SEEDS = Statement("""
    SELECT job_id, seed FROM media
    WHERE job_id = ANY(:job_ids) AND job_id <> '' AND output_index = 0
""")


def insert(session: Session, job: Mapping[str, Any], outputs: Sequence[Media], item: Media) -> None:
    """Writes the recipe of an output that this transaction keeps.

    `job` has the columns of its job, and `outputs` are those that the job has made before.
    """
    first = next((media for media in (*outputs, item) if media.output_index == 0), item)
    spec = _seeded(orjson.loads(job["spec"]), first.seed, item.seed)
    named = inputs_by_field(spec)
    values = {
        "media_id": item.media_id,
        "kind": job["kind"],
        "spec": json.dumps(spec),
        "inputs": json.dumps(_given(session, named)) if named else "[]",
        "final_prompt": job["final_prompt"],
        "provider_model": job["provider_model"],
        "price_revision": job["price_revision"],
        "submit_time": _asked_time(job),
        "rushes_version": _version(),
        "format": FORMAT,
    }
    session.later(_INSERT, **values)


def erase(session: Session, media_ids: Sequence[str]) -> None:
    """Removes the recipes of items that this transaction erases."""
    session.later(_ERASE, media_ids=list(media_ids))


def of_items(db: Database, items: Sequence[Media]) -> dict[str, Recipe]:
    """The recipes of those items that a job made, by their media ids."""
    made = {media.media_id: media for media in items if media.job_id}
    if not made:
        return {}
    rows = db.rows(_FIND, media_ids=list(made))
    kept = {row[0]: _from_row(made[row[0]], row) for row in rows}
    older = [media for media in made.values() if media.media_id not in kept]
    return kept | (_from_jobs(db, older) if older else {})


def _from_row(media: Media, row: Row) -> Recipe:
    values: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    del values["media_id"]
    values["spec"] = orjson.loads(values["spec"])
    values["inputs"] = tuple(RecipeInput(**one) for one in orjson.loads(values["inputs"]))
    return Recipe(media=media, **values)


def _from_jobs(db: Database, items: Sequence[Media]) -> dict[str, Recipe]:
    """The recipes of items that have none: of their jobs, or else of the items alone."""
    job_ids = sorted({media.job_id for media in items})
    jobs = {row[0]: dict(zip(_OF_JOB, row, strict=True)) for row in db.rows(_JOBS, job_ids=job_ids)}
    seeds = {row[0]: row[1] for row in db.rows(_SEEDS, job_ids=job_ids)} if jobs else {}
    return {
        media.media_id: _from_job(db, media, jobs[media.job_id], seeds.get(media.job_id))
        if media.job_id in jobs
        else partial_recipe(media)
        for media in items
    }


def _from_job(db: Database, media: Media, job: Mapping[str, Any], seed: int | None) -> Recipe:
    spec = _seeded(orjson.loads(job["spec"]), seed, media.seed)
    named = inputs_by_field(spec)
    return Recipe(
        media=media,
        kind=job["kind"],
        spec=spec,
        inputs=tuple(RecipeInput(**one) for one in _given(db, named)) if named else (),
        final_prompt=job["final_prompt"],
        provider_model=job["provider_model"],
        price_revision=job["price_revision"],
        submit_time=_asked_time(job),
    )


def _seeded(spec: dict[str, Any], *drawn: int | None) -> dict[str, Any]:
    """The spec with a seed: its own, or the first that was drawn.

    The seed of the first output stands for the job: with it the same spec gives all outputs again.
    """
    seeds = (seed for seed in (spec.get("seed"), *drawn) if seed is not None)
    seed = next(seeds, None)
    return spec if seed is None else spec | {"seed": seed}


def _given(db: Database | Session, named: Mapping[str, str]) -> list[dict[str, str]]:
    """The inputs, with what their items say of their bytes while they are there."""
    rows = db.rows(_INPUTS, media_ids=sorted(set(named.values())))
    known = {row[0]: {"sha256": row[1], "mime_type": row[2]} for row in rows}
    return [
        {"field": field, "media_id": media_id, **known.get(media_id, {})}
        for field, media_id in named.items()
    ]


def _asked_time(job: Mapping[str, Any]) -> int | None:
    """When the provider was asked; one that renders here was at the job's start."""
    asked: int | None = job["submit_time"] or job["start_time"]
    return asked


@functools.cache
def _version() -> str:
    return version("rushes-server")
