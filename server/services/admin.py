"""AdminService: each RPC takes the administrator, checks the request, runs one command, maps."""

from typing import Any

from core.administration import Administration
from core.errors import JobStateInvalid
from rushes.v1 import admin_service_pb2 as pb
from rushes.v1 import admin_service_pb2_grpc as rpc
from server.commands.admin import AdminLists
from server.interceptors.layer import Context
from server.mapping.admin import (
    AdminMapper,
    any_budget_to_proto,
    queue_to_proto,
    unsettled_to_proto,
    worker_to_proto,
)
from server.parts import Parts
from server.principal import require_principal
from server.validation.admin import AdminValidator
from server.watch.calls import WatchCalls


def _admin() -> str:
    return require_principal().user_id


class AdminService(rpc.AdminServiceServicer):
    """Holds no rules: `validation`, `commands` and `core.administration` have them."""

    def __init__(
        self,
        *,
        validator: AdminValidator,
        administration: Administration,
        lists: AdminLists,
        mapper: AdminMapper,
        currency: str,
        watch: WatchCalls,
    ) -> None:
        self._check = validator
        self._administration = administration
        self._lists = lists
        self._map = mapper
        self._currency = currency
        self._watch = watch

    def WatchAllJobs(self, request: pb.WatchAllJobsRequest, context: Context) -> Any:
        query = self._check.watch(request)
        return self._watch.serve_all(require_principal(), query, context.write)

    def ListUnsettledSubmits(
        self, request: pb.ListUnsettledSubmitsRequest, context: Context
    ) -> pb.ListUnsettledSubmitsResponse:
        found, token = self._lists.unsettled(_admin(), *self._check.page(request))
        return pb.ListUnsettledSubmitsResponse(
            submits=[unsettled_to_proto(item, self._currency) for item in found],
            next_page_token=token,
        )

    def ResolveJob(self, request: pb.ResolveJobRequest, context: Context) -> pb.ResolveJobResponse:
        found = self._check.resolve(request)
        if found.operation:
            job = self._administration.adopt(_admin(), found.job_id, found.operation)
            return pb.ResolveJobResponse(job=self._map.job_to_proto(job))
        settled = self._administration.settle(
            _admin(), found.job_id, charged=found.charged, micros=found.micros
        )
        if settled is None:
            raise JobStateInvalid("Nothing of the job is unsettled.")
        return pb.ResolveJobResponse(job=self._map.job_to_proto(settled))

    def ListWorkers(
        self, request: pb.ListWorkersRequest, context: Context
    ) -> pb.ListWorkersResponse:
        workers = self._administration.workers()
        return pb.ListWorkersResponse(workers=map(worker_to_proto, workers))

    def DrainWorker(
        self, request: pb.DrainWorkerRequest, context: Context
    ) -> pb.DrainWorkerResponse:
        worker = self._administration.drain(_admin(), self._check.worker(request))
        return pb.DrainWorkerResponse(worker=worker_to_proto(worker))

    def GetQueueStats(
        self, request: pb.GetQueueStatsRequest, context: Context
    ) -> pb.GetQueueStatsResponse:
        return pb.GetQueueStatsResponse(queues=map(queue_to_proto, self._administration.queues()))

    def PauseQueue(self, request: pb.PauseQueueRequest, context: Context) -> pb.PauseQueueResponse:
        stats = self._administration.pause(_admin(), *self._check.pause(request))
        return pb.PauseQueueResponse(queue=queue_to_proto(stats))

    def ResumeQueue(
        self, request: pb.ResumeQueueRequest, context: Context
    ) -> pb.ResumeQueueResponse:
        stats = self._administration.resume(_admin(), self._check.resume(request))
        return pb.ResumeQueueResponse(queue=queue_to_proto(stats))

    def ListBudgets(
        self, request: pb.ListBudgetsRequest, context: Context
    ) -> pb.ListBudgetsResponse:
        found, token = self._lists.budgets(_admin(), *self._check.page(request))
        return pb.ListBudgetsResponse(
            budgets=[any_budget_to_proto(budget, self._currency) for budget in found],
            next_page_token=token,
        )

    def SetBudget(self, request: pb.SetBudgetRequest, context: Context) -> pb.SetBudgetResponse:
        budget = self._administration.set_budget(_admin(), *self._check.set_budget(request))
        return pb.SetBudgetResponse(budget=any_budget_to_proto(budget, self._currency))


def build_admin_service(parts: Parts) -> AdminService:
    """The service with its commands, made of the parts of this process."""
    return AdminService(
        validator=AdminValidator(parts.settings),
        administration=Administration(parts.db, parts.catalog.queues, parts.changes.make),
        lists=AdminLists(parts.db, parts.tokens),
        mapper=AdminMapper(parts.mapper),
        currency=parts.settings.currency,
        watch=parts.watch,
    )
