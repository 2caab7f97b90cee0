"""Telling others what was committed: watchers by the event stream, workers by wake-ups."""
