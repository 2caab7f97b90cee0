"""The exception of rendering besides ValueError."""

from collections.abc import Callable


class RenderCancelled(Exception):
    """Rendering stopped because the job was cancelled. The file is unfinished."""


def stop_if(cancelled: Callable[[], bool]) -> None:
    """Raises RenderCancelled when the job was cancelled."""
    if cancelled():
        raise RenderCancelled
