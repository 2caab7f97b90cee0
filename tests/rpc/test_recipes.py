"""GetRecipe, and what the client and the command line do with a recipe."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode as Code

import rushes
from core.ids import new_id
from core.store import media, retention
from core.store.engine.sql import Statement
from rushes.v1 import job_pb2, recipe_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import share_service_pb2 as share_pb
from tests.house import House
from tests.making import new_media
from tests.rpc.command_line import run
from tests.rpc.requests import image, png, store_picture
from tests.rpc.working import worker

FORGET_RECIPES = Statement("DELETE FROM recipe")
SMALL = {"size": "256x256"}


def get(house: House, media_id: str, user_id: str = "alice") -> recipe_pb2.Recipe:
    request = recipe_pb2.GetRecipeRequest(media_id=media_id)
    found: recipe_pb2.Recipe = house.caller(user_id).call("GetRecipe", request).recipe
    return found


def done(house: House, request: pb.GenerateImageRequest) -> job_pb2.Job:
    """The job of the request once a worker has made it."""
    alice = house.caller("alice")
    job = alice.call("GenerateImage", request).job
    asked = pb.GetJobRequest(job_id=job.job_id)
    asked.wait.FromSeconds(15)
    ended: job_pb2.Job = alice.call("GetJob", asked).job
    assert ended.state == job_pb2.Job.SUCCEEDED
    return ended


def test_a_recipe_names_all_that_made_the_item(house: House) -> None:
    # Given an image of a prompt with a template and an input of the library
    reference = store_picture(house.caller("alice"))
    request = image("a paper boat", style_pack="nature", **SMALL)
    request.spec.references.add(media_id=reference)
    with worker(house):
        job = done(house, request)
    [item] = job.outputs

    # When its owner asks for its recipe
    recipe = get(house, item.media_id)

    # Then model, seed and defaults are named, and the spec is the job's but for the seed
    assert recipe.image.model == job.model == "builtin-image"
    assert recipe.image.seed == item.seed
    assert recipe.image.output_mime_type == "image/png"
    asked = job_pb2.ImageSpec()
    asked.CopyFrom(recipe.image)
    asked.ClearField("seed")
    assert asked == job.image
    # And so are the bytes, the place, the money and the rest
    assert (recipe.sha256, recipe.output_index) == (item.sha256, 0)
    assert (recipe.media_id, recipe.job_id) == (item.media_id, job.job_id)
    assert recipe.final_prompt == job.final_prompt != recipe.image.prompt
    assert (recipe.provider, recipe.provider_model) == ("builtin", "builtin-image")
    assert recipe.cost == item.cost
    assert recipe.price_revision == job.cost.price_revision == "builtin-1"
    assert recipe.submit_time == job.start_time
    assert (recipe.rushes_version, recipe.format, recipe.partial) == ("0.1.0", 1, False)
    # And the input can be found again elsewhere
    [given] = recipe.inputs
    assert (given.field, given.media_id) == ("references[0]", reference)
    assert given.sha256 == hashlib.sha256(png()).hexdigest()
    assert given.mime_type == "image/png"


def test_a_recipe_sent_again_makes_the_same_bytes(house: House) -> None:
    with worker(house):
        job = done(house, image("two boats", output_count=2, **SMALL))
        recipes = [get(house, item.media_id) for item in job.outputs]
        again = done(house, pb.GenerateImageRequest(spec=recipes[1].image))

    assert [one.output_index for one in recipes] == [0, 1]
    assert again.outputs[recipes[1].output_index].sha256 == recipes[1].sha256
    assert [one.sha256 for one in again.outputs] == [one.sha256 for one in recipes]


def test_a_recipe_outlasts_its_job_and_the_bin_but_not_its_item(house: House) -> None:
    alice = house.caller("alice")
    with worker(house):
        [item] = done(house, image(**SMALL)).outputs
    before = get(house, item.media_id)

    retention.forget(house.db, -1000)
    alice.call("DeleteMedia", pb.DeleteMediaRequest(media_id=item.media_id))
    assert get(house, item.media_id) == before

    alice.call("DeleteMedia", pb.DeleteMediaRequest(media_id=item.media_id, permanent=True))
    request = recipe_pb2.GetRecipeRequest(media_id=item.media_id)
    assert alice.refused("GetRecipe", request).metadata["resource"] == "media item"


def test_an_item_from_before_recipes_has_a_partial_one(house: House) -> None:
    words: dict[str, Any] = {"prompt": "a boat", "seed": 7, "model": "builtin-video"}
    item = new_media(job_id=new_id(), revised_prompt="a red boat", **words)
    media.add(house.db, item)

    recipe = get(house, item.media_id)

    assert recipe.partial
    assert MessageToDict(recipe.video) == {**words, "seed": "7"}
    assert recipe.revised_prompt == "a red boat"
    assert recipe.format == 1


def test_an_upload_and_the_item_of_another_user_have_no_recipe(house: House) -> None:
    upload = new_media()
    media.add(house.db, upload)
    request = recipe_pb2.GetRecipeRequest(media_id=upload.media_id)

    refusal = house.caller("alice").refused("GetRecipe", request)
    assert (refusal.code, refusal.metadata["resource"]) == (Code.NOT_FOUND, "recipe")
    refusal = house.caller("bob").refused("GetRecipe", request)
    assert (refusal.code, refusal.metadata["resource"]) == (Code.NOT_FOUND, "media item")


def test_a_shared_recipe_is_whole_but_for_what_is_its_owner_s_business(house: House) -> None:
    with worker(house):
        [item] = done(house, image("a paper boat", style_pack="nature", **SMALL)).outputs
    share = share_pb.CreateShareRequest(media_id=item.media_id, user_id="bob", with_recipe=True)
    house.caller("alice").call("CreateShare", share)

    answer = house.caller("bob").call("ListSharedMedia", share_pb.ListSharedMediaRequest())

    [seen] = answer.shared_media
    own = get(house, item.media_id)
    assert seen.recipe.image == own.image
    assert seen.recipe.final_prompt == own.final_prompt
    assert (seen.recipe.job_id, seen.recipe.HasField("cost")) == ("", False)
    request = recipe_pb2.GetRecipeRequest(media_id=item.media_id)
    assert house.caller("bob").refused("GetRecipe", request).code is Code.NOT_FOUND


def test_both_clients_keep_a_recipe_and_make_its_item_again(house: House) -> None:
    server, token = f"localhost:{house.app.port}", house.token("alice")

    async def again(recipe: rushes.Recipe) -> rushes.Job:
        async with rushes.AsyncClient(server, token=token) as client:
            assert await client.get_recipe(recipe.media_id) == recipe
            handle = await client.submit_recipe(recipe, labels={"again": "yes"})
            return await handle.wait()

    with worker(house), rushes.Client(server, token=token) as client:
        first = client.run_image("a boat", size="256x256").job
        recipe = client.get_recipe(first.outputs[0].media_id)
        second = asyncio.run(again(recipe))
        third = client.wait(client.generate_recipe(recipe).job_id)

    assert dict(second.labels) == {"again": "yes"}
    assert {one.outputs[0].sha256 for one in (first, second, third)} == {recipe.sha256}


def test_the_command_line_prints_a_recipe_and_makes_the_item_again(
    house: House, tmp_path: Path
) -> None:
    with worker(house):
        [item] = done(house, image("a boat \u202eupside", **SMALL)).outputs
        code, text, _ = run(house, tmp_path, "recipe", item.media_id[:20])
        assert code == 0
        (tmp_path / "r.json").write_text(text)
        code, said, error = run(house, tmp_path, "generate", "--recipe", "r.json")

    assert code == 0, error
    kept = json.loads(text)
    assert kept["image"]["prompt"] == "a boat \u202eupside"
    made = get(house, said.split()[0])
    assert (made.sha256, made.job_id != kept["jobId"]) == (kept["sha256"], True)
    code, line, _ = run(house, tmp_path, "recipe", item.media_id, "--json")
    assert (code, json.loads(line)) == (0, kept)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no such file"),
        (b"\xff\xfe", "holds no recipe"),
        (b"[1]", "holds no recipe"),
        (b"{}", "names neither"),
        (b'{"image": {"prompt": 7}}', "holds no recipe"),
        (b'{"image": {"prompt": "x"}, "format": 2}', "layout 2"),
        (b" " * (1024 * 1024 + 1), "too large"),
    ],
)
def test_a_file_that_holds_no_recipe_is_refused_in_a_sentence(
    house: House, tmp_path: Path, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / "r.json").write_bytes(content)
    code, said, error = run(house, tmp_path, "generate", "--recipe", "r.json")
    assert (code, said) == (2, "")
    assert told in error


def test_a_recipe_goes_with_no_other_kind_of_job(house: House, tmp_path: Path) -> None:
    code, _, error = run(house, tmp_path, "generate", "--recipe", "r.json", "image", "a boat")
    assert (code, "--recipe" in error) == (2, True)
    code, _, error = run(house, tmp_path, "generate", "--label", "a=b", "image", "a boat")
    assert (code, "after image" in error) == (2, True)
    assert house.count_rows()["job"] == 0
