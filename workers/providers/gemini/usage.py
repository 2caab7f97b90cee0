"""The token counts of an answer, by the names that the catalog has prices for.

Omni's price list has one price for all input, so clips and sound count as images. A token without a
name in the catalog counts as "other", which has no price: then the estimate stays the cost.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.genai.types import GenerateContentResponseUsageMetadata as Usage
    from google.genai.types import ModalityTokenCount

Tokens = Mapping[str, int]
# The cost of so many tokens in micro-units; None if it is not known.
Charge = Callable[[Tokens], int | None]
UNNAMED = "other_output"
_INPUT = {"text": "text_input"} | dict.fromkeys(("image", "video", "audio"), "image_input")
_OUTPUT = {"text": "text_output", "image": "image_output", "video": "video_output"}


def interaction_tokens(interaction: dict[str, Any]) -> Tokens:
    """The counts of an interaction; empty if it has none."""
    usage = interaction.get("usage")
    if not isinstance(usage, dict):
        return {}
    made = _pairs(usage.get("output_tokens_by_modality"))
    taken = _pairs(usage.get("input_tokens_by_modality"))
    counted = _output(made, _number(usage.get("total_output_tokens")))
    counted["text_output"] += _number(usage.get("total_thought_tokens"))
    return counted + _input(taken, _number(usage.get("total_input_tokens")))


def content_tokens(usage: "Usage | None") -> Tokens:
    """The counts of a `generate_content`; empty if it has none."""
    if usage is None:
        return {}
    made = _counts(usage.candidates_tokens_details)
    taken = _counts(usage.prompt_tokens_details)
    counted = _output(made, usage.candidates_token_count or 0)
    counted["text_output"] += usage.thoughts_token_count or 0
    return counted + _input(taken, usage.prompt_token_count or 0)


def result_tokens(tokens: Tokens, kind: str) -> int | None:
    """The count of the tokens that make results of that kind ("video"); None if it is not known."""
    made = tokens.get(f"{kind}_output", 0)
    return None if not tokens or (not made and tokens.get(UNNAMED)) else made


def _output(pairs: list[tuple[str, int]], total: int) -> Counter[str]:
    return _counted(pairs, total, _OUTPUT, "output")


def _input(pairs: list[tuple[str, int]], total: int) -> Counter[str]:
    return _counted(pairs, total, _INPUT, "input")


def _counted(
    pairs: list[tuple[str, int]], total: int, names: Mapping[str, str], side: str
) -> Counter[str]:
    counted: Counter[str] = Counter()
    for modality, count in pairs:
        counted[names.get(modality, f"other_{side}")] += count
    # The list leaves out the text beside an image.
    rest = "text" if pairs else "other"
    counted[f"{rest}_{side}"] += max(0, total - counted.total())
    return counted


def _pairs(listed: Any) -> list[tuple[str, int]]:
    items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    return [(str(item.get("modality", "")).lower(), _number(item.get("tokens"))) for item in items]


def _counts(details: "list[ModalityTokenCount] | None") -> list[tuple[str, int]]:
    return [
        (item.modality.value.lower() if item.modality else "", item.token_count or 0)
        for item in details or []
    ]


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
