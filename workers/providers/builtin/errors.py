"""What rendering raises besides ValueError."""

from collections.abc import Callable


class RenderCancelled(Exception):
    """Rendering was stopped because the job was cancelled; what was written is unfinished."""


def stop_if(cancelled: Callable[[], bool]) -> None:
    """Raises RenderCancelled when the job was cancelled."""
    if cancelled():
        raise RenderCancelled
