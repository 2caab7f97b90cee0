"""Checks the requests of AdminService."""

from typing import Any, NamedTuple

from core.administration import MAX_REASON_CHARACTERS
from core.jobs import UNFINISHED, State
from core.process.settings import Settings
from core.store.budgets import EACH_USER, INSTALLATION, Period, owner_of
from rushes.v1 import admin_service_pb2 as pb
from rushes.v1 import budget_pb2, job_pb2
from server.validation import fields as f
from server.validation.problems import Problems
from server.watch.query import ALL_PROGRESS_MS, CHECKPOINT_MS, AllQuery

MAX_FILTERS = 100
MAX_NAME_CHARACTERS = 256
MAX_OPERATION_CHARACTERS = 1000


class Page(NamedTuple):
    """Which page of a list."""

    size: int
    token: str


class Verdict(NamedTuple):
    """What was found at the provider: the name of the operation, or else whether it charged, and
    how much (None is the estimate)."""

    job_id: str
    operation: str = ""
    charged: bool = False
    micros: int | None = None


class Limit(NamedTuple):
    """A limit to set in micro-units; None takes it away."""

    owner: str
    period: Period
    micros: int | None


class AdminValidator:
    """Checks requests against the limits of the contract."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def watch(self, request: pb.WatchAllJobsRequest) -> AllQuery:
        """Which jobs to watch, and how."""
        problems = Problems()
        states = [
            f.read_enum(problems, f"states[{number}]", job_pb2.Job.State, value)
            for number, value in enumerate(request.states[:MAX_FILTERS])
        ]
        for number, value in enumerate(request.states[:MAX_FILTERS]):
            if not value:
                problems.wrong(f"states[{number}]", "must name a state")
        users = _names(problems, "user_ids", request.user_ids)
        models = _names(problems, "models", request.models)
        progress = None
        if request.HasField("progress_interval"):
            ms = f.read_duration(problems, "progress_interval", request.progress_interval)
            progress = max(ms or 0, ALL_PROGRESS_MS)
        checkpoint = CHECKPOINT_MS[1]
        if request.HasField("checkpoint_interval"):
            ms = f.read_duration(problems, "checkpoint_interval", request.checkpoint_interval)
            checkpoint = min(max(ms or 0, CHECKPOINT_MS[0]), CHECKPOINT_MS[2])
        problems.raise_wrong()
        return AllQuery(
            states=frozenset(State(name) for name in states) or UNFINISHED,
            user_ids=users,
            models=models,
            progress_ms=progress,
            checkpoint_ms=checkpoint,
            prompts=request.prompts,
        )

    def page(self, request: Any) -> Page:
        """Which page of submits or of budgets."""
        problems = Problems()
        most = self._settings.max_page_size
        size = f.check_page_size(problems, "page_size", request.page_size, most)
        token = f.check_token(problems, "page_token", request.page_token)
        problems.raise_wrong()
        return Page(size, token)

    def resolve(self, request: pb.ResolveJobRequest) -> Verdict:
        """What was found at the provider."""
        problems = Problems()
        job_id = f.check_id(problems, "job_id", request.job_id)
        verdict, micros = request.WhichOneof("verdict"), None
        if verdict is None:
            problems.wrong("verdict", "must be operation, charged or not_charged")
        if verdict == "operation":
            _check_name(problems, "operation", request.operation, MAX_OPERATION_CHARACTERS)
        if verdict == "charged" and request.charged.HasField("amount"):
            amount, currency = request.charged.amount, self._settings.currency
            micros = f.read_money(problems, "charged.amount", amount, currency)
        problems.raise_wrong()
        return Verdict(job_id, request.operation, verdict == "charged", micros)

    def worker(self, request: pb.DrainWorkerRequest) -> str:
        """The worker's name."""
        problems = Problems()
        _check_name(problems, "worker_id", request.worker_id)
        problems.raise_wrong()
        return request.worker_id

    def pause(self, request: pb.PauseQueueRequest) -> tuple[str, str]:
        """The queue's name, and what users are told."""
        problems = Problems()
        _check_name(problems, "queue", request.queue)
        f.check_text(problems, "reason", request.reason, MAX_REASON_CHARACTERS)
        problems.raise_wrong()
        return request.queue, request.reason.strip()

    def resume(self, request: pb.ResumeQueueRequest) -> str:
        """The queue's name."""
        problems = Problems()
        _check_name(problems, "queue", request.queue)
        problems.raise_wrong()
        return request.queue

    def set_budget(self, request: pb.SetBudgetRequest) -> Limit:
        """Whose limit, and which."""
        problems = Problems()
        owner = f.read_enum(problems, "owner", budget_pb2.Budget.Owner, request.owner)
        period = f.read_enum(problems, "period", budget_pb2.Budget.Period, request.period)
        if not request.owner:
            problems.wrong("owner", "must be USER, EACH_USER or INSTALLATION")
        if not request.period:
            problems.wrong("period", "must be DAY or MONTH")
        user_id = f.check_user_id(problems, "user_id", request.user_id)
        if owner == "USER" and not user_id:
            problems.wrong("user_id", "must be set with USER")
        elif owner != "USER" and user_id:
            problems.wrong("user_id", "goes with USER alone")
        limit = None
        if request.HasField("limit"):
            limit = f.read_money(problems, "limit", request.limit, self._settings.currency)
        problems.raise_wrong()
        shared = {"EACH_USER": EACH_USER, "INSTALLATION": INSTALLATION}
        return Limit(shared.get(owner, owner_of(user_id)), Period[period], limit)


def _names(problems: Problems, field: str, values: Any) -> frozenset[str]:
    if len(values) > MAX_FILTERS:
        problems.wrong(field, f"has {len(values)} names; at most {MAX_FILTERS} are allowed")
        return frozenset()
    for number, value in enumerate(values):
        _check_name(problems, f"{field}[{number}]", value)
    return frozenset(values)


def _check_name(
    problems: Problems, field: str, value: str, most: int = MAX_NAME_CHARACTERS
) -> None:
    """Allows a text of one line that is not empty."""
    if not value:
        problems.wrong(field, "must be set")
    f.check_text(problems, field, value, most)
