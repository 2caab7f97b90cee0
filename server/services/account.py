"""AccountService: what the caller spends, and its API keys."""

from rushes.v1 import account_service_pb2 as pb
from rushes.v1 import account_service_pb2_grpc as rpc
from server.commands.account import Account
from server.commands.keys import Keys
from server.interceptors.layer import Context
from server.mapping.accounts import budget_to_proto, key_to_proto, usage_to_proto
from server.parts import Parts
from server.principal import require_principal
from server.validation.accounts import AccountValidator


def _user() -> str:
    return require_principal().user_id


class AccountService(rpc.AccountServiceServicer):
    """Holds no rules: `validation` and `commands` have them."""

    def __init__(
        self, *, validator: AccountValidator, account: Account, keys: Keys, currency: str
    ) -> None:
        self._check = validator
        self._account = account
        self._currency = currency
        self._keys = keys

    def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        page = self._account.usage(_user(), self._check.get_usage(request))
        total = usage_to_proto(page.total, self._currency) if page.total else None
        return pb.GetUsageResponse(
            rows=[usage_to_proto(row, self._currency) for row in page.rows],
            next_page_token=page.next_page_token,
            total=total,
        )

    def GetBudget(self, request: pb.GetBudgetRequest, context: Context) -> pb.GetBudgetResponse:
        user_id = self._check.get_budget(request) or _user()
        found, percents = self._account.budget(_user(), user_id)
        return pb.GetBudgetResponse(
            budgets=[budget_to_proto(b, user_id, percents, self._currency) for b in found]
        )

    def CreateApiKey(
        self, request: pb.CreateApiKeyRequest, context: Context
    ) -> pb.CreateApiKeyResponse:
        made = self._keys.create(_user(), self._check.create_api_key(request))
        return pb.CreateApiKeyResponse(api_key=key_to_proto(made.key), secret=made.secret)

    def ListApiKeys(
        self, request: pb.ListApiKeysRequest, context: Context
    ) -> pb.ListApiKeysResponse:
        keys, token = self._keys.page(_user(), self._check.list_api_keys(request))
        return pb.ListApiKeysResponse(api_keys=map(key_to_proto, keys), next_page_token=token)

    def RevokeApiKey(
        self, request: pb.RevokeApiKeyRequest, context: Context
    ) -> pb.RevokeApiKeyResponse:
        key = self._keys.revoke(_user(), self._check.revoke_api_key(request))
        return pb.RevokeApiKeyResponse(api_key=key_to_proto(key))


def build_account_service(parts: Parts) -> AccountService:
    """The service with its commands, made of the parts of this process."""
    return AccountService(
        validator=AccountValidator(parts.settings),
        account=Account(parts.db, parts.tokens),
        currency=parts.settings.currency,
        keys=Keys(parts.db, parts.tokens, parts.settings.key_limits),
    )
