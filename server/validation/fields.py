"""Forms and limits of single fields.

An operator can change the limits in `core.process.settings`; the contract fixes those below.
Each description follows the name of its field: "spec.prompt: must not be empty".
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from core.ids import MAX_USER_ID_CHARACTERS, is_id, is_user_id
from core.money import MICROS
from core.process.settings import MAX_SIGNED_URL_TTL_SECONDS
from core.words import wanted_terms
from server.validation.problems import Problems

DEFAULT_PAGE_SIZE = 50
MAX_TOKEN_CHARACTERS = 2000
MAX_TITLE_CHARACTERS = 200
MAX_REASON_CHARACTERS = 500
MAX_QUERY_CHARACTERS = 200
MAX_QUERY_WORDS = 32
MAX_LABEL_VALUE_CHARACTERS = 256
MAX_VIEW_CHARACTERS = 128
MAX_VIEW_PARTS = 8
MAX_IDS = 1000
MAX_ESTIMATED_MODELS = 50
MAX_WAIT_MS = 50_000
MAX_RECENT_MS = 10 * 365 * 24 * 3600 * 1000

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_VIEW = re.compile(
    rf"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){{0,{MAX_VIEW_PARTS - 1}}}"
)
_VIEW_PREFIX = re.compile(r"[A-Za-z0-9_./-]*")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CONTROL_OR_BREAK = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# What turns, breaks or hides the text around it: separators of lines, overrides of the direction,
# the byte order mark, annotations, tags.
_DECEPTIVE = re.compile(r"[\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
# Flags of parts of countries are spelt with tags: a black flag, letters, an end.
_FLAG = re.compile(r"\U0001f3f4[\U000e0061-\U000e007a]{3,6}\U000e007f")
_MAX_SECONDS = 315_576_000_000  # of a google.protobuf.Duration
_MILLI_NANOS, _MICRO_NANOS = 10**6, 10**3
_TIMESTAMP_SECONDS = range(-62_135_596_800, 253_402_300_800)


def check_text(
    problems: Problems, field: str, text: str, most: int, *, lines: bool = False
) -> None:
    """Allows `most` characters and no control characters; with `lines` also \\n and \\t.

    A text of one line stands among others, in lists and menus, so it may not turn, break or hide
    what is around it.
    """
    if len(text) > most:
        problems.wrong(field, f"has {len(text)} characters; at most {most} are allowed")
    if (_CONTROL if lines else _CONTROL_OR_BREAK).search(text):
        problems.wrong(field, "must not have control characters")
    if not lines and _DECEPTIVE.search(_FLAG.sub("", text)):
        problems.wrong(field, "must not have characters that turn, break or hide the text")


def check_id(problems: Problems, field: str, value: str) -> str:
    """Allows the form of a UUID. The field's name says whose id it is: `job_id`, `media_ids`."""
    if not is_id(value):
        whose = {
            "job_id": "job",
            "api_key_id": "API key",
            "share_id": "share",
            "webhook_id": "webhook",
            "delivery_id": "delivery",
            "batch_id": "batch",
            "notification_id": "notification",
            "announcement_id": "announcement",
        }
        what = next((name for part, name in whose.items() if part in field), "media")
        problems.wrong(field, f"not a valid {what} ID" if value else "must be set")
    return value


def check_optional_id(problems: Problems, field: str, value: str) -> str:
    """Allows nothing, or the form of a UUID."""
    return check_id(problems, field, value) if value else ""


def check_ids(
    problems: Problems, field: str, values: Iterable[str], most: int = MAX_IDS
) -> tuple[str, ...]:
    """Allows so many ids, and drops repeated ones."""
    ids = tuple(dict.fromkeys(values))
    if len(ids) > most:
        problems.wrong(field, f"has {len(ids)} IDs; at most {most} are allowed")
        return ()
    for number, value in enumerate(ids):
        check_id(problems, f"{field}[{number}]", value)
    return ids


def check_request_id(problems: Problems, field: str, value: str) -> str:
    """Allows nothing, or 1 to 64 of [A-Za-z0-9_.-]."""
    if value and not _REQUEST_ID.fullmatch(value):
        problems.wrong(field, "must have 1 to 64 characters, each one of A-Z a-z 0-9 _ . -")
    return value


def check_sha256(problems: Problems, field: str, value: str) -> str:
    """Allows nothing, or a SHA-256 in hex; gives it in lower case."""
    if value and not _SHA256.fullmatch(value):
        problems.wrong(field, "must have 64 hexadecimal digits")
    return value.lower()


def check_user_id(problems: Problems, field: str, value: str) -> str:
    """Allows nothing, or what the subject of a token may be."""
    if value and not is_user_id(value):
        most = MAX_USER_ID_CHARACTERS
        problems.wrong(field, f"must have at most {most} characters, none of them a control one")
    return value


def check_label_key(problems: Problems, field: str, key: str) -> str:
    """Allows nothing, or the key of a label."""
    if key and not _LABEL_KEY.fullmatch(key):
        problems.wrong(field, "must match [a-z][a-z0-9_.-]{0,62}")
    return key


def check_view(problems: Problems, field: str, name: str, *, needed: bool = True) -> str:
    """Allows 1 to 8 parts of [A-Za-z0-9_][A-Za-z0-9_.-]* with "/" between; empty if not needed."""
    if not name:
        if needed:
            problems.wrong(field, "must name a view")
    elif len(name) > MAX_VIEW_CHARACTERS:
        text = f"has {len(name)} characters; at most {MAX_VIEW_CHARACTERS} are allowed"
        problems.wrong(field, text)
    elif not _VIEW.fullmatch(name):
        problems.wrong(
            field,
            f'must have 1 to {MAX_VIEW_PARTS} parts with "/" between, each of A-Z a-z 0-9 _ . -'
            " and beginning with none of . -",
        )
    return name


def check_view_prefix(problems: Problems, field: str, prefix: str) -> str:
    """Allows what the name of a view can begin with, or nothing."""
    if len(prefix) > MAX_VIEW_CHARACTERS or not _VIEW_PREFIX.fullmatch(prefix):
        problems.wrong(field, 'must be how the names of views begin, for example "card/"')
    return prefix


def check_labels(
    problems: Problems, field: str, labels: Mapping[str, str], most: int, *, removable: bool = False
) -> dict[str, str]:
    """Allows `most` labels of the right form; with `removable` a value may be empty."""
    if len(labels) > most:
        problems.wrong(field, f"has {len(labels)} labels; at most {most} are allowed")
        return {}
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key):
            problems.wrong(field, f"the key {_show(key)} must match [a-z][a-z0-9_.-]{{0,62}}")
        elif not (value or removable):
            problems.wrong(field, f"the value of {_show(key)} must not be empty")
        else:
            check_text(problems, f"{field}.{key}", value, MAX_LABEL_VALUE_CHARACTERS)
    return dict(labels)


def check_label_filter(
    problems: Problems, field: str, filters: Iterable[str], most: int
) -> dict[str, str]:
    """Labels to look for, each "key=value"."""
    labels: dict[str, str] = {}
    for number, text in enumerate(filters):
        if number == most:
            problems.wrong(field, f"at most {most} labels are allowed")
            break
        key, equals, value = text.partition("=")
        place = f"{field}[{number}]"
        if not equals or not value or not _LABEL_KEY.fullmatch(key):
            problems.wrong(place, 'must be "key=value"; the key must match [a-z][a-z0-9_.-]{0,62}')
        elif labels.setdefault(key, value) != value:
            problems.wrong(place, f"asks for a second value of {_show(key)}; name each key once")
        else:
            check_text(problems, place, value, MAX_LABEL_VALUE_CHARACTERS)
    return labels


def check_query(problems: Problems, field: str, query: str) -> str:
    """Allows nothing, or 1 to 32 words. Three characters of a language without spaces are one."""
    check_text(problems, field, query, MAX_QUERY_CHARACTERS)
    words = len(wanted_terms(query[:MAX_QUERY_CHARACTERS]))
    if words > MAX_QUERY_WORDS:
        problems.wrong(field, f"has {words} words; at most {MAX_QUERY_WORDS} are allowed")
    elif query.strip() and not words:
        problems.wrong(field, "must have a word; only letters, digits and emoji can be found")
    return query


def check_page_size(problems: Problems, field: str, size: int, most: int) -> int:
    """0 is the default; too large is coerced, negative is refused."""
    if size < 0:
        problems.wrong(field, "must not be negative")
    return min(size or DEFAULT_PAGE_SIZE, most)


def check_token(problems: Problems, field: str, token: str) -> str:
    """A token that is short enough to be one of ours."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        problems.wrong(field, "is not a token of this server")
    return token


def read_duration(problems: Problems, field: str, value: Duration) -> int | None:
    """Milliseconds of a well-formed, not negative time span; None when it is something else."""
    seconds, nanos = value.seconds, value.nanos
    mixed = (seconds > 0 > nanos) or (seconds < 0 < nanos)
    if mixed or abs(seconds) > _MAX_SECONDS or abs(nanos) >= 10**9:
        problems.wrong(field, 'is not a valid duration; in JSON write "8s"')
        return None
    if seconds < 0 or nanos < 0:
        problems.wrong(field, "must not be negative")
        return None
    return seconds * 1000 + nanos // _MILLI_NANOS


def check_deadline(problems: Problems, field: str, value: Duration, most: int) -> int | None:
    """Milliseconds above 0 and at most `most`; None when it is something else."""
    ms = read_duration(problems, field, value)
    if ms is None:
        return None
    if value.nanos % _MILLI_NANOS:
        problems.wrong(field, "must be a whole number of milliseconds")
    elif ms == 0:
        problems.wrong(field, "must be more than 0")
    elif ms > most:
        problems.wrong(field, f"must be at most {most // 1000} s")
    else:
        return ms
    return None


def read_money(problems: Problems, field: str, value: Money, currency: str) -> int | None:
    """Micro-units of a well-formed amount that is not negative, None when it is something else.

    There is one currency here, so an amount that names none is in it.
    """
    units, nanos = int(value.units), int(value.nanos)
    mixed = (units > 0 > nanos) or (units < 0 < nanos)
    if value.currency_code not in ("", currency):
        problems.wrong(field, f"must be in {currency}")
    elif mixed or abs(nanos) >= 10**9:
        problems.wrong(field, "is not a valid amount: units and nanos must have the same sign")
    elif units < 0 or nanos < 0:
        problems.wrong(field, "must not be negative")
    elif nanos % _MICRO_NANOS:
        problems.wrong(field, "must have at most six decimal places")
    else:
        return units * MICROS + nanos // _MICRO_NANOS
    return None


def read_url_ttl(problems: Problems, request: Any) -> int | None:
    """Whole seconds of the request's `url_ttl`, at least one; None takes the default."""
    if not request.HasField("url_ttl"):
        return None
    ms = read_duration(problems, "url_ttl", request.url_ttl) or 0
    return min(max(ms // 1000, 1), MAX_SIGNED_URL_TTL_SECONDS)


def read_time(problems: Problems, field: str, value: Timestamp) -> int | None:
    """Milliseconds of the epoch of a well-formed point in time; None when it is something else."""
    if value.seconds not in _TIMESTAMP_SECONDS or not 0 <= value.nanos < 10**9:
        problems.wrong(field, "is not a valid timestamp")
        return None
    return value.seconds * 1000 + value.nanos // 1_000_000


def read_enum(problems: Problems, field: str, enum: Any, value: int) -> str:
    """The name of an enum's value, empty for unspecified."""
    if value == 0:
        return ""
    try:
        return str(enum.Name(value))
    except ValueError:
        known = ", ".join(name for name, number in enum.items() if number)
        problems.wrong(field, f"unknown value {value}; use one of {known}")
        return ""


def _show(key: str) -> str:
    return ascii(key[:64])
