"""All tables and indexes, nothing else. Times in ms, JSON as text, money in micro-units."""

from peewee import (
    SQL,
    BigIntegerField,
    BooleanField,
    CompositeKey,
    IntegerField,
    Model,
    TextField,
)


class Meta(Model):
    """Facts about this database; `epoch` names its history and is renewed by a restore."""

    name = TextField(primary_key=True)
    value = TextField()

    class Meta:
        table_name = "meta"


class UserStream(Model):
    """A user's revision. Its row is the mutex of everything that makes a change of the user."""

    user_id = TextField(primary_key=True)
    revision = BigIntegerField(default=0)
    last_turn = BigIntegerField(default=0)
    # How many jobs of the user run, and whether those are as many as may (`core.store.flows`).
    running = IntegerField(default=0)
    busy = BooleanField(default=False)
    # Of the user's notifications (`core.store.notifications`).
    unread = IntegerField(default=0)
    notification_count = IntegerField(default=0)
    notification_settings = TextField(default="")
    # When a watch with notifications was open last; kept only where a digest may be made.
    watched_time = BigIntegerField(null=True)
    # Which webhooks are on, as JSON (`core.webhooks.Hook`); empty for none.
    webhooks = TextField(default="")

    class Meta:
        table_name = "user_stream"


class FlowRow(Model):
    """What a user has waiting in one queue for one provider (`core.store.flows`).

    `turn` and `job_id` are those of the first job, `last_turn` is that of the last one.
    """

    user_id = TextField()
    queue = TextField()
    provider = TextField()
    waiting = IntegerField()
    turn = BigIntegerField()
    job_id = TextField()
    last_turn = BigIntegerField()
    busy = BooleanField()

    class Meta:
        table_name = "flow"
        primary_key = CompositeKey("user_id", "queue", "provider")


class QueueRanks(Model):
    """The order of a long queue at one moment, as JSON; `took_ms` is what the count of it took."""

    queue = TextField(primary_key=True)
    publish_time = BigIntegerField()
    took_ms = IntegerField()
    ranks = TextField()

    class Meta:
        table_name = "queue_ranks"


class JobRow(Model):
    """A job: the truth about it."""

    job_id = TextField(primary_key=True)
    user_id = TextField()
    kind = TextField()
    queue = TextField()
    spec = TextField()
    labels = TextField()
    provider = TextField()
    model = TextField()
    state = TextField()
    step = TextField()
    operation = TextField(default="")
    revision = BigIntegerField()
    # The run: `fence` rises at every claim and is in every write's WHERE; `attempt` is shown.
    fence = BigIntegerField(default=0)
    attempt = IntegerField(default=0)
    worker_id = TextField(null=True)
    lease_expire_time = BigIntegerField(null=True)
    next_run_time = BigIntegerField(null=True)
    turn = BigIntegerField()
    # As of the last heartbeat; the stream carries the fast ticks.
    stage = TextField()
    percent = IntegerField(default=0)
    # Whether it comes from the model's past durations, because the provider says nothing.
    percent_estimated = BooleanField(default=False)
    progress_message = TextField(default="")
    failure = TextField(null=True)
    # The record of a job whose kind makes no media items (`core.kinds.RecordResult`).
    result = TextField(null=True)
    cost_state = TextField()
    cost_estimated = BigIntegerField()
    cost_actual = BigIntegerField(null=True)
    price_revision = TextField()
    # Whether a submit may have spent money: an intent is open, unknown or accepted.
    at_risk = BooleanField(default=False)
    # How often in a row the provider was not to be had; sets the back-off.
    tries = IntegerField(default=0)
    cancel_request_time = BigIntegerField(null=True)
    cancel_reason = TextField(default="")
    retry_of = TextField(default="")
    request_id = TextField(default="")
    # The view that the first output is applied to, and the revision at which that was wished.
    apply_to_view = TextField(default="")
    wish = BigIntegerField(default=0)
    # The same for all jobs of one batch; empty: of none.
    batch_id = TextField(default="")
    final_prompt = TextField(default="")
    # What the provider calls the model.
    provider_model = TextField(default="")
    create_time = BigIntegerField()
    start_time = BigIntegerField(null=True)
    # When the submit was sent that the provider accepted; later than the start where others failed.
    submit_time = BigIntegerField(null=True)
    end_time = BigIntegerField(null=True)
    start_deadline = BigIntegerField(null=True)
    finish_deadline = BigIntegerField(null=True)

    class Meta:
        table_name = "job"


class JobLabel(Model):
    """One "key=value" of a job, for filters; newest first by its key."""

    user_id = TextField()
    label = TextField()
    create_time = BigIntegerField()
    job_id = TextField()

    class Meta:
        table_name = "job_label"
        primary_key = CompositeKey("user_id", "label", "create_time", "job_id")


class JobEvent(Model):
    """A durable change of a user, at one revision; an event of a job is one kind of them.

    The table keeps the name that it had when there was no other kind. `job_id` is empty for a
    change that is not about a job.
    """

    user_id = TextField()
    revision = BigIntegerField()
    job_id = TextField()
    event_time = BigIntegerField()
    payload = TextField()
    kind = TextField(default="job")

    class Meta:
        table_name = "job_event"
        primary_key = CompositeKey("user_id", "revision")


class IntentRow(Model):
    """A submit that may cost money, written before it is sent; at most one per job is unsettled."""

    job_id = TextField()
    number = IntegerField()
    user_id = TextField()
    worker_id = TextField()
    provider = TextField()
    model = TextField()
    micros = BigIntegerField()
    outcome = TextField()
    operation = TextField(default="")
    create_time = BigIntegerField()
    outcome_time = BigIntegerField(null=True)

    class Meta:
        table_name = "intent"
        primary_key = CompositeKey("job_id", "number")


class BudgetRow(Model):
    """How much an owner may spend in each day or month."""

    owner = TextField()
    period = TextField()
    limit_micros = BigIntegerField()

    class Meta:
        table_name = "budget"
        primary_key = CompositeKey("owner", "period")


class SpendingRow(Model):
    """What an owner has reserved and spent in one day ("2026-11-21") or month ("2026-11"), UTC."""

    owner = TextField()
    span = TextField()
    reserved = BigIntegerField()
    spent = BigIntegerField()
    # The percentage of the budget at which its user was told last.
    alerted = IntegerField(default=0)

    class Meta:
        table_name = "spending"
        primary_key = CompositeKey("owner", "span")


class UsageDay(Model):
    """A user's money and jobs of one day ("2026-11-21") and model (`core.store.usage_days`)."""

    user_id = TextField()
    day = TextField()
    model = TextField()
    charged = BigIntegerField()
    reserved = BigIntegerField()
    uncertain = BigIntegerField()
    unfinished = BigIntegerField()
    succeeded = BigIntegerField()
    failed = BigIntegerField()
    cancelled = BigIntegerField()

    class Meta:
        table_name = "usage_day"
        primary_key = CompositeKey("user_id", "day", "model")


class ApiKeyRow(Model):
    """An API key, by the hash of its secret; `end_time` is when it stops to work."""

    api_key_id = TextField(primary_key=True)
    user_id = TextField()
    label = TextField()
    secret_prefix = TextField()
    secret_hash = TextField()
    scopes = TextField()
    create_time = BigIntegerField()
    expire_time = BigIntegerField()
    end_time = BigIntegerField()
    last_use_time = BigIntegerField(null=True)
    revoke_time = BigIntegerField(null=True)

    class Meta:
        table_name = "api_key"


class WebhookRow(Model):
    """An address that gets a user's events (`core.webhooks.Webhook`)."""

    webhook_id = TextField(primary_key=True)
    user_id = TextField()
    url = TextField()
    kinds = TextField()
    labels = TextField()
    description = TextField()
    state = TextField()
    create_time = BigIntegerField()
    enable_time = BigIntegerField()
    success_time = BigIntegerField(null=True)
    failing_time = BigIntegerField(null=True)
    failure_count = IntegerField(default=0)
    salt = TextField()
    former_salt = TextField(default="")
    former_until = BigIntegerField(default=0)

    class Meta:
        table_name = "webhook"


class DeliveryRow(Model):
    """The outbox: one kind of one event for one webhook (`core.webhooks.Delivery`)."""

    delivery_id = TextField(primary_key=True)
    webhook_id = TextField()
    user_id = TextField()
    kind = TextField()
    revision = BigIntegerField()
    job_id = TextField()
    state = TextField()
    create_time = BigIntegerField()
    next_try_time = BigIntegerField(null=True)
    fence = IntegerField(default=0)
    once = BooleanField(default=False)
    try_count = IntegerField(default=0)
    try_time = BigIntegerField(null=True)
    response_status = IntegerField(default=0)
    response_text = TextField(default="")
    response_ms = BigIntegerField(null=True)
    error = TextField(default="")

    class Meta:
        table_name = "delivery"


class CircuitRow(Model):
    """How a provider fares: after failures in a row nothing is sent to it for a while."""

    provider = TextField(primary_key=True)
    failures = IntegerField()
    open_until = BigIntegerField()
    submit_failed = BooleanField(default=False)
    trial = TextField(default="")

    class Meta:
        table_name = "circuit"


class RequestKey(Model):
    """A request_id that was used, and for what."""

    user_id = TextField()
    request_id = TextField()
    fingerprint = TextField()
    job_id = TextField()
    expire_time = BigIntegerField()

    class Meta:
        table_name = "request_key"
        primary_key = CompositeKey("user_id", "request_id")


class MediaRow(Model):
    """A media item whose bytes are whole in the blob store."""

    media_id = TextField(primary_key=True)
    user_id = TextField()
    job_id = TextField(default="")
    output_index = IntegerField(default=0)
    type = TextField()
    mime_type = TextField()
    size_bytes = BigIntegerField()
    sha256 = TextField()
    width = IntegerField()
    height = IntegerField()
    duration_ms = BigIntegerField(null=True)
    blob_key = TextField()
    thumbnail_key = TextField(default="")
    title = TextField(default="")
    prompt = TextField(default="")
    revised_prompt = TextField(default="")
    seed = BigIntegerField(null=True)
    provider = TextField(default="")
    model = TextField(default="")
    cost_micros = BigIntegerField(null=True)
    generation_ms = BigIntegerField(null=True)
    labels = TextField()
    starred = BooleanField(default=False)
    has_content_credentials = BooleanField(default=False)
    create_time = BigIntegerField()
    delete_time = BigIntegerField(null=True)
    purge_time = BigIntegerField(null=True)
    # The item's number in the index. While it has none, `terms` has its words, with spaces.
    ordinal = BigIntegerField(null=True)
    terms = TextField(null=True)

    class Meta:
        table_name = "media"


class RecipeRow(Model):
    """How an item was made (`core.recipes`); what is not here, its row in `media` has."""

    media_id = TextField(primary_key=True)
    kind = TextField()
    spec = TextField()
    inputs = TextField(default="[]")
    final_prompt = TextField(default="")
    provider_model = TextField(default="")
    price_revision = TextField(default="")
    submit_time = BigIntegerField(null=True)
    rushes_version = TextField(default="")
    format = IntegerField()

    class Meta:
        table_name = "recipe"


class ExportRow(Model):
    """Items that a signed address gives as a ZIP (`core.store.exports`). `media_ids` is JSON."""

    export_id = TextField(primary_key=True)
    user_id = TextField()
    media_ids = TextField()
    create_time = BigIntegerField()
    expire_time = BigIntegerField()

    class Meta:
        table_name = "export"


class UploadRow(Model):
    """An upload that is not finished (`core.uploads`). `parts` is JSON: each its key and size."""

    media_id = TextField(primary_key=True)
    user_id = TextField()
    size_bytes = BigIntegerField()
    sha256 = TextField()
    parts = TextField()
    kept_bytes = BigIntegerField()
    fence = BigIntegerField()
    # Until then only the receiver with this fence may add; NULL when it let go.
    lease_expire_time = BigIntegerField(null=True)
    expire_time = BigIntegerField()

    class Meta:
        table_name = "upload"


class UserStorage(Model):
    """Bytes of the user's media items (`core.store.usage`)."""

    user_id = TextField(primary_key=True)
    used_bytes = BigIntegerField()

    class Meta:
        table_name = "user_storage"


class NotificationRow(Model):
    """A durable message to one user; a job has one, which moves on with it."""

    notification_id = TextField(primary_key=True)
    user_id = TextField()
    kind = TextField()
    severity = TextField()
    title = TextField()
    text = TextField()
    action = TextField(default="")
    job_id = TextField(default="")
    batch_id = TextField(default="")
    sender = TextField(default="")
    counts = TextField(default="")
    create_time = BigIntegerField()
    read_time = BigIntegerField(null=True)
    revision = BigIntegerField()

    class Meta:
        table_name = "notification"


class AnnouncementRow(Model):
    """A message to all users. A deleted one stays for a day, so that every server sees it go."""

    announcement_id = TextField(primary_key=True)
    severity = TextField()
    title = TextField()
    text = TextField()
    uri = TextField(default="")
    create_time = BigIntegerField()
    expire_time = BigIntegerField(null=True)
    # When it was made or deleted.
    change_time = BigIntegerField()
    is_deleted = BooleanField(default=False)

    class Meta:
        table_name = "announcement"


class AnnouncementRead(Model):
    """A user has read an announcement."""

    user_id = TextField()
    announcement_id = TextField()
    read_time = BigIntegerField()

    class Meta:
        table_name = "announcement_read"
        primary_key = CompositeKey("user_id", "announcement_id")


class ViewRow(Model):
    """What a view shows. `wish` is the revision of the wish that it follows: the newest wins."""

    user_id = TextField()
    view = TextField()
    media_id = TextField(default="")
    looping = BooleanField(default=False)
    job_id = TextField(default="")
    apply_time = BigIntegerField()
    deleted_media_id = TextField(default="")
    wish = BigIntegerField()

    class Meta:
        table_name = "view"
        primary_key = CompositeKey("user_id", "view")


class ShareRow(Model):
    """A share with a user, or by a link without `user_id` (`core.store.shares`)."""

    share_id = TextField(primary_key=True)
    media_id = TextField()
    media_type = TextField()
    owner_user_id = TextField()
    user_id = TextField(default="")
    message = TextField(default="")
    with_recipe = BooleanField(default=False)
    create_time = BigIntegerField()
    expire_time = BigIntegerField()
    revoke_time = BigIntegerField(null=True)
    end_time = BigIntegerField()
    ended = BooleanField(default=False)

    class Meta:
        table_name = "share"


class MediaSegment(Model):
    """Ordinals that one user's items got together, and from when until when these items are."""

    user_id = TextField()
    first_time = BigIntegerField()
    first_ordinal = BigIntegerField()
    last_time = BigIntegerField()
    last_id = TextField()

    class Meta:
        table_name = "media_segment"
        primary_key = CompositeKey("user_id", "first_time", "first_ordinal")


class MediaPosting(Model):
    """Which items of a block of ordinals have a token (`core.store.postings`)."""

    token = BigIntegerField()
    block = BigIntegerField()
    items = TextField()

    class Meta:
        table_name = "media_posting"
        primary_key = CompositeKey("token", "block")


class WorkerRow(Model):
    """A worker process; one without a fresh heartbeat is dead."""

    worker_id = TextField(primary_key=True)
    host = TextField()
    pid = IntegerField()
    queues = TextField()
    start_time = BigIntegerField()
    heartbeat_time = BigIntegerField()
    # What it says of itself: the runs that it may have at once and has, and the version of Rushes.
    threads = IntegerField(default=0)
    running = IntegerField(default=0)
    version = TextField(default="")
    # Since when it shall take no more jobs and end.
    drain_time = BigIntegerField(null=True)

    class Meta:
        table_name = "worker"


class QueuePauseRow(Model):
    """A queue in which no job starts. `reason` is what users are told."""

    queue = TextField(primary_key=True)
    reason = TextField()
    pause_time = BigIntegerField()

    class Meta:
        table_name = "queue_pause"


class LeaderRow(Model):
    """The leader of a duty. It has a lease: a frozen leader would keep an advisory lock."""

    name = TextField(primary_key=True)
    owner = TextField()
    lease_expire_time = BigIntegerField()

    class Meta:
        table_name = "leader"


JobRow.add_index(SQL("CREATE INDEX job_user ON job (user_id, create_time, job_id)"))
JobRow.add_index(SQL("CREATE INDEX job_user_state ON job (user_id, state, create_time, job_id)"))
JobRow.add_index(
    SQL("CREATE INDEX job_user_ended ON job (user_id, end_time) WHERE end_time IS NOT NULL")
)
JobRow.add_index(
    SQL("CREATE INDEX job_batch ON job (batch_id, create_time, job_id) WHERE batch_id <> ''")
)
JobRow.add_index(SQL("CREATE INDEX job_uncertain ON job (job_id) WHERE cost_state = 'UNCERTAIN'"))
JobRow.add_index(
    SQL("CREATE INDEX job_waiting ON job (queue, turn, job_id) WHERE state = 'QUEUED'")
)
JobRow.add_index(
    SQL(
        "CREATE INDEX job_flow ON job (user_id, queue, provider, turn, job_id)"
        " WHERE state = 'QUEUED'"
    )
)
JobRow.add_index(
    SQL(
        "CREATE INDEX job_unfinished ON job (queue, state, user_id)"
        " WHERE state IN ('QUEUED', 'RUNNING', 'RECONCILING')"
    )
)
JobRow.add_index(
    SQL(
        "CREATE INDEX job_live ON job (create_time, job_id)"
        " WHERE state IN ('QUEUED', 'RUNNING', 'RECONCILING')"
    )
)
JobRow.add_index(
    SQL(
        "CREATE INDEX job_due ON job (queue, next_run_time)"
        " WHERE state IN ('RUNNING', 'RECONCILING') AND (step <> 'POLL' OR state = 'RECONCILING')"
    )
)
FlowRow.add_index(
    SQL("CREATE INDEX flow_first ON flow (queue, provider, turn, job_id) WHERE NOT busy")
)
JobRow.add_index(
    SQL(
        # PostgreSQL would take it for a list of all such jobs if it did not ask for the deadline.
        "CREATE INDEX job_deadline ON job (finish_deadline)"
        " WHERE state IN ('QUEUED', 'RUNNING', 'RECONCILING') AND finish_deadline IS NOT NULL"
    )
)
JobRow.add_index(SQL("CREATE INDEX job_ended ON job (end_time) WHERE end_time IS NOT NULL"))
JobRow.add_index(
    SQL(
        "CREATE INDEX job_start_deadline ON job (start_deadline)"
        " WHERE state = 'QUEUED' AND start_deadline IS NOT NULL"
    )
)
JobRow.add_index(
    SQL("CREATE INDEX job_poll ON job (next_run_time) WHERE state = 'RUNNING' AND step = 'POLL'")
)
JobRow.add_index(SQL("CREATE INDEX job_reached ON job (queue, turn) WHERE start_time IS NOT NULL"))
JobRow.add_index(
    SQL(
        "CREATE INDEX job_view ON job (user_id, apply_to_view) "
        "WHERE apply_to_view <> '' AND state IN ('QUEUED', 'RUNNING', 'RECONCILING')"
    )
)
JobRow.add_index(SQL("CREATE INDEX job_model ON job (model, end_time) WHERE state = 'SUCCEEDED'"))
JobLabel.add_index(SQL("CREATE INDEX job_label_job ON job_label (job_id)"))
SpendingRow.add_index(
    SQL("CREATE INDEX spending_day ON spending (span, owner) WHERE length(span) > 7")
)
SpendingRow.add_index(
    SQL("CREATE INDEX spending_month ON spending (span, owner) WHERE length(span) = 7")
)
UsageDay.add_index(SQL("CREATE INDEX usage_day_day ON usage_day (day)"))
ApiKeyRow.add_index(SQL("CREATE UNIQUE INDEX api_key_secret ON api_key (secret_hash)"))
ApiKeyRow.add_index(SQL("CREATE INDEX api_key_user ON api_key (user_id, create_time, api_key_id)"))
ApiKeyRow.add_index(SQL("CREATE INDEX api_key_working ON api_key (user_id, end_time)"))
ApiKeyRow.add_index(SQL("CREATE INDEX api_key_end ON api_key (end_time)"))
WebhookRow.add_index(SQL("CREATE INDEX webhook_user ON webhook (user_id, create_time, webhook_id)"))
DeliveryRow.add_index(
    SQL("CREATE INDEX delivery_due ON delivery (next_try_time) WHERE state = 'PENDING'")
)
DeliveryRow.add_index(
    SQL(
        "CREATE INDEX delivery_pending ON delivery (webhook_id, next_try_time)"
        " WHERE state = 'PENDING'"
    )
)
DeliveryRow.add_index(
    SQL("CREATE INDEX delivery_webhook ON delivery (webhook_id, state, create_time, delivery_id)")
)
DeliveryRow.add_index(SQL("CREATE INDEX delivery_time ON delivery (create_time)"))
IntentRow.add_index(
    SQL(
        "CREATE INDEX intent_unsettled ON intent (create_time) WHERE outcome IN ('OPEN', 'UNKNOWN')"
    )
)
JobEvent.add_index(SQL("CREATE INDEX job_event_job ON job_event (job_id, revision)"))
JobEvent.add_index(SQL("CREATE INDEX job_event_time ON job_event (event_time)"))
RequestKey.add_index(SQL("CREATE INDEX request_key_expire ON request_key (expire_time)"))
MediaRow.add_index(
    SQL("CREATE UNIQUE INDEX media_ordinal ON media (ordinal) WHERE ordinal IS NOT NULL")
)
MediaRow.add_index(
    SQL(
        "CREATE INDEX media_unindexed ON media (user_id, create_time, media_id)"
        " WHERE ordinal IS NULL"
    )
)
MediaRow.add_index(
    SQL("CREATE UNIQUE INDEX media_output ON media (job_id, output_index) WHERE job_id <> ''")
)
MediaRow.add_index(
    SQL("CREATE INDEX media_purge ON media (purge_time) WHERE purge_time IS NOT NULL")
)
NotificationRow.add_index(
    SQL("CREATE INDEX notification_user ON notification (user_id, revision, notification_id)")
)
NotificationRow.add_index(
    SQL(
        "CREATE INDEX notification_unread ON notification (user_id, revision, notification_id)"
        " WHERE read_time IS NULL"
    )
)
NotificationRow.add_index(
    SQL("CREATE UNIQUE INDEX notification_job ON notification (job_id) WHERE job_id <> ''")
)
NotificationRow.add_index(SQL("CREATE INDEX notification_time ON notification (create_time)"))
UserStream.add_index(
    SQL(
        "CREATE INDEX user_stream_many ON user_stream (notification_count)"
        " WHERE notification_count > 1000"
    )
)
AnnouncementRow.add_index(
    SQL("CREATE INDEX announcement_time ON announcement (create_time, announcement_id)")
)
AnnouncementRow.add_index(SQL("CREATE INDEX announcement_change ON announcement (change_time)"))
AnnouncementRead.add_index(
    SQL("CREATE INDEX announcement_read_by ON announcement_read (announcement_id)")
)
ViewRow.add_index(SQL("CREATE INDEX view_shown ON view (user_id, view) WHERE media_id <> ''"))
ViewRow.add_index(SQL("CREATE INDEX view_cleared ON view (apply_time) WHERE media_id = ''"))
ViewRow.add_index(SQL("CREATE INDEX view_media ON view (user_id, media_id) WHERE media_id <> ''"))
ViewRow.add_index(
    SQL(
        "CREATE INDEX view_deleted ON view (user_id, deleted_media_id) WHERE deleted_media_id <> ''"
    )
)
# The user comes last: SQLite without statistics takes an index that begins with him for lists.
MediaRow.add_index(SQL("CREATE INDEX media_hash ON media (sha256, user_id)"))
ShareRow.add_index(SQL("CREATE INDEX share_owner ON share (owner_user_id, create_time, share_id)"))
ShareRow.add_index(
    SQL(
        "CREATE INDEX share_lasting ON share (owner_user_id, create_time, share_id) WHERE NOT ended"
    )
)
ShareRow.add_index(SQL("CREATE INDEX share_item ON share (media_id, create_time, share_id)"))
ShareRow.add_index(
    SQL(
        "CREATE INDEX share_item_lasting ON share (media_id, create_time, share_id) WHERE NOT ended"
    )
)
ShareRow.add_index(
    SQL(
        "CREATE INDEX share_with ON share (user_id, create_time, share_id)"
        " WHERE user_id <> '' AND NOT ended"
    )
)
ShareRow.add_index(
    SQL(
        "CREATE INDEX share_with_type ON share (user_id, media_type, create_time, share_id)"
        " WHERE user_id <> '' AND NOT ended"
    )
)
ShareRow.add_index(
    SQL(
        "CREATE INDEX share_with_item ON share (user_id, media_id)"
        " WHERE user_id <> '' AND NOT ended"
    )
)
ShareRow.add_index(SQL("CREATE INDEX share_expired ON share (end_time) WHERE NOT ended"))
ShareRow.add_index(SQL("CREATE INDEX share_ended ON share (end_time) WHERE ended"))
ExportRow.add_index(SQL("CREATE INDEX export_user ON export (user_id, create_time, export_id)"))
ExportRow.add_index(SQL("CREATE INDEX export_expire ON export (expire_time)"))
UploadRow.add_index(SQL("CREATE INDEX upload_user ON upload (user_id)"))
UploadRow.add_index(
    SQL("CREATE UNIQUE INDEX upload_sha256 ON upload (user_id, sha256) WHERE sha256 <> ''")
)
UploadRow.add_index(SQL("CREATE INDEX upload_expire ON upload (expire_time)"))
MediaSegment.add_index(
    SQL("CREATE UNIQUE INDEX media_segment_ordinal ON media_segment (first_ordinal)")
)
