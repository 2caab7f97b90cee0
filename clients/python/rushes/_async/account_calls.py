"""The calls about the caller's account: usage, budgets and API keys."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime

from rushes import requests
from rushes._async.connection import AsyncConnection, first
from rushes.results import NewApiKey, UsageResult
from rushes.v1 import account_service_pb2 as pb
from rushes.v1.account_service_pb2 import ApiKey, Usage
from rushes.v1.budget_pb2 import Budget


class AsyncAccountCalls(AsyncConnection):
    """What the caller spends, and the keys that speak for it."""

    async def usage(
        self,
        by: Iterable[pb.GetUsageRequest.GroupBy | str] = (),
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        label_key: str = "",
        user_id: str = "",
        all_users: bool = False,
    ) -> UsageResult:
        """Money and jobs of whole days (UTC), as a total and in groups.

        by: any of "day", "model", "label" and "user"; without it there is the total alone.
        start_time: in the first day; None is 30 days before the end.
        end_time: not included; None is now.
        label_key: the label whose values are told apart; needed with "label".
        user_id: another user's, for administrators.
        all_users: of all users together, for administrators.
        """
        values = {"label_key": label_key, "user_id": user_id, "all_users": all_users}
        request = requests.usage_request(by, start_time, end_time, values)
        rows: list[Usage] = []
        total = Usage()
        async for page in self._pages(self._account.GetUsage, request):
            total = page.total if page.HasField("total") else total
            rows += page.rows
        return UsageResult(total, rows)

    async def budget(self, user_id: str = "") -> list[Budget]:
        """The budgets that bind the user alone: of today, then of this month.

        user_id: another user's, for administrators.
        """
        request = requests.budget_request(user_id)
        return list((await self._call(self._account.GetBudget, request)).budgets)

    async def create_api_key(
        self, label: str, scopes: Iterable[str], *, expire_time: datetime | None = None
    ) -> NewApiKey:
        """Makes an API key. Its secret is in this answer alone, so the call is sent only once.

        label: what it is for.
        scopes: what it may do, for example ["jobs.read", "jobs.write"].
        expire_time: at most 366 days away; None is in 90 days.
        """
        request = requests.api_key_request(label, scopes, expire_time)
        answer = await self._call_once(self._account.CreateApiKey, request)
        return NewApiKey(answer.api_key, answer.secret)

    def api_keys(self, limit: int | None = None) -> AsyncIterator[ApiKey]:
        """The API keys, newest first; those that ended are listed for 90 days."""
        pages = self._pages(self._account.ListApiKeys, requests.api_keys_request(limit))
        return first(limit, (key async for page in pages for key in page.api_keys))

    async def revoke_api_key(self, api_key_id: str) -> ApiKey:
        """Revokes an API key for good. Fine to repeat."""
        request = pb.RevokeApiKeyRequest(api_key_id=api_key_id)
        return (await self._call(self._account.RevokeApiKey, request)).api_key
