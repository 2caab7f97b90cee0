"""Turns field names of the contract into options: `spec.duration` becomes `--duration`."""

import re

from rushes.v1.job_pb2 import ImageSpec, VideoSpec
from rushes.v1.media_service_pb2 import JobOptions

# Fields whose option is not the field's name with dashes.
_OPTIONS = {
    "output_count": "--count",
    "references": "--reference",
    "output_mime_type": "--format",
    "labels": "--label",
    "models": "--model",
    "states": "--state",
    "page_size": "--limit",
    "group_by": "--by",
    "by": "--by",
    "label": "LABEL",
    "label_key": "--label",
    "start_time": "--from",
    "end_time": "--until",
    "user_id": "--of",
    "scopes": "--scope",
    "expire_time": "--for",
    "api_key_id": "KEY",
    "webhook_id": "WEBHOOK",
    "delivery_id": "DELIVERY_ID",
    "kinds": "--kind",
    "url": "URL",
    "webhook.url": "--url",
    "apply_to_view": "--apply-to",
    "seed_media_id": "--seed-of",
    "view": "VIEW",
    "prefix": "PREFIX",
    "prompt": "PROMPT",
    "job_id": "JOB_ID",
    "job_ids": "JOB_ID",
    "media_id": "MEDIA_ID",
    "media_ids": "MEDIA_ID",
}
_NAMES = "|".join(
    field.name
    for message in (VideoSpec, ImageSpec, JobOptions)
    for field in message.DESCRIPTOR.fields
)
_SOURCE = r"(?:\.(?:content|media_id|uri))?"
_IN_A_MESSAGE = rf"(?<![\w.])(?:spec|options|video|image)\.({_NAMES})\b(?:\[\d+\])?{_SOURCE}"
_WEBHOOK = "webhook_id|delivery_id|kinds|url|description"
_IN_A_WEBHOOK = r"(webhook\.url)\b|(?<![\w.])webhook\.(kinds|labels|description)\b(?:\[\d+\])?"
_LISTS = "job_ids?|media_ids?|models|labels|states|page_size|view|prefix|seed_media_id"
_USAGE = "by|group_by|label_key|start_time|end_time|user_id|all_users"
_KEYS = "label|scopes|expire_time|api_key_id"
_ALONE = rf"(?:^|(?<=; ))({_LISTS}|{_USAGE}|{_KEYS}|{_WEBHOOK})(?:\[\d+\])?(?=:| |$)"
_ANYWHERE = r"\b(max_cost|request_id)\b"
_FIELD = re.compile(f"{_IN_A_MESSAGE}|{_IN_A_WEBHOOK}|{_ALONE}|{_ANYWHERE}")


def option(field: str) -> str:
    """The option or argument for a field such as "spec.references[0].content"."""
    return in_options(field)


def in_options(text: str) -> str:
    """A text in which every field is named as its option."""
    return _FIELD.sub(_option, text)


def _option(found: re.Match[str]) -> str:
    name = next(group for group in found.groups() if group)
    return _OPTIONS.get(name) or f"--{name.replace('_', '-')}"
