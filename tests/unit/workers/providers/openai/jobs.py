"""A job for OpenAI, with only what matters in view."""

from typing import Any

from core.ids import new_id
from core.jobs import Cost, CostState, Job, Progress, State
from core.specs import ImageSpec


def job_of(**changes: Any) -> Job:
    """A running job of one image; `changes` are of its spec."""
    values: dict[str, Any] = {
        "prompt": "a boat",
        "model": "gpt-image-2.5-flare",
        "aspect_ratio": "1:1",
        "size": "1024x1024",
    }
    spec = ImageSpec(**values | changes)
    return Job(
        job_id=new_id(),
        user_id="alice",
        spec=spec,
        final_prompt=spec.prompt,
        state=State.RUNNING,
        progress=Progress(),
        cost=Cost(state=CostState.RESERVED, estimated_micros=1),
        provider="openai",
        create_time=0,
    )
