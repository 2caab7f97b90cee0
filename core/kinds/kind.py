"""What the program has to know of a kind of job."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from core.kinds.results import MediaResult, RecordResult
from core.specs import Spec


class FinishSeconds(Protocol):
    """The settings that say how long the jobs of each kind may take from accept to end."""

    @property
    def video_finish_seconds(self) -> int:
        """The time of a video job."""

    @property
    def image_finish_seconds(self) -> int:
        """The time of an image job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """How the models of a kind differ, and how their outputs are counted and priced.

    `core.catalog` checks the abilities of models against it. `thousandths` and `outputs_text` take
    a spec of the kind.
    """

    # The fields of the spec that not every model honours. Prompt templates are not among them:
    # this program joins them to the prompt, so every model honours them.
    fields: tuple[str, ...]
    # The field of the spec that holds the resolution, the form of its values, and two of them.
    size_field: str
    size_form: re.Pattern[str]
    size_examples: tuple[str, str]
    # Whether an output has a duration.
    timed: bool
    # The field of a price line that holds the price of one unit, and how many thousandths of a
    # unit one output has.
    price_field: str
    thousandths: Callable[[Any], int]
    # All outputs of a spec, for people: "2 x 4 s".
    outputs_text: Callable[[Any], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """One kind of job: an entry of `core.kinds.KINDS`."""

    # Also the name of its field in `rushes.v1.Job` and of its table of a model in models.toml.
    name: str
    spec: type[Spec]
    result: MediaResult | RecordResult
    # Where its jobs wait, unless their model has a queue of its own; empty if no worker runs them.
    queue: str
    # How long a job may take from accept to end, unless its caller says otherwise.
    finish_seconds: Callable[[FinishSeconds], int]
    # None if no model of the catalog renders it.
    rendering: Rendering | None = None
