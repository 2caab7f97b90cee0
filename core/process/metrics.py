"""All metrics of all processes. `docs/observability.md` explains each; a test compares the two.

A label has few values, all of which this code knows: never a user, a job, a prompt or anything that
a caller chose. The line that counts stands where the fact arises.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

# Off: a second series for each counter, which says what the process's start time says too.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)

_CALL_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_LAG_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


def _counter(name: str, sentence: str, *labels: str) -> Counter:
    return Counter(name, sentence, labels, registry=REGISTRY)


def _gauge(name: str, sentence: str, *labels: str) -> Gauge:
    return Gauge(name, sentence, labels, registry=REGISTRY)


def _histogram(
    name: str, sentence: str, *labels: str, buckets: tuple[float, ...] = _CALL_SECONDS
) -> Histogram:
    return Histogram(name, sentence, labels, registry=REGISTRY, buckets=buckets)


# Jobs, in the process where the fact arose.
JOB_EVENTS = _counter(
    "rushes_job_events_total", "State changes of jobs, after their commit.", "type"
)
JOB_FAILURES = _counter("rushes_job_failures_total", "Jobs that ended FAILED.", "reason")
CLAIMS = _counter("rushes_claims_total", "Jobs that a worker took.", "queue")
LEASES_EXPIRED = _counter(
    "rushes_leases_expired_total",
    "Runs that were lost with their lease, counted when their job ends.",
    "queue",
)
RESCUES = _counter(
    "rushes_rescues_total",
    "Jobs that nobody had been told of: wake_up put one into the queue, run_here did without it.",
    "queue",
    "how",
)
TELL_FAILURES = _counter(
    "rushes_tell_failures_total", "What Redis could not be told: event, progress, wake_up.", "what"
)
PROVIDER_CALLS = _counter(
    "rushes_provider_calls_total",
    "Calls of a provider: submit, poll, fetch, cancel, look_up.",
    "provider",
    "call",
    "outcome",
)
CHARGES_ABOVE_ESTIMATE = _counter(
    "rushes_charges_above_estimate_total",
    "Jobs that were charged more than was estimated and reserved for them.",
    "provider",
)

# Webhooks, in the worker that sends.
DELIVERIES = _counter(
    "rushes_webhook_tries_total", "Tries to deliver to a webhook: taken or failed.", "outcome"
)

# Calls, in each server.
CALLS = _counter("rushes_calls_total", "gRPC calls that ended.", "method", "code")
CALL_SECONDS = _histogram("rushes_call_seconds", "Time of unary gRPC calls.", "method")
HTTP_REQUESTS = _counter("rushes_http_requests_total", "Requests to the HTTP process.", "code")
HTTP_SENT = _counter("rushes_http_sent_bytes_total", "Bytes that the HTTP process sent.")
STREAMS = _gauge("rushes_streams", "Open streams of server-sent events.")

# Watches, in each server.
WATCHERS = _gauge("rushes_watchers", "Watches that are open.")
WATCH_LAG = _histogram(
    "rushes_watch_lag_seconds",
    "From a state change to its response to one watcher.",
    buckets=_LAG_SECONDS,
)
GAPS_FILLED = _counter("rushes_gaps_filled_total", "Reads of events that the stream did not bring.")

# The whole installation, in the one worker process that leads the statistics.
UNFINISHED_JOBS = _gauge("rushes_unfinished_jobs", "Jobs that have not ended.", "queue", "state")
QUEUE_AGE = _gauge(
    "rushes_queue_age_seconds", "Age of the oldest waiting job that may start.", "queue"
)
LIVE_WORKERS = _gauge("rushes_live_workers", "Worker processes that live and serve it.", "queue")
SPEND = _gauge("rushes_spend_today_micros", "Money of this day (UTC): reserved, spent.", "part")
OPEN_CIRCUITS = _gauge(
    "rushes_open_circuits", "1 while the provider is left alone, else 0.", "provider"
)

# The one-command run, in its supervisor.
PROCESS_UP = _gauge("rushes_process_up", "1 while the process serves, else 0.", "process")
