"""Says which request of a batch was refused."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import DependencyUnavailable, RequestError


@contextmanager
def naming_request(number: int) -> Iterator[None]:
    """A refusal of the block that names no field gets the number of the request, as `index`."""
    try:
        yield
    except DependencyUnavailable:
        raise
    except RequestError as error:
        if not error.violations:
            error.metadata["index"] = str(number)
        raise
