"""RetryJob's changes: the spec of an ended job with some of its fields replaced.

A changed spec is checked as a new one is (`specs`), so a default of the first job's model that
another model can't honour is refused by name. To clear it, name the field and leave it unset.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from core.catalog.models import Catalog
from core.errors import NotFound, field_invalid
from core.jobs import Job
from core.specs import spec_to_json
from rushes.v1 import job_pb2, model_pb2
from rushes.v1 import media_service_pb2 as pb
from server.mapping.specs import SPECS
from server.validation.fields import check_optional_id, read_enum
from server.validation.inputs import check_named
from server.validation.problems import Problems

_MOST = 100
_SPECS: dict[str, Any] = {"video": job_pb2.VideoSpec, "image": job_pb2.ImageSpec}
_KNOWN = frozenset(name for spec in _SPECS.values() for name in spec.DESCRIPTOR.fields_by_name)
_USUAL_TYPE = "image/png"


@dataclass(frozen=True, slots=True)
class Changes:
    """What to replace in a spec: `fields`, by what `given` has of them and of nothing else.

    `kind` is empty when the request has no spec; then each of the fields is cleared.
    """

    kind: str
    given: Message | None
    fields: frozenset[str]
    seed_media_id: str

    @property
    def digest(self) -> str:
        """The same for equal changes."""
        given = self.given.SerializeToString(deterministic=True) if self.given else b""
        names = "\n".join([self.kind, self.seed_media_id, *sorted(self.fields)])
        return hashlib.sha256(names.encode() + b"\n" + given).hexdigest()


def read_changes(problems: Problems, request: pb.RetryJobRequest) -> Changes | None:
    """The changes that are asked for; None when there are none, not even a spec of a kind."""
    paths, kind = request.changed_fields.paths, str(request.WhichOneof("changes") or "")
    seed_media_id = check_optional_id(problems, "seed_media_id", request.seed_media_id)
    if not (paths or kind or seed_media_id):
        return None
    names = frozenset(paths) if len(paths) <= _MOST else frozenset()
    if len(paths) > _MOST:
        problems.wrong("changed_fields", f"has {len(paths)} fields; at most {_MOST} are allowed")
    for name in sorted(names - _KNOWN):
        problems.wrong("changed_fields", f"no spec has a field {name[:_MOST]!r}")
    if seed_media_id and "seed" in names:
        problems.wrong("seed_media_id", "goes with no other seed; leave it out of changed_fields")
    if kind:
        check_named(problems, getattr(request, kind), kind)
    given = _only(getattr(request, kind), names) if kind else None
    return Changes(kind, given, names, seed_media_id)


def changed_spec(problems: Problems, changes: Changes, job: Job, catalog: Catalog) -> Any | None:
    """The job's spec with the changes, as a message; None when they change nothing.

    Raises:
        FieldInvalid: when they are of another kind, or the item has no seed.
        NotFound: naming the field, when the item is no output of the job.
        ModelRetired: when the model stays, and is not in the catalog any more.
    """
    _refuse_other_kind(changes, job)
    if not (changes.fields or changes.seed_media_id):
        return None
    spec = _SPECS[job.kind](**SPECS[job.kind](spec_to_json(job.spec)))
    for name in changes.fields:
        spec.ClearField(name)
    if changes.given is not None:
        spec.MergeFrom(changes.given)
    _let_go(spec, changes.fields)
    if spec.model == job.spec.model:
        catalog.still(spec.model, job.kind)
    _suit_model(problems, spec, changes, job, catalog)
    return spec


def _only(spec: Message, names: frozenset[str]) -> Message:
    kept = type(spec)()
    kept.CopyFrom(spec)
    for field, _ in spec.ListFields():
        if field.name not in names:
            kept.ClearField(field.name)
    return kept


def _refuse_other_kind(changes: Changes, job: Job) -> None:
    if job.kind not in _SPECS:
        raise field_invalid("job_id", "is of a kind of job that can't be changed")
    if changes.kind and changes.kind != job.kind:
        text = f"the job is not of this kind; give its changes as {job.kind}"
        raise field_invalid(changes.kind, text)
    if other := changes.fields.difference(_SPECS[job.kind].DESCRIPTOR.fields_by_name):
        text = f"the spec of this job has no field {min(other)!r}"
        raise field_invalid("changed_fields", text)


def _let_go(spec: Any, changed: frozenset[str]) -> None:
    """Clears what stood for a field that has changed: quality picks a model, and a size in pixels
    has one ratio."""
    if "model" in changed and "quality" not in changed and spec.model:
        spec.ClearField("quality")
    if "quality" in changed and "model" not in changed and spec.quality:
        spec.ClearField("model")
    if "aspect_ratio" in changed and "size" not in changed and "x" in getattr(spec, "size", ""):
        spec.ClearField("size")
    if "size" in changed and "aspect_ratio" not in changed and "x" in spec.size:
        spec.ClearField("aspect_ratio")


def _suit_model(
    problems: Problems, spec: Any, changes: Changes, job: Job, catalog: Catalog
) -> None:
    """Sets the seed of the output that is named, and leaves out the usual type of images for a
    model that chooses it itself."""
    seed = _seed(changes.seed_media_id, job) if changes.seed_media_id else None
    quality = read_enum(problems, f"{job.kind}.quality", model_pb2.Model.Quality, spec.quality)
    model = catalog.get(spec.model) if spec.model else catalog.default(job.kind, quality)
    ability = model.ability(job.kind) if model else None
    if ability is None:
        return
    chosen = "output_mime_type" in changes.fields or "output_mime_type" in ability.fields
    if not chosen and getattr(spec, "output_mime_type", "") == _USUAL_TYPE:
        spec.ClearField("output_mime_type")
    if seed is None:
        return
    if "seed" not in ability.fields:
        problems.unsupported("seed_media_id")
    elif seed > ability.max_seed:
        problems.unsupported("seed_media_id", f"a seed of 0 to {ability.max_seed}")
    else:
        spec.seed = seed


def _seed(media_id: str, job: Job) -> int:
    item = next((one for one in job.outputs if one.media_id == media_id), None)
    if item is None:
        raise NotFound("media item", "seed_media_id")
    if item.seed is None:
        raise field_invalid("seed_media_id", "no seed is recorded on this item")
    return item.seed
