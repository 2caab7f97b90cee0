"""Specs of a request, checked against the limits and against the abilities of the model.

A value of the wrong form is FIELD_INVALID. A value of the right form that the model can't honour is
MODEL_CAPABILITY_UNSUPPORTED. A field that the caller left out gets the model's default. `READERS`
has the reader of each kind of job.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from core.catalog.ability import MAX_SEED, Ability, is_given, resolution_of
from core.catalog.models import SIMULATOR, Catalog, Model
from core.catalog.prompts import TABLES, Prompts
from core.catalog.simulated import KILLING, Word, unknown_words, words_in
from core.errors import field_invalid
from core.kinds import rendering_of
from core.process.settings import Settings
from core.specs import ImageSpec, MediaSpec, Spec, VideoSpec
from rushes.v1 import job_pb2, model_pb2
from server.commands.requests import Inline, Remote
from server.validation.fields import check_text, read_duration, read_enum
from server.validation.inputs import InputReader
from server.validation.problems import Problems
from server.validation.sizes import image_size

S = TypeVar("S", job_pb2.VideoSpec, job_pb2.ImageSpec)
MAX_STYLE_CHARACTERS = 100
# More than any model takes, and few enough to read for each model of an estimate.
MAX_REFERENCES = 64
_RATIO = re.compile(r"[1-9][0-9]{0,3}:[1-9][0-9]{0,3}")
_MIME_TYPES = ("image/png", "image/jpeg", "image/webp")


@dataclass(frozen=True, slots=True)
class Known:
    """The settings, models and prompt templates that requests are checked against."""

    settings: Settings
    catalog: Catalog
    prompts: Prompts


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked spec with its model; None where the request is too wrong to have them.

    `final_prompt` is the prompt that a provider gets. `model_field` is the field of the request
    that named the model. `given` holds fields with the media ids that they named.
    """

    model: Model | None
    spec: Spec | None
    model_field: str
    final_prompt: str = ""
    inline: tuple[Inline, ...] = ()
    remote: tuple[Remote, ...] = ()
    given: tuple[tuple[str, str], ...] = ()


class Reader(Protocol):
    """Reads one spec of a request."""

    def read(self) -> Draft:
        """The checked spec. The problems get everything that is wrong with it."""


class MakeReader(Protocol):
    """Makes the reader of a spec. `path` is the spec's place in the request. `model` overrules the
    model that the spec names, and stands in the request's `model_field`."""

    def __call__(
        self,
        known: Known,
        problems: Problems,
        spec: Any,
        path: str,
        model: str = "",
        model_field: str = "",
    ) -> Reader:
        """The reader."""


class SpecReader(Generic[S]):
    """Reads a spec that a model renders: `Reader`, made as `MakeReader` says."""

    kind: ClassVar[str]

    def __init__(
        self,
        known: Known,
        problems: Problems,
        spec: S,
        path: str,
        model: str = "",
        model_field: str = "",
    ) -> None:
        self._settings = settings = known.settings
        self._catalog = known.catalog
        self._prompts = known.prompts
        self._problems = problems
        self._spec: S = spec
        self._path = path
        self._model_name = model or spec.model
        self._model_field = model_field or self._at("model")
        self._inputs = InputReader(problems, settings.max_inline_bytes, settings.uri_hosts)

    def read(self) -> Draft:
        """The checked spec. The problems get everything that is wrong with it.

        Raises:
            FieldInvalid: when it has more references than any model takes. They are not even read.
        """
        count = len(self._spec.references)
        if count > MAX_REFERENCES:
            text = f"has {count} references; at most {MAX_REFERENCES} are allowed"
            raise field_invalid(self._at("references"), text)
        self._check_texts()
        quality = self._quality()
        model = self._model(quality)
        ability = model.ability(self.kind) if model else None
        self._check_count(ability)
        self._check_seed(ability)
        if model is None or ability is None:
            return Draft(model, None, self._model_field)
        self._check_fields(ability)
        self._check_words(model)
        spec = self._build(model, ability, quality)
        self._check_rules(ability, spec)
        final_prompt = self._final_prompt(spec)
        return Draft(
            model,
            spec,
            self._model_field,
            final_prompt,
            inline=tuple(self._inputs.inline),
            remote=tuple(self._inputs.remote),
            given=tuple(self._inputs.given),
        )

    def _build(self, model: Model, ability: Ability, quality: str) -> MediaSpec:
        raise NotImplementedError

    def _may_be_silent(self) -> bool:
        """Whether an empty prompt is fine."""
        raise NotImplementedError

    def _options(self) -> dict[str, bool]:
        """Fields that not every model honours, and whether they are given."""
        raise NotImplementedError

    def _at(self, field: str) -> str:
        return f"{self._path}.{field}"

    def _check_texts(self) -> None:
        settings, spec = self._settings, self._spec
        most = settings.max_prompt_characters
        check_text(self._problems, self._at("prompt"), spec.prompt, most, lines=True)
        if not spec.prompt.strip() and (spec.prompt or not self._may_be_silent()):
            self._problems.wrong(self._at("prompt"), "must not be empty")
        most = settings.max_negative_prompt_characters
        negative = spec.negative_prompt
        check_text(self._problems, self._at("negative_prompt"), negative, most, lines=True)
        for field in TABLES:
            text = getattr(spec, field, "")
            check_text(self._problems, self._at(field), text, MAX_STYLE_CHARACTERS)

    def _quality(self) -> str:
        quality = model_pb2.Model.Quality
        return read_enum(self._problems, self._at("quality"), quality, self._spec.quality)

    def _model(self, quality: str) -> Model | None:
        if not self._model_name:
            model = self._catalog.default(self.kind, quality)
            if model is None:
                text = f"no model is available for this; name one of: {self._models() or 'none'}"
                self._problems.wrong(self._model_field, text)
            return model
        model = self._catalog.get(self._model_name)
        if model is None:
            text = f"unknown model; available: {self._models()}"
            self._problems.wrong(self._model_field, text, of_model=True)
            # The default stands in, so that the forms of the other fields are checked too.
            return self._catalog.default(self.kind, "")
        ability = model.ability(self.kind)
        if ability is None:
            self._problems.unsupported(self._model_field, ", ".join(model.kinds))
        elif quality and quality not in ability.qualities:
            self._problems.unsupported(self._at("quality"), ", ".join(ability.qualities))
        return model

    def _models(self) -> str:
        return ", ".join(self._catalog.names(self.kind)[:20])

    def _check_words(self, model: Model) -> None:
        """A misspelt word would do nothing in a job that is charged all the same."""
        if model.provider != SIMULATOR:
            return
        if unknown := unknown_words(self._spec.prompt):
            known = ", ".join(word.removeprefix("sim:") for word in Word)
            text = f"unknown word {unknown[0]}; after sim: the simulator knows {known}"
            self._problems.wrong(self._at("prompt"), text, of_model=True)
        killing = sorted(words_in(self._spec.prompt) & KILLING)
        if killing and not self._settings.simulator_may_kill:
            text = f"{killing[0]} needs RUSHES_SIMULATOR_MAY_KILL, which is off here"
            self._problems.wrong(self._at("prompt"), text, of_model=True)

    def _check_count(self, ability: Ability | None) -> None:
        count, most = self._spec.output_count, self._settings.max_outputs
        if not 0 <= count <= most:
            self._problems.wrong(self._at("output_count"), f"must be from 1 to {most}")
        elif ability and count > ability.max_output_count:
            self._problems.unsupported(self._at("output_count"), f"1 to {ability.max_output_count}")

    def _check_seed(self, ability: Ability | None) -> None:
        if not self._spec.HasField("seed"):
            return
        if self._spec.seed < 0:
            self._problems.wrong(self._at("seed"), f"must be from 0 to {MAX_SEED}")
        elif ability and "seed" in ability.fields and self._spec.seed > ability.max_seed:
            self._problems.unsupported(self._at("seed"), f"0 to {ability.max_seed}")

    def _seed(self) -> int | None:
        return self._spec.seed if self._spec.HasField("seed") else None

    def _check_fields(self, ability: Ability) -> None:
        for field, given in self._options().items():
            if (
                given
                and field not in ability.fields
                and not (field == "references" and ability.max_references)
            ):
                self._problems.unsupported(self._at(field))
        count = len(self._spec.references)
        if ability.max_references and count > ability.max_references:
            text = f"at most {ability.max_references}"
            self._problems.unsupported(self._at("references"), text)

    def _check_rules(self, ability: Ability, spec: MediaSpec) -> None:
        """Checks what one field demands of the others."""
        for rule in (rule for rule in ability.rules if rule.holds(spec)):
            for field in rule.needs:
                if not is_given(getattr(spec, field)):
                    text = f"{rule.field} only together with {field}"
                    self._problems.unsupported(self._at(rule.field), text)
            for field in rule.excludes:
                if is_given(getattr(spec, field)):
                    self._problems.unsupported(self._at(field), f"no {field} {rule.cause}")
            if rule.resolutions and resolution_of(spec) not in rule.resolutions:
                text = f"{', '.join(rule.resolutions)} {rule.cause}"
                self._problems.unsupported(self._at(rendering_of(self.kind).size_field), text)

    def _final_prompt(self, spec: MediaSpec) -> str:
        """The prompt that the provider gets. The problems get the names of unknown templates."""
        unknown = self._prompts.unknown(spec)
        for field in unknown:
            names = ", ".join(self._prompts.names(field)) or "none"
            self._problems.wrong(self._at(field), f"unknown prompt template; available: {names}")
        if unknown:
            return ""
        final, most = self._prompts.join(spec), self._settings.max_prompt_characters
        if len(final) > most >= len(spec.prompt):
            text = f"has {len(final)} characters with its templates; at most {most} are allowed"
            self._problems.wrong(self._at("prompt"), text)
        return final

    def _ratio(self, ability: Ability) -> str:
        """The ratio that was asked for, or the model's first."""
        ratio = self._spec.aspect_ratio
        if not ratio:
            return ability.aspect_ratios[0]
        if not _RATIO.fullmatch(ratio):
            self._problems.wrong(self._at("aspect_ratio"), 'must be a ratio such as "16:9"')
        elif ratio not in ability.aspect_ratios:
            self._problems.unsupported(self._at("aspect_ratio"), ", ".join(ability.aspect_ratios))
        return ratio

    def _input(self, field: str) -> str | None:
        """The media id of a single input, if it is given."""
        if not self._spec.HasField(field):
            return None
        return self._inputs.read(self._at(field), getattr(self._spec, field))

    def _references(self) -> tuple[str, ...]:
        return tuple(
            self._inputs.read(f"{self._at('references')}[{number}]", item)
            for number, item in enumerate(self._spec.references)
        )


class VideoReader(SpecReader[job_pb2.VideoSpec]):
    """Reads the spec of a video job."""

    kind = VideoSpec.kind

    def _may_be_silent(self) -> bool:
        spec = self._spec
        return spec.HasField("first_frame") or spec.HasField("source_video")

    def _options(self) -> dict[str, bool]:
        spec = self._spec
        present: Any = spec.HasField
        singles = ("seed", "audio", "first_frame", "last_frame", "source_video")
        return {
            **{field: present(field) for field in singles},
            "negative_prompt": bool(spec.negative_prompt),
            "references": bool(spec.references),
            "loop": spec.loop,
        }

    def _build(self, model: Model, ability: Ability, quality: str) -> VideoSpec:
        spec = self._spec
        built = VideoSpec(
            prompt=spec.prompt,
            model=model.model,
            quality=quality,
            negative_prompt=spec.negative_prompt,
            duration_ms=0,
            aspect_ratio=self._ratio(ability),
            resolution=self._resolution(ability),
            output_count=spec.output_count or 1,
            seed=self._seed(),
            audio=spec.audio if spec.HasField("audio") else None,
            first_frame=self._input("first_frame"),
            last_frame=self._input("last_frame"),
            references=self._references(),
            source_video=self._input("source_video"),
            style_pack=spec.style_pack,
            mood=spec.mood,
            cinematography=spec.cinematography,
            loop=spec.loop or None,
        )
        for field in ("last_frame", "source_video"):
            if spec.loop and spec.HasField(field):
                self._problems.wrong(self._at("loop"), f"goes with no {field}")
        return replace(built, duration_ms=self._duration_ms(ability, built))

    def _duration_ms(self, ability: Ability, spec: VideoSpec) -> int:
        """The duration that was asked for, or the usual one that the rest of the spec allows."""
        field, allowed = self._at("duration"), ability.durations_for(spec)
        if not self._spec.HasField("duration"):
            usual = ability.default_duration
            return (usual if usual in allowed or not allowed else allowed[0]) * 1000
        asked = self._spec.duration
        ms = read_duration(self._problems, field, asked)
        if ms is None:
            return 0
        if ms == 0:
            self._problems.wrong(field, "must be more than 0")
        elif asked.nanos or asked.seconds not in allowed:
            self._problems.unsupported(field, ability.durations_text(spec))
        return ms

    def _resolution(self, ability: Ability) -> str:
        resolution = self._spec.resolution
        if not resolution:
            return ability.resolutions[0]
        if not rendering_of(self.kind).size_form.fullmatch(resolution):
            self._problems.wrong(self._at("resolution"), 'must be a resolution such as "720p"')
        elif resolution not in ability.resolutions:
            self._problems.unsupported(self._at("resolution"), ", ".join(ability.resolutions))
        return resolution


class ImageReader(SpecReader[job_pb2.ImageSpec]):
    """Reads the spec of an image job."""

    kind = ImageSpec.kind

    def _may_be_silent(self) -> bool:
        return False

    def _options(self) -> dict[str, bool]:
        spec = self._spec
        texts = ("negative_prompt", "output_mime_type")
        return {
            "seed": spec.HasField("seed"),
            "mask": spec.HasField("mask"),
            "references": bool(spec.references),
            **{field: bool(getattr(spec, field)) for field in texts},
        }

    def _build(self, model: Model, ability: Ability, quality: str) -> ImageSpec:
        spec = self._spec
        ratio, size = self._shape(ability)
        if spec.HasField("mask") and not spec.references:
            self._problems.wrong(self._at("mask"), "needs the image that it masks, in references")
        # A model that chooses the type itself is asked for none.
        usual = _MIME_TYPES[0] if "output_mime_type" in ability.fields else ""
        mime_type = spec.output_mime_type or usual
        if mime_type and mime_type not in _MIME_TYPES:
            self._problems.wrong(
                self._at("output_mime_type"), f"must be one of {', '.join(_MIME_TYPES)}"
            )
        return ImageSpec(
            prompt=spec.prompt,
            model=model.model,
            quality=quality,
            negative_prompt=spec.negative_prompt,
            aspect_ratio=ratio,
            size=size,
            output_count=spec.output_count or 1,
            seed=self._seed(),
            references=self._references(),
            mask=self._input("mask"),
            output_mime_type=mime_type,
            style_pack=spec.style_pack,
            mood=spec.mood,
        )

    def _shape(self, ability: Ability) -> tuple[str, str]:
        """Ratio and size that go together, whichever of them was given."""
        ratio = self._ratio(ability)
        if not _RATIO.fullmatch(ratio):
            return ratio, self._spec.size
        return image_size(
            self._problems,
            self._at("size"),
            self._spec.size,
            ratio,
            ability,
            ratio_given=bool(self._spec.aspect_ratio),
        )


# By the name of the kind of job.
READERS: dict[str, MakeReader] = {"video": VideoReader, "image": ImageReader}
