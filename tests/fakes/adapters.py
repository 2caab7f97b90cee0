"""Every paid provider with something that answers it, for the contract suite.

To add one: a function that yields a `Stand`, and a line in `ADAPTERS`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from core.blobs import Blobs, open_blobs
from core.catalog.models import read_catalog
from core.ids import new_id
from core.jobs import Cost, CostState, Job, Progress, State
from core.process.settings import Settings, read_settings
from core.specs import ImageSpec, Spec, VideoSpec
from tests.fakes import gemini, openai, vertex
from tests.fakes.faults import WORDS
from tests.fakes.ledger import read_ledger
from tests.fakes.serve import Fake
from workers.providers import Provider
from workers.providers.gemini import open_gemini
from workers.providers.openai.provider import OpenAIProvider
from workers.providers.simulator import SimulatorProvider
from workers.providers.vertex import open_vertex

LATE_SECONDS = 1.5
BIG_BYTES = 4 * 1024 * 1024
MICROS = 40_000
PROMPT = "a boat that nobody may read about"


@dataclass(frozen=True)
class Stand:
    """One provider, and its other side. `make` opens a provider as one more worker would."""

    provider_name: str
    spec: Spec
    # The same with an image as input.
    with_input: Spec
    make: Callable[..., Provider]
    # How many paid calls arrived, refused ones among them; and the keys of those accepted.
    posts: Callable[[], int]
    paid: Callable[[], list[str]]
    key: str = "no key"
    # The answer to a submit brings the result.
    synchronous: bool = False
    # What a prompt says instead of `fake:<word>`.
    words: Mapping[str, str] = field(default_factory=dict)

    def job(self, word: str = "", *, inputs: bool = False, outputs: int = 1) -> Job:
        """A running job whose final prompt says the word."""
        spec = replace(self.with_input if inputs else self.spec, output_count=outputs)
        said = self.words.get(word, f"fake:{word}") if word else ""
        return Job(
            job_id=new_id(),
            user_id="alice",
            spec=replace(spec, prompt=f"{PROMPT} {said}" if self.words else PROMPT),
            final_prompt=f"{PROMPT} {said}".strip(),
            state=State.RUNNING,
            progress=Progress(),
            cost=Cost(state=CostState.RESERVED, estimated_micros=MICROS),
            provider=self.provider_name,
            create_time=0,
        )


@dataclass(frozen=True)
class Adapter:
    """How to open a stand in a folder, and the words and sentences that have no sense there."""

    name: str
    open: Callable[[Path], AbstractContextManager[Stand]]
    lacks: frozenset[str] = frozenset()


def settings_for(folder: Path, **values: Any) -> Settings:
    """Settings with small limits, so that BIG_BYTES is too much."""
    limits = {"max_inline_result_megabytes": 1, "max_result_megabytes": 1}
    return read_settings(data_dir=folder, **{**limits, **values})


def blobs_in(folder: Path) -> Blobs:
    """The blob store that all providers of a stand share."""
    return open_blobs(read_settings(data_dir=folder), b"k" * 32)


def stand_of(fake: Fake, submits: Callable[[str], bool], **values: Any) -> Stand:
    """A stand at a fake whose paid calls are the POSTs to the paths that `submits` knows."""
    return Stand(
        posts=lambda: sum(count for path, count in fake.posts.items() if submits(path)),
        paid=lambda: [line["key"] for line in fake.ledger.paid],
        **values,
    )


@contextmanager
def open_openai(folder: Path) -> Iterator[Stand]:
    """OpenAI's images."""
    blobs, catalog = blobs_in(folder), read_catalog(None)
    spec = ImageSpec(
        prompt=PROMPT, model="gpt-image-2.5-flare", aspect_ratio="1:1", size="1024x1024"
    )
    with openai.OpenAIFake(folder, late_seconds=LATE_SECONDS, big_bytes=BIG_BYTES) as fake:

        def make(seconds: float = 30, url: str = "") -> Provider:
            settings = settings_for(
                folder,
                openai_base_url=f"{url or fake.url}/v1",
                synchronous_timeout_seconds=seconds,
            )
            return OpenAIProvider(settings, SecretStr(openai.KEY), catalog, blobs)

        yield stand_of(
            fake,
            lambda path: "/images/" in path,
            provider_name="openai",
            spec=spec,
            with_input=replace(spec, references=("first",)),
            make=make,
            key=openai.KEY,
            synchronous=True,
        )


@contextmanager
def open_vertex_inline(folder: Path, output_uri: str = "") -> Iterator[Stand]:
    """Veo on Vertex AI, whose results come inside the operation's answer."""
    catalog = read_catalog(None)
    spec = VideoSpec(
        prompt=PROMPT,
        model="veo-3.1-generate-001",
        duration_ms=8000,
        aspect_ratio="16:9",
        resolution="720p",
    )
    with vertex.VertexFake(folder, late_seconds=LATE_SECONDS, big_bytes=BIG_BYTES) as fake:

        def make(seconds: float = 30, url: str = "") -> Provider:
            settings = settings_for(
                folder,
                vertex_project=vertex.PROJECT,
                vertex_credentials_file=fake.credentials_file,
                vertex_output_uri=output_uri,
                vertex_base_url=url or fake.url,
                storage_base_url=fake.url,
                submit_timeout_seconds=seconds,
            )
            return open_vertex(settings, catalog, blobs_in(folder))

        yield stand_of(
            fake,
            lambda path: path.endswith(":predictLongRunning"),
            provider_name="vertex",
            spec=spec,
            with_input=replace(spec, first_frame="first"),
            make=make,
            key=fake.secret,
        )


@contextmanager
def open_vertex_storage(folder: Path) -> Iterator[Stand]:
    """Veo on Vertex AI, whose results are objects in Cloud Storage."""
    with open_vertex_inline(folder, "gs://fake-bucket/results") as stand:
        yield stand


@contextmanager
def stand_at_gemini(folder: Path, submits: str, **values: Any) -> Iterator[Stand]:
    """A stand at the Gemini API whose paid calls are those that end like that."""
    blobs, catalog = blobs_in(folder), read_catalog(None)
    with gemini.GeminiFake(folder, late_seconds=LATE_SECONDS, big_bytes=BIG_BYTES) as fake:

        def make(seconds: float = 30, url: str = "") -> Provider:
            settings = settings_for(
                folder,
                gemini_base_url=url or fake.url,
                submit_timeout_seconds=seconds,
                synchronous_timeout_seconds=seconds,
            )
            return open_gemini(settings, catalog, blobs, SecretStr(gemini.KEY))

        yield stand_of(
            fake,
            lambda path: path.endswith(submits),
            provider_name="gemini",
            make=make,
            key=gemini.KEY,
            **values,
        )


@contextmanager
def open_gemini_video(folder: Path) -> Iterator[Stand]:
    """Omni's videos, which are interactions."""
    spec = VideoSpec(
        prompt=PROMPT,
        model="gemini-omni-1.2-flash",
        duration_ms=4000,
        aspect_ratio="16:9",
        resolution="720p",
    )
    with_input = replace(spec, first_frame="first")
    with stand_at_gemini(folder, "/interactions", spec=spec, with_input=with_input) as stand:
        yield stand


@contextmanager
def open_gemini_image(folder: Path) -> Iterator[Stand]:
    """Nano Banana's images, which come inside the answer."""
    spec = ImageSpec(prompt=PROMPT, model="gemini-3.1-flash-image", aspect_ratio="1:1", size="1K")
    values = {"spec": spec, "with_input": replace(spec, references=("first",)), "synchronous": True}
    with stand_at_gemini(folder, ":generateContent", **values) as stand:
        yield stand


@contextmanager
def open_simulator(folder: Path) -> Iterator[Stand]:
    """The simulator, whose other side is its own ledger."""
    spec = VideoSpec(
        prompt=PROMPT,
        model="simulator-video",
        duration_ms=1000,
        aspect_ratio="16:9",
        resolution="360p",
    )

    def make(seconds: float = 0.2, url: str = "") -> Provider:
        return SimulatorProvider(folder, late_seconds=seconds)

    def lines(*events: str) -> list[dict[str, Any]]:
        return [line for line in read_ledger(folder / "ledger.jsonl") if line["event"] in events]

    yield Stand(
        provider_name="simulator",
        spec=spec,
        with_input=replace(spec, first_frame="first"),
        make=make,
        # A word that acts once has a line of its own.
        posts=lambda: len(lines("accepted", "happened")),
        paid=lambda: [line["key"] for line in lines("accepted")],
        words=SIMULATED,
    )


# What the simulator calls it.
SIMULATED = {
    "cut-before": "sim:lost-request-once",
    "cut-after": "sim:lost-answer",
    "late": "sim:late-answer",
    "401": "sim:unauthorized",
    "quota": "sim:quota",
    "filtered-prompt": "sim:filtered-prompt",
    "filtered-input": "sim:filtered-input",
    "filtered-output": "sim:filtered",
    "vanish": "sim:vanish",
    "wrong-type": "sim:broken-file",
    "download-503": "sim:download-fails-once",
}
# What needs an operation that is asked for, and a result that is downloaded.
OPERATION = frozenset({"vanish", "never-ends", "fails", "poll-503", "poll-429"})
DOWNLOAD = frozenset({"download-503"})

NOT_SIMULATED = frozenset({*WORDS, "unreachable", "key"}) - set(SIMULATED)

ADAPTERS = [
    Adapter("openai", open_openai, lacks=OPERATION | DOWNLOAD),
    Adapter("gemini-video", open_gemini_video, lacks=frozenset({"two-outputs", "look-up"})),
    Adapter("gemini-image", open_gemini_image, lacks=OPERATION | DOWNLOAD | {"two-outputs"}),
    Adapter("vertex-inline", open_vertex_inline, lacks=frozenset({"look-up"})),
    Adapter("vertex-storage", open_vertex_storage, lacks=frozenset({"look-up"})),
    Adapter("simulator", open_simulator, lacks=NOT_SIMULATED),
]
