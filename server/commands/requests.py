"""Requests after validation: what commands take. Times in milliseconds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.catalog.models import Model
from core.errors import RequestError
from core.fetching import Address
from core.jobs import Job, State
from core.media import MediaType
from core.scopes import Scope
from core.specs import Spec
from core.store.usage_days import Key


@dataclass(frozen=True, slots=True)
class Inline:
    """Bytes that came with the request; `media_id` is what the spec calls them already."""

    field: str
    media_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Remote:
    """An input that is to be fetched; `media_id` is what the spec calls it already."""

    field: str
    media_id: str
    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run a job. Money in micro-units; None leaves it to the installation."""

    request_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    max_cost_micros: int | None = None
    start_within_ms: int | None = None
    finish_within_ms: int | None = None
    validate_only: bool = False
    apply_to_view: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A job to make, with the prompt that its provider gets. `given` says which field named which
    media item of the library."""

    model: Model
    spec: Spec
    final_prompt: str
    options: Options
    inline: tuple[Inline, ...] = ()
    remote: tuple[Remote, ...] = ()
    given: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Jobs to make, all or none. `max_cost_micros` binds all together."""

    submissions: tuple[Submission, ...]
    request_id: str = ""
    max_cost_micros: int | None = None
    validate_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """An ended job to repeat.

    `change` makes a changed job of it, or gives None when nothing is to change. `changes` is a
    digest of what is asked for, or empty: equal requests may share a request_id.
    """

    job_id: str
    options: Options
    change: Callable[[Job], Submission | None] | None = None
    changes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """A job to cancel, and the caller's reason."""

    job_id: str
    reason: str = ""
    only_if_free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model to price a spec on, and the fields that it would not honour."""

    model: Model
    spec: Spec
    final_prompt: str = ""
    unsupported_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """A model, by the name in the request, on which the spec can't be priced, and why."""

    model: str
    error: RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList:
    """Which jobs to list."""

    page_size: int
    page_token: str = ""
    states: tuple[State, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    batch_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEventList:
    """Which events of a job to list."""

    job_id: str
    page_size: int
    page_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaList:
    """Which media items to list."""

    page_size: int
    page_token: str = ""
    type: MediaType | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    starred: bool = False
    create_time_from: int | None = None
    create_time_until: int | None = None
    deleted: bool = False
    url_ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaChange:
    """A change of a media item; None leaves it, an empty label value removes the key."""

    media_id: str
    title: str | None = None
    starred: bool | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpload:
    """The file that a caller wants to send; `sha256` is hex, or empty."""

    size_bytes: int
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRequest:
    """Usage from the beginning of one day to the end of another; no user is the caller."""

    user_id: str = ""
    all_users: bool = False
    from_ms: int
    until_ms: int
    keys: tuple[Key, ...] = ()
    label_key: str = ""
    page_size: int
    page_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """An API key to make; without `expire_time` it lasts as long as usual."""

    label: str
    scopes: tuple[Scope, ...]
    expire_time: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyList:
    """Which page of the API keys."""

    page_size: int
    page_token: str = ""
