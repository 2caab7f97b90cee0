"""Errors as all of Google's APIs answer them: google.rpc.Status, and what its details say."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from workers.providers.http.transport import pause_ms

Fields = Mapping[str, Any]
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)s")


def read_status(body: Any) -> Fields:
    """The status in an error's body, as bytes or as JSON: `{error}`, or `[{error}]` from Google's
    front; empty when there is none."""
    if isinstance(body, bytes):
        try:
            body = json.loads(body)
        except ValueError:
            return {}
    body = body[0] if isinstance(body, list) and body else body
    error = body.get("error", body) if isinstance(body, Mapping) else None
    return error if isinstance(error, Mapping) else {}


def objects(value: Any) -> list[Fields]:
    """The objects of a list; none of what is no list."""
    listed = value if isinstance(value, list) else []
    return [item for item in listed if isinstance(item, Mapping)]


def details_of(status: Fields) -> list[Fields]:
    """What a status says besides its text."""
    return objects(status.get("details"))


def retry_info_ms(details: Sequence[Fields]) -> int | None:
    """The pause of google.rpc.RetryInfo ("7s")."""
    for detail in details:
        found = _DURATION.fullmatch(str(detail.get("retryDelay", "")))
        if found:
            return pause_ms(float(found[1]))
    return None
