"""How a result is kept: in the transaction of the state change that it comes with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.kinds import KINDS, MediaResult, RecordResult, Result
from core.media import Media
from core.store import recipes
from core.store.engine.database import Session
from core.store.rows import insert_media


@dataclass(frozen=True, slots=True)
class Kept:
    """What a job has made now that a result was kept.

    `columns` are changes of its row; `outputs` are its media items, in their order.
    """

    outputs: Sequence[Media]
    columns: dict[str, Any] = field(default_factory=dict)


def keep(
    session: Session, job: Mapping[str, Any], outputs: Sequence[Media], result: Result, now_ms: int
) -> Kept:
    """Writes a result of the job with these columns, which has made `outputs` before.

    A media item gets its recipe, which outlasts the job.

    Raises:
        TypeError: when a job of that kind makes something else.
        ValueError: when a record is too large.
    """
    kind = job["kind"]
    match KINDS[kind].result:
        case MediaResult() if isinstance(result, Media):
            item = replace(result, create_time=now_ms)
            insert_media(session, item)
            recipes.insert(session, job, outputs, item)
            return Kept(sorted([*outputs, item], key=lambda media: media.output_index))
        case RecordResult(type=type) as declared if isinstance(result, type):
            return Kept(outputs, {"result": declared.to_text(result)})
    raise TypeError(f"a job of the kind {kind} does not make a {result.__class__.__name__}")
