"""Recipes: each output has one, which stays as long as the item and longer than its job."""

import json
from dataclasses import replace
from typing import Any

import pytest

from core.media import Media
from core.process import failpoints
from core.recipes import FORMAT, Recipe
from core.store import Database, media, recipes, retention, transitions
from core.store.claims import Claim
from core.store.engine.sql import Statement
from tests.making import IMAGE, VIDEO, accepted, new_media, started

COUNT = Statement("SELECT count(*) FROM recipe")
FORGET_RECIPES = Statement("DELETE FROM recipe")
JOBS = Statement("SELECT count(*) FROM job")


def counted(db: Database, statement: Statement = COUNT) -> int:
    row = db.row(statement)
    assert row is not None
    return int(row[0])


def output(claim: Claim, index: int = 0, **changes: Any) -> Media:
    """What the run of a job made."""
    job = claim.job
    made = {"job_id": job.job_id, "output_index": index, "provider": job.provider}
    texts = {"prompt": job.spec.prompt, "model": job.spec.model}
    return new_media(job.user_id, **{**made, **texts, **changes})


def finished(db: Database, **changes: Any) -> Media:
    """The item of a job that succeeded."""
    accepted(db, **changes)
    claim = started(db)
    return transitions.succeed(db, claim.run, output(claim, seed=11)).job.outputs[0]


def recipe_of(db: Database, item: Media) -> Recipe:
    return recipes.of_items(db, [item])[item.media_id]


def test_an_output_gets_its_recipe_in_the_transaction_of_its_job_s_success(db: Database) -> None:
    # Given a job whose success is written but not committed
    accepted(db, final_prompt="sea, in oil", provider_model="veo-long-name")
    claim = started(db)
    failpoints.arm("settle.before_commit=exception")
    try:
        with pytest.raises(failpoints.FailpointHit):
            transitions.succeed(db, claim.run, output(claim))
    finally:
        failpoints.arm("")
    assert counted(db) == 0

    # When it commits
    [item] = transitions.succeed(db, claim.run, output(claim, seed=11)).job.outputs

    # Then the recipe is there, with the seed that was drawn
    found = recipe_of(db, item)
    assert (found.kind, found.final_prompt) == ("video", "sea, in oil")
    assert (found.provider_model, found.format, found.partial) == ("veo-long-name", FORMAT, False)
    assert found.spec["seed"] == 11
    assert (found.spec["prompt"], found.spec["duration_ms"]) == ("sea", 1000)
    assert found.submit_time is not None
    assert found.rushes_version
    assert found.media == item


def test_a_recipe_outlasts_its_job(db: Database) -> None:
    item = finished(db)
    before = recipe_of(db, item)

    retention.forget(db, -1000)

    assert counted(db, JOBS) == 0
    assert recipe_of(db, item) == before


def test_a_recipe_goes_with_its_item_and_not_before(db: Database) -> None:
    kept, erased, expired = finished(db), finished(db), finished(db)

    media.bin(db, "alice", [kept.media_id, expired.media_id], 10_000_000)
    media.erase(db, "alice", [erased.media_id])
    assert counted(db) == 2
    media.unbin(db, "alice", expired.media_id)
    media.bin(db, "alice", [expired.media_id], -1)
    media.erase_expired(db, 10)

    assert counted(db) == 1
    assert recipe_of(db, kept).media == kept


def test_all_outputs_of_a_job_share_the_seed_of_its_first(db: Database) -> None:
    accepted(db, spec=replace(VIDEO, output_count=2))
    claim = started(db)
    transitions.add_output(db, claim.run, output(claim, seed=5))

    event = transitions.succeed(db, claim.run, output(claim, 1, seed=6))

    found = [recipe_of(db, item) for item in event.job.outputs]
    assert [one.spec["seed"] for one in found] == [5, 5]
    assert [one.media.output_index for one in found] == [0, 1]


def test_a_seed_that_was_asked_for_stays(db: Database) -> None:
    item = finished(db, spec=replace(VIDEO, seed=3))
    assert recipe_of(db, item).spec["seed"] == 3


def test_an_input_is_known_by_its_hash_even_after_it_was_erased(db: Database) -> None:
    # Given a job with three inputs of which one is gone before its result comes
    inputs = [new_media(sha256=name, mime_type="image/png") for name in ("aa", "bb", "cc")]
    for item in inputs:
        media.add(db, item)
    first, second, mask = (item.media_id for item in inputs)
    accepted(db, spec=replace(IMAGE, references=(first, second), mask=mask), queue="video")
    claim = started(db)
    media.erase(db, "alice", [second])

    # When it succeeds, and another input is erased afterwards
    [item] = transitions.succeed(db, claim.run, output(claim)).job.outputs
    media.erase(db, "alice", [first])

    # Then what was known when it was made is known still
    found = {one.field: (one.media_id, one.sha256) for one in recipe_of(db, item).inputs}
    assert found == {
        "mask": (mask, "cc"),
        "references[0]": (first, "aa"),
        "references[1]": (second, ""),
    }


def test_an_item_from_before_recipes_has_that_of_its_job_while_it_is_remembered(
    db: Database,
) -> None:
    item = finished(db, final_prompt="sea, in oil")
    before = recipe_of(db, item)
    db.write(lambda session: session.run(FORGET_RECIPES))

    found = recipe_of(db, item)
    assert replace(found, rushes_version=before.rushes_version) == before
    assert not found.partial

    retention.forget(db, -1000)
    found = recipe_of(db, item)
    assert found.partial
    assert found.spec == {"prompt": "sea", "model": "builtin-video", "seed": 11}
    assert found.final_prompt == ""


def test_what_no_job_made_has_no_recipe(db: Database) -> None:
    item = new_media()
    media.add(db, item)
    assert recipes.of_items(db, [item]) == {}
    assert recipes.of_items(db, []) == {}


def test_a_recipe_of_a_later_version_is_read_as_far_as_it_is_known(db: Database) -> None:
    item = finished(db)
    text = json.dumps({**recipe_of(db, item).spec, "camera": "drone"})
    later = Statement("UPDATE recipe SET spec = :spec, format = 2")
    db.write(lambda session: session.run(later, spec=text))

    found = recipe_of(db, item)
    assert (found.format, found.spec["camera"]) == (2, "drone")
