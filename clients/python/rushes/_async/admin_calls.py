"""The calls of administrators, over all users. They need the scope `admin`."""

from collections.abc import AsyncIterator

from rushes import requests
from rushes._async.connection import AsyncConnection, first
from rushes.fields import Amount
from rushes.v1 import admin_service_pb2 as pb
from rushes.v1.admin_service_pb2 import ListUnsettledSubmitsResponse, QueueStats, Worker
from rushes.v1.budget_pb2 import Budget
from rushes.v1.job_pb2 import Job


class AsyncAdminCalls(AsyncConnection):
    """A connection with the calls of administrators."""

    async def workers(self) -> list[Worker]:
        """The worker processes, by name."""
        return list((await self._call(self._admin.ListWorkers, pb.ListWorkersRequest())).workers)

    async def drain_worker(self, worker_id: str) -> Worker:
        """Asks a worker process to take no more jobs and end; does not wait. Fine to repeat."""
        request = pb.DrainWorkerRequest(worker_id=worker_id)
        return (await self._call(self._admin.DrainWorker, request)).worker

    async def queue_stats(self) -> list[QueueStats]:
        """What waits and runs in each queue, and who serves it."""
        answer = await self._call(self._admin.GetQueueStats, pb.GetQueueStatsRequest())
        return list(answer.queues)

    async def pause_queue(self, queue: str, reason: str = "") -> QueueStats:
        """Starts no more jobs of a queue; users read the reason. Fine to repeat."""
        request = pb.PauseQueueRequest(queue=queue, reason=reason)
        return (await self._call(self._admin.PauseQueue, request)).queue

    async def resume_queue(self, queue: str) -> QueueStats:
        """Starts the jobs of a queue again. Fine to repeat."""
        request = pb.ResumeQueueRequest(queue=queue)
        return (await self._call(self._admin.ResumeQueue, request)).queue

    def unsettled_submits(
        self, *, limit: int | None = None
    ) -> AsyncIterator[ListUnsettledSubmitsResponse.UnsettledSubmit]:
        """Submits that may or may not have been charged, oldest first, read page by page."""
        request = requests.unsettled_request(limit)
        pages = self._pages(self._admin.ListUnsettledSubmits, request)
        return first(limit, (one async for page in pages for one in page.submits))

    async def resolve_job(
        self,
        job_id: str,
        *,
        operation: str = "",
        charged: Amount | bool = False,
        not_charged: bool = False,
    ) -> Job:
        """Says what was found at the provider; give one of the three. This is sent once.

        operation: it was accepted under this name; the job goes on.
        charged: it was charged and its result is lost. True is the estimate.
        not_charged: nothing was charged. A job that still waits is sent again.
        """
        request = requests.resolve_request(job_id, operation, charged, not_charged)
        return (await self._call_once(self._admin.ResolveJob, request)).job

    def budgets(self, *, limit: int | None = None) -> AsyncIterator[Budget]:
        """Every budget that is set, and what was spent, by owner; read page by page."""
        pages = self._pages(self._admin.ListBudgets, requests.budgets_request(limit))
        return first(limit, (one async for page in pages for one in page.budgets))

    async def set_budget(
        self,
        owner: Budget.Owner | str,
        period: Budget.Period | str,
        limit: Amount | None,
        *,
        user_id: str = "",
    ) -> Budget:
        """Sets a limit; None takes it away. Jobs that were accepted before stay.

        owner: "user" (with `user_id`), "each_user" or "installation".
        period: "day" or "month".
        """
        request = requests.set_budget_request(owner, period, limit, user_id)
        return (await self._call(self._admin.SetBudget, request)).budget
