"""Every field of the contract that has a source in the domain is filled, and filled right."""

import json
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Self

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.type.money_pb2 import Money

from core.catalog.ability import Ability, Price
from core.catalog.models import Model
from core.errors import PriceUnknown, ProviderNotConfigured, Reason
from core.events import Event, QueueInfo
from core.jobs import (
    Cost,
    CostState,
    EventType,
    Job,
    JobFailure,
    Progress,
    Stage,
    State,
    progress_to_json,
)
from core.media import Media, MediaType
from core.specs import ImageSpec, VideoSpec
from rushes.v1 import job_pb2, media_pb2, model_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.error_reason_pb2 import ErrorReason
from server.commands.read import Estimate
from server.commands.requests import Candidate, Unpriced
from server.mapping import (
    Asked,
    Mapper,
    end_to_proto,
    reset_to_proto,
    specs,
    synced_to_proto,
    tick_to_proto,
)
from server.mapping.addresses import BlobAddresses, Signed
from server.mapping.values import money

# Of a MediaInput only the id is ever shown.
INPUTS = {"rushes.v1.MediaInput.content", "rushes.v1.MediaInput.uri"}
# Of the contract, and not built yet.
PLANNED = {
    *("rushes.v1.Job.analysis", "rushes.v1.Job.analysis_digest", "rushes.v1.Job.report"),
    *("rushes.v1.Job.report_result", "rushes.v1.Job.batch_id"),
    *("rushes.v1.Model.analysis", "rushes.v1.Progress.preview"),
}
# What stands in an event beside its job: `server.watch.lines` adds it.
BESIDE = {f"rushes.v1.WatchEvent.{name}" for name in ("notifications", "views", "announcement")}


class Signer:
    def sign(
        self, media: Media, ttl_seconds: int | None = None, until_ms: int | None = None
    ) -> Signed:
        return Signed(f"u/{media.media_id}", f"t/{media.media_id}", 5000 + (ttl_seconds or 0))

    def expire_time_s(self, ttl_seconds: int | None = None) -> int:
        return 5 + (ttl_seconds or 0)


MAPPER = Mapper(Signer(), "EUR", 4)
MEDIA = Media(
    media_id="m",
    user_id="alice",
    job_id="j",
    output_index=1,
    type=MediaType.VIDEO,
    mime_type="video/mp4",
    size_bytes=10,
    sha256="ab",
    width=1280,
    height=720,
    duration_ms=8500,
    blob_key="media/m",
    thumbnail_key="thumbnails/m.webp",
    title="title",
    prompt="prompt",
    revised_prompt="revised",
    seed=7,
    provider="builtin",
    model="builtin-video",
    cost_micros=1_500_000,
    generation_ms=2500,
    labels={"node": "n"},
    starred=True,
    has_content_credentials=True,
    create_time=1001,
    delete_time=2002,
    purge_time=3003,
)
VIDEO = VideoSpec(
    prompt="waves",
    model="builtin-video",
    quality="HIGH",
    negative_prompt="people",
    duration_ms=8000,
    aspect_ratio="16:9",
    resolution="720p",
    output_count=2,
    seed=5,
    audio=True,
    first_frame="first",
    last_frame="last",
    references=("r1", "r2"),
    source_video="source",
    style_pack="nature",
    mood="calm",
    cinematography="pan",
    loop=True,
)
IMAGE = ImageSpec(
    prompt="boat",
    model="builtin-image",
    quality="DRAFT",
    negative_prompt="people",
    aspect_ratio="1:1",
    size="1024x1024",
    output_count=3,
    seed=0,
    references=("r1",),
    mask="mask",
    output_mime_type="image/webp",
    style_pack="nature",
    mood="calm",
)
QUEUE = QueueInfo(
    position=3,
    estimated_wait_ms=1500,
    estimated_run_ms=2500,
    sample_count=9,
    blocked_reason="no worker serves this queue",
)
JOB = Job(
    job_id="j",
    user_id="alice",
    spec=VIDEO,
    state=State.FAILED,
    progress=Progress(
        stage=Stage.GENERATING, percent=40, estimated=True, message="frame 1", remaining_ms=900
    ),
    cost=Cost(
        state=CostState.CHARGED,
        estimated_micros=2_000_001,
        actual_micros=1_999_999,
        price_revision="p1",
    ),
    provider="builtin",
    failure=JobFailure(reason=Reason.WORKER_LOST, message="lost", metadata={"attempts": "3"}),
    outputs=(MEDIA,),
    labels={"node": "n"},
    provider_operation="op",
    attempt=2,
    revision=17,
    cancel_request_time=1002,
    cancel_reason="no",
    cancel_saves_cost=True,
    retry_of="i",
    request_id="r",
    apply_to_view="desk",
    final_prompt="waves, calm",
    create_time=1000,
    start_time=1100,
    end_time=1200,
    start_deadline=1300,
    finish_deadline=1400,
)
ABILITY = Ability(
    aspect_ratios=("16:9",),
    resolutions=("720p",),
    max_output_count=4,
    max_references=2,
    fields=("seed",),
    qualities=("DRAFT", "HIGH"),
    cancellable=True,
    prices=(Price(text="per second", micros_per_second=250_000),),
    durations=(1, 2, 3),
    default_duration=2,
)
MODEL = Model(
    model="m",
    provider="p",
    display_name="M",
    price_revision="p1",
    provider_model="m-001",
    typical_seconds=1.5,
    queue="slow",
    video=ABILITY,
    image=replace(ABILITY, prices=(Price(text="per image", micros_per_image=40_000),)),
    shutdown_time=date(2027, 1, 31),
    replacement="n",
)


def unset(messages: list[Any], descriptor: Descriptor) -> set[str]:
    """Full names of the descriptor's fields that none of the messages has, all the way down."""
    names: set[str] = set()
    for field in descriptor.fields:
        values = [v for m in messages for v in values_of(m, field)]
        if not values:
            names.add(field.full_name)
        elif is_ours(field.message_type):
            names |= unset(values, field.message_type)
    return names


def is_ours(kind: Descriptor | None) -> bool:
    return bool(kind and kind.file.package == "rushes.v1" and not kind.GetOptions().map_entry)


def values_of(message: Any, field: FieldDescriptor) -> list[Any]:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [] if not value else list(value) if field.message_type else [value]
    if field.has_presence:
        return [value] if message.HasField(field.name) else []
    return [value] if value else []


def test_every_field_of_a_job_is_filled() -> None:
    jobs = [MAPPER.job_to_proto(JOB, QUEUE), MAPPER.job_to_proto(replace(JOB, spec=IMAGE))]
    assert unset(jobs, job_pb2.Job.DESCRIPTOR) - PLANNED == INPUTS


@pytest.mark.parametrize(
    ("operation", "shown"),
    [
        ("projects/p/locations/us-central1/publishers/google/models/veo/operations/4a45", "4a45"),
        ("results/job.1", "job.1"),
        ("v1_abc", "v1_abc"),
        ("", ""),
    ],
)
def test_an_operation_is_shown_without_what_it_belongs_to(operation: str, shown: str) -> None:
    job = MAPPER.job_to_proto(replace(JOB, provider_operation=operation))
    assert job.provider_operation == shown


def test_every_field_of_an_item_is_filled() -> None:
    assert unset([MAPPER.media_to_proto(MEDIA)], media_pb2.Media.DESCRIPTOR) == set()


def test_every_field_of_a_model_is_filled() -> None:
    # Given it as it is now, and when it is retired
    models = [MAPPER.model_to_proto(MODEL, 0), MAPPER.model_to_proto(MODEL, 2**41)]
    assert unset(models, model_pb2.Model.DESCRIPTOR) - PLANNED == set()
    assert [model.available for model in models] == [True, False]
    shown = models[0]
    assert (shown.provider_model, shown.queue) == ("m-001", "slow")
    assert shown.typical_duration.ToMilliseconds() == 1500


def test_how_long_a_run_takes_is_unset_where_nobody_knows() -> None:
    model = MAPPER.model_to_proto(replace(MODEL, typical_seconds=0), 0)
    assert not model.HasField("typical_duration")


def test_every_field_of_an_estimate_is_filled() -> None:
    candidate = Candidate(model=MODEL, spec=VIDEO, unsupported_fields=("audio",))
    error = ProviderNotConfigured(provider="p", setting="RUSHES_P")
    message = MAPPER.estimate_to_proto(
        Estimate(
            candidate=candidate,
            lines=MODEL.cost_lines(VIDEO),
            affordable=True,
            queue=QUEUE,
            error=error,
        )
    )
    assert unset([message], pb.EstimateCostResponse.Estimate.DESCRIPTOR) == set()
    assert message.cost.units == 4


def test_a_model_that_is_not_priced_has_its_name_and_its_error() -> None:
    message = MAPPER.estimate_to_proto(Unpriced(model="m", error=PriceUnknown(model="m")))
    assert {field.name for field, _ in message.ListFields()} == {"model", "error"}
    assert ErrorReason.Name(message.error.reason) == "PRICE_UNKNOWN"
    assert message.error.message == PriceUnknown().message
    assert dict(message.error.metadata) == {"model": "m"}


def test_a_model_without_a_price_has_no_list_of_them() -> None:
    free = replace(MODEL, video=replace(ABILITY, prices=()))
    assert not MAPPER.model_to_proto(free, 0).video.prices


def test_a_model_has_no_more_outputs_than_a_job_may_have() -> None:
    counts = [
        Mapper(Signer(), "EUR", most).model_to_proto(MODEL, 0).video.max_output_count
        for most in (2, 4, 9)
    ]
    assert counts == [2, 4, 4]


def kept(event: Event, **more: Any) -> pb.WatchEvent:
    """The event from what the database and the stream keep of it."""
    return pb.WatchEvent.FromString(
        MAPPER.kept_to_bytes(event.revision, json.loads(event.payload) | more, {})
    )


def test_an_event_is_the_same_beside_earlier_ones_of_its_job() -> None:
    # Given a job whose prompt and labels are changed between its events, as nothing does today
    other = replace(JOB, labels={"b": "2"}, spec=replace(JOB.spec, prompt="another"))
    jobs = [JOB, replace(JOB, attempt=9), other, JOB, replace(other, job_id="another")]
    asked: Asked = {}
    for revision, job in enumerate(jobs, 1):
        event = Event(revision, EventType.UPDATED, 1234, job)

        # When it is mapped with what the earlier ones left
        values = json.loads(event.payload)
        found = MAPPER.kept_to_bytes(revision, values, asked)

        # Then it is as if it were alone, and as a call shows the job
        assert pb.WatchEvent.FromString(found) == kept(event)
        assert kept(event).job.job == MAPPER.job_to_proto(job)
    assert set(asked) == {JOB.job_id, "another"}


def test_names_of_a_newer_version_are_left_out() -> None:
    # Given an event with everything nested, written by a version that knows more
    event = Event(17, EventType.FAILED, 1234, JOB)
    values = json.loads(event.payload)
    job = values["job"]
    for part in (job, job["spec"], job["progress"], job["cost"], job["failure"], *job["outputs"]):
        part["from_the_future"] = 1

    # Then this one shows what it knows
    assert kept(event, **values, from_the_future=1) == kept(event)


def test_every_kind_of_watch_event_is_filled() -> None:
    events = [
        kept(Event(17, EventType.FAILED, 1234, JOB)),
        kept(Event(18, EventType.QUEUED, 1, replace(JOB, spec=IMAGE))),
        MAPPER.current_to_proto(JOB, 99, QUEUE),
        tick_to_proto("j", 1, progress_to_json(JOB.progress), 5, QUEUE),
        synced_to_proto(),
        reset_to_proto("too old"),
        end_to_proto(Reason.SERVER_DRAINING),
    ]
    assert unset(events, pb.WatchEvent.DESCRIPTOR) - PLANNED - BESIDE == INPUTS


def test_values_arrive_as_they_were() -> None:
    job = MAPPER.job_to_proto(JOB, QUEUE)
    assert job.state == job_pb2.Job.FAILED
    assert job.create_time.ToMilliseconds() == 1000
    assert job.video.duration.ToMilliseconds() == 8000
    assert [item.media_id for item in job.video.references] == ["r1", "r2"]
    assert job.queue.estimated_wait.ToMilliseconds() == 1500
    assert (job.cost.actual.units, job.cost.actual.nanos) == (1, 999_999_000)
    assert job.cost.actual.currency_code == "EUR"
    assert job.outputs[0].url == "u/m"
    assert job.model == "builtin-video"


@dataclass(frozen=True)
class Poem:
    text: str

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        return cls(values["text"])


def test_the_record_of_a_job_is_shown_in_the_field_that_its_kind_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a kind that makes records. The contract has no field for one, so that of another kind's
    # spec stands in for it. The two share a oneof, so the job's own spec cannot be seen beside it.
    shows = {"video": lambda poem: ("image", job_pb2.ImageSpec(prompt=poem.text))}
    monkeypatch.setattr(specs, "RESULTS", shows)

    with_record = MAPPER.job_to_proto(replace(JOB, result=Poem("The tide is late.")))
    without = MAPPER.job_to_proto(JOB)

    assert with_record.image.prompt == "The tide is late."
    assert not without.HasField("image")
    assert without.HasField("video")


def test_a_record_whose_kind_names_no_field_is_not_dropped_in_silence() -> None:
    with pytest.raises(KeyError, match="video"):
        MAPPER.job_to_proto(replace(JOB, result=Poem("The tide is late.")))


def test_what_is_not_known_stays_unset() -> None:
    job = MAPPER.job_to_proto(
        replace(
            JOB,
            spec=replace(VIDEO, seed=None, audio=None, first_frame=None),
            failure=None,
            start_time=None,
            cost=replace(JOB.cost, actual_micros=None),
        )
    )
    absent = ("queue", "error", "start_time")
    assert not any(job.HasField(name) for name in absent)  # type: ignore[arg-type]
    assert not job.cost.HasField("actual")
    for name in ("seed", "audio", "first_frame"):
        assert not job.video.HasField(name)
    queue = MAPPER.job_to_proto(JOB, QueueInfo(position=1)).queue
    assert not queue.HasField("estimated_wait")


def test_a_seed_of_zero_and_no_audio_are_values() -> None:
    job = MAPPER.job_to_proto(replace(JOB, spec=replace(VIDEO, seed=0, audio=False)))
    assert job.video.HasField("seed")
    assert job.video.HasField("audio")


def test_money_keeps_one_sign() -> None:
    for micros, units, nanos in ((0, 0, 0), (1, 0, 1000), (-1_500_000, -1, -500_000_000)):
        amount = Money(**money(micros, "USD"))
        assert (amount.units, amount.nanos) == (units, nanos)


class StubBlobs:
    def url(self, media_id: str, variant: Any, **rest: Any) -> str:
        return f"{media_id}/{variant}/{rest['mime_type']}/{rest['expire_time_s']}"


def test_addresses_end_in_time_and_are_empty_in_the_bin() -> None:
    blobs: Any = StubBlobs()
    addresses = BlobAddresses(blobs, 3600, clock=lambda: 1000.7)
    live = replace(MEDIA, delete_time=None)
    assert addresses.sign(live).url == "m/content/video/mp4/5400"
    assert addresses.sign(live, 60).thumbnail_url == "m/thumbnail/image/webp/1065"
    assert addresses.sign(live, 60).expire_time == 1_065_000
    assert addresses.sign(replace(live, thumbnail_key="")).thumbnail_url == ""
    assert addresses.sign(MEDIA) == Signed()


@pytest.mark.parametrize(("ttl", "step"), [(3600, 900), (60, 15), (3, 1), (86_400, 3600)])
def test_an_address_stays_the_same_for_a_quarter_of_its_life(ttl: int, step: int) -> None:
    # Given a time just after one at which addresses change
    now = [900_000_000.5]
    addresses = BlobAddresses(StubBlobs(), ttl, clock=lambda: now[0])  # type: ignore[arg-type]
    live = replace(MEDIA, delete_time=None)
    first = addresses.sign(live)

    # Then it is the same until the next, lives as long as was promised, and hardly longer
    seen = []
    for passed in range(step + 1):
        now[0] = 900_000_000.5 + passed
        seen.append(addresses.sign(live))
        left = (seen[-1].expire_time or 0) / 1000 - now[0]
        assert ttl <= left <= ttl + step
    assert set(seen[:-1]) == {first}
    assert seen[-1] != first
