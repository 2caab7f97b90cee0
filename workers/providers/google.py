"""Errors in the form of all of Google's APIs: google.rpc.Status with its details."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from workers.providers.http.transport import pause_ms

Fields = Mapping[str, Any]
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)s")


def read_status(body: Any) -> Fields:
    """The status in the body of an error, given as bytes or as JSON: `{error}`, or `[{error}]` from
    Google's front end. Empty if there is none."""
    if isinstance(body, bytes):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return {}
    body = body[0] if isinstance(body, list) and body else body
    error = body.get("error", body) if isinstance(body, Mapping) else None
    return error if isinstance(error, Mapping) else {}


def objects(value: Any) -> list[Fields]:
    """The objects of a list; empty if the value is no list."""
    listed = value if isinstance(value, list) else []
    return [item for item in listed if isinstance(item, Mapping)]


def details_of(status: Fields) -> list[Fields]:
    """The details of a status."""
    return objects(status.get("details"))


def retry_info_ms(details: Sequence[Fields]) -> int | None:
    """The pause of google.rpc.RetryInfo ("7s")."""
    for detail in details:
        found = _DURATION.fullmatch(str(detail.get("retryDelay", "")))
        if found:
            return pause_ms(float(found[1]))
    return None
