"""Request messages from the arguments of the client's methods. Only input files are read."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, Unpack

from rushes.arguments import check_names, filled
from rushes.errors import InvalidArgument
from rushes.fields import (
    Amount,
    ImageFields,
    ImageJob,
    JobFields,
    LibraryFilter,
    MediaSource,
    Seconds,
    SpecChanges,
    VideoFields,
    VideoJob,
    WatchFilter,
)
from rushes.v1.account_service_pb2 import (
    CreateApiKeyRequest,
    GetBudgetRequest,
    GetUsageRequest,
    ListApiKeysRequest,
)
from rushes.v1.admin_service_pb2 import (
    ListBudgetsRequest,
    ListUnsettledSubmitsRequest,
    ResolveJobRequest,
    SetBudgetRequest,
)
from rushes.v1.budget_pb2 import Budget
from rushes.v1.job_pb2 import ImageSpec, Job, MediaInput, VideoSpec
from rushes.v1.media_pb2 import Media
from rushes.v1.media_service_pb2 import (
    BatchDeleteMediaRequest,
    BatchGenerateRequest,
    CreateExportRequest,
    EstimateCostRequest,
    GenerateImageRequest,
    GenerateVideoRequest,
    JobOptions,
    ListJobEventsRequest,
    ListJobsRequest,
    ListMediaRequest,
    RetryJobRequest,
    UpdateMediaRequest,
    WatchJobsRequest,
)
from rushes.v1.model_pb2 import Model
from rushes.v1.notification_pb2 import Notification, NotificationSettings
from rushes.v1.notification_service_pb2 import (
    CreateAnnouncementRequest,
    CreateNotificationRequest,
    DeleteNotificationsRequest,
    ListAnnouncementsRequest,
    ListNotificationsRequest,
    MarkNotificationsReadRequest,
    UpdateNotificationSettingsRequest,
)
from rushes.v1.recipe_pb2 import Recipe
from rushes.v1.share_service_pb2 import (
    CreateShareRequest,
    ListSharedMediaRequest,
    ListSharesRequest,
)
from rushes.v1.view_service_pb2 import ApplyViewRequest, GetViewRequest, ListViewsRequest
from rushes.v1.webhook_service_pb2 import (
    CreateWebhookRequest,
    ListWebhookDeliveriesRequest,
    UpdateWebhookRequest,
    Webhook,
    WebhookDelivery,
)
from rushes.values import (
    content_size,
    enum_number,
    items_of,
    label_filter,
    media_input,
    to_duration,
    to_labels,
    to_money,
    to_timestamp,
)

Listing = TypeVar(
    "Listing",
    ListJobsRequest,
    ListMediaRequest,
    ListJobEventsRequest,
    ListNotificationsRequest,
    ListAnnouncementsRequest,
    GetUsageRequest,
    ListApiKeysRequest,
    ListViewsRequest,
    ListSharesRequest,
    ListSharedMediaRequest,
    ListWebhookDeliveriesRequest,
    ListUnsettledSubmitsRequest,
    ListBudgetsRequest,
)
PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
_JOB_NAMES = JobFields.__optional_keys__
_CHANGED = {"video": VideoFields.__optional_keys__, "image": ImageFields.__optional_keys__}
_INPUTS = ("first_frame", "last_frame", "source_video", "mask")
# What the inputs of one request may have together, unless the operator says otherwise.
INLINE_BYTES = 2 * 1024 * 1024
NONE: SpecChanges = {}
# The layout of recipes that this version can send again.
RECIPE_FORMAT = 1


def new_request_id() -> str:
    """A new idempotency key."""
    return uuid.uuid4().hex


def video_spec(prompt: str, **fields: Unpack[VideoFields]) -> VideoSpec:
    """The spec of a video."""
    check_names(fields, VideoFields.__optional_keys__)
    return filled(VideoSpec, {"prompt": prompt, **_spec_fields(fields)})


def image_spec(prompt: str, **fields: Unpack[ImageFields]) -> ImageSpec:
    """The spec of an image."""
    check_names(fields, ImageFields.__optional_keys__)
    return filled(ImageSpec, {"prompt": prompt, **_spec_fields(fields)})


def video_request(prompt: str, fields: VideoJob) -> GenerateVideoRequest:
    """The call for a video."""
    check_names(fields, VideoJob.__optional_keys__)
    spec, options = _parted(fields)
    return GenerateVideoRequest(spec=video_spec(prompt, **spec), options=job_options(options))


def image_request(prompt: str, fields: ImageJob) -> GenerateImageRequest:
    """The call for an image."""
    check_names(fields, ImageJob.__optional_keys__)
    spec, options = _parted(fields)
    return GenerateImageRequest(spec=image_spec(prompt, **spec), options=job_options(options))


def video_job(prompt: str, **fields: Unpack[VideoJob]) -> BatchGenerateRequest.Request:
    """A video job of a batch; its request_id and `validate_only` are the batch's."""
    check_names(fields, VideoJob.__optional_keys__)
    spec, options = _parted(fields)
    return BatchGenerateRequest.Request(
        video=video_spec(prompt, **spec), options=_options_in_batch(options)
    )


def image_job(prompt: str, **fields: Unpack[ImageJob]) -> BatchGenerateRequest.Request:
    """An image job of a batch; its request_id and `validate_only` are the batch's."""
    check_names(fields, ImageJob.__optional_keys__)
    spec, options = _parted(fields)
    return BatchGenerateRequest.Request(
        image=image_spec(prompt, **spec), options=_options_in_batch(options)
    )


def batch_request(
    jobs: Iterable[BatchGenerateRequest.Request],
    request_id: str | None,
    labels: Mapping[str, str] | None,
    max_cost: Amount | None,
    validate_only: bool,
) -> BatchGenerateRequest:
    """The call for several jobs, with copies of them."""
    values = {
        "requests": items_of(jobs),
        "request_id": request_id or new_request_id(),
        "labels": to_labels(labels),
        "max_cost": to_money(max_cost, "max_cost"),
        "validate_only": validate_only,
    }
    return filled(BatchGenerateRequest, values)


def inputs_to_upload(request: BatchGenerateRequest) -> list[MediaInput]:
    """The inputs that are to be uploaded, because a request can't hold all of them; the largest
    come first."""
    inputs = [one for job in request.requests for one in _inputs_of(job)]
    large = []
    total = sum(len(one.content) for one in inputs)
    for one in sorted(inputs, key=lambda one: -len(one.content)):
        if total <= INLINE_BYTES:
            break
        total -= len(one.content)
        large.append(one)
    return large


def _inputs_of(job: BatchGenerateRequest.Request) -> list[MediaInput]:
    spec = job.video if job.HasField("video") else job.image
    named = {name for name in _INPUTS if name in spec.DESCRIPTOR.fields_by_name}
    singles = [getattr(spec, name) for name in sorted(named) if spec.HasField(name)]
    return [*singles, *spec.references]


def _options_in_batch(fields: JobFields) -> JobOptions:
    for name in ("request_id", "validate_only"):
        if fields.get(name):
            raise InvalidArgument(name, "is the batch's; give it to generate_batch")
    return _options(fields)


def recipe_request(
    recipe: Recipe, fields: JobFields
) -> GenerateVideoRequest | GenerateImageRequest:
    """The call that makes the item of a recipe again.

    Raises:
        InvalidArgument: when the recipe has no spec, or is of a layout that is not known here.
    """
    if recipe.format > RECIPE_FORMAT:
        text = f"is of layout {recipe.format}; this version knows {RECIPE_FORMAT}: upgrade it"
        raise InvalidArgument("recipe", text)
    if recipe.HasField("video"):
        return GenerateVideoRequest(spec=recipe.video, options=job_options(fields))
    if recipe.HasField("image"):
        return GenerateImageRequest(spec=recipe.image, options=job_options(fields))
    raise InvalidArgument("recipe", "names neither a video nor an image")


def retry_request(
    job_id: str, fields: JobFields, kind: str = "", changes: SpecChanges = NONE, seed_of: str = ""
) -> RetryJobRequest:
    """The call for a new job from an ended one's spec. `kind` is that of the job, where a change
    is more than a field that is cleared.

    Raises:
        InvalidArgument: naming the change that is wrong.
    """
    check_names(changes, _CHANGED.get(kind, SpecChanges.__optional_keys__) | {"prompt"})
    request = RetryJobRequest(job_id=job_id, options=job_options(fields), seed_media_id=seed_of)
    request.changed_fields.paths.extend(sorted(changes))
    if given := given_changes(changes):
        make: Any = video_spec if kind == "video" else image_spec
        spec = make(**{"prompt": "", **given})
        getattr(request, kind).CopyFrom(spec)
    return request


def given_changes(changes: SpecChanges) -> SpecChanges:
    """Those that set a field; the others clear one."""
    given: Any = {name: value for name, value in changes.items() if value is not None}
    return given  # type: ignore[no-any-return]


def job_options(fields: JobFields) -> JobOptions:
    """Options that always name a request_id, so that the call may be repeated."""
    options = _options(fields)
    options.request_id = options.request_id or new_request_id()
    return options


def _options(fields: JobFields) -> JobOptions:
    check_names(fields, _JOB_NAMES)
    values = {
        "request_id": fields.get("request_id") or "",
        "labels": to_labels(fields.get("labels")),
        "max_cost": to_money(fields.get("max_cost"), "max_cost"),
        "start_within": to_duration(fields.get("start_within"), "start_within"),
        "finish_within": to_duration(fields.get("finish_within"), "finish_within"),
        "validate_only": bool(fields.get("validate_only")),
        "apply_to_view": fields.get("apply_to_view") or "",
    }
    return filled(JobOptions, values)


def estimate_request(spec: VideoSpec | ImageSpec, models: Sequence[str]) -> EstimateCostRequest:
    """Prices `spec` on `models`, or on its own."""
    name = "video" if isinstance(spec, VideoSpec) else "image"
    return filled(EstimateCostRequest, {name: spec, "models": items_of(models)})


def watch_request(wanted: WatchFilter) -> WatchJobsRequest:
    """The request of a watch."""
    check_names(wanted, WatchFilter.__optional_keys__)
    values = {
        "resume_token": wanted.get("resume_token") or "",
        "job_ids": items_of(wanted.get("job_ids")),
        "labels": label_filter(wanted.get("labels")),
        "recent": to_duration(wanted.get("recent"), "recent"),
        "checkpoint_interval": to_duration(
            wanted.get("checkpoint_interval"), "checkpoint_interval"
        ),
        "progress_interval": to_duration(wanted.get("progress_interval"), "progress_interval"),
        "until_done": bool(wanted.get("until_done")),
        "batch_id": wanted.get("batch_id") or "",
        "include": [
            enum_number(one, WatchJobsRequest.Include.DESCRIPTOR, "include")
            for one in items_of(wanted.get("include"))
        ],
    }
    return filled(WatchJobsRequest, values)


def notifications_request(
    kinds: Iterable[Notification.Kind | str], unread: bool, limit: int | None
) -> ListNotificationsRequest:
    """The first page of notifications."""
    values = {
        "kinds": [enum_number(k, Notification.Kind.DESCRIPTOR, "kinds") for k in items_of(kinds)],
        "unread": unread,
        "page_size": _page_size(limit),
    }
    return filled(ListNotificationsRequest, values)


def mark_read_request(
    notification_ids: Iterable[str], until: datetime | None, announcement_ids: Iterable[str]
) -> MarkNotificationsReadRequest:
    """Marks those as read, or all that were made up to `until`."""
    values = {
        "notification_ids": items_of(notification_ids),
        "until_time": to_timestamp(until, "until"),
        "announcement_ids": items_of(announcement_ids),
    }
    return filled(MarkNotificationsReadRequest, values)


def delete_notifications_request(
    notification_ids: Iterable[str], until: datetime | None
) -> DeleteNotificationsRequest:
    """Deletes those, or all that were made up to `until`."""
    values = {
        "notification_ids": items_of(notification_ids),
        "until_time": to_timestamp(until, "until"),
    }
    return filled(DeleteNotificationsRequest, values)


def notification_settings_request(
    kinds: Iterable[Notification.Kind | str] | None,
    digest_after: Seconds | None,
    budget_alert_percents: Iterable[int] | None,
) -> UpdateNotificationSettingsRequest:
    """Changes the settings that are not None."""
    given: dict[str, Any] = {}
    if kinds is not None:
        given["kinds"] = [
            enum_number(k, Notification.Kind.DESCRIPTOR, "kinds") for k in items_of(kinds)
        ]
    if digest_after is not None:
        given["digest_after"] = to_duration(digest_after, "digest_after")
    if budget_alert_percents is not None:
        given["budget_alert_percents"] = list(budget_alert_percents)
    request = UpdateNotificationSettingsRequest(settings=filled(NotificationSettings, given))
    request.update_mask.paths.extend(given)
    return request


def message_request(
    user_id: str,
    title: str,
    text: str,
    severity: Notification.Severity | str | None,
    action: Mapping[str, str] | None,
    request_id: str,
) -> CreateNotificationRequest:
    """A message to one user."""
    values: dict[str, Any] = {"user_id": user_id, "title": title, "text": text}
    values |= {"request_id": request_id, "action": dict(action) if action else None}
    if severity is not None:
        descriptor = Notification.Severity.DESCRIPTOR
        values["severity"] = enum_number(severity, descriptor, "severity")
    return filled(CreateNotificationRequest, values)


def jobs_request(
    states: Iterable[Job.State | str],
    labels: Mapping[str, str] | None,
    limit: int | None,
    batch_id: str = "",
) -> ListJobsRequest:
    """The first page of jobs; every label and any of the states must match."""
    values = {
        "states": [enum_number(s, Job.State.DESCRIPTOR, "states") for s in items_of(states)],
        "labels": label_filter(labels),
        "batch_id": batch_id,
        "page_size": _page_size(limit),
    }
    return filled(ListJobsRequest, values)


def library_request(wanted: LibraryFilter, limit: int | None) -> ListMediaRequest:
    """The first page of the library."""
    check_names(wanted, LibraryFilter.__optional_keys__)
    values: dict[str, Any] = {
        **wanted,
        "labels": label_filter(wanted.get("labels")),
        "create_time_from": to_timestamp(wanted.get("create_time_from"), "create_time_from"),
        "create_time_until": to_timestamp(wanted.get("create_time_until"), "create_time_until"),
        "url_ttl": to_duration(wanted.get("url_ttl"), "url_ttl"),
        "page_size": _page_size(limit),
    }
    if (kind := wanted.get("type")) is not None:
        values["type"] = enum_number(kind, Media.Type.DESCRIPTOR, "type")
    return filled(ListMediaRequest, values)


def batch_delete_request(media_ids: Sequence[str], permanent: bool) -> BatchDeleteMediaRequest:
    """Deletes all of them, or none."""
    values = {"media_ids": items_of(media_ids), "permanent": permanent}
    return filled(BatchDeleteMediaRequest, values)


def export_request(media_ids: Sequence[str], url_ttl: Seconds | None) -> CreateExportRequest:
    """The address of a ZIP of the items."""
    values = {"media_ids": items_of(media_ids), "url_ttl": to_duration(url_ttl, "url_ttl")}
    return filled(CreateExportRequest, values)


def update_request(
    media_id: str,
    title: str | None,
    starred: bool | None,
    labels: Mapping[str, str] | None,
) -> UpdateMediaRequest:
    """Changes what is not None; a label with an empty value is removed."""
    values = {
        "media_id": media_id,
        "title": title,
        "starred": starred,
        "labels": to_labels(labels),
    }
    return filled(UpdateMediaRequest, values)


def usage_request(
    by: Iterable[GetUsageRequest.GroupBy | str],
    start_time: datetime | None,
    end_time: datetime | None,
    values: Mapping[str, Any],
) -> GetUsageRequest:
    """The first page of usage; `values` are fields that need no change."""
    kind = GetUsageRequest.GroupBy.DESCRIPTOR
    values = {
        **values,
        "group_by": [enum_number(key, kind, "by") for key in items_of(by)],
        "start_time": to_timestamp(start_time, "start_time"),
        "end_time": to_timestamp(end_time, "end_time"),
        "page_size": MAX_PAGE_SIZE,
    }
    return filled(GetUsageRequest, values)


def budget_request(user_id: str) -> GetBudgetRequest:
    """The budgets of a user; without a name, of the caller."""
    return filled(GetBudgetRequest, {"user_id": user_id})


def api_key_request(
    label: str, scopes: Iterable[str], expire_time: datetime | None
) -> CreateApiKeyRequest:
    """The call for a new API key."""
    values = {
        "label": label,
        "scopes": items_of(scopes),
        "expire_time": to_timestamp(expire_time, "expire_time"),
    }
    return filled(CreateApiKeyRequest, values)


def api_keys_request(limit: int | None) -> ListApiKeysRequest:
    """The first page of API keys."""
    return ListApiKeysRequest(page_size=_page_size(limit))


def next_page(request: Listing, token: str) -> Listing:
    """The same listing, from `token` on."""
    following = type(request)()
    following.CopyFrom(request)
    following.page_token = token
    return following


def announcement_request(
    title: str,
    text: str,
    severity: Notification.Severity | str | None,
    uri: str,
    expire_time: datetime | None,
    request_id: str,
) -> CreateAnnouncementRequest:
    """A message to all users."""
    values: dict[str, Any] = {"title": title, "text": text, "uri": uri, "request_id": request_id}
    values["expire_time"] = to_timestamp(expire_time, "expire_time")
    if severity is not None:
        descriptor = Notification.Severity.DESCRIPTOR
        values["severity"] = enum_number(severity, descriptor, "severity")
    return filled(CreateAnnouncementRequest, values)


def announcements_request(unread: bool, limit: int | None) -> ListAnnouncementsRequest:
    """The first page of announcements."""
    return filled(ListAnnouncementsRequest, {"unread": unread, "page_size": _page_size(limit)})


def too_large(fields: VideoJob | ImageJob | SpecChanges) -> list[tuple[str, int, MediaSource]]:
    """The inputs that are to be uploaded, because a request can't hold all of them: the field, its
    place in a list, and the source. The largest come first."""
    given: Mapping[str, Any] = fields
    found = [(name, 0, given[name]) for name in _INPUTS if given.get(name) is not None]
    references = enumerate(items_of(given.get("references")))
    found += [("references", number, source) for number, source in references]
    sized = sorted(((content_size(item[2]), item) for item in found), key=lambda one: -one[0])
    total = sum(size for size, _ in sized)
    large = []
    for size, item in sized:
        if total <= INLINE_BYTES:
            break
        total -= size
        large.append(item)
    return large


def put_input(
    fields: VideoJob | ImageJob | SpecChanges, name: str, number: int, media: Media
) -> None:
    """Puts an item of the library in the place of an input."""
    given: dict[str, Any] = fields  # type: ignore[assignment]
    if name == "references":
        sources = items_of(given[name])
        given[name] = [*sources[:number], media, *sources[number + 1 :]]
    else:
        given[name] = media


def views_request(prefix: str, limit: int | None, url_ttl: Seconds | None) -> ListViewsRequest:
    """The first page of views."""
    values = {
        "prefix": prefix,
        "page_size": _page_size(limit),
        "url_ttl": to_duration(url_ttl, "url_ttl"),
    }
    return filled(ListViewsRequest, values)


def view_request(view: str, url_ttl: Seconds | None) -> GetViewRequest:
    """What a view shows."""
    return filled(GetViewRequest, {"view": view, "url_ttl": to_duration(url_ttl, "url_ttl")})


def apply_view_request(view: str, media_id: str, looping: bool | None) -> ApplyViewRequest:
    """Makes a view show a media item."""
    return filled(ApplyViewRequest, {"view": view, "media_id": media_id, "looping": looping})


def share_request(
    media_id: str, user_id: str, expire: datetime | None, message: str, with_recipe: bool
) -> CreateShareRequest:
    """A share with a user."""
    values = {
        "media_id": media_id,
        "user_id": user_id,
        "expire_time": to_timestamp(expire, "expire_time"),
        "message": message,
        "with_recipe": with_recipe,
    }
    return filled(CreateShareRequest, values)


def share_link_request(media_id: str, expire: datetime | None) -> CreateShareRequest:
    """A share by link."""
    expire_time = to_timestamp(expire, "expire_time")
    return filled(
        CreateShareRequest, {"media_id": media_id, "link": True, "expire_time": expire_time}
    )


def shares_request(media_id: str, ended: bool, limit: int | None) -> ListSharesRequest:
    """The first page of the caller's shares with others."""
    values = {"media_id": media_id, "ended": ended, "page_size": _page_size(limit)}
    return filled(ListSharesRequest, values)


def shared_media_request(
    type: Media.Type | str | None, limit: int | None, url_ttl: Seconds | None
) -> ListSharedMediaRequest:
    """The first page of what others share with the caller."""
    values = {
        "type": None if type is None else enum_number(type, Media.Type.DESCRIPTOR, "type"),
        "page_size": _page_size(limit),
        "url_ttl": to_duration(url_ttl, "url_ttl"),
    }
    return filled(ListSharedMediaRequest, values)


def create_webhook_request(
    url: str,
    kinds: Iterable[Webhook.Kind | str],
    labels: Mapping[str, str] | None,
    description: str,
) -> CreateWebhookRequest:
    """The call for a new webhook."""
    values = {
        "url": url,
        "kinds": _webhook_kinds(kinds),
        "labels": label_filter(labels),
        "description": description,
    }
    return filled(CreateWebhookRequest, values)


def update_webhook_request(
    webhook_id: str,
    url: str | None,
    kinds: Iterable[Webhook.Kind | str] | None,
    labels: Mapping[str, str] | None,
    description: str | None,
    enabled: bool | None,
) -> UpdateWebhookRequest:
    """A change of what is given; it may be empty."""
    given: dict[str, Any] = {
        "url": url,
        "kinds": None if kinds is None else _webhook_kinds(kinds),
        "labels": None if labels is None else label_filter(labels),
        "description": description,
    }
    if enabled is not None:
        given["state"] = Webhook.ENABLED if enabled else Webhook.DISABLED
    given = {name: value for name, value in given.items() if value is not None}
    request = UpdateWebhookRequest(webhook_id=webhook_id, webhook=filled(Webhook, given))
    request.update_mask.paths.extend(given)
    return request


def webhook_deliveries_request(
    webhook_id: str, states: Iterable[WebhookDelivery.State | str], limit: int | None
) -> ListWebhookDeliveriesRequest:
    """The first page of deliveries."""
    descriptor = WebhookDelivery.State.DESCRIPTOR
    values = {
        "webhook_id": webhook_id,
        "states": [enum_number(state, descriptor, "states") for state in items_of(states)],
        "page_size": _page_size(limit),
    }
    return filled(ListWebhookDeliveriesRequest, values)


def unsettled_request(limit: int | None) -> ListUnsettledSubmitsRequest:
    """The first page of unsettled submits."""
    return ListUnsettledSubmitsRequest(page_size=_page_size(limit))


def resolve_request(
    job_id: str, operation: str, charged: Amount | bool, not_charged: bool
) -> ResolveJobRequest:
    """What was found at the provider: one of the three."""
    # An amount of 0 is a charge too.
    is_charged = charged is not False
    if (bool(operation), is_charged, not_charged).count(True) != 1:
        raise InvalidArgument("verdict", "give one of operation, charged and not_charged")
    if operation:
        return filled(ResolveJobRequest, {"job_id": job_id, "operation": operation})
    if not_charged:
        verdict = ResolveJobRequest.NotCharged()
        return filled(ResolveJobRequest, {"job_id": job_id, "not_charged": verdict})
    amount = None if charged is True else to_money(charged, "charged")
    return filled(
        ResolveJobRequest,
        {"job_id": job_id, "charged": ResolveJobRequest.Charged(amount=amount)},
    )


def budgets_request(limit: int | None) -> ListBudgetsRequest:
    """The first page of all budgets."""
    return ListBudgetsRequest(page_size=_page_size(limit))


def set_budget_request(
    owner: Budget.Owner | str, period: Budget.Period | str, limit: Amount | None, user_id: str
) -> SetBudgetRequest:
    """A limit, or none."""
    values = {
        "owner": enum_number(owner, Budget.Owner.DESCRIPTOR, "owner"),
        "period": enum_number(period, Budget.Period.DESCRIPTOR, "period"),
        "limit": to_money(limit, "limit"),
        "user_id": user_id,
    }
    return filled(SetBudgetRequest, values)


def _webhook_kinds(kinds: Iterable[Webhook.Kind | str]) -> list[int]:
    return [enum_number(kind, Webhook.Kind.DESCRIPTOR, "kinds") for kind in items_of(kinds)]


def _page_size(limit: int | None) -> int:
    return PAGE_SIZE if limit is None else max(1, min(limit, MAX_PAGE_SIZE))


def _parted(fields: VideoJob | ImageJob) -> tuple[Any, Any]:
    """What of the fields is the spec's, and what the job's."""
    options = {name: value for name, value in fields.items() if name in _JOB_NAMES}
    return {name: value for name, value in fields.items() if name not in options}, options


def _spec_fields(fields: VideoFields | ImageFields) -> dict[str, Any]:
    """The fields that are given, as the message takes them."""
    values: dict[str, Any] = {n: value for n, value in fields.items() if value is not None}
    if "quality" in values:
        values["quality"] = enum_number(values["quality"], Model.Quality.DESCRIPTOR, "quality")
    if "duration" in values:
        values["duration"] = to_duration(values["duration"], "duration")
    for name in _INPUTS:
        if name in values:
            values[name] = media_input(values[name], name)
    sources = items_of(values.get("references"))
    values["references"] = [
        media_input(source, f"references[{number}]") for number, source in enumerate(sources)
    ]
    return values
