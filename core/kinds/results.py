"""What jobs make, and the two ways in which the store keeps it.

A media item goes to the user's library. A record stays with its job. Both are written in the
transaction of the state change that they come with, and every event of the job shows them.
"""

import json
from dataclasses import dataclass
from typing import Any, Protocol, Self

from core.media import Media, MediaType

# A record is in each event of its job, so it is small.
MAX_RECORD_BYTES = 32 * 1024


class Record(Protocol):
    """A result that is no media item: a frozen value that can be written as JSON."""

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values."""

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The record that `to_json` wrote. It ignores names that only a newer version knows."""


# What one step of a run brings: one of the job's media items, or the job's record.
Result = Media | Record


@dataclass(frozen=True, slots=True)
class MediaResult:
    """The job makes media items of this type: rows of `media`, shown as `Job.outputs`."""

    type: MediaType


@dataclass(frozen=True, slots=True)
class RecordResult:
    """The job makes one record of this class: the column `job.result`.

    Its kind's entry in `RESULTS` (server/mapping/specs.py) says in which field of `rushes.v1.Job`
    callers see it.
    """

    type: type[Record]

    def to_text(self, record: Record) -> str:
        """The record as its column keeps it.

        Raises:
            ValueError: when it takes more than `MAX_RECORD_BYTES`.
        """
        text = json.dumps(record.to_json(), separators=(",", ":"))
        if len(text) > MAX_RECORD_BYTES:
            raise ValueError(f"a record has {len(text)} bytes, at most {MAX_RECORD_BYTES} may be")
        return text
