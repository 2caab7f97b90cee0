"""How Hypothesis runs here: the same examples every time, on however busy a machine."""

from hypothesis import settings

STEADY = settings(derandomize=True, deadline=None, max_examples=100)
