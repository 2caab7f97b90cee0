"""AccountService: what the caller spends, and its API keys."""

from core.errors import MethodUnimplemented
from rushes.v1 import account_service_pb2 as pb
from rushes.v1 import account_service_pb2_grpc as rpc
from server.commands.keys import Keys
from server.interceptors.layer import Context
from server.mapping.accounts import key_to_proto
from server.parts import Parts
from server.principal import require_principal
from server.validation.accounts import AccountValidator


def _user() -> str:
    return require_principal().user_id


class AccountService(rpc.AccountServiceServicer):
    """Holds no rules: `validation` and `commands` have them."""

    def __init__(self, *, validator: AccountValidator, keys: Keys) -> None:
        self._check = validator
        self._keys = keys

    def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        raise MethodUnimplemented(method="GetUsage")

    def GetBudget(self, request: pb.GetBudgetRequest, context: Context) -> pb.GetBudgetResponse:
        raise MethodUnimplemented(method="GetBudget")

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
        keys=Keys(parts.db, parts.tokens, parts.settings.max_api_keys),
    )
