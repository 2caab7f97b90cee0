"""All settings: one frozen object that is read once from RUSHES_* variables.

Each setting has a default, a unit and a sentence. `python -m core.process.settings` prints the page
`docs/settings.md`; a test compares the two.
"""

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import quote

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.api_keys import KeyLimits
from core.errors import SettingsInvalid
from core.process.urls import is_address, is_host, is_listener, is_origin, may_carry_keys
from core.specs import QUEUE_NAME

RESUBMIT_POLICIES = ("never_resubmit", "resubmit_after_lookup")
WEBHOOKS = ("off", "loopback", "public")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
MAX_SIGNED_URL_TTL_SECONDS = 24 * 3600
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0.01)]


def _setting(default: Any, sentence: str, **options: Any) -> Any:
    return Field(default, description=sentence, **options)


class Settings(BaseSettings):
    """What an installation can choose.

    Raises:
        SettingsInvalid: by `read_settings`, when a value is wrong or two do not go together.
    """

    model_config = SettingsConfigDict(env_prefix="RUSHES_", frozen=True, extra="ignore")

    data_dir: Path = _setting(
        Path(".rushes"),
        "Folder for the database, blobs, keys, logs and sockets of one machine.",
    )
    port: Annotated[int, Field(ge=1, le=65535)] = _setting(
        8080, "Port on loopback that `make up` serves everything on."
    )
    public_url: str = _setting(
        "",
        "Address under which callers reach the edge; empty means http://localhost:{port}.",
    )
    database_url: str = _setting(
        "",
        "postgresql://user@host/name, or sqlite:///path; empty means SQLite in the data folder.",
    )
    database_connections: Count = _setting(16, "Database connections per process (PostgreSQL).")
    redis_url: str = _setting(
        DEFAULT_REDIS_URL,
        "Redis or Valkey 7+: redis://, rediss:// or unix:///path.",
    )
    redis_cluster: bool = _setting(False, "Whether `redis_url` names a node of a cluster.")
    stream_shards: Count = _setting(
        1, "Event streams that the users are spread over; the same for every process."
    )
    blob_url: str = _setting(
        "",
        "file:///path, s3://bucket/prefix, gs:// or az://; empty means the data folder.",
    )
    models_file: Path | None = _setting(None, "Model catalog to use instead of the packaged one.")

    grpc_listen: str = _setting(
        "127.0.0.1:50051", "Where a server process listens: host:port or unix:/path."
    )
    http_listen: str = _setting(
        "127.0.0.1:50052", "Where the HTTP process listens: host:port or unix:/path."
    )
    servers: str = _setting(
        "",
        "Where the HTTP process finds the server processes, with commas: host:port or unix:/path"
        " each; empty: RUSHES_GRPC_LISTEN.",
    )
    allowed_origins: str = _setting(
        "",
        "Origins, with commas, whose pages may call, such as https://app.example.com; empty: pages"
        " of this machine.",
    )
    server_processes: Count = _setting(1, "gRPC server processes that `make up` starts.")
    worker_processes: Count = _setting(2, "Worker processes that `make up` starts.")
    worker_threads: Count = _setting(4, "Jobs that one worker process runs at once.")
    worker_queues: str = _setting(
        "", "Queues that a worker serves, with commas; empty: all that the models file names."
    )
    server_threads: Count = _setting(16, "Threads of a server process for unary calls.")
    reflection: bool = _setting(False, "Whether the server offers gRPC reflection.")
    process_name: str = _setting("", "Name of this process in its log lines; empty: its role.")
    log_level: str = _setting("INFO", "Lowest level that is logged: DEBUG, INFO, WARNING, ERROR.")

    jwt_key_file: Path | None = _setting(
        None,
        "HS256 key, 32 bytes or more as hex; made in the data folder when not named.",
    )
    jwt_jwks_url: str = _setting(
        "",
        "JWKS address for RS256, ES256 or EdDSA tokens; used instead of the HS256 key.",
    )
    jwt_issuer: str = _setting("rushes", "Issuer (`iss`) that a token must name.")
    jwt_audience: str = _setting("rushes", "Audience (`aud`) that a token must name.")
    jwt_max_lifetime_seconds: Count = _setting(
        24 * 3600, "Longest lifetime of a token, in seconds."
    )
    jwt_leeway_seconds: Annotated[int, Field(ge=0)] = _setting(
        30, "Clock difference that a token may have, in seconds."
    )
    signing_key_file: Path | None = _setting(
        None,
        "Key of page tokens, resume tokens and signed addresses, as hex; made when not named.",
    )

    max_prompt_characters: Count = _setting(8000, "Longest prompt, in characters.")
    max_negative_prompt_characters: Count = _setting(
        2000, "Longest negative prompt, in characters."
    )
    max_request_bytes: Count = _setting(4 * 1024 * 1024, "Largest request message, in bytes.")
    max_inline_bytes: Count = _setting(
        2 * 1024 * 1024, "Inline inputs of one request together, in bytes."
    )
    max_input_pixels: Count = _setting(25_000_000, "Largest input image, in pixels.")
    input_decode_seconds: Seconds = _setting(
        5, "CPU time that an input image may take to be decoded, in seconds."
    )
    max_input_video_megabytes: Count = _setting(
        32, "Largest video that a job takes as input, in MiB."
    )
    max_upload_image_megabytes: Count = _setting(50, "Largest image that is uploaded, in MiB.")
    max_upload_video_megabytes: Count = _setting(2048, "Largest video that is uploaded, in MiB.")
    upload_decode_seconds: Seconds = _setting(
        60, "CPU time that an uploaded video may take to be looked at, in seconds."
    )
    max_unfinished_uploads: Count = _setting(20, "Uploads of one user that may be unfinished.")
    max_uploads: Count = _setting(256, "Uploads that send bytes at once, per HTTP process.")
    upload_hours: Count = _setting(24, "Hours after which an unfinished upload is dropped.")
    input_uri_hosts: str = _setting(
        "", "Hosts, with commas, whose https addresses may be inputs of jobs; empty: none."
    )
    max_input_uri_megabytes: Count = _setting(
        32, "What is fetched from the addresses of one request together, in MiB."
    )
    input_uri_seconds: Seconds = _setting(
        10, "Time in which the addresses of one request are fetched together, in seconds."
    )
    max_labels: Count = _setting(32, "Labels of one job or media item.")
    max_batch_jobs: Count = _setting(100, "Jobs of one batch.")
    max_outputs: Count = _setting(4, "Outputs of one job.")
    max_page_size: Count = _setting(1000, "Largest page of a list.")
    max_queued_jobs: Count = _setting(1000, "Jobs of one user that may wait in the queue.")
    user_concurrency: Count = _setting(4, "Jobs of one user that run at once.")
    max_views: Count = _setting(1000, "Views of one user that may show something.")
    max_notifications: Annotated[int, Field(ge=1000)] = _setting(
        1000, "Newest notifications of one user that are kept; at least 1000."
    )
    notification_days: Count = _setting(90, "Days for which notifications are kept.")
    usage_days: Annotated[int, Field(ge=60)] = _setting(
        400, "Days for which usage is kept and may be asked for; at least 60."
    )
    max_api_keys: Count = _setting(50, "API keys of one user that work at the same time.")
    api_key_days: Count = _setting(90, "Days for which an API key works when no end is asked for.")
    max_api_key_days: Count = _setting(366, "Days for which an API key may work at most.")
    share_links: bool = _setting(True, "Whether users may share items by link.")
    max_shares: Count = _setting(1000, "Shares of one user that last at the same time.")
    share_days: Count = _setting(30, "Days for which a share lasts when no end is asked for.")
    max_share_days: Count = _setting(366, "Days for which a share may last at most.")
    max_export_items: Count = _setting(1000, "Media items of one export.")
    max_exports: Count = _setting(
        20, "Exports of one user whose addresses work; the oldest ends when there is one more."
    )
    webhooks: str = _setting(
        "off",
        "Where users may have events sent: off, loopback (to this machine alone, also by plain"
        " http), or public (https to public addresses); `make up` takes loopback.",
    )
    max_webhooks: Count = _setting(20, "Webhooks of one user.")
    webhook_try_seconds: Seconds = _setting(
        10, "Time in which a webhook's receiver has to take a delivery, in seconds."
    )
    max_webhook_tries: Count = _setting(
        10_000, "Deliveries that a worker process sends at once, as far as it may open sockets."
    )
    max_tries_of_webhook: Count = _setting(
        10, "Deliveries of one webhook that a worker process sends at once; one while it fails."
    )
    max_watches: Count = _setting(20, "Open watches of one user per server process.")
    user_watch_opens_per_second: Count = _setting(
        5, "Watches that one user may open per second, per server process."
    )
    user_watch_open_burst: Count = _setting(
        100, "Watches that one user may open at once, per server process."
    )
    max_downloads: Count = _setting(
        256, "Downloads of more than 128 KiB at once, per HTTP process."
    )
    max_user_downloads: Count = _setting(
        64, "Downloads of more than 128 KiB of one user's items at once, per HTTP process."
    )
    max_streams: Count = _setting(2000, "Open streams of server-sent events, per HTTP process.")
    max_tickets: Count = _setting(60, "Tickets for streams that one token may get within a minute.")
    max_waits: Count = _setting(
        100, "GetJob calls of one user that wait for a job's end, per server process."
    )
    user_requests_per_second: Count = _setting(
        50, "Unary requests of one user per second, per server process."
    )
    user_request_burst: Count = _setting(
        200, "Unary requests of one user at once, per server process."
    )
    user_waiting_calls: Count = _setting(
        200, "Unary requests of one user that wait for a thread, per server process."
    )

    max_attempts: Count = _setting(3, "Runs of a job before it ends as WORKER_LOST.")
    lease_seconds: Seconds = _setting(15, "Time without a heartbeat after which a run is lost.")
    heartbeat_seconds: Seconds = _setting(5, "Time between two heartbeats of a lease.")
    rescue_seconds: Seconds = _setting(1, "Time between two looks for jobs that nobody runs.")
    compare_seconds: Seconds = _setting(
        2, "Time between two comparisons of what was watched with the database."
    )
    video_finish_seconds: Count = _setting(1800, "Longest time of a video job, accept to end.")
    image_finish_seconds: Count = _setting(600, "Longest time of an image job, accept to end.")
    max_finish_seconds: Count = _setting(
        24 * 3600, "Longest `start_within` or `finish_within` that a caller may ask for."
    )
    resubmit_policy: str = _setting(
        "never_resubmit",
        "After a submit of unknown outcome: never_resubmit, or resubmit_after_lookup.",
    )
    reconcile_seconds: Seconds = _setting(
        900, "Time in which a submit of unknown outcome can still be settled."
    )
    look_up_seconds: Seconds = _setting(
        30, "Time between two questions to a provider that can look a submit up."
    )
    retry_seconds: Seconds = _setting(
        1, "First pause before a safe retry; each further one is twice as long, with jitter."
    )
    max_retry_seconds: Seconds = _setting(60, "Longest pause before a safe retry.")
    circuit_failures: Count = _setting(
        5, "Failures in a row after which a provider is left alone for a while."
    )
    circuit_seconds: Seconds = _setting(
        30, "Time for which a provider that keeps failing is left alone."
    )
    plain_http_hosts: str = _setting(
        "",
        "Hosts, with commas, to which the key of a provider may go by plain http, or from which"
        " JWKS may come so: servers in your own network. This machine always may.",
    )
    gemini_api_key: SecretStr | None = _setting(
        None, "Key of the Gemini Developer API; better in a file than in a variable."
    )
    gemini_api_key_file: Path | None = _setting(None, "File with the key of the Gemini API.")
    gemini_base_url: str = _setting("", "Another address of the Gemini API; empty: Google's.")
    vertex_project: str = _setting("", "Google Cloud project in which Vertex AI runs and bills.")
    vertex_location: str = _setting("us-central1", "Location of Vertex AI.")
    vertex_credentials_file: Path | None = _setting(
        None, "Service account key for Vertex AI; empty: Application Default Credentials."
    )
    vertex_output_uri: str = _setting(
        "", "gs://bucket/prefix that Veo writes to; empty: results come inline."
    )
    vertex_base_url: str = _setting("", "Another address of Vertex AI; empty: Google's.")
    storage_base_url: str = _setting(
        "", "Another address of Google Cloud Storage, for gs:// results; empty: Google's."
    )
    openai_api_key: SecretStr | None = _setting(
        None, "Key of the OpenAI API; better in a file than in a variable."
    )
    openai_api_key_file: Path | None = _setting(None, "File with the key of the OpenAI API.")
    openai_base_url: str = _setting("", "Another address of the OpenAI API; empty: OpenAI's.")
    submit_timeout_seconds: Seconds = _setting(
        60, "Time for the answer to a submit that starts an operation."
    )
    synchronous_timeout_seconds: Seconds = _setting(
        300, "Time for the answer to a submit that brings the result itself."
    )
    max_inline_result_megabytes: Count = _setting(
        128, "Largest result that may come inside an answer, in MiB."
    )
    max_result_megabytes: Count = _setting(
        4096, "Largest result that is downloaded from a provider, in MiB."
    )
    prompts_file: Path | None = _setting(
        None, "Prompt templates to use instead of the packaged ones."
    )
    simulator: bool = _setting(
        False, "Whether the simulator's models are offered; `make up` offers them."
    )
    simulator_may_kill: bool = _setting(
        False, "Whether words in a prompt may make the simulator kill its worker process."
    )
    min_free_megabytes: Annotated[int, Field(ge=0)] = _setting(
        200, "Free disk space below which no new job is accepted, in MiB; 0 never looks."
    )
    user_storage_megabytes: Annotated[int, Field(ge=0)] = _setting(
        0, "Inputs and results that one user may keep, in MiB; 0 has no limit."
    )
    request_id_days: Count = _setting(7, "Days for which a request_id is remembered.")
    retention_days: Count = _setting(30, "Days for which ended jobs and events are kept.")
    bin_days: Count = _setting(30, "Days that a deleted media item stays in the bin.")
    signed_url_ttl_seconds: Annotated[int, Field(ge=1, le=MAX_SIGNED_URL_TTL_SECONDS)] = _setting(
        3600, "Lifetime of a signed address when none is asked for, in seconds."
    )
    watcher_stuck_seconds: Seconds = _setting(
        30, "Time after which a watcher that does not read is ended."
    )
    reader_stuck_seconds: Seconds = _setting(
        30, "Time after which a download that its reader does not read is ended."
    )
    drain_call_seconds: Seconds = _setting(10, "Time that calls have to end at shutdown.")
    drain_run_seconds: Seconds = _setting(
        330,
        "Time that a paid call under way has to be answered when its worker shuts down; longer than"
        " the one for a submit that brings the result.",
    )
    drain_watch_seconds: Seconds = _setting(2, "Time in which watches are ended at shutdown.")
    metrics_listen: str = _setting(
        "", "Where this process serves Prometheus metrics: host:port or unix:/path; empty: nowhere."
    )
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = _setting(
        9464, "Port on loopback for the metrics of all processes of `make up`; 0 for none."
    )
    failpoints: str = _setting(
        "", "For crash tests: where a process dies (core/process/failpoints.py)."
    )
    currency: str = _setting("USD", "Currency of all prices, ISO 4217.")

    @field_validator("log_level")
    @classmethod
    def _check_level(cls, level: str) -> str:
        if level.upper() not in LOG_LEVELS:
            raise ValueError(f"use one of {', '.join(LOG_LEVELS)}")
        return level.upper()

    @field_validator("worker_queues")
    @classmethod
    def _check_queues(cls, queues: str) -> str:
        names = _names(queues)
        if (queues and not names) or not all(map(QUEUE_NAME.fullmatch, names)):
            raise ValueError("use names of a-z, 0-9 and -, with commas, such as video,image")
        return queues

    @field_validator("servers")
    @classmethod
    def _check_servers(cls, servers: str) -> str:
        names = _names(servers)
        if (servers and not names) or not all(map(is_listener, names)):
            raise ValueError("use host:port or unix:/path, with commas")
        return servers

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, origins: str) -> str:
        names = _names(origins)
        if (origins and not names) or not all(map(is_origin, names)):
            raise ValueError(
                "use https://host or http://host, with :port unless it is the usual one, with"
                " commas; as browsers write it: in lower case, and nothing after it"
            )
        return origins

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, url: str) -> str:
        if url and not is_address(url, ("http", "https")):
            raise ValueError("use http://host or https://host")
        return url

    @field_validator("gemini_base_url", "vertex_base_url", "storage_base_url", "openai_base_url")
    @classmethod
    def _check_provider_url(cls, url: str, info: ValidationInfo) -> str:
        # Every request carries a key or a token.
        if url and not may_carry_keys(url, _names(info.data.get("plain_http_hosts", ""))):
            raise ValueError(
                "use https://host; plain http needs the host in RUSHES_PLAIN_HTTP_HOSTS"
            )
        return url

    @field_validator("plain_http_hosts", "input_uri_hosts")
    @classmethod
    def _check_hosts(cls, hosts: str) -> str:
        hosts = hosts.lower()
        if (hosts and not _names(hosts)) or not all(map(is_host, _names(hosts))):
            raise ValueError("use names or IP addresses of hosts, with commas, such as gpu.lan")
        return hosts

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: str) -> str:
        # `make up` takes an empty address for none, so that a file of variables may leave it empty.
        url = url or DEFAULT_REDIS_URL
        if not url.startswith("unix://") and not is_address(url, ("redis", "rediss")):
            raise ValueError("use redis://host, rediss://host or unix:///path")
        return url

    @field_validator("webhooks")
    @classmethod
    def _check_webhooks(cls, webhooks: str) -> str:
        if webhooks not in WEBHOOKS:
            raise ValueError(f"use one of {', '.join(WEBHOOKS)}")
        return webhooks

    @field_validator("resubmit_policy")
    @classmethod
    def _check_policy(cls, policy: str) -> str:
        if policy not in RESUBMIT_POLICIES:
            raise ValueError(f"use one of {', '.join(RESUBMIT_POLICIES)}")
        return policy

    @field_validator("currency")
    @classmethod
    def _check_currency(cls, currency: str) -> str:
        if not re.fullmatch("[A-Z]{3}", currency):
            raise ValueError("use three capital letters, for example USD")
        return currency

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise ValueError("RUSHES_LEASE_SECONDS must be at least twice RUSHES_HEARTBEAT_SECONDS")
        if self.max_inline_bytes >= self.max_request_bytes:
            raise ValueError("RUSHES_MAX_INLINE_BYTES must be below RUSHES_MAX_REQUEST_BYTES")
        if self.request_id_days > self.retention_days:
            raise ValueError(
                "RUSHES_RETENTION_DAYS must be at least RUSHES_REQUEST_ID_DAYS: a job that is"
                " forgotten can't be found again"
            )
        if self.share_days > self.max_share_days:
            raise ValueError("RUSHES_SHARE_DAYS must be at most RUSHES_MAX_SHARE_DAYS")
        if self.api_key_days > self.max_api_key_days:
            raise ValueError("RUSHES_API_KEY_DAYS must be at most RUSHES_MAX_API_KEY_DAYS")
        hosts = _names(self.plain_http_hosts)
        if self.jwt_jwks_url and not may_carry_keys(self.jwt_jwks_url, hosts):
            # Who answers at this address can speak for every user.
            raise ValueError(
                "RUSHES_JWT_JWKS_URL must be https://host; plain http needs the host in"
                " RUSHES_PLAIN_HTTP_HOSTS"
            )
        resubmits = self.resubmit_policy == "resubmit_after_lookup"
        if resubmits and self.reconcile_seconds < max(60, 4 * self.lease_seconds):
            raise ValueError(
                "RUSHES_RECONCILE_SECONDS must be at least 60 and four leases where submits are"
                " sent again: a frozen worker may still send the first"
            )
        return self

    @cached_property
    def key_limits(self) -> KeyLimits:
        """What the API keys of a user may be."""
        return KeyLimits(self.max_api_keys, self.api_key_days, self.max_api_key_days)

    @cached_property
    def database(self) -> str:
        """The database address with its default filled in."""
        path = quote(str(self.data_dir.absolute() / "rushes.db"))
        return self.database_url or f"sqlite:///{path}"

    @cached_property
    def blobs(self) -> str:
        """The blob address with its default filled in."""
        return self.blob_url or f"file://{self.data_dir.absolute() / 'blobs'}"

    @cached_property
    def address(self) -> str:
        """The public address without a trailing slash."""
        return (self.public_url or f"http://localhost:{self.port}").rstrip("/")

    @cached_property
    def server_addresses(self) -> tuple[str, ...]:
        """Where the HTTP process finds the server processes."""
        return _names(self.servers) or (self.grpc_listen,)

    @cached_property
    def origins(self) -> tuple[str, ...]:
        """The origins whose pages may call; none: pages of this machine."""
        return _names(self.allowed_origins)

    @cached_property
    def signing_key_path(self) -> Path:
        """The file of the signing key."""
        return self.signing_key_file or self.data_dir / "keys" / "signing.key"

    @cached_property
    def jwt_key_path(self) -> Path:
        """The file of the HS256 key."""
        return self.jwt_key_file or self.data_dir / "keys" / "jwt.key"

    @cached_property
    def missing(self) -> dict[str, str]:
        """Providers that can't run here, and the variable that each waits for."""
        here = {
            "simulator": ("RUSHES_SIMULATOR", self.simulator),
            "gemini": ("RUSHES_GEMINI_API_KEY", self.gemini_api_key or self.gemini_api_key_file),
            "vertex": ("RUSHES_VERTEX_PROJECT", self.vertex_project),
            "openai": ("RUSHES_OPENAI_API_KEY", self.openai_api_key or self.openai_api_key_file),
        }
        return {provider: variable for provider, (variable, is_set) in here.items() if not is_set}

    @cached_property
    def spends_money(self) -> bool:
        """Whether a provider that takes real money is configured."""
        return not {"gemini", "vertex", "openai"} <= self.missing.keys()

    @cached_property
    def uri_hosts(self) -> frozenset[str]:
        """The hosts whose addresses may be inputs."""
        return frozenset(_names(self.input_uri_hosts))

    @cached_property
    def queues(self) -> tuple[str, ...]:
        """The queues that a worker serves; none: all of the catalog."""
        return _names(self.worker_queues)


def read_settings(**values: Any) -> Settings:
    """The settings of this process, from the environment and `values`.

    Raises:
        SettingsInvalid: naming each variable that is wrong.
    """
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsInvalid(_complaints(error)) from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _complaints(error: ValidationError) -> str:
    lines = []
    for item in error.errors(include_url=False, include_input=False):
        complaint = item["msg"].removeprefix("Value error, ")
        name = "_".join(str(part) for part in item["loc"]).upper()
        # A complaint about two values together names both by itself.
        lines.append(f"RUSHES_{name}: {complaint}" if name else complaint)
    return "; ".join(lines)


def _table() -> str:
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default if field.default not in (None, "") else "(empty)"
        rows.append(f"| `RUSHES_{name.upper()}` | `{default}` | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(_table())
