"""Finds the ID that a person means by its first characters."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from rushes import Client
from rushes.cli.exits import Refusal
from rushes.values import is_id

# Only the newest are searched; an older one must be named in full.
LOOKED_AT = 10_000
# When several IDs fit, the error names this many.
SHOWN = 3
_BEGINNING = re.compile(r"[0-9a-fA-F-]{1,35}")


def job_id_of(client: Client, text: str) -> str:
    """The ID of the job that the text names.

    Raises:
        Refusal: when no ID, or several, begin with the text.
    """
    return _whole("job", text, _job_ids(client))


def media_id_of(client: Client, text: str) -> str:
    """The ID of the media item, in the library or in the bin, that the text names.

    Raises:
        Refusal: when no ID, or several, begin with the text.
    """
    return _whole("media", text, _media_ids(client))


def notification_id_of(client: Client, text: str) -> str:
    """The ID of the notification that the text names.

    Raises:
        Refusal: when no ID, or several, begin with the text.
    """
    known = (one.notification_id for one in client.notifications(limit=LOOKED_AT))
    return _whole("notification", text, known)


def job_or_media_id_of(client: Client, text: str) -> str:
    """The ID of the job or the media item that the text names; a whole ID may be either.

    Raises:
        Refusal: when no ID, or several, begin with the text.
    """
    return _whole("job or media", text, chain(_media_ids(client), _job_ids(client)))


def _job_ids(client: Client) -> Iterator[str]:
    return (job.job_id for job in client.jobs(limit=LOOKED_AT))


def _media_ids(client: Client) -> Iterator[str]:
    for deleted in (False, True):
        for media in client.library(LOOKED_AT, deleted=deleted):
            yield media.media_id


def _whole(kind: str, text: str, known: Iterable[str]) -> str:
    if is_id(text):
        return text
    if not _BEGINNING.fullmatch(text):
        raise Refusal(f"{text!r} is not a valid {kind} ID.")
    beginning = text.lower()
    fitting = list(islice((found for found in known if found.startswith(beginning)), SHOWN + 1))
    if not fitting:
        raise Refusal(f"None of your newest {LOOKED_AT} {kind} IDs starts with {text!r}.")
    if len(fitting) > 1:
        named = ", ".join(fitting[:SHOWN]) + (" and more" if len(fitting) > SHOWN else "")
        raise Refusal(f"Several {kind} IDs start with {text!r}: {named}.")
    return fitting[0]
