"""RetryJob with changes: each line of its comments, and how each wrong change is refused."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from grpc import StatusCode as Code

import rushes
import rushes.fields
from core.kinds import KINDS
from core.store import media, retention
from core.store.engine.sql import Statement
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.model_pb2 import Model
from tests.house import House, LoopThread, close_house, open_house
from tests.making import new_media
from tests.rpc.command_line import run
from tests.rpc.requests import image, png, store_picture, video
from tests.rpc.working import worker
from tests.services import Valkey

SMALL = {"size": "256x256"}
UNKNOWN_MODEL = Statement("UPDATE job SET spec = replace(spec, 'builtin-image', 'gone-image')")


@pytest.fixture
def house(house_loop: LoopThread, valkey: Valkey, tmp_path: Path) -> Iterator[House]:
    """A server with the models of the simulator, which a draft may be finished by."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    opened = open_house(house_loop, tmp_path / "data", valkey.url, simulator=True)
    yield opened
    close_house(house_loop, opened)
    structlog.reset_defaults()


def ended(house: House, request: Any) -> job_pb2.Job:
    """A job of the request that was cancelled."""
    alice = house.caller("alice")
    kind = "GenerateVideo" if isinstance(request, pb.GenerateVideoRequest) else "GenerateImage"
    job_id = alice.call(kind, request).job.job_id
    job: job_pb2.Job = alice.call("CancelJob", pb.CancelJobRequest(job_id=job_id)).job
    return job


def made(house: House, request: pb.GenerateImageRequest) -> job_pb2.Job:
    """A job of the request that a worker made."""
    alice = house.caller("alice")
    asked = pb.GetJobRequest(job_id=alice.call("GenerateImage", request).job.job_id)
    asked.wait.FromSeconds(15)
    with worker(house):
        job: job_pb2.Job = alice.call("GetJob", asked).job
    assert job.state == job_pb2.Job.SUCCEEDED
    return job


def changes(job: job_pb2.Job, *fields: str, **more: Any) -> pb.RetryJobRequest:
    return pb.RetryJobRequest(job_id=job.job_id, changed_fields={"paths": fields}, **more)


def retry(house: House, request: pb.RetryJobRequest) -> job_pb2.Job:
    again: job_pb2.Job = house.caller("alice").call("RetryJob", request).job
    return again


def test_the_fields_that_are_named_are_replaced_and_the_others_stay(house: House) -> None:
    job = ended(house, video("calm sea"))

    again = retry(
        house,
        changes(
            job,
            "prompt",
            "output_count",
            video={"prompt": "wild sea", "output_count": 2, "seed": 9},
        ),
    )

    expected = job_pb2.VideoSpec()
    expected.CopyFrom(job.video)
    expected.prompt, expected.output_count = "wild sea", 2
    assert again.video == expected
    assert (again.retry_of, again.final_prompt) == (job.job_id, "wild sea")


def test_one_that_is_named_and_not_set_is_cleared(house: House) -> None:
    request = video("calm sea")
    request.spec.seed, request.spec.negative_prompt = 7, "boats"
    request.spec.duration.FromSeconds(9)
    request.spec.first_frame.content = png()
    job = ended(house, request)
    fields = ("seed", "negative_prompt", "duration", "first_frame")

    for again in (
        retry(house, changes(job, *fields)),
        retry(house, changes(job, *fields, video={})),
    ):
        assert not again.video.HasField("seed")
        assert not again.video.HasField("first_frame")
        assert (again.video.negative_prompt, again.video.duration.seconds) == ("", 5)
        assert again.video.prompt == "calm sea"


def test_without_fields_it_is_repeated_as_it_was(house: House) -> None:
    job = ended(house, video("calm sea", labels={"node": "n1"}))
    again = retry(house, changes(job, video={"prompt": "not named"}))
    assert again.video == job.video
    assert dict(again.labels) == {"node": "n1"}


def test_a_new_input_may_come_with_the_change(house: House) -> None:
    job = ended(house, video("calm sea"))
    again = retry(house, changes(job, "first_frame", video={"first_frame": {"content": png()}}))
    item = again.video.first_frame.media_id
    found = house.caller("alice").call("GetMedia", pb.GetMediaRequest(media_id=item)).media
    assert (found.width, found.height) == (64, 36)


def test_another_quality_picks_another_model_and_another_model_no_quality(house: House) -> None:
    request = image(quality=Model.DRAFT, **SMALL)
    job = ended(house, request)
    high = retry(house, changes(job, "quality", image={"quality": Model.HIGH}))
    assert (high.image.quality, high.image.model) == (Model.HIGH, "builtin-image")

    other = retry(house, changes(job, "model", image={"model": "simulator-image"}))
    assert (other.image.quality, other.model) == (Model.QUALITY_UNSPECIFIED, "simulator-image")
    assert other.image.size == "256x256"


def test_another_ratio_lets_go_of_the_size_that_belonged_to_the_first(house: House) -> None:
    job = ended(house, image(aspect_ratio="16:9"))
    again = retry(house, changes(job, "aspect_ratio", image={"aspect_ratio": "1:1"}))
    assert (again.image.aspect_ratio, again.image.size) == ("1:1", "1024x1024")
    again = retry(house, changes(job, "size", image={"size": "512x512"}))
    assert (again.image.aspect_ratio, again.image.size) == ("1:1", "512x512")


def test_a_draft_is_finished_with_the_seed_that_was_drawn(house: House) -> None:
    # Given a draft of two pictures whose seeds were drawn
    job = made(house, image("a boat", output_count=2, **SMALL))
    first, winner = job.outputs

    # When the second is finished by another model
    request = changes(
        job, "model", image={"model": "simulator-image"}, seed_media_id=winner.media_id
    )
    again = retry(house, request)

    # Then it has that picture's seed and is else as it was
    assert again.image.seed == winner.seed != first.seed
    assert (again.model, again.image.prompt) == ("simulator-image", "a boat")
    assert again.image.output_count == 2


def test_the_seed_alone_makes_the_picture_again(house: House) -> None:
    job = made(house, image("a boat", output_count=2, **SMALL))
    winner = job.outputs[1]
    request = changes(job, "output_count", seed_media_id=winner.media_id)
    asked = pb.GetJobRequest(job_id=retry(house, request).job_id)
    asked.wait.FromSeconds(15)
    with worker(house):
        again = house.caller("alice").call("GetJob", asked).job
    assert [item.sha256 for item in again.outputs] == [winner.sha256]


def test_the_same_request_id_with_the_same_changes_gives_the_first_retry(house: House) -> None:
    alice = house.caller("alice")
    job = ended(house, video("calm sea"))
    fields = ("prompt", "seed")
    request = changes(
        job, *fields, video={"prompt": "wild", "seed": 1}, options={"request_id": "a"}
    )
    first = alice.call("RetryJob", request)
    assert not first.deduplicated

    # The order of the fields, and what is not named, mean nothing
    request.changed_fields.paths[:] = fields[::-1]
    request.video.mood = "calm"
    again = alice.call("RetryJob", request)
    assert (again.deduplicated, again.job.job_id) == (True, first.job.job_id)

    # Not even when the first job is forgotten
    house.db.write(lambda session: session.run(Statement("UPDATE job SET retry_of = ''")))
    for other in (
        changes(job, *fields, video={"prompt": "wild", "seed": 2}, options={"request_id": "a"}),
        changes(job, "prompt", video={"prompt": "wild"}, options={"request_id": "a"}),
        pb.RetryJobRequest(job_id=job.job_id, options={"request_id": "a"}),
    ):
        assert alice.refused("RetryJob", other).reason == "REQUEST_ID_CONFLICT"


def test_a_retry_that_is_known_is_found_though_its_first_job_is_forgotten(house: House) -> None:
    alice = house.caller("alice")
    job = ended(house, video("calm sea"))
    request = changes(job, "prompt", video={"prompt": "wild"}, options={"request_id": "a"})
    first = alice.call("RetryJob", request).job
    retention.forget(house.db, -1000)

    again = alice.call("RetryJob", request)
    assert (again.deduplicated, again.job.job_id) == (True, first.job_id)
    request.options.request_id = "b"
    assert alice.refused("RetryJob", request).code is Code.NOT_FOUND


def test_a_change_can_be_priced_without_being_made(house: House) -> None:
    job = ended(house, image(**SMALL))
    before = house.count_rows()
    request = changes(
        job, "model", image={"model": "simulator-image"}, options={"validate_only": True}
    )
    again = retry(house, request)
    assert (again.job_id, again.cost.estimated.nanos) == ("", 20_000_000)
    assert house.count_rows() == before


WRONG = "FIELD_INVALID"
UNSUPPORTED = "MODEL_CAPABILITY_UNSUPPORTED"


@pytest.mark.parametrize(
    ("fields", "more", "reason", "field"),
    [
        (("colour",), {"image": {}}, WRONG, "changed_fields"),
        (("duration.seconds",), {}, WRONG, "changed_fields"),
        (("Prompt",), {}, WRONG, "changed_fields"),
        (("x",) * 101, {}, WRONG, "changed_fields"),
        (("duration",), {}, WRONG, "changed_fields"),
        (("prompt",), {"video": {"prompt": "x"}}, WRONG, "video"),
        ((), {"video": {"prompt": "x"}}, WRONG, "video"),
        (("prompt",), {"image": {"prompt": "x" * 8001}}, WRONG, "image.prompt"),
        (("prompt",), {"image": {}}, WRONG, "image.prompt"),
        (("model",), {"image": {"model": "nobody"}}, WRONG, "image.model"),
        (("model",), {"image": {"model": "builtin-video"}}, UNSUPPORTED, "image.model"),
        (("quality",), {"image": {"quality": 99}}, WRONG, "image.quality"),
        (("output_count",), {"image": {"output_count": 9}}, WRONG, "image.output_count"),
        (("size",), {"image": {"size": "4096x4096"}}, UNSUPPORTED, "image.size"),
        ((), {"seed_media_id": "x"}, WRONG, "seed_media_id"),
        (
            ("references",),
            {"image": {"references": [{"media_id": "00000000-0000-7000-8000-000000000000"}]}},
            "RESOURCE_NOT_FOUND",
            "image.references[0].media_id",
        ),
        (("references",), {"image": {"references": [{}]}}, WRONG, "image.references[0]"),
    ],
)
def test_a_wrong_change_is_refused_by_its_field_and_nothing_is_stored(
    house: House, fields: tuple[str, ...], more: dict[str, Any], reason: str, field: str
) -> None:
    job = ended(house, image(**SMALL))
    before = house.count_rows(), len(house.blob_files())

    refusal = house.caller("alice").refused("RetryJob", changes(job, *fields, **more))

    assert (refusal.reason, refusal.fields) == (reason, (field,)), refusal
    assert (house.count_rows(), len(house.blob_files())) == before


def test_a_seed_is_taken_from_an_output_of_the_job_and_from_nothing_else(house: House) -> None:
    alice = house.caller("alice")
    job, other = (made(house, image(**SMALL)) for _ in range(2))
    upload, foreign = store_picture(alice), new_media("bob", seed=3)
    media.add(house.db, foreign)
    for media_id in (other.outputs[0].media_id, upload, foreign.media_id):
        refusal = alice.refused("RetryJob", changes(job, seed_media_id=media_id))
        assert (refusal.code, refusal.fields) == (Code.NOT_FOUND, ("seed_media_id",))

    own = job.outputs[0].media_id
    refusal = alice.refused("RetryJob", changes(job, "seed", seed_media_id=own))
    assert (refusal.reason, refusal.fields) == (WRONG, ("seed_media_id",))
    no_seed = Statement("UPDATE media SET seed = NULL WHERE media_id = :media_id")
    house.db.write(lambda session: session.run(no_seed, media_id=own))
    refusal = alice.refused("RetryJob", changes(job, seed_media_id=own))
    assert (refusal.reason, refusal.fields) == (WRONG, ("seed_media_id",))


def test_a_model_that_takes_no_seed_can_not_finish_a_draft(paid_house: House) -> None:
    # Given a job of a model that takes no seed, and an item of it that has one all the same
    job = ended(paid_house, video())
    item = new_media(job_id=job.job_id, seed=7)
    media.add(paid_house.db, item)

    request = changes(job, seed_media_id=item.media_id)
    refusal = paid_house.caller("alice").refused("RetryJob", request)
    assert (refusal.reason, refusal.fields) == (UNSUPPORTED, ("seed_media_id",))


def test_a_job_whose_model_is_gone_can_be_finished_by_another(house: House) -> None:
    job = ended(house, image("a boat", **SMALL))
    house.db.write(lambda session: session.run(UNKNOWN_MODEL))

    request = changes(job, "prompt", image={"prompt": "a ship"})
    assert house.caller("alice").refused("RetryJob", request).reason == "MODEL_RETIRED"
    again = retry(house, changes(job, "model", image={"model": "builtin-image"}))
    assert (again.model, again.image.prompt) == ("builtin-image", "a boat")


def test_an_input_that_is_gone_is_named_by_its_field(house: House) -> None:
    alice = house.caller("alice")
    request = image(**SMALL)
    request.spec.references.add(media_id=store_picture(alice))
    job = ended(house, request)
    gone = job.image.references[0].media_id
    alice.call("DeleteMedia", pb.DeleteMediaRequest(media_id=gone, permanent=True))

    refusal = alice.refused("RetryJob", changes(job, "prompt", image={"prompt": "x"}))
    assert refusal.fields == ("image.references[0].media_id",)
    assert retry(house, changes(job, "references")).image.references == []


def test_a_report_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a job of a kind that no worker runs, as reports are
    job = ended(house, image(**SMALL))
    monkeypatch.setitem(KINDS, "image", replace(KINDS["image"], queue=""))

    for request in (changes(job), changes(job, "prompt")):
        refusal = house.caller("alice").refused("RetryJob", request)
        assert (refusal.reason, refusal.fields) == (WRONG, ("job_id",))


def test_the_job_of_another_user_can_not_be_changed(house: House) -> None:
    job = ended(house, image(**SMALL))
    refusal = house.caller("bob").refused("RetryJob", changes(job, "prompt"))
    assert refusal.code is Code.NOT_FOUND


def test_both_clients_finish_a_draft(house: House) -> None:
    job = made(house, image("a boat", output_count=2, **SMALL))
    winner = job.outputs[1]
    server, token = f"localhost:{house.app.port}", house.token("alice")
    changes: rushes.fields.SpecChanges = {"model": "simulator-image", "output_count": 1}

    async def finish() -> rushes.Job:
        async with rushes.AsyncClient(server, token=token) as client:
            return await client.retry(job.job_id, changes=changes, seed_of=winner.media_id)

    with rushes.Client(server, token=token) as client:
        for again in (
            client.retry(job.job_id, changes=changes, seed_of=winner.media_id),
            asyncio.run(finish()),
        ):
            assert (again.model, again.image.seed) == ("simulator-image", winner.seed)
            assert again.image.output_count == 1
        cleared = client.retry(job.job_id, changes={"output_count": None})
        assert cleared.image.output_count == 1
        bytes_given = client.retry(job.job_id, changes={"references": [png()]})
        assert len(bytes_given.image.references) == 1
        for wrong in ({"modle": "x"}, {"duration": 8}, {"seed": "x"}):
            with pytest.raises(rushes.InvalidArgument, match=next(iter(wrong))):
                client.retry(job.job_id, changes=wrong)  # type: ignore[arg-type]


def test_the_command_line_finishes_the_winner_of_a_batch(house: House, tmp_path: Path) -> None:
    job = made(house, image("a boat", output_count=2, **SMALL))
    winner = job.outputs[1]

    code, said, error = run(
        *(house, tmp_path, "retry", job.job_id, "--model", "simulator-image"),
        *("--seed-of", winner.media_id[:30], "--json"),
    )
    assert code == 0, error
    again = json.loads(said)
    assert (again["model"], again["image"]["seed"]) == ("simulator-image", str(winner.seed))
    assert again["image"]["outputCount"] == 1

    code, _, error = run(house, tmp_path, "retry", job.job_id, "--size", "9x9", "--clear", "size")
    assert (code, "--clear size" in error) == (2, True)
    code, _, error = run(house, tmp_path, "retry", job.job_id, "--seed-of", job.job_id)
    assert (code, "--seed-of" in error) == (2, True)
    code, _, error = run(house, tmp_path, "retry", job.job_id, "--size", "9999x9999")
    assert (code, "--size" in error) == (2, True)
